"""Private networks and their subnets."""

from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from typing_extensions import override

from cloud.catalog import NETWORK_ZONES, PRIVATE_RANGES
from cloud.errors import ApiError, invalid
from cloud.resources.base import Body, Collection, Name, blocking, network_of, parse
from cloud.store import Record, now


class _Subnet(Body):
    type: Literal["cloud", "server"]
    ip_range: str
    network_zone: str


class _New(Body):
    name: Name
    ip_range: str
    labels: dict[str, str] = {}
    subnets: list[_Subnet] = []
    expose_routes_to_vswitch: Literal[False] = False


class _Changes(Body):
    name: Name | None = None
    labels: dict[str, str] | None = None
    expose_routes_to_vswitch: Literal[False] | None = None


class _SubnetRange(Body):
    ip_range: str


class Networks(Collection):
    """Private networks."""

    kind = "network"
    plural = "networks"

    @override
    def view(self, record: Record) -> Record:
        return {**record, "servers": self._members(record), "load_balancers": []}

    @override
    async def create(self, body: Record) -> Record:
        new = parse(_New, body)
        ip_range = network_of("ip_range", new.ip_range)
        if not any(ip_range.subnet_of(private) for private in PRIVATE_RANGES):
            raise invalid("ip_range", "must lie in a private range of RFC 1918")
        record: Record = {
            "id": self.store.next_id(),
            "name": new.name,
            "ip_range": new.ip_range,
            "subnets": [],
            "routes": [],
            "labels": new.labels,
            "protection": {"delete": False},
            "created": now(),
            "expose_routes_to_vswitch": False,
        }
        for subnet in new.subnets:
            self._add_subnet(record, subnet)
        self.add(record)
        try:
            await blocking(self.backend.create_network, record["id"], new.ip_range)
        except Exception:
            del self.table[str(record["id"])]
            raise
        return self.answer(record)

    @override
    async def update(self, record: Record, body: Record) -> Record:
        return self.change(record, parse(_Changes, body).model_dump(exclude_none=True))

    @override
    async def delete(self, record: Record) -> None:
        self.forbid_protected(record)
        if self._members(record):
            raise ApiError("resource_in_use", "network still has servers attached")
        await blocking(self.backend.delete_network, record["id"])
        del self.table[str(record["id"])]

    def do_change_protection(self, record: Record, body: Record) -> Record:
        """Delete protection."""
        return self.protect(record, body)

    def do_add_subnet(self, record: Record, body: Record) -> Record:
        """A further subnet."""
        self._add_subnet(record, parse(_Subnet, body))
        return {"action": self.start("add_subnet", record)}

    def do_delete_subnet(self, record: Record, body: Record) -> Record:
        """Takes a subnet away in which no server has an address."""
        ip_range = parse(_SubnetRange, body).ip_range
        subnet = next((one for one in record["subnets"] if one["ip_range"] == ip_range), None)
        if not subnet:
            raise invalid("ip_range", f"the network has no subnet {ip_range}")
        if any(address in IPv4Network(ip_range) for address in self._addresses(record)):
            raise ApiError("service_error", "cannot remove subnet: servers are attached to it")
        record["subnets"].remove(subnet)
        return {"action": self.start("delete_subnet", record)}

    def choose_address(self, record: Record, wanted: str | None, ip_range: str | None) -> str:
        """A free private address: the wanted one, or the first of a subnet, or of any."""
        taken = {*self._addresses(record), _gateway(record)}
        subnets = [
            IPv4Network(subnet["ip_range"])
            for subnet in record["subnets"]
            if ip_range in (None, subnet["ip_range"])
        ]
        if wanted is None:
            for subnet in subnets:
                for address in subnet.hosts():
                    if address not in taken:
                        return str(address)
            raise ApiError("no_subnet_available", "no subnet with a free address in the network")
        try:
            address = IPv4Address(wanted)
        except ValueError as error:
            raise invalid("ip", str(error)) from None
        if not any(address in subnet for subnet in subnets):
            raise ApiError("no_subnet_available", f"no subnet of the network contains {wanted}")
        if address in taken:
            raise ApiError("ip_not_available", f"IP {wanted} is not available")
        return wanted

    def _add_subnet(self, record: Record, new: _Subnet) -> None:
        ip_range = network_of("ip_range", new.ip_range)
        if new.network_zone not in NETWORK_ZONES:
            raise invalid("network_zone", f"must be one of {', '.join(sorted(NETWORK_ZONES))}")
        if not ip_range.subnet_of(IPv4Network(record["ip_range"])):
            raise invalid("ip_range", f"is not within {record['ip_range']}")
        if any(ip_range.overlaps(IPv4Network(other["ip_range"])) for other in record["subnets"]):
            raise invalid("ip_range", "overlaps with another subnet")
        record["subnets"].append(
            {
                "type": new.type,
                "ip_range": new.ip_range,
                "network_zone": new.network_zone,
                "gateway": str(_gateway(record)),
                "vswitch_id": None,
            }
        )

    def _members(self, record: Record) -> list[int]:
        return [
            server["id"]
            for server in self.project.servers.table.values()
            if any(net["network"] == record["id"] for net in server["private_net"])
        ]

    def _addresses(self, record: Record) -> list[IPv4Address]:
        return [
            IPv4Address(net["ip"])
            for server in self.project.servers.table.values()
            for net in server["private_net"]
            if net["network"] == record["id"]
        ]


def _gateway(record: Record) -> IPv4Address:
    return next(IPv4Network(record["ip_range"]).hosts())
