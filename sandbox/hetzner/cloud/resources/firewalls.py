"""Firewalls."""

from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from typing_extensions import override

from cloud.errors import ApiError, invalid
from cloud.resources.base import Body, Collection, Name, blocking, parse
from cloud.store import Record, now


def _network(text: str) -> str:
    ip_network(text)
    return text


def _port(text: str | None) -> str | None:
    if text in (None, "any"):
        return text
    first, dash, last = text.partition("-")
    if not (first.isdecimal() and (last.isdecimal() or not dash)):
        raise ValueError(f"{text!r} is neither a port nor a range such as 80-85")
    if not 1 <= int(first) <= int(last or first) <= 65535:
        raise ValueError(f"{text!r} is not within 1 and 65535")
    return text


_Networks = list[Annotated[str, AfterValidator(_network)]]


class _Rule(Body):
    direction: Literal["in", "out"]
    protocol: Literal["tcp", "udp", "icmp", "gre", "esp"]
    port: Annotated[str | None, AfterValidator(_port)] = None
    source_ips: _Networks = []
    destination_ips: _Networks = []
    description: str | None = None


class _Server(Body):
    id: int


class _Target(Body):
    type: Literal["server"]
    server: _Server


class _New(Body):
    name: Name
    labels: dict[str, str] = {}
    rules: Annotated[list[_Rule], Field(max_length=50)] = []
    apply_to: list[_Target] = []


class _Changes(Body):
    name: Name | None = None
    labels: dict[str, str] | None = None


class _Rules(Body):
    rules: Annotated[list[_Rule], Field(max_length=50)]


class _ApplyTo(Body):
    apply_to: list[_Target]


class _RemoveFrom(Body):
    remove_from: list[_Target]


class Firewalls(Collection):
    """Firewalls; the record's `servers` are those that it is applied to."""

    kind = "firewall"
    plural = "firewalls"

    @override
    def view(self, record: Record) -> Record:
        shown = {name: value for name, value in record.items() if name != "servers"}
        applied = [{"type": "server", "server": {"id": number}} for number in record["servers"]]
        return {**shown, "applied_to": applied}

    @override
    async def create(self, body: Record) -> Record:
        new = parse(_New, body)
        record: Record = {
            "id": self.store.next_id(),
            "name": new.name,
            "labels": new.labels,
            "rules": _checked(new.rules),
            "servers": [],
            "created": now(),
        }
        for target in new.apply_to:
            self.project.servers.get(target.server.id)
        self.add(record)
        actions = [self.start("set_firewall_rules", record)]
        actions += [self.apply(record, target.server.id) for target in new.apply_to]
        return self.answer(record, actions=actions)

    @override
    async def update(self, record: Record, body: Record) -> Record:
        return self.change(record, parse(_Changes, body).model_dump(exclude_none=True))

    @override
    async def delete(self, record: Record) -> None:
        if record["servers"]:
            raise ApiError(
                "resource_in_use", f"firewall {record['id']} is still applied to a resource"
            )
        del self.table[str(record["id"])]

    def do_set_rules(self, record: Record, body: Record) -> Record:
        """Other rules."""
        record["rules"] = _checked(parse(_Rules, body).rules)
        actions = [self.start("set_firewall_rules", record)]
        for server in record["servers"]:
            actions.append(self._enforce("apply_firewall", record, server))
        return {"actions": actions}

    def do_apply_to_resources(self, record: Record, body: Record) -> Record:
        """For further servers."""
        targets = [target.server.id for target in parse(_ApplyTo, body).apply_to]
        for server in targets:
            self.project.servers.get(server)
            if server in record["servers"]:
                raise ApiError("firewall_already_applied", f"already applied to server {server}")
        return {"actions": [self.apply(record, server) for server in targets]}

    def do_remove_from_resources(self, record: Record, body: Record) -> Record:
        """Not for some servers any more."""
        actions = []
        for target in parse(_RemoveFrom, body).remove_from:
            if target.server.id not in record["servers"]:
                raise invalid("remove_from", f"is not applied to server {target.server.id}")
            record["servers"].remove(target.server.id)
            actions.append(self._enforce("remove_firewall", record, target.server.id))
        return {"actions": actions}

    def apply(self, record: Record, server: int) -> Record:
        """Applies it to a server. Returns the action."""
        record["servers"].append(server)
        return self._enforce("apply_firewall", record, server)

    def of_server(self, server: int) -> list[Record]:
        """Those that are applied to the server."""
        return [record for record in self.table.values() if server in record["servers"]]

    async def enforce(self, server: int) -> None:
        """Has the backend filter by the rules of all firewalls of the server."""
        firewalls = self.of_server(server)
        rules = [rule for record in firewalls for rule in record["rules"]]
        await blocking(self.backend.set_firewall, server, rules if firewalls else None)

    def _enforce(self, command: str, record: Record, server: int) -> Record:
        return self.start(command, record, ("server", server), effect=lambda: self.enforce(server))


def _checked(rules: list[_Rule]) -> list[dict[str, Any]]:
    for index, rule in enumerate(rules):
        if (rule.protocol in ("tcp", "udp")) != bool(rule.port):
            raise invalid(f"rules.{index}.port", "is needed for tcp and udp, and only for them")
        networks = "source_ips" if rule.direction == "in" else "destination_ips"
        if not getattr(rule, networks):
            raise invalid(f"rules.{index}.{networks}", "must not be empty")
    return [rule.model_dump() for rule in rules]
