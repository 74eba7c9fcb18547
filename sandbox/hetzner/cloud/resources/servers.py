"""Servers."""

import secrets
from typing import Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from cloud.actions import Effect
from cloud.backends.base import NewServer
from cloud.catalog import IMAGES, LOCATIONS, SERVER_TYPES, by_id_or_name
from cloud.errors import ApiError, invalid
from cloud.resources.base import Body, Collection, Empty, blocking, parse
from cloud.resources.primary_ips import DnsPtr, Family
from cloud.store import Record, now

_MAX_USER_DATA = 32 * 1024
_HostName = Annotated[
    str, Field(pattern=r"^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?$", max_length=63)
]


class _FirewallReference(Body):
    firewall: int


class _PublicNet(Body):
    enable_ipv4: bool = True
    enable_ipv6: bool = True
    ipv4: int | None = None
    ipv6: int | None = None


class _New(Body):
    name: _HostName
    server_type: str | int
    image: str | int
    location: str | int | None = None
    ssh_keys: list[str | int] = []
    user_data: str = ""
    labels: dict[str, str] = {}
    networks: list[int] = []
    volumes: list[int] = []
    firewalls: list[_FirewallReference] = []
    placement_group: int | None = None
    public_net: _PublicNet = _PublicNet()
    start_after_create: bool = True
    automount: bool = False


class _Changes(Body):
    name: _HostName | None = None
    labels: dict[str, str] | None = None


class _ChangeType(Body):
    server_type: str | int
    upgrade_disk: bool


class _ToNetwork(Body):
    network: int
    ip: str | None = None
    ip_range: str | None = None
    alias_ips: Annotated[list[str], Field(max_length=0)] = []


class _FromNetwork(Body):
    network: int


class _AliasIps(Body):
    network: int
    alias_ips: Annotated[list[str], Field(max_length=0)]


class _Protection(Body):
    delete: bool | None = None
    rebuild: bool | None = None


class _ToGroup(Body):
    placement_group: int


class Servers(Collection):
    """Servers; their addresses, firewalls and volumes are in the records of these."""

    kind = "server"
    plural = "servers"
    filters: ClassVar[tuple[str, ...]] = ("name", "status")

    @override
    def view(self, record: Record) -> Record:
        number = record["id"]
        return {
            **record,
            "server_type": by_id_or_name(SERVER_TYPES, record["server_type"]),
            "image": by_id_or_name(IMAGES, record["image"]),
            "location": by_id_or_name(LOCATIONS, record["location"]),
            "placement_group": record["placement_group"]
            and self.project.placement_groups.view(
                self.project.placement_groups.get(record["placement_group"])
            ),
            "public_net": self._public_net(number),
            "volumes": [volume["id"] for volume in self.project.volumes.of_server(number)],
            "locked": self.actions.is_busy(number),
            "iso": None,
            "rescue_enabled": False,
            "load_balancers": [],
            "included_traffic": 20 * 1024**4,
            "ingoing_traffic": 0,
            "outgoing_traffic": 0,
        }

    def _public_net(self, server: int) -> Record:
        addresses = self.project.primary_ips.of_server(server)
        ipv4, ipv6 = addresses.get("ipv4"), addresses.get("ipv6")
        return {
            "ipv4": ipv4
            and {
                "id": ipv4["id"],
                "ip": ipv4["ip"],
                "blocked": False,
                "dns_ptr": ipv4["dns_ptr"][0]["dns_ptr"],
            },
            "ipv6": ipv6 and {name: ipv6[name] for name in ("id", "ip", "blocked", "dns_ptr")},
            "floating_ips": [],
            "firewalls": [
                {"id": firewall["id"], "status": "applied"}
                for firewall in self.project.firewalls.of_server(server)
            ],
        }

    @override
    async def create(self, body: Record) -> Record:
        new = parse(_New, body)
        location = by_id_or_name(LOCATIONS, "fsn1" if new.location is None else new.location)
        if not location:
            raise invalid("location", f"there is no location {new.location!r}")
        server_type = self._available(new.server_type, location["name"])
        image = by_id_or_name(IMAGES, new.image, architecture=server_type["architecture"])
        if not image:
            raise invalid(
                "image", f"there is no image {new.image!r} for {server_type['architecture']}"
            )
        self.backend.check_server(server_type, image)
        if len(new.user_data.encode()) > _MAX_USER_DATA:
            raise invalid("user_data", "is longer than 32 KiB")
        if new.automount:
            raise invalid("automount", "is not supported by the sandbox")
        keys = [self.project.ssh_keys.find(key)["public_key"] for key in new.ssh_keys]
        networks = [self.project.networks.get(number) for number in new.networks]
        volumes = [self.project.volumes.get(number) for number in new.volumes]
        firewalls = [self.project.firewalls.get(one.firewall) for one in new.firewalls]
        if new.placement_group is not None:
            self._check_group(new.placement_group)
        record: Record = {
            "id": self.store.next_id(),
            "name": new.name,
            "status": "initializing",
            "created": now(),
            "server_type": server_type["id"],
            "image": image["id"],
            "location": location["name"],
            "placement_group": new.placement_group,
            "private_net": [],
            "primary_disk_size": server_type["disk"],
            "backup_window": None,
            "labels": new.labels,
            "protection": {"delete": False, "rebuild": False},
        }
        addresses = self._wanted_addresses(new.public_net, record)
        self.add(record)
        for family, address in addresses.items():
            address = address or self.project.primary_ips.make(family, location["name"])
            address["assignee_id"] = record["id"]
        for firewall in firewalls:
            firewall["servers"].append(record["id"])
        for network in networks:
            self._join(record, network)
        public = self.project.primary_ips.of_server(record["id"]).get("ipv4")
        password = None if keys else secrets.token_urlsafe(15)

        async def effect() -> None:
            await blocking(
                self.backend.create_server,
                NewServer(
                    id=record["id"],
                    name=new.name,
                    server_type=server_type,
                    image=image,
                    public_ip=public["ip"] if public else None,
                    ssh_keys=keys,
                    root_password=password,
                    user_data=new.user_data,
                ),
            )
            for net in record["private_net"]:
                await blocking(self.backend.connect, record["id"], net["network"], net["ip"])
            await self.project.firewalls.enforce(record["id"])
            record["status"] = "off"

        action = self.start(
            "create_server", record, effect=effect, cleanup=lambda: self._remove(record)
        )
        following = [self.project.volumes.attach(volume, record) for volume in volumes]
        if new.start_after_create:
            following.append(self.start("start_server", record, effect=self._starting(record)))
        return self.answer(record, action=action, next_actions=following, root_password=password)

    def _wanted_addresses(self, wanted: _PublicNet, server: Record) -> dict[Family, Record | None]:
        """By type; nothing for one that is still to be made."""
        addresses: dict[Family, Record | None] = {}
        families: tuple[tuple[Family, bool, int | None], ...] = (
            ("ipv4", wanted.enable_ipv4, wanted.ipv4),
            ("ipv6", wanted.enable_ipv6, wanted.ipv6),
        )
        for family, enabled, number in families:
            if not enabled:
                continue
            addresses[family] = None
            if number is not None:
                address = self.project.primary_ips.get(number)
                if address["assignee_id"] is not None:
                    raise ApiError("resource_in_use", f"primary IP {number} is already assigned")
                if address["type"] != family or address["location"] != server["location"]:
                    raise invalid(f"public_net.{family}", "is of another type or location")
                addresses[family] = address
        return addresses

    def _available(self, key: str | int, location: str) -> Record:
        """The server type, if it can be had in the location."""
        server_type = by_id_or_name(SERVER_TYPES, key)
        if not server_type:
            raise invalid("server_type", f"there is no server type {key!r}")
        name = server_type["name"]
        available = {place["name"]: place["available"] for place in server_type["locations"]}
        if location not in available:
            raise invalid("server_type", f"{name} is not offered in {location}")
        if not available[location]:
            raise ApiError("resource_unavailable", f"{name} is sold out in {location} at present")
        return server_type

    def _check_group(self, number: int) -> None:
        groups = self.project.placement_groups
        groups.check_room(groups.get(number))

    @override
    async def update(self, record: Record, body: Record) -> Record:
        return self.change(record, parse(_Changes, body).model_dump(exclude_none=True))

    @override
    async def delete(self, record: Record) -> Record:
        self.forbid_protected(record)

        async def effect() -> None:
            for volume in self.project.volumes.of_server(record["id"]):
                await blocking(self.backend.detach, volume["id"], record["id"])
            await blocking(self.backend.delete_server, record["id"])
            self._remove(record)

        record["status"] = "deleting"
        return {"action": self.start("delete_server", record, effect=effect)}

    def _remove(self, record: Record) -> None:
        """Takes it out of all records."""
        number = record["id"]
        for volume in self.project.volumes.of_server(number):
            volume["server"] = None
        for firewall in self.project.firewalls.of_server(number):
            firewall["servers"].remove(number)
        for address in self.project.primary_ips.of_server(number).values():
            address["assignee_id"] = None
            if address["auto_delete"]:
                del self.project.primary_ips.table[str(address["id"])]
        del self.table[str(number)]

    def stopped(self, server: int) -> None:
        """The backend's word that a server went off by itself."""
        record = self.table.get(str(server))
        if record and record["status"] == "running":
            record["status"] = "off"
            self.store.save()

    def forbid_busy(self, record: Record) -> None:
        """Raises `locked` while an action of the server runs."""
        if self.actions.is_busy(record["id"]):
            raise ApiError("locked", f"server {record['id']} is locked by another action")

    def do_poweron(self, record: Record, body: Record) -> Record:
        """On."""
        return self._power("start_server", record, body, self._starting(record))

    def do_poweroff(self, record: Record, body: Record) -> Record:
        """Off, without asking the system."""
        return self._power("stop_server", record, body, self._calling(record, "power_off", "off"))

    def do_shutdown(self, record: Record, body: Record) -> Record:
        """Asks the system to end: the action succeeds before it has."""
        return self._power("shutdown_server", record, body, self._calling(record, "press_power"))

    def do_reboot(self, record: Record, body: Record) -> Record:
        """Asks the system to start again."""
        return self._power("reboot_server", record, body, self._calling(record, "reboot"))

    def do_reset(self, record: Record, body: Record) -> Record:
        """Off and on, without asking the system."""

        async def effect() -> None:
            await self._calling(record, "power_off", "off")()
            await self._starting(record)()

        return self._power("reset_server", record, body, effect)

    def _power(self, command: str, record: Record, body: Record, effect: Effect) -> Record:
        parse(Empty, body)
        self.forbid_busy(record)
        return {"action": self.start(command, record, effect=effect)}

    def _starting(self, record: Record) -> Effect:
        return self._calling(record, "start", "running")

    def _calling(self, record: Record, method: str, status: str | None = None) -> Effect:
        async def effect() -> None:
            await blocking(getattr(self.backend, method), record["id"])
            if status:
                record["status"] = status

        return effect

    def do_change_type(self, record: Record, body: Record) -> Record:
        """Another type, for a server that is off."""
        wanted = parse(_ChangeType, body)
        self.forbid_busy(record)
        if record["status"] != "off":
            raise ApiError("server_not_stopped", "server must be off to change its type")
        old = by_id_or_name(SERVER_TYPES, record["server_type"])
        new = self._available(wanted.server_type, record["location"])
        if old and old["architecture"] != new["architecture"]:
            raise invalid("server_type", "has another architecture")
        if new["disk"] < record["primary_disk_size"]:
            raise invalid(
                "server_type",
                f"its disk of {new['disk']} GB is smaller than the server's of "
                f"{record['primary_disk_size']} GB",
            )

        async def effect() -> None:
            await blocking(self.backend.resize, record["id"], new)
            record["server_type"] = new["id"]
            if wanted.upgrade_disk:
                record["primary_disk_size"] = new["disk"]

        return {"action": self.start("change_server_type", record, effect=effect)}

    def do_attach_to_network(self, record: Record, body: Record) -> Record:
        """Onto a private network."""
        wanted = parse(_ToNetwork, body)
        self.forbid_busy(record)
        net = self._join(
            record, self.project.networks.get(wanted.network), wanted.ip, wanted.ip_range
        )

        async def effect() -> None:
            await blocking(self.backend.connect, record["id"], net["network"], net["ip"])
            await self.project.firewalls.enforce(record["id"])

        return {
            "action": self.start(
                "attach_to_network",
                record,
                ("network", wanted.network),
                effect=effect,
                cleanup=lambda: record["private_net"].remove(net),
            )
        }

    def _join(
        self, record: Record, network: Record, ip: str | None = None, ip_range: str | None = None
    ) -> Record:
        if any(net["network"] == network["id"] for net in record["private_net"]):
            raise ApiError("server_already_attached", "server is already attached to the network")
        address = self.project.networks.choose_address(network, ip, ip_range)
        net = {
            "network": network["id"],
            "ip": address,
            "alias_ips": [],
            "mac_address": "02:42:" + ":".join(f"{int(part):02x}" for part in address.split(".")),
        }
        record["private_net"].append(net)
        return net

    def do_detach_from_network(self, record: Record, body: Record) -> Record:
        """Off a private network."""
        network = parse(_FromNetwork, body).network
        self.forbid_busy(record)
        net = self._net(record, network)

        async def effect() -> None:
            await blocking(self.backend.disconnect, record["id"], network)
            record["private_net"].remove(net)
            await self.project.firewalls.enforce(record["id"])

        return {
            "action": self.start("detach_from_network", record, ("network", network), effect=effect)
        }

    def do_change_alias_ips(self, record: Record, body: Record) -> Record:
        """None at all, which is what there is."""
        network = parse(_AliasIps, body).network
        self._net(record, network)
        return {"action": self.start("change_alias_ips", record, ("network", network))}

    def _net(self, record: Record, network: int) -> Record:
        for net in record["private_net"]:
            if net["network"] == network:
                found: Record = net
                return found
        raise invalid("network", f"server is not attached to network {network}")

    def do_change_protection(self, record: Record, body: Record) -> Record:
        """Delete and rebuild protection, which must be the same."""
        wanted = parse(_Protection, body).model_dump(exclude_none=True)
        protection = {**record["protection"], **wanted}
        if protection["delete"] != protection["rebuild"]:
            raise invalid("delete", "delete and rebuild must have the same value")
        record["protection"] = protection
        return {"action": self.start("change_protection", record)}

    def do_change_dns_ptr(self, record: Record, body: Record) -> Record:
        """The name of one of its public addresses in reverse DNS."""
        wanted = parse(DnsPtr, body)
        for family, address in self.project.primary_ips.of_server(record["id"]).items():
            if (family == "ipv6") == (":" in wanted.ip):
                self.project.primary_ips.set_name(address, wanted.ip, wanted.dns_ptr)
                return {"action": self.start("change_dns_ptr", record)}
        raise invalid("ip", f"{wanted.ip} does not belong to the server")

    def do_add_to_placement_group(self, record: Record, body: Record) -> Record:
        """Into a group, for a server that is off."""
        group = parse(_ToGroup, body).placement_group
        self.forbid_busy(record)
        if record["status"] != "off":
            raise ApiError("server_not_stopped", "server must be off to join a placement group")
        self._check_group(group)
        record["placement_group"] = group
        return {"action": self.start("add_to_placement_group", record)}

    def do_remove_from_placement_group(self, record: Record, body: Record) -> Record:
        """Out of its group."""
        parse(Empty, body)
        if record["placement_group"] is None:
            raise invalid("placement_group", "server is not in a placement group")
        record["placement_group"] = None
        return {"action": self.start("remove_from_placement_group", record)}
