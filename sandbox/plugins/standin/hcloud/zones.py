"""DNS zones and their records."""

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from standin.hcloud.client import Cloud
from standin.hcloud.entity import LABELS, PROTECTION, Entity, given
from standin.resource import Property, Resource, StandInError
from standin.values import Properties


class Zone(Entity):
    """A zone."""

    type = "Zone"
    path = "zones"
    kind = "zone"
    autonamed = None
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property(kind=str, required=True, replace=True),
        "labels": LABELS,
        "mode": Property(kind=str, required=True, replace=True, allowed=("primary",)),
        "ttl": Property(kind=int, computed=True),
        "deleteProtection": PROTECTION,
    }

    @override
    def body(self, inputs: Properties) -> Properties:
        return given(
            {
                "name": inputs["name"],
                "mode": inputs["mode"],
                "ttl": inputs.get("ttl"),
                "labels": inputs.get("labels", {}),
            }
        )

    @override
    def state(self, record: Properties, known: Properties) -> Properties:
        return {
            "name": record["name"],
            "labels": record["labels"],
            "mode": record["mode"],
            "ttl": record["ttl"],
            "deleteProtection": record["protection"]["delete"],
        }

    @override
    def alter(self, client: Cloud, path: str, old: Properties, new: Properties) -> None:
        """Its TTL."""
        if new.get("ttl") and old.get("ttl") != new["ttl"]:
            client.act(path, "change_ttl", {"ttl": new["ttl"]})


class ZoneRrset(Resource[Cloud]):
    """All records of one name and type. Its id is `NAME/TYPE`; imported as `ZONE/NAME/TYPE`."""

    type = "ZoneRrset"
    delete_first = True
    properties: ClassVar[Mapping[str, Property]] = {
        "zone": Property(kind=str, required=True, replace=True),
        "name": Property(kind=str, required=True, replace=True),
        "type": Property(kind=str, required=True, replace=True),
        "ttl": Property(kind=int),
        "labels": LABELS,
        "records": Property(kind=list, required=True),
        "changeProtection": PROTECTION,
    }

    @override
    def create(self, client: Cloud, inputs: Properties) -> tuple[str, Properties]:
        body = given({name: inputs.get(name) for name in ("name", "type", "ttl", "records")})
        body["labels"] = inputs.get("labels", {})
        client.request("POST", f"/zones/{inputs['zone']}/rrsets", body)
        if inputs["changeProtection"]:
            client.act(_path(inputs), "change_protection", {"change": True})
        return f"{inputs['name']}/{inputs['type']}", self._seen(client, inputs)

    @override
    def read(self, client: Cloud, resource_id: str, state: Properties) -> Properties | None:
        *zone, name, kind = resource_id.split("/")
        names = {"zone": zone[0] if zone else state["zone"], "name": name, "type": kind}
        answer = client.get(_path(names))
        if not answer:
            return None
        record = answer["rrset"]
        return given(
            {
                **names,
                "ttl": record["ttl"],
                "labels": record["labels"],
                "records": [given(one) for one in record["records"]],
                "changeProtection": record["protection"]["change"],
            }
        )

    @override
    def update(
        self, client: Cloud, resource_id: str, old: Properties, new: Properties
    ) -> Properties:
        """What differs; the protection is lifted first and put on last."""
        path = _path(new)
        if old["changeProtection"]:
            client.act(path, "change_protection", {"change": False})
        if old.get("ttl") != new.get("ttl"):
            client.act(path, "change_ttl", {"ttl": new.get("ttl")})
        if old["records"] != new["records"]:
            client.act(path, "set_records", {"records": new["records"]})
        if (old.get("labels") or {}) != (new.get("labels") or {}):
            client.request("PUT", path, {"labels": new.get("labels") or {}})
        if new["changeProtection"]:
            client.act(path, "change_protection", {"change": True})
        return self._seen(client, new)

    @override
    def delete(self, client: Cloud, resource_id: str, state: Properties) -> None:
        client.delete(_path(state))

    def _seen(self, client: Cloud, inputs: Properties) -> Properties:
        resource_id = f"{inputs['zone']}/{inputs['name']}/{inputs['type']}"
        state = self.read(client, resource_id, inputs)
        if state is None:
            raise StandInError(f"rrset {resource_id} is gone")
        return state


def _path(names: Properties) -> str:
    return f"/zones/{names['zone']}/rrsets/{names['name']}/{names['type']}"
