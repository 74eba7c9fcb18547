"""`VolumeAttachment`: a volume on a server.

Hetzner's provider cannot go on with an attachment that an error has left by half: it would detach
the volume, which the server may have mounted by then. The state holds this provider as a reference
to this module and class: never move or rename them.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult
from typing_extensions import override

from components.dynamic import Properties, Provider
from components.hosts.hetzner_client import (
    HetznerApiError,
    carry_out,
    connect,
    errors_as_sentences,
)

if TYPE_CHECKING:
    from hcloud.volumes import BoundVolume

ATTACH_SECONDS = 120
POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class VolumeAttachmentArgs:
    """A volume and its server.

    Attributes:
        volume_id: the volume's; it is on no other server.
        server_id: the server's, in the same location.
        endpoint: URL of the Hetzner Cloud API.
        token: of the Hetzner project.
    """

    volume_id: pulumi.Input[str]
    server_id: pulumi.Input[str]
    endpoint: str
    token: pulumi.Input[str] = field(repr=False)


class VolumeAttachment(Resource, name="VolumeAttachment"):
    """A volume that is attached to a server once this exists.

    Raises (when it is created or deleted): `HetznerApiError` when the volume is on another server,
    or Hetzner refuses.
    """

    def __init__(
        self, name: str, args: VolumeAttachmentArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            VolumeAttachmentProvider(),
            name,
            {**vars(args), "token": pulumi.Output.secret(args.token)},
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=["token"])
            ),
        )


class VolumeAttachmentProvider(Provider):
    """Attaches and detaches through the API, always from what the API says of the volume."""

    @override
    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        moved = [key for key in ("volume_id", "server_id") if olds.get(key) != news[key]]
        return DiffResult(
            changes=bool(moved) or any(olds.get(key) != news[key] for key in ("endpoint", "token")),
            replaces=moved,
            delete_before_replace=True,
        )

    @override
    def create(self, props: Properties) -> CreateResult:
        from hcloud.servers import Server

        with errors_as_sentences(props["endpoint"]):
            volume = _volume(props)
            if volume is None:
                raise HetznerApiError(f"volume {props['volume_id']} is not there any more")
            if volume.server and volume.server.id != int(props["server_id"]):
                raise HetznerApiError(
                    f"volume {volume.name} is on the server {volume.server.name}: detach it in the "
                    "Hetzner console if that is not where it belongs"
                )
            if not volume.server:
                server = Server(id=int(props["server_id"]))
                carry_out(lambda: volume.attach(server), ATTACH_SECONDS, POLL_SECONDS)
        return CreateResult(id_=str(props["volume_id"]), outs=props)

    @override
    def read(self, id_: str, props: Properties) -> ReadResult:
        with errors_as_sentences(props["endpoint"]):
            return ReadResult(id_, props) if _attached(props) else ReadResult("", {})

    @override
    def update(self, _id: str, _olds: Properties, news: Properties) -> UpdateResult:
        """Another token or endpoint."""
        return UpdateResult(outs=news)

    @override
    def delete(self, _id: str, props: Properties) -> None:
        with errors_as_sentences(props["endpoint"]):
            if volume := _attached(props):
                carry_out(volume.detach, ATTACH_SECONDS, POLL_SECONDS)


def _volume(props: Properties) -> "BoundVolume | None":
    from hcloud import APIException

    client = connect(props["endpoint"], props["token"])
    try:
        return client.volumes.get_by_id(int(props["volume_id"]))
    except APIException as error:
        if error.code != "not_found":
            raise
    return None


def _attached(props: Properties) -> "BoundVolume | None":
    """The volume, if it is on its server."""
    volume = _volume(props)
    on_it = volume and volume.server and volume.server.id == int(props["server_id"])
    return volume if on_it else None
