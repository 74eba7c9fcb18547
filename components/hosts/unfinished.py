"""`Unfinished`: what a run that failed has not done, although Hetzner's provider takes it for done.

The provider makes a server or a volume first and protects it then; and it notes a firewall's new
rules also when it could not even reach the API. Pulumi knows that there was an error and updates
the resource the next time, but the provider finds nothing to do.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pulumi

from components.hosts.hetzner_client import (
    ACTION_SECONDS,
    POLL_SECONDS,
    carry_out,
    connect,
    errors_as_sentences,
)

if TYPE_CHECKING:
    from hcloud import Client

KEYS: Final = {"deleteProtection": "delete", "rebuildProtection": "rebuild"}
"""Names of the kinds of protection in the API, by those of a resource's inputs."""

Inputs = Mapping[str, Any]


class Unfinished:
    """Brings protection and rules to what the inputs say, before each update of a resource.

    Raises (before an update): `HetznerApiError` when the API refuses; Pulumi then tries it again in
    the next `pulumi up`.
    """

    def __init__(self, name: str, endpoint: str, token: pulumi.Input[str]) -> None:
        self._endpoint, self._token = endpoint, pulumi.Output.secret(token)
        self._hook = pulumi.ResourceHook(name, self._finish)

    @property
    def options(self) -> pulumi.ResourceOptions:
        """For each `hcloud.Server`, `hcloud.Volume` and `hcloud.Firewall`."""
        return pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_update=[self._hook]))

    async def _finish(self, update: pulumi.ResourceHookArgs) -> None:
        token = await self._token.future()
        with errors_as_sentences(self._endpoint):
            finish(
                connect(self._endpoint, token or ""),
                update.type,
                int(update.id),
                update.new_inputs or {},
            )


def finish(client: "Client", kind: str, number: int, inputs: Inputs) -> None:
    """Does what is left; what has been deleted is left to the provider.

    Args:
        client: of the project.
        kind: type of the resource.
        number: its id.
        inputs: as the resource's provider gets them.
    """
    from hcloud import APIException

    of_kind: Any = {
        "hcloud:index/firewall:Firewall": client.firewalls,
        "hcloud:index/server:Server": client.servers,
        "hcloud:index/volume:Volume": client.volumes,
    }[kind]
    try:
        found = of_kind.get_by_id(number)
    except APIException as error:
        if error.code != "not_found":
            raise
        return
    wanted = {KEYS[key]: inputs[key] for key in KEYS if key in inputs}
    if any(found.protection[key] != value for key, value in wanted.items()):
        carry_out(lambda: found.change_protection(**wanted), ACTION_SECONDS, POLL_SECONDS)
    if "rules" in inputs:
        _set_rules(found, inputs["rules"])


def _set_rules(firewall: Any, rules: Sequence[Inputs]) -> None:
    from hcloud.firewalls import FirewallRule

    wanted = [
        FirewallRule(
            direction=rule["direction"],
            protocol=rule["protocol"],
            port=rule["port"],
            source_ips=rule["sourceIps"],
            description=rule["description"],
        )
        for rule in rules
    ]
    if _comparable(firewall.rules) != _comparable(wanted):
        for action in firewall.set_rules(wanted):
            action.wait_until_finished()


def _comparable(rules: Sequence[Any]) -> list[tuple[Any, ...]]:
    return sorted(
        (rule.direction, rule.protocol, rule.port, sorted(rule.source_ips), rule.description)
        for rule in rules
    )
