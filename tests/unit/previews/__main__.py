"""Records the previews."""

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ops.preview_report.__main__ import STREAMED
from ops.preview_report.preview import OPERATIONS
from tests.cloud.servers import CloudStack, cloud_stack
from tests.committed import committed, on_servers
from tests.hetzner import hetzner_api
from tests.stack import LiveStack, Ports, live_stack
from tests.unit.previews import FOLDER

STACK = "test-previews"
PORTS = Ports(api=18300, console=18301, postgres=18302)

SHOP: dict[str, Any] = {"buckets": {"uploads": {"versioning": True}}}
BLOG: dict[str, Any] = {"buckets": {"media": {}}}
SMALL, LARGE = "cx23", "cx33"
FIXED: Mapping[str, Mapping[str, Any]] = {
    "hosts": {
        "network_cidr": "10.79.0.0/16",
        "main": {"server_type": SMALL, "volume_gb": 10},
        "data": {"server_type": SMALL, "volume_gb": 10},
        "budget_eur": 60,
    },
    "minio": {"pools": [{"nodes": 4}], "memory_mb": 384},
    "citus": {"workers": 4, "coordinator": {"memory_mb": 512}, "worker": {"memory_mb": 512}},
    "projects": {"shop": SHOP},
}

INPUTS = (
    *("name", "memory", "cpus", "size", "size_gb", "server_type"),
    *("database", "workers", "rebalance", "pools", "bucket", "server", "edge"),
)
"""What the report reads of a resource."""


def trimmed(events: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The events that the report reads."""
    for event in events:
        match event:
            case {"resourcePreEvent": {"metadata": step}} if step["op"] in OPERATIONS:
                yield {"resourcePreEvent": {"metadata": _trimmed_step(step)}}
            case {"resOutputsEvent": {"metadata": {"type": "pulumi:pulumi:Stack"} as step}}:
                yield {
                    "resOutputsEvent": {
                        "metadata": {
                            **{key: step[key] for key in ("op", "urn", "type")},
                            **{
                                side: {"outputs": _only(state["outputs"], ("monthly_cost",))}
                                for side in ("old", "new")
                                if (state := step[side])
                            },
                        }
                    }
                }
            case {"diagnosticEvent": {"severity": "debug"}}:
                pass
            case {"diagnosticEvent": _} | {"policyEvent": _} | {"summaryEvent": _}:
                yield {key: event[key] for key in event if key not in ("sequence", "timestamp")}


def _trimmed_step(step: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = {key: step[key] for key in ("op", "urn", "type", "keys", "diffs") if step.get(key)}
    sides = {
        side: {"inputs": _only(step[side]["inputs"], INPUTS)}
        for side in ("old", "new")
        if step[side]
    }
    return {**kept, **sides}


def _only(properties: Mapping[str, Any], names: Iterable[str]) -> Mapping[str, Any]:
    return {name: properties[name] for name in names if name in properties}


def record(stack: LiveStack, name: str, *options: str, **sections: Any) -> None:
    """Previews the stack with a config and writes what was said."""
    stack.configure(**sections)
    command = ("preview", "--json", "--stack", stack.name, *options)
    said = stack.cli(*command, **STREAMED).stdout.splitlines()
    kept = [json.dumps(event) for event in trimmed(map(json.loads, said))]
    (FOLDER / f"{name}.jsonl").write_text("\n".join(kept) + "\n")
    print(f"{name}: {len(kept)} events", flush=True)


def dev() -> None:
    """What happens to a stack on a laptop."""
    with (
        tempfile.TemporaryDirectory() as folder,
        live_stack(STACK, Path(folder), PORTS) as stack,
    ):
        base = {**committed("dev"), "projects": {"shop": SHOP}}
        citus, shop = base["citus"], base["projects"]["shop"]
        both = {"shop": SHOP, "blog": BLOG}
        assert stack.automation.name  # selects it
        record(stack, "dev-new", **base)
        record(stack, "dev-refused", **{**base, "citus": {"workers": 0}})
        stack.configure(**base)
        stack.up()
        record(stack, "dev-unchanged", **base)
        three = {**citus, "workers": 3}
        record(stack, "dev-worker-added", **{**base, "citus": three})
        record(stack, "dev-memory", **{**base, "citus": {**citus, "worker": {"memory_mb": 640}}})
        record(stack, "dev-password", **{**base, "projects": {"shop": _rotated(shop)}})
        record(stack, "dev-image", **base, images={"citus": "docker.io/citusdata/citus:14.0.0"})
        record(stack, "dev-project-added", **{**base, "projects": both})
        record(
            stack, "dev-pool-added", **{**base, "minio": {"pools": [{"nodes": 1}, {"nodes": 4}]}}
        )
        record(stack, "dev-pool-removed", **{**base, "minio": {"pools": [{"nodes": 4}]}})
        base = {**base, "citus": three, "projects": both}
        stack.configure(**base)
        stack.up()
        record(stack, "dev-worker-removed", **{**base, "citus": citus})
        record(
            stack,
            "dev-block-writes",
            **{**base, "citus": {**three, "workers": 4, "rebalance": "block_writes"}},
        )
        record(stack, "dev-project-removed", **{**base, "projects": {"shop": SHOP}})
        stack.configure(**base, protect=True)
        stack.up()
        record(stack, "dev-protected", **{**base, "projects": {"shop": SHOP}}, protect=True)
        stack.configure(**base)
        stack.up()
        stack.automation.destroy()


def _rotated(project: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**project, "credentials_version": 2}


def new() -> None:
    """What a first update makes on servers; nothing is made of it."""
    with tempfile.TemporaryDirectory() as folder, hetzner_api() as api:
        stack = LiveStack("prod", Path(folder), None, variables={"HCLOUD_TOKEN": api.token})
        stack.prepare()
        sections = on_servers("prod", token=None, endpoint=api.endpoint)
        stack.configure(**sections)
        assert stack.automation.name
        record(stack, "prod-new", **sections)


def servers() -> None:
    """What happens to a stack on servers."""
    with (
        tempfile.TemporaryDirectory() as folder,
        cloud_stack(STACK, Path(folder), FIXED) as stack,
    ):
        hosts, citus = stack.fixed["hosts"], FIXED["citus"]
        five = {**citus, "workers": 5}
        stack.up()
        record(stack, "prod-unchanged")
        _open_to_all(stack)
        record(stack, "prod-drift", "--refresh", "--expect-no-changes")
        stack.up(refresh=True)
        record(stack, "prod-server-added", citus=five)
        larger = {**hosts["data"], "server_type": LARGE}
        record(stack, "prod-server-type", hosts={"data": larger})
        record(stack, "prod-volume", hosts={"data": {**hosts["data"], "volume_gb": 20}})
        stack.configure(citus=five)
        stack.up()
        record(stack, "prod-server-removed")
        stack.automation.destroy()


def _open_to_all(stack: CloudStack) -> None:
    """What somebody may do by hand, in Hetzner's console."""
    from hcloud.firewalls import FirewallRule

    (firewall,) = [one for one in stack.of_kind("firewalls") if one.name == f"{stack.name}-admin"]
    rule = FirewallRule(direction="in", protocol="tcp", port="22", source_ips=["0.0.0.0/0"])
    for action in firewall.set_rules([rule]):
        action.wait_until_finished()


def main() -> None:
    """Records the previews of one kind of stack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["dev", "new", "servers"])
    {"dev": dev, "new": new, "servers": servers}[parser.parse_args().kind]()


if __name__ == "__main__":
    main()
