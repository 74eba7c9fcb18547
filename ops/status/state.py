"""What a stack is like now, and what of it is down: pure, from what its parts have answered."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from config.plan import MAIN, Plan
from ops.hosts import Container, HostError
from ops.review.prometheus import Sample

HEALTHY = "healthy"
MISSING = "missing"

DRIVE_OK = "ok"
"""What MinIO says of a drive that works."""


@dataclass(frozen=True)
class Member:
    """A worker in one database: whether Citus uses it, and its shards there."""

    database: str
    worker: str
    active: bool
    shards: int


@dataclass(frozen=True)
class Pool:
    """A pool of MinIO as the cluster sees it: drives that work, of all."""

    online: int
    drives: int


@dataclass(frozen=True)
class Alert:
    """An alert that fires."""

    name: str
    severity: str
    instance: str


@dataclass(frozen=True, kw_only=True)
class State:
    """A stack as it is now. Where a part has not answered, the reason stands in its place.

    Attributes:
        containers: the condition of each container by its name, by host.
        members: the workers of each database.
        pools: MinIO's pools, the oldest first.
        alerts: those that fire; None: the stack is not monitored.
    """

    containers: Mapping[str, Mapping[str, str] | str]
    members: Sequence[Member] | str
    pools: Sequence[Pool] | str
    alerts: Sequence[Alert] | str | None

    def down(self, plan: Plan) -> Iterator[str]:
        """A sentence for each thing that is down."""
        for host, conditions in self.containers.items():
            if isinstance(conditions, str):
                yield f"host {host} does not answer"
                continue
            for name, condition in conditions.items():
                if condition != HEALTHY:
                    yield f"{name} is {condition}"
        if isinstance(self.members, str):
            yield "Citus does not say what its workers have"
        else:
            yield from _missing_members(plan, self.members)
        if not isinstance(self.pools, str):
            for number, pool in enumerate(self.pools, start=1):
                if pool.online < pool.drives:
                    yield f"{pool.drives - pool.online} drives of pool {number} do not work"
        if self.alerts and not isinstance(self.alerts, str):
            for alert in self.alerts:
                if alert.severity == "critical":
                    yield f"{alert.name} of {alert.instance}"


def conditions(plan: Plan, host: str, containers: Iterable[Container]) -> dict[str, str]:
    """The condition of each container on a host: `healthy`, or what else it is.

    What is planned there and does not exist is `missing`. What is no service, and has run once and
    ended well, is left out.
    """
    planned = _planned(plan, host)
    found = dict.fromkeys(planned, MISSING)
    for container in containers:
        name = container.name.removeprefix(plan.prefix)
        if name in planned or not container.status.startswith("Exited (0)"):
            found[name] = _condition(container)
    return dict(sorted(found.items()))


def _condition(container: Container) -> str:
    if container.state != "running":
        return container.state
    # "Up 2 hours (healthy)", "Up 3 seconds (health: starting)"
    health = re.search(r"\((?:health: )?(\w+)\)", container.status)
    return health[1] if health else container.state


def _planned(plan: Plan, host: str) -> set[str]:
    nodes = (*plan.minio.nodes, *plan.citus.nodes)
    names = {node.name.removeprefix(plan.prefix) for node in nodes if node.host == host}
    if plan.monitoring:
        names |= {service.name for service in plan.monitoring.services if service.host == host}
    if plan.cloudbeaver and host == plan.citus.coordinator.host:
        names.add("cloudbeaver")
    if plan.hetzner and host == MAIN:
        names.add("edge")
    return names


def members(plan: Plan, rows: str) -> Sequence[Member]:
    """The workers of each database.

    Args:
        plan: knows the nodes by their addresses.
        rows: lines of database, host, port, whether active (`t`), and shards, between tabs.
    """
    names = {
        (node.address, str(node.port)): node.name.removeprefix(plan.prefix)
        for node in plan.citus.nodes
    }
    return [
        Member(database, names.get((host, port), f"{host}:{port}"), active == "t", int(shards))
        for database, host, port, active, shards in (line.split("\t") for line in rows.splitlines())
    ]


def _missing_members(plan: Plan, found: Sequence[Member]) -> Iterator[str]:
    used = {(member.database, member.worker) for member in found if member.active}
    for project in plan.projects:
        for node in plan.citus.workers:
            worker = node.name.removeprefix(plan.prefix)
            if (project.database, worker) not in used:
                yield f"Citus does not use {worker} in {project.database}"


def pools(answer: str) -> Sequence[Pool]:
    """The pools, from what `mc admin info --json` says.

    Raises:
        HostError: it says that it could not find out.
    """
    said = json.loads(answer)
    if said["status"] != "success":  # it has an empty `info` then
        raise HostError(str(said.get("error", "MinIO does not say")))
    every, online = Counter[int](), Counter[int]()
    for server in said["info"].get("servers", ()):
        for drive in server.get("drives", ()):
            pool = drive["pool_index"]
            every[pool] += 1
            online[pool] += drive.get("state") == DRIVE_OK
    return [Pool(online[number], every[number]) for number in sorted(every)]


def alerts(samples: Iterable[Sample]) -> Sequence[Alert]:
    """The alerts that fire, the worst first."""
    found = {
        Alert(
            sample.labels["alertname"],
            sample.labels.get("severity", ""),
            sample.labels.get("instance", ""),
        )
        for sample in samples
    }
    worst_first = ("critical", "warning", "info", "")
    return sorted(found, key=lambda one: (worst_first.index(one.severity), one.name, one.instance))
