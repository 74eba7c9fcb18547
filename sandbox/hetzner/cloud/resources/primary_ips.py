"""Primary IPs: the public addresses of servers."""

from ipaddress import ip_address
from typing import Any, ClassVar, Literal

from typing_extensions import override

from cloud.catalog import LOCATIONS, by_id_or_name
from cloud.errors import ApiError, invalid
from cloud.resources.base import Body, Collection, Name, blocking, parse
from cloud.store import Record, now

Family = Literal["ipv4", "ipv6"]


class _New(Body):
    name: Name
    type: Family
    auto_delete: bool = False
    labels: dict[str, str] = {}
    location: str | int | None = None
    assignee_type: Literal["server"] = "server"
    assignee_id: int | None = None


class _Changes(Body):
    name: Name | None = None
    labels: dict[str, str] | None = None
    auto_delete: bool | None = None


class _Assign(Body):
    assignee_id: int
    assignee_type: Literal["server"] = "server"


class DnsPtr(Body):
    """`change_dns_ptr`: the name of an address, or nothing for the default."""

    ip: str
    dns_ptr: str | None


class PrimaryIps(Collection):
    """Public addresses."""

    kind = "primary_ip"
    plural = "primary_ips"
    filters: ClassVar[tuple[str, ...]] = ("name", "ip")

    @override
    async def create(self, body: Record) -> Record:
        new = parse(_New, body)
        if new.assignee_id is not None:
            server = self.project.servers.get(new.assignee_id)
            self._forbid_running(server)
            location = server["location"]
        elif new.location is None:
            raise invalid("location", "or assignee_id is required")
        else:
            place = by_id_or_name(LOCATIONS, new.location)
            if not place:
                raise invalid("location", f"there is no location {new.location!r}")
            location = place["name"]
        record = self.make(new.type, location, new.name, new.auto_delete, new.labels)
        action = None
        if new.assignee_id is not None:
            action = self._assign(record, new.assignee_id)
        return self.answer(record, action=action)

    def make(
        self,
        family: Family,
        location: str,
        name: str | None = None,
        auto_delete: bool = True,
        labels: dict[str, str] | None = None,
    ) -> Record:
        """A new address; without a name, that of a server which asked for none."""
        number = self.store.next_id()
        taken = {record["ip"] for record in self.table.values()}
        record: Record = {
            "id": number,
            "name": name or f"primary_ip-{number}",
            "type": family,
            "ip": self.project.free_public_ip(taken) if family == "ipv4" else _ipv6(number),
            "location": location,
            "assignee_type": "server",
            "assignee_id": None,
            "auto_delete": auto_delete,
            "blocked": False,
            "dns_ptr": [],
            "labels": labels or {},
            "protection": {"delete": False},
            "created": now(),
        }
        self.set_name(record, record["ip"], None)
        self.add(record)
        return record

    @override
    def view(self, record: Record) -> Record:
        return {**record, "location": by_id_or_name(LOCATIONS, record["location"])}

    @override
    async def update(self, record: Record, body: Record) -> Record:
        return self.change(record, parse(_Changes, body).model_dump(exclude_none=True))

    @override
    async def delete(self, record: Record) -> None:
        self.forbid_protected(record)
        if record["assignee_id"] is not None:
            server = self.project.servers.get(record["assignee_id"])
            self._forbid_running(server)
            if record["type"] == "ipv4":
                await blocking(self.backend.set_public_ip, server["id"], None)
        del self.table[str(record["id"])]

    def do_change_protection(self, record: Record, body: Record) -> Record:
        """Delete protection."""
        return self.protect(record, body)

    def do_change_dns_ptr(self, record: Record, body: Record) -> Record:
        """The name in reverse DNS."""
        wanted = parse(DnsPtr, body)
        self.set_name(record, wanted.ip, wanted.dns_ptr)
        return {"action": self.start("change_dns_ptr", record)}

    def do_assign(self, record: Record, body: Record) -> Record:
        """Gives it to a server that is off."""
        wanted = parse(_Assign, body)
        server = self.project.servers.get(wanted.assignee_id)
        if record["assignee_id"] is not None:
            raise ApiError("resource_in_use", "the primary IP is already assigned")
        if record["location"] != server["location"]:
            raise invalid("assignee_id", "the server is in another location")
        self._forbid_running(server)
        return {"action": self._assign(record, server["id"])}

    def do_unassign(self, record: Record, body: Record) -> Record:
        """Takes it from a server that is off."""
        parse(Body, body)
        if record["assignee_id"] is None:
            raise invalid("assignee_id", "the primary IP is not assigned")
        server = self.project.servers.get(record["assignee_id"])
        self._forbid_running(server)
        record["assignee_id"] = None
        return {
            "action": self.start(
                "unassign_primary_ip",
                record,
                ("server", server["id"]),
                effect=lambda: self._use(record, server["id"], None),
            )
        }

    def of_server(self, server: int) -> dict[str, Record]:
        """A server's addresses, by their type."""
        return {
            record["type"]: record
            for record in self.table.values()
            if record["assignee_id"] == server
        }

    def set_name(self, record: Record, ip: str, name: str | None) -> None:
        """Sets an address' reverse DNS name, or the default one (none for IPv6)."""
        if record["type"] == "ipv4":
            if ip != record["ip"]:
                raise invalid("ip", f"{ip} is not {record['ip']}")
            default = f"static.{'.'.join(reversed(ip.split('.')))}.clients.your-server.de"
            record["dns_ptr"] = [{"ip": ip, "dns_ptr": name or default}]
            return
        others: list[dict[str, Any]] = [one for one in record["dns_ptr"] if one["ip"] != ip]
        record["dns_ptr"] = [*others, {"ip": ip, "dns_ptr": name}] if name else others

    def _assign(self, record: Record, server: int) -> Record:
        if record["type"] in self.of_server(server):
            raise ApiError("resource_in_use", f"the server already has an {record['type']}")
        record["assignee_id"] = server
        return self.start(
            "assign_primary_ip",
            record,
            ("server", server),
            effect=lambda: self._use(record, server, record["ip"]),
        )

    async def _use(self, record: Record, server: int, address: str | None) -> None:
        if record["type"] == "ipv4":
            await blocking(self.backend.set_public_ip, server, address)
            await self.project.firewalls.enforce(server)

    def _forbid_running(self, server: Record) -> None:
        if server["status"] != "off":
            raise ApiError("server_not_stopped", "the server must be off")


def _ipv6(number: int) -> str:
    return str(ip_address(f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::")) + "/64"
