"""Volumes and where they are attached."""

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from standin.hcloud.client import Cloud
from standin.hcloud.entity import LABELS, NAME, NOT_TRUE, PROTECTION, Entity, common, given
from standin.resource import Immutable, Property, half_made
from standin.values import Properties


class Volume(Entity):
    """Block storage."""

    type = "Volume"
    path = "volumes"
    kind = "volume"
    outputs: ClassVar[Mapping[str, bool]] = {"linuxDevice": False}
    properties: ClassVar[Mapping[str, Property]] = {
        "name": NAME,
        "labels": LABELS,
        "size": Property(kind=int, required=True),
        "location": Property(kind=str, required=True, replace=True),
        "format": Property(kind=str, replace=True, allowed=("ext4", "xfs")),
        "deleteProtection": PROTECTION,
    }

    @override
    def body(self, inputs: Properties) -> Properties:
        return given(
            {
                "name": inputs["name"],
                "size": inputs["size"],
                "location": inputs["location"],
                "format": inputs.get("format"),
                "labels": inputs.get("labels", {}),
            }
        )

    @override
    def state(self, record: Properties, known: Properties) -> Properties:
        return given(
            {
                **common(record),
                "size": record["size"],
                "location": record["location"]["name"],
                "format": known.get("format"),
                "deleteProtection": record["protection"]["delete"],
                "linuxDevice": record["linux_device"],
            }
        )

    @override
    def alter(self, client: Cloud, path: str, old: Properties, new: Properties) -> None:
        """Its size."""
        if old["size"] != new["size"]:
            client.act(path, "resize", {"size": new["size"]})

    @override
    def delete(self, client: Cloud, resource_id: str, state: Properties) -> None:
        """Detaches it first."""
        detach(client, resource_id)
        super().delete(client, resource_id, state)


class VolumeAttachment(Immutable[Cloud]):
    """A volume on a server. Its id is the volume's."""

    type = "VolumeAttachment"
    delete_first = True
    properties: ClassVar[Mapping[str, Property]] = {
        "volumeId": Property(kind=int, required=True, replace=True),
        "serverId": Property(kind=int, required=True, replace=True),
        "automount": NOT_TRUE,
    }

    @override
    def create(self, client: Cloud, inputs: Properties) -> tuple[str, Properties]:
        resource_id = str(inputs["volumeId"])
        answer = client.start(f"/volumes/{resource_id}", "attach", {"server": inputs["serverId"]})
        with half_made(resource_id, inputs):
            client.wait(answer)
            return resource_id, inputs

    @override
    def read(self, client: Cloud, resource_id: str, state: Properties) -> Properties | None:
        answer = client.get(f"/volumes/{resource_id}")
        if not answer or answer["volume"]["server"] is None:
            return None
        return {
            "automount": False,
            **state,
            "volumeId": int(resource_id),
            "serverId": answer["volume"]["server"],
        }

    @override
    def delete(self, client: Cloud, resource_id: str, state: Properties) -> None:
        detach(client, resource_id)


def detach(client: Cloud, volume: str) -> None:
    """Detaches a volume, if it is there and attached."""
    answer = client.get(f"/volumes/{volume}")
    if answer and answer["volume"]["server"] is not None:
        client.act(f"/volumes/{volume}", "detach")
