"""Volumes."""

import functools
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from cloud.catalog import LOCATIONS, by_id_or_name
from cloud.errors import ApiError, invalid
from cloud.resources.base import Body, Collection, Empty, Name, blocking, parse
from cloud.store import Record, now

Size = Annotated[int, Field(ge=10, le=10240)]


class _New(Body):
    name: Name
    size: Size
    labels: dict[str, str] = {}
    location: str | int | None = None
    server: int | None = None
    format: Literal["ext4", "xfs"] | None = None
    automount: Literal[False] = False


class _Changes(Body):
    name: Name | None = None
    labels: dict[str, str] | None = None


class _Attach(Body):
    server: int
    automount: Literal[False] = False


class _Resize(Body):
    size: Size


class Volumes(Collection):
    """Block storage."""

    kind = "volume"
    plural = "volumes"
    filters: ClassVar[tuple[str, ...]] = ("name", "status")

    @override
    def view(self, record: Record) -> Record:
        return {
            **record,
            "location": by_id_or_name(LOCATIONS, record["location"]),
            "linux_device": f"/dev/disk/by-id/scsi-0HC_Volume_{record['id']}",
        }

    @override
    async def create(self, body: Record) -> Record:
        new = parse(_New, body)
        if (new.location is None) == (new.server is None):
            raise invalid("location", "either location or server is required")
        if new.server is not None:
            location = self.project.servers.get(new.server)["location"]
        else:
            place = by_id_or_name(LOCATIONS, str(new.location))
            if not place:
                raise invalid("location", f"there is no location {new.location!r}")
            location = place["name"]
        record: Record = {
            "id": self.store.next_id(),
            "name": new.name,
            "size": new.size,
            "server": None,
            "location": location,
            "format": new.format,
            "status": "creating",
            "labels": new.labels,
            "protection": {"delete": False},
            "created": now(),
        }
        self.add(record)
        action = self.start("create_volume", record, effect=lambda: self._make(record))
        following = []
        if new.server is not None:
            following.append(self.attach(record, self.project.servers.get(new.server)))
        return self.answer(record, action=action, next_actions=following)

    async def _make(self, record: Record) -> None:
        await blocking(self.backend.create_volume, record["id"], record["size"], record["format"])
        record["status"] = "available"

    @override
    async def update(self, record: Record, body: Record) -> Record:
        return self.change(record, parse(_Changes, body).model_dump(exclude_none=True))

    @override
    async def delete(self, record: Record) -> None:
        self.forbid_protected(record)
        if record["server"] is not None:
            raise ApiError("resource_in_use", "volume is attached to a server")
        await blocking(self.backend.delete_volume, record["id"])
        del self.table[str(record["id"])]

    def do_change_protection(self, record: Record, body: Record) -> Record:
        """Delete protection."""
        return self.protect(record, body)

    def do_resize(self, record: Record, body: Record) -> Record:
        """More space."""
        size = parse(_Resize, body).size
        if size <= record["size"]:
            raise invalid("size", f"must be larger than the current size of {record['size']} GB")

        async def effect() -> None:
            await blocking(self.backend.resize_volume, record["id"], size)
            record["size"] = size

        return {"action": self.start("resize_volume", record, effect=effect)}

    def do_attach(self, record: Record, body: Record) -> Record:
        """To a server."""
        server = self.project.servers.get(parse(_Attach, body).server)
        self.project.servers.forbid_busy(server)
        return {"action": self.attach(record, server)}

    def do_detach(self, record: Record, body: Record) -> Record:
        """From its server."""
        parse(Empty, body)
        if record["server"] is None:
            raise invalid("server", "volume is not attached to a server")
        server = self.project.servers.get(record["server"])
        self.project.servers.forbid_busy(server)

        async def effect() -> None:
            await blocking(self.backend.detach, record["id"], server["id"])
            record["server"] = None

        return {
            "action": self.start("detach_volume", record, ("server", server["id"]), effect=effect)
        }

    def attach(self, record: Record, server: Record) -> Record:
        """Attaches it. Returns the action."""
        if record["server"] is not None:
            raise invalid("server", f"volume is already attached to server {record['server']}")
        if record["location"] != server["location"]:
            raise invalid("server", "volume and server are in different locations")
        record["server"] = server["id"]

        async def effect() -> None:
            await blocking(self.backend.attach, record["id"], server["id"])

        return self.start(
            "attach_volume",
            record,
            ("server", server["id"]),
            effect=effect,
            cleanup=functools.partial(record.update, server=None),
        )

    def of_server(self, server: int) -> list[Record]:
        """Those that are attached to the server."""
        return [record for record in self.table.values() if record["server"] == server]
