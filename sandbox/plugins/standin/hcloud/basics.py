"""SSH keys, placement groups and firewalls."""

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from standin.hcloud.client import ApiError, Cloud
from standin.hcloud.entity import LABELS, NAME, Entity, common, given
from standin.resource import Property
from standin.values import UNKNOWN, Properties


def _without_comment(key: Any) -> Any:
    return key.split()[:2] if isinstance(key, str) else key


class SshKey(Entity):
    """A public key of the project."""

    type = "SshKey"
    path = "ssh_keys"
    kind = "ssh_key"
    outputs: ClassVar[Mapping[str, bool]] = {"fingerprint": False}
    properties: ClassVar[Mapping[str, Property]] = {
        "name": NAME,
        "labels": LABELS,
        "publicKey": Property(kind=str, required=True, replace=True, canonical=_without_comment),
    }

    @override
    def body(self, inputs: Properties) -> Properties:
        return {
            "name": inputs["name"],
            "public_key": inputs["publicKey"],
            "labels": inputs.get("labels", {}),
        }

    @override
    def state(self, record: Properties, known: Properties) -> Properties:
        return {
            **common(record),
            "publicKey": record["public_key"],
            "fingerprint": record["fingerprint"],
        }


class PlacementGroup(Entity):
    """Servers that stand on different machines."""

    type = "PlacementGroup"
    path = "placement_groups"
    kind = "placement_group"
    outputs: ClassVar[Mapping[str, bool]] = {"servers": False}
    properties: ClassVar[Mapping[str, Property]] = {
        "name": NAME,
        "labels": LABELS,
        "type": Property(kind=str, required=True, replace=True, allowed=("spread",)),
    }

    @override
    def body(self, inputs: Properties) -> Properties:
        return {
            "name": inputs["name"],
            "type": inputs["type"],
            "labels": inputs.get("labels", {}),
        }

    @override
    def state(self, record: Properties, known: Properties) -> Properties:
        return {**common(record), "type": record["type"], "servers": record["servers"]}


_RULE = {
    "direction": "direction",
    "protocol": "protocol",
    "port": "port",
    "sourceIps": "source_ips",
    "destinationIps": "destination_ips",
    "description": "description",
}


def _rule(rule: Any) -> Any:
    """A rule without what is empty, its fields and networks in order."""
    if not isinstance(rule, dict):
        return rule
    return {
        name: sorted(value, key=str) if isinstance(value, list) else value
        for name, value in sorted(rule.items())
        if value
    }


class Firewall(Entity):
    """A firewall; it is applied to servers by their `firewallIds`."""

    type = "Firewall"
    path = "firewalls"
    remembered = False
    kind = "firewall"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": NAME,
        "labels": LABELS,
        "rules": Property(
            kind=list,
            canonical=lambda rules: (
                sorted((_rule(rule) for rule in rules), key=repr)
                if isinstance(rules, list)
                else rules
            ),
        ),
    }

    @override
    def validate(self, inputs: Properties) -> dict[str, str]:
        """Only the fields that there are."""
        rules = inputs.get("rules", [])
        for rule in rules if rules is not UNKNOWN else []:
            if rule is not UNKNOWN and (unknown := sorted(set(rule) - set(_RULE))):
                return {"rules": f"there is no {unknown[0]} in a rule"}
        return {}

    @override
    def body(self, inputs: Properties) -> Properties:
        return {
            "name": inputs["name"],
            "labels": inputs.get("labels", {}),
            "rules": _rules(inputs),
        }

    @override
    def state(self, record: Properties, known: Properties) -> Properties:
        rules = [
            {ours: rule[theirs] for ours, theirs in _RULE.items() if rule[theirs]}
            for rule in record["rules"]
        ]
        same = self.properties["rules"].canonical
        if same(rules) == same(known.get("rules", [])):
            rules = known.get("rules", [])  # in the order of the program
        return {**common(record), "rules": rules}

    @override
    def alter(self, client: Cloud, path: str, old: Properties, new: Properties) -> None:
        """The rules. As with the official provider, an empty list leaves them as they are."""
        rules = _rules(new)
        if rules and rules != _rules(old):
            client.act(path, "set_rules", {"rules": rules})

    @override
    def delete(self, client: Cloud, resource_id: str, state: Properties) -> None:
        """Takes it from all servers first."""
        answer = client.get(self.at(resource_id))
        if not answer:
            return
        if applied := answer["firewall"]["applied_to"]:
            try:
                client.act(self.at(resource_id), "remove_from_resources", {"remove_from": applied})
            except ApiError as error:
                if error.code not in ("not_found", "firewall_already_removed"):
                    raise
        super().delete(client, resource_id, state)


def _rules(inputs: Properties) -> list[Properties]:
    return [
        given({theirs: rule.get(ours) for ours, theirs in _RULE.items()})
        for rule in inputs.get("rules", [])
    ]
