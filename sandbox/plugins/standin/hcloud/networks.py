"""Networks, and what has an address."""

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from standin.hcloud.client import Cloud
from standin.hcloud.entity import LABELS, NAME, NOT_TRUE, PROTECTION, Entity, common, given
from standin.resource import Immutable, Overwritten, Property, StandInError, half_made
from standin.values import Properties

_RANGE = Property(kind=str, required=True, replace=True)


class Network(Entity):
    """A private network."""

    type = "Network"
    path = "networks"
    kind = "network"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": NAME,
        "labels": LABELS,
        "ipRange": _RANGE,
        "deleteProtection": PROTECTION,
        "exposeRoutesToVswitch": NOT_TRUE,
    }

    @override
    def body(self, inputs: Properties) -> Properties:
        return {
            "name": inputs["name"],
            "ip_range": inputs["ipRange"],
            "labels": inputs.get("labels", {}),
            "expose_routes_to_vswitch": False,
        }

    @override
    def state(self, record: Properties, known: Properties) -> Properties:
        return {
            **common(record),
            "ipRange": record["ip_range"],
            "deleteProtection": record["protection"]["delete"],
            "exposeRoutesToVswitch": record["expose_routes_to_vswitch"],
        }


class NetworkSubnet(Immutable[Cloud]):
    """A subnet. Its id is `NETWORK-RANGE`."""

    type = "NetworkSubnet"
    delete_first = True
    outputs: ClassVar[Mapping[str, bool]] = {"gateway": False}
    properties: ClassVar[Mapping[str, Property]] = {
        "networkId": Property(kind=int, required=True, replace=True),
        "type": Property(kind=str, required=True, replace=True, allowed=("cloud", "server")),
        "networkZone": Property(kind=str, required=True, replace=True),
        "ipRange": _RANGE,
    }

    @override
    def create(self, client: Cloud, inputs: Properties) -> tuple[str, Properties]:
        answer = client.start(
            f"/networks/{inputs['networkId']}",
            "add_subnet",
            {
                "type": inputs["type"],
                "ip_range": inputs["ipRange"],
                "network_zone": inputs["networkZone"],
            },
        )
        resource_id = f"{inputs['networkId']}-{inputs['ipRange']}"
        with half_made(resource_id, inputs):
            client.wait(answer)
            state = self.read(client, resource_id, inputs)
            if state is None:
                raise StandInError(f"subnet {resource_id} is gone")
            return resource_id, state

    @override
    def read(self, client: Cloud, resource_id: str, state: Properties) -> Properties | None:
        network, ip_range = split_subnet(resource_id)
        answer = client.get(f"/networks/{network}")
        for subnet in answer["network"]["subnets"] if answer else []:
            if subnet["ip_range"] == ip_range:
                return {
                    "networkId": network,
                    "type": subnet["type"],
                    "networkZone": subnet["network_zone"],
                    "ipRange": ip_range,
                    "gateway": subnet["gateway"],
                }
        return None

    @override
    def delete(self, client: Cloud, resource_id: str, state: Properties) -> None:
        network, ip_range = split_subnet(resource_id)
        if self.read(client, resource_id, state):
            client.act(f"/networks/{network}", "delete_subnet", {"ip_range": ip_range})


def split_subnet(subnet_id: str) -> tuple[int, str]:
    """The network's id and the range in a subnet's id."""
    network, _, ip_range = subnet_id.partition("-")
    return int(network), ip_range


class PrimaryIp(Entity):
    """A public address."""

    type = "PrimaryIp"
    path = "primary_ips"
    remembered = False
    kind = "primary_ip"
    outputs: ClassVar[Mapping[str, bool]] = {"ipAddress": False, "ipNetwork": False}
    properties: ClassVar[Mapping[str, Property]] = {
        "name": NAME,
        "labels": LABELS,
        "type": Property(kind=str, required=True, replace=True, allowed=("ipv4", "ipv6")),
        "location": Property(kind=str, required=True, replace=True),
        "autoDelete": Property(kind=bool, default=False),
        "deleteProtection": PROTECTION,
    }

    @override
    def body(self, inputs: Properties) -> Properties:
        return {
            "name": inputs["name"],
            "type": inputs["type"],
            "location": inputs["location"],
            "auto_delete": inputs["autoDelete"],
            "labels": inputs.get("labels", {}),
        }

    @override
    def state(self, record: Properties, known: Properties) -> Properties:
        address, _, prefix = record["ip"].partition("/")
        return {
            **common(record),
            "type": record["type"],
            "location": record["location"]["name"],
            "autoDelete": record["auto_delete"],
            "deleteProtection": record["protection"]["delete"],
            "ipAddress": address,
            "ipNetwork": record["ip"] if prefix else "",
        }

    @override
    def delete(self, client: Cloud, resource_id: str, state: Properties) -> None:
        """Takes it from its server first, which has to be off for that."""
        answer = client.get(self.at(resource_id))
        if answer and (server := answer["primary_ip"]["assignee_id"]):
            client.act(f"/servers/{server}", "poweroff")
            client.act(self.at(resource_id), "unassign")
        super().delete(client, resource_id, state)


class ServerNetwork(Immutable[Cloud]):
    """A server on a network. Its id is `SERVER-NETWORK`."""

    type = "ServerNetwork"
    delete_first = True
    outputs: ClassVar[Mapping[str, bool]] = {"macAddress": False}
    properties: ClassVar[Mapping[str, Property]] = {
        "serverId": Property(kind=int, required=True, replace=True),
        "networkId": Property(kind=int, computed=True, replace=True),
        "subnetId": Property(kind=str, computed=True, replace=True),
        "ip": Property(kind=str, computed=True, replace=True),
    }

    @override
    def validate(self, inputs: Properties) -> dict[str, str]:
        """The network, in one of two ways."""
        if ("networkId" in inputs) == ("subnetId" in inputs):
            return {"networkId": "give either networkId or subnetId"}
        return {}

    @override
    def create(self, client: Cloud, inputs: Properties) -> tuple[str, Properties]:
        network = attach(client, inputs["serverId"], inputs)
        resource_id = f"{inputs['serverId']}-{network}"
        state = self.read(client, resource_id, inputs)
        if state is None:
            raise StandInError(f"server {inputs['serverId']} is not on network {network}")
        return resource_id, state

    @override
    def read(self, client: Cloud, resource_id: str, state: Properties) -> Properties | None:
        server, network = (int(part) for part in resource_id.split("-"))
        answer = client.get(f"/servers/{server}")
        for net in answer["server"]["private_net"] if answer else []:
            if net["network"] == network:
                return given(
                    {
                        "serverId": server,
                        "networkId": network,
                        "subnetId": state.get("subnetId"),
                        "ip": net["ip"],
                        "macAddress": net["mac_address"],
                    }
                )
        return None

    @override
    def delete(self, client: Cloud, resource_id: str, state: Properties) -> None:
        server, network = resource_id.split("-")
        if self.read(client, resource_id, state):
            client.act(f"/servers/{server}", "detach_from_network", {"network": int(network)})


def attach(client: Cloud, server: int | str, wanted: Properties) -> int:
    """Puts a server on the network that `subnetId` or `networkId` names. Returns its id."""
    body: Properties = {}
    if "subnetId" in wanted:
        body["network"], body["ip_range"] = split_subnet(wanted["subnetId"])
    else:
        body["network"] = wanted["networkId"]
    if wanted.get("ip"):
        body["ip"] = wanted["ip"]
    client.act(f"/servers/{server}", "attach_to_network", body)
    return int(body["network"])


class Rdns(Overwritten[Cloud]):
    """The name of a server's public address in reverse DNS. Its id is `s-SERVER-ADDRESS`."""

    type = "Rdns"
    delete_first = True
    properties: ClassVar[Mapping[str, Property]] = {
        "serverId": Property(kind=int, required=True, replace=True),
        "ipAddress": Property(kind=str, required=True, replace=True),
        "dnsPtr": Property(kind=str, required=True),
    }

    @override
    def create(self, client: Cloud, inputs: Properties) -> tuple[str, Properties]:
        self._name(client, inputs, inputs["dnsPtr"])
        return f"s-{inputs['serverId']}-{inputs['ipAddress']}", inputs

    @override
    def read(self, client: Cloud, resource_id: str, state: Properties) -> Properties | None:
        _, server, address = resource_id.split("-", 2)
        answer = client.get(f"/servers/{server}")
        if not answer:
            return None
        public = answer["server"]["public_net"]
        names = (public.get("ipv6") or {}).get("dns_ptr") or []
        if public.get("ipv4"):
            names = [*names, public["ipv4"]]
        for name in names:
            if name["ip"] == address:
                return {
                    "serverId": int(server),
                    "ipAddress": address,
                    "dnsPtr": name["dns_ptr"],
                }
        return None

    @override
    def delete(self, client: Cloud, resource_id: str, state: Properties) -> None:
        """Back to the default name."""
        if client.get(f"/servers/{state['serverId']}"):
            self._name(client, state, None)

    def _name(self, client: Cloud, inputs: Properties, name: str | None) -> None:
        body = {"ip": inputs["ipAddress"], "dns_ptr": name}
        client.act(f"/servers/{inputs['serverId']}", "change_dns_ptr", body)
