"""DNS zones and their records. Nothing resolves them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from cloud.errors import ApiError, invalid, not_found
from cloud.query import check_labels
from cloud.resources.base import Body, Collection, parse
from cloud.store import Record, now

_Ttl = Annotated[int, Field(ge=60, le=2147483647)]
_NAMESERVERS = ["hydrogen.ns.hetzner.com.", "oxygen.ns.hetzner.com.", "helium.ns.hetzner.de."]


class _Value(Body):
    value: Annotated[str, Field(min_length=1)]
    comment: str | None = None


_Values = Annotated[list[_Value], Field(min_length=1)]


class _New(Body):
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]
    mode: Literal["primary"]
    ttl: _Ttl = 3600
    labels: dict[str, str] = {}


class _Changes(Body):
    labels: dict[str, str] | None = None


class _ChangeTtl(Body):
    ttl: _Ttl | None


class _NewSet(Body):
    name: Annotated[str, Field(min_length=1)]
    type: Literal["A", "AAAA", "CAA", "CNAME", "DS", "MX", "NS", "PTR", "SRV", "TLSA", "TXT"]
    ttl: _Ttl | None = None
    labels: dict[str, str] = {}
    records: _Values


class _SetProtection(Body):
    change: bool | None = None


class _SetRecords(Body):
    records: _Values


class Zones(Collection):
    """Zones. They are found by id or name."""

    kind = "zone"
    plural = "zones"
    filters: ClassVar[tuple[str, ...]] = ("name", "mode")

    @override
    def get(self, resource_id: int | str) -> Record:
        for record in self.table.values():
            if str(resource_id) in (str(record["id"]), record["name"]):
                return record
        raise not_found("zone", resource_id)

    @override
    def view(self, record: Record) -> Record:
        sets = self.project.rrsets.of_zone(record)
        return {
            **record,
            "status": "ok",
            "record_count": sum(len(one["records"]) for one in sets),
            "registrar": "unknown",
            "primary_nameservers": [],
            "authoritative_nameservers": {
                "assigned": _NAMESERVERS,
                "delegated": [],
                "delegation_last_check": None,
                "delegation_status": "unknown",
            },
        }

    @override
    async def create(self, body: Record) -> Record:
        record = {
            "id": self.store.next_id(),
            **parse(_New, body).model_dump(),
            "protection": {"delete": False},
            "created": now(),
        }
        self.add(record)
        return self.answer(record, action=self.start("create_zone", record))

    @override
    async def update(self, record: Record, body: Record) -> Record:
        return self.change(record, parse(_Changes, body).model_dump(exclude_none=True))

    @override
    async def delete(self, record: Record) -> Record:
        self.forbid_protected(record)
        for one in self.project.rrsets.of_zone(record):
            self.project.rrsets.remove(one)
        del self.table[str(record["id"])]
        return {"action": self.start("delete_zone", record)}

    def do_change_protection(self, record: Record, body: Record) -> Record:
        """Delete protection."""
        return self.protect(record, body)

    def do_change_ttl(self, record: Record, body: Record) -> Record:
        """The TTL of sets that have none of their own."""
        ttl = parse(_ChangeTtl, body).ttl
        if ttl is None:
            raise invalid("ttl", "is required")
        record["ttl"] = ttl
        return {"action": self.start("change_zone_ttl", record)}


class RecordSets(Collection):
    """Sets of records of one name and type. Their id is `NAME/TYPE`, unique in the zone."""

    kind = "rrset"
    plural = "rrsets"
    filters: ClassVar[tuple[str, ...]] = ("name", "type")

    def of_zone(self, zone: Record) -> list[Record]:
        """The sets of a zone."""
        return [record for record in self.table.values() if record["zone"] == zone["id"]]

    def in_zone(self, zone: Record, name: str, kind: str) -> Record:
        """The set of that name and type."""
        record = self.table.get(f"{zone['id']}/{name}/{kind}")
        if not record:
            raise not_found("rrset", f"{name}/{kind}")
        return record

    def create_in(self, zone: Record, body: Record) -> Record:
        """A new set. Returns the answer."""
        new = parse(_NewSet, body)
        check_labels(new.labels)
        key = f"{zone['id']}/{new.name}/{new.type}"
        if key in self.table:
            raise ApiError("uniqueness_error", f"rrset {new.name}/{new.type} already exists")
        record = {
            "id": f"{new.name}/{new.type}",
            **new.model_dump(),
            "protection": {"change": False},
            "zone": zone["id"],
        }
        self.table[key] = record
        return self.answer(record, action=self._start("create_rrset", record))

    @override
    async def create(self, body: Record) -> Record:
        raise NotImplementedError("sets are made in a zone")

    @override
    async def update(self, record: Record, body: Record) -> Record:
        return self.change(record, parse(_Changes, body).model_dump(exclude_none=True))

    @override
    async def delete(self, record: Record) -> Record:
        self._forbid_change(record)
        self.remove(record)
        return {"action": self._start("delete_rrset", record)}

    def remove(self, record: Record) -> None:
        """Takes the set out of its zone."""
        del self.table[f"{record['zone']}/{record['id']}"]

    def do_change_protection(self, record: Record, body: Record) -> Record:
        """Against changes."""
        change = parse(_SetProtection, body).change
        if change is not None:
            record["protection"] = {"change": change}
        return {"action": self._start("change_rrset_protection", record)}

    def do_change_ttl(self, record: Record, body: Record) -> Record:
        """Its own TTL, or the zone's."""
        self._forbid_change(record)
        record["ttl"] = parse(_ChangeTtl, body).ttl
        return {"action": self._start("change_rrset_ttl", record)}

    def do_set_records(self, record: Record, body: Record) -> Record:
        """Other records."""
        self._forbid_change(record)
        record["records"] = [one.model_dump() for one in parse(_SetRecords, body).records]
        return {"action": self._start("set_rrset_records", record)}

    def _forbid_change(self, record: Record) -> None:
        if record["protection"]["change"]:
            raise ApiError("protected", f"rrset {record['id']} is protected against changes")

    def _start(self, command: str, record: Record) -> Record:
        return self.actions.start(command, [("zone", record["zone"])])
