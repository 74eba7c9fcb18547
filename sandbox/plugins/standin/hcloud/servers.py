"""Servers."""

import base64
import hashlib
import re
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from typing_extensions import override

from standin.hcloud.client import Cloud
from standin.hcloud.entity import LABELS, NAME, NOT_TRUE, PROTECTION, Entity, common, given
from standin.hcloud.networks import attach, split_subnet
from standin.resource import Property, StandInError, half_made
from standin.values import UNKNOWN, Properties

_SHUTDOWN_PATIENCE: Final = 31  # seconds, as the official provider
_DIGEST = re.compile(r"[A-Za-z0-9+/]{27}=")
_NETWORK = {"networkId", "subnetId", "ip", "aliasIps"}
_PUBLIC_NET = {"ipv4Enabled": True, "ipv6Enabled": True, "ipv4": None, "ipv6": None}


def _digest(user_data: Any) -> Any:
    """What the state keeps of user data."""
    if not isinstance(user_data, str) or _DIGEST.fullmatch(user_data):
        return user_data
    digest = hashlib.sha1(user_data.encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def _public(nets: Any) -> Any:
    """The public addresses, complete."""
    if not isinstance(nets, list) or not all(isinstance(net, dict) for net in nets):
        return nets
    return [{name: net.get(name) or value if value is None else net.get(name, value)
             for name, value in _PUBLIC_NET.items()} for net in nets]  # fmt: skip


def _networks(nets: Any) -> Any:
    """The private networks, in order: which, and the address where one is wanted."""
    if not isinstance(nets, list) or not all(isinstance(net, dict) for net in nets):
        return nets
    kept = [{"network": _network_id(net), "ip": net.get("ip") or None} for net in nets]
    return sorted(kept, key=repr)


def _unordered(items: Any) -> Any:
    return sorted(items, key=str) if isinstance(items, list) else items


class Server(Entity):
    """A server."""

    type = "Server"
    path = "servers"
    kind = "server"
    outputs: ClassVar[Mapping[str, bool]] = dict.fromkeys(
        ("ipv4Address", "ipv6Address", "ipv6Network", "status", "primaryDiskSize"), False
    )
    properties: ClassVar[Mapping[str, Property]] = {
        "name": NAME,
        "labels": LABELS,
        "serverType": Property(kind=str, required=True),
        "image": Property(kind=str, required=True, replace=True),
        "location": Property(kind=str, computed=True, replace=True),
        "sshKeys": Property(kind=list, replace=True),
        "userData": Property(kind=str, replace=True, canonical=_digest),
        "firewallIds": Property(kind=list, computed=True, canonical=_unordered),
        "placementGroupId": Property(kind=int),
        "publicNets": Property(kind=list, canonical=_public),
        "networks": Property(kind=list, canonical=_networks),
        "keepDisk": Property(kind=bool, default=False),
        "backups": NOT_TRUE,
        "deleteProtection": PROTECTION,
        "rebuildProtection": PROTECTION,
        "shutdownBeforeDeletion": Property(kind=bool, default=False),
        "allowDeprecatedImages": NOT_TRUE,
        "ignoreRemoteFirewallIds": NOT_TRUE,
    }

    @override
    def validate(self, inputs: Properties) -> dict[str, str]:
        """Protections go together; networks and public addresses have only known fields."""
        if inputs["deleteProtection"] != inputs["rebuildProtection"]:
            return {"rebuildProtection": "must be the same as deleteProtection"}
        for name, known in (("networks", _NETWORK), ("publicNets", set(_PUBLIC_NET))):
            nets = inputs.get(name, [])
            for net in nets if nets is not UNKNOWN else []:
                if net is UNKNOWN:
                    continue
                if unknown := sorted(set(net) - known):
                    return {name: f"the stand-in does not support {unknown[0]}"}
                if net.get("aliasIps"):
                    return {name: "the stand-in does not support aliasIps"}
                if name == "networks" and ("networkId" in net) == ("subnetId" in net):
                    return {name: "give either networkId or subnetId"}
        return {}

    @override
    def create(self, client: Cloud, inputs: Properties) -> tuple[str, Properties]:
        """As the official provider: the private networks come when the server already runs."""
        answer = client.send("POST", "/servers", self._new(client, inputs))
        resource_id = str(answer["server"]["id"])
        with half_made(resource_id, inputs):
            client.wait(answer)
            for net in inputs.get("networks", []):
                attach(client, resource_id, net)
            self.complete(client, resource_id, inputs)
            return resource_id, self.seen(client, resource_id, inputs)

    def _new(self, client: Cloud, inputs: Properties) -> Properties:
        types = client.request("GET", f"/server_types?name={inputs['serverType']}")["server_types"]
        if not types:
            raise StandInError(f"server type {inputs['serverType']} not found")
        architecture = types[0]["architecture"]
        images = client.request(
            "GET",
            f"/images?architecture={architecture}&include_deprecated=true&name={inputs['image']}",
        )["images"]
        if not images:
            raise StandInError(f"image {inputs['image']} for {architecture} not found")
        body: Properties = {
            "name": inputs["name"],
            "server_type": inputs["serverType"],
            "image": images[0]["id"],
            "location": inputs.get("location"),
            "ssh_keys": [_number(key) for key in inputs.get("sshKeys", [])] or None,
            "user_data": inputs.get("userData"),
            "labels": inputs.get("labels"),
            "firewalls": [{"firewall": one} for one in inputs.get("firewallIds", [])] or None,
            "placement_group": inputs.get("placementGroupId"),
        }
        for net in _public(inputs.get("publicNets", [])):
            body["public_net"] = given(
                {
                    "enable_ipv4": net["ipv4Enabled"],
                    "enable_ipv6": net["ipv6Enabled"],
                    "ipv4": net["ipv4"],
                    "ipv6": net["ipv6"],
                }
            )
        return given(body)

    @override
    def state(self, record: Properties, known: Properties) -> Properties:
        public = record["public_net"]
        ipv4, ipv6 = public["ipv4"] or {}, public["ipv6"] or {}
        network6 = ipv6.get("ip", "")
        return given(
            {
                **common(record),
                "serverType": record["server_type"]["name"],
                "image": record["image"]["name"],
                "location": record["location"]["name"],
                "sshKeys": known.get("sshKeys"),
                "userData": _digest(known.get("userData")),
                "firewallIds": [firewall["id"] for firewall in public["firewalls"]],
                "placementGroupId": (record["placement_group"] or {}).get("id"),
                "publicNets": _seen_public(known.get("publicNets"), ipv4, ipv6),
                "networks": _seen_networks(known.get("networks"), record["private_net"]),
                "keepDisk": known.get("keepDisk", False),
                "backups": record["backup_window"] is not None,
                "deleteProtection": record["protection"]["delete"],
                "rebuildProtection": record["protection"]["rebuild"],
                "shutdownBeforeDeletion": known.get("shutdownBeforeDeletion", False),
                "allowDeprecatedImages": False,
                "ignoreRemoteFirewallIds": False,
                "ipv4Address": ipv4.get("ip", ""),
                "ipv6Address": network6.split("/")[0] + "1" if network6 else "",
                "ipv6Network": network6,
                "status": record["status"],
                "primaryDiskSize": record["primary_disk_size"],
            }
        )

    @override
    def alter(self, client: Cloud, path: str, old: Properties, new: Properties) -> None:
        """Type, firewalls and networks. A resized server stays off, as with the official one."""
        if self._changed("publicNets", old, new) or self._changed("placementGroupId", old, new):
            raise StandInError(
                "the stand-in cannot change publicNets or placementGroupId of a server: replace it"
            )
        if old["serverType"] != new["serverType"]:
            if client.request("GET", path)["server"]["status"] == "running":
                client.act(path, "poweroff")
            body = {"server_type": new["serverType"], "upgrade_disk": not new["keepDisk"]}
            client.act(path, "change_type", body)
        if "firewallIds" in new:
            _difference(client, path, set(old.get("firewallIds", [])), set(new["firewallIds"]))
        if self._changed("networks", old, new):
            before, after = old.get("networks", []), new.get("networks", [])
            for net in before:
                if _networks([net])[0] not in _networks(after):
                    client.act(path, "detach_from_network", {"network": _network_id(net)})
            for net in after:
                if _networks([net])[0] not in _networks(before):
                    attach(client, path.rpartition("/")[2], net)

    def _changed(self, name: str, old: Properties, new: Properties) -> bool:
        same = self.properties[name].canonical
        return bool(same(old.get(name)) != same(new.get(name)) and (old.get(name) or new.get(name)))

    @override
    def protection(self, inputs: Properties) -> Properties:
        """Delete and rebuild together."""
        return {"delete": inputs["deleteProtection"], "rebuild": inputs["rebuildProtection"]}

    @override
    def delete(self, client: Cloud, resource_id: str, state: Properties) -> None:
        """Shuts it down first, when asked to, and goes on when it does not end in time."""
        path = self.at(resource_id)
        answer = client.get(path)
        if not answer:
            return
        if state.get("shutdownBeforeDeletion") and answer["server"]["status"] == "running":
            client.act(path, "shutdown")
            deadline = time.monotonic() + _SHUTDOWN_PATIENCE
            while time.monotonic() < deadline:
                if client.request("GET", path)["server"]["status"] == "off":
                    break
                time.sleep(0.5)
        super().delete(client, resource_id, state)


def _number(key: str) -> int | str:
    return int(key) if key.isdecimal() else key


def _network_id(net: Properties) -> Any:
    """The network's id, which may be unknown."""
    subnet = net.get("subnetId")
    if subnet and subnet is not UNKNOWN:
        return split_subnet(subnet)[0]
    return subnet or net["networkId"]


def _difference(client: Cloud, path: str, old: set[int], new: set[int]) -> None:
    """Applies further firewalls to a server and removes others."""
    server = [{"type": "server", "server": {"id": int(path.rpartition("/")[2])}}]
    for firewall in new - old:
        client.act(f"/firewalls/{firewall}", "apply_to_resources", {"apply_to": server})
    for firewall in old - new:
        client.act(f"/firewalls/{firewall}", "remove_from_resources", {"remove_from": server})


def _seen_public(known: Any, ipv4: Properties, ipv6: Properties) -> Any:
    """As declared, with what is really assigned; nothing when nothing was declared."""
    return known and [
        given(
            {
                **net,
                "ipv4Enabled": bool(ipv4),
                "ipv6Enabled": bool(ipv6),
                "ipv4": ipv4.get("id") if net.get("ipv4") else None,
                "ipv6": ipv6.get("id") if net.get("ipv6") else None,
            }
        )
        for net in known
    ]


def _seen_networks(known: Any, attached: list[Properties]) -> Any:
    """Those declared that the server really is on, with the address it has."""
    if not known:
        return None
    addresses = {net["network"]: net["ip"] for net in attached}
    return [
        {**net, "ip": addresses[_network_id(net)]} if net.get("ip") else net
        for net in known
        if _network_id(net) in addresses
    ]
