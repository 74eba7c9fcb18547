"""Placement groups."""

from typing import ClassVar, Final, Literal

from typing_extensions import override

from cloud.errors import ApiError
from cloud.resources.base import Body, Collection, Name, parse
from cloud.store import Record, now

_MAX_SERVERS: Final = 10


class _New(Body):
    name: Name
    type: Literal["spread"]
    labels: dict[str, str] = {}


class _Changes(Body):
    name: Name | None = None
    labels: dict[str, str] | None = None


class PlacementGroups(Collection):
    """Groups whose servers stand on different machines; here they are only counted."""

    kind = "placement_group"
    plural = "placement_groups"
    filters: ClassVar[tuple[str, ...]] = ("name", "type")

    @override
    def view(self, record: Record) -> Record:
        return {**record, "servers": self._members(record)}

    @override
    async def create(self, body: Record) -> Record:
        record = {"id": self.store.next_id(), **parse(_New, body).model_dump(), "created": now()}
        self.add(record)
        return self.answer(record, action=None)

    @override
    async def update(self, record: Record, body: Record) -> Record:
        return self.change(record, parse(_Changes, body).model_dump(exclude_none=True))

    @override
    async def delete(self, record: Record) -> None:
        if members := self._members(record):
            raise ApiError("resource_in_use", f"placement group is used by servers {members}")
        del self.table[str(record["id"])]

    def check_room(self, record: Record) -> None:
        """Raises when the group is full."""
        if len(self._members(record)) >= _MAX_SERVERS:
            raise ApiError(
                "resource_limit_exceeded",
                f"placement group {record['name']} has its maximum of {_MAX_SERVERS} servers",
            )

    def _members(self, record: Record) -> list[int]:
        servers = self.project.servers.table.values()
        return [server["id"] for server in servers if server["placement_group"] == record["id"]]
