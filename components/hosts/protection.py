"""`Protection`: Hetzner's protection of what an earlier run has made by half."""

from typing import TYPE_CHECKING, Any, Final

import pulumi

from components.hosts.hetzner_client import connect, errors_as_sentences

if TYPE_CHECKING:
    from hcloud import Client

KEYS: Final = {"deleteProtection": "delete", "rebuildProtection": "rebuild"}
"""Names of the kinds of protection in the API, by those of a resource's inputs."""


class Protection:
    """Protects a server or a volume before each update as its inputs say.

    Hetzner's provider makes it first and protects it then. When the API fails in between, Pulumi
    updates it the next time, and the provider finds nothing to do: it takes the protection as set.

    Raises (before an update): `HetznerApiError` when the API refuses; Pulumi then tries it again in
    the next `pulumi up`.
    """

    def __init__(self, name: str, endpoint: str, token: pulumi.Input[str]) -> None:
        self._endpoint, self._token = endpoint, pulumi.Output.secret(token)
        self._hook = pulumi.ResourceHook(name, self._protect)

    @property
    def options(self) -> pulumi.ResourceOptions:
        """For each `hcloud.Server` and `hcloud.Volume`."""
        return pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_update=[self._hook]))

    async def _protect(self, update: pulumi.ResourceHookArgs) -> None:
        token = await self._token.future()
        inputs = update.new_inputs or {}
        wanted = {KEYS[key]: inputs[key] for key in KEYS if key in inputs}
        with errors_as_sentences(self._endpoint):
            set_protection(connect(self._endpoint, token or ""), update.type, update.id, wanted)


def set_protection(client: "Client", kind: str, id_: str, wanted: dict[str, bool]) -> None:
    """Protects what is there as wanted; what has been deleted is left to the provider.

    Args:
        client: of the project.
        kind: type of the resource.
        id_: the server's or volume's.
        wanted: by the kind of protection, see `KEYS`.
    """
    from hcloud import APIException

    of_kind: Any = client.servers if kind.endswith(":Server") else client.volumes
    try:
        found = of_kind.get_by_id(int(id_))
    except APIException as error:
        if error.code != "not_found":
            raise
        return
    if any(found.protection[key] != value for key, value in wanted.items()):
        found.change_protection(**wanted).wait_until_finished()
