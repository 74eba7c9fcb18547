"""`VolumeAttachment`: a volume on a server, as large as it should be.

Hetzner's provider cannot go on with what an error has left by half: it would detach the volume,
which the server may have mounted by then, and it would enlarge again what is larger already. The
state holds this provider as a reference to this module and class: never move or rename them.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult
from typing_extensions import override

from components.dynamic import Properties, Provider
from components.hosts.hetzner_client import (
    ACTION_SECONDS,
    POLL_SECONDS,
    HetznerApiError,
    carry_out,
    connect,
    errors_as_sentences,
)

if TYPE_CHECKING:
    from hcloud.volumes import BoundVolume


@dataclass(frozen=True, kw_only=True)
class VolumeAttachmentArgs:
    """A volume and its server.

    Attributes:
        volume_id: the volume's; it is on no other server.
        server_id: the server's, in the same location.
        size_gb: what the volume has at least, in GB. It never shrinks.
        endpoint: URL of the Hetzner Cloud API.
        token: of the Hetzner project.
    """

    volume_id: pulumi.Input[str]
    server_id: pulumi.Input[str]
    size_gb: pulumi.Input[int]
    endpoint: str
    token: pulumi.Input[str] = field(repr=False)


class VolumeAttachment(Resource, name="VolumeAttachment"):
    """A volume that is attached to a server, and has its size, once this exists.

    Raises (when it is created, updated or deleted): `HetznerApiError` when the volume is on another
    server, or Hetzner refuses.
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
    """Attaches, enlarges and detaches, always from what the API says of the volume."""

    @override
    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        differing = {key for key in news if olds.get(key) != news[key]}
        moved: list[str] = [key for key in ("volume_id", "server_id") if key in differing]
        return DiffResult(
            changes=bool(differing & {"volume_id", "server_id", "size_gb", "endpoint", "token"}),
            replaces=moved,
            delete_before_replace=True,
        )

    @override
    def create(self, props: Properties) -> CreateResult:
        from hcloud.servers import Server

        with errors_as_sentences(props["endpoint"]):
            volume = _existing(props)
            if volume.server and volume.server.id != int(props["server_id"]):
                raise HetznerApiError(
                    f"volume {volume.name} is on the server {volume.server.name}: detach it in the "
                    "Hetzner console if that is not where it belongs"
                )
            if not volume.server:
                server = Server(id=int(props["server_id"]))
                carry_out(lambda: volume.attach(server), ACTION_SECONDS, POLL_SECONDS)
            _enlarge(volume, int(props["size_gb"]))
        return CreateResult(id_=str(props["volume_id"]), outs=props)

    @override
    def read(self, id_: str, props: Properties) -> ReadResult:
        with errors_as_sentences(props["endpoint"]):
            return ReadResult(id_, props) if _attached(props) else ReadResult("", {})

    @override
    def update(self, _id: str, _olds: Properties, news: Properties) -> UpdateResult:
        """A larger volume; another token or endpoint."""
        with errors_as_sentences(news["endpoint"]):
            _enlarge(_existing(news), int(news["size_gb"]))
        return UpdateResult(outs=news)

    @override
    def delete(self, _id: str, props: Properties) -> None:
        with errors_as_sentences(props["endpoint"]):
            if volume := _attached(props):
                carry_out(volume.detach, ACTION_SECONDS, POLL_SECONDS)


def _volume(props: Properties) -> "BoundVolume | None":
    from hcloud import APIException

    client = connect(props["endpoint"], props["token"])
    try:
        return client.volumes.get_by_id(int(props["volume_id"]))
    except APIException as error:
        if error.code != "not_found":
            raise
    return None


def _existing(props: Properties) -> "BoundVolume":
    volume = _volume(props)
    if volume is None:
        raise HetznerApiError(f"volume {props['volume_id']} is not there any more")
    return volume


def _enlarge(volume: "BoundVolume", size_gb: int) -> None:
    """Enlarges a volume that is smaller, while it is in use."""
    if (volume.size or 0) < size_gb:
        carry_out(lambda: volume.resize(size_gb), ACTION_SECONDS, POLL_SECONDS)


def _attached(props: Properties) -> "BoundVolume | None":
    """The volume, if it is on its server."""
    volume = _volume(props)
    on_it = volume and volume.server and volume.server.id == int(props["server_id"])
    return volume if on_it else None
