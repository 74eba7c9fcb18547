"""What to change in a stack's config after a week: pure, from what was measured to advice.

The platform's rule is vertical first, then horizontal: a limit or a server that was too small gets
larger, and only when Hetzner has no larger one is a node added. Every change is tried on the
settings first, so what is advised can be had. Nothing is ever advised to become smaller: a quiet
week says little about the next.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from config.change import Change, changed
from config.cost import Cost, Prices, monthly_cost
from config.offer import SYSTEM_MEMORY_MB, Offer, ServerType, offer_problems
from config.plan import MAIN, Load, NodePlan, Plan, make_plan
from config.problems import ConfigError, Problem
from config.settings import HetznerHosts, ServerSettings, Settings
from config.week import ContainerWeek, DiskWeek, HostWeek, Use, Week

MIN_DAYS = 1
"""Days that must have been measured: the first hours of a stack say nothing about a week."""

AHEAD_DAYS = 7
"""Days that a disk's growth is looked ahead: until the next review."""

ROOM_DAYS = 28
"""Days of growth that a larger volume has room for."""

STEP = 1.5
"""How much larger a limit or a volume becomes, where nothing else decides it."""

MEMORY_STEP_MB = 256
VOLUME_STEP_GB = 10
MAX_VOLUME_GB = 10240
"""Hetzner's largest."""

VOLUMES = "/var/lib/docker/volumes"
"""Where a server's volume is mounted; without one the data lies there too."""

DEDICATED = "ccx"
"""Hetzner's types whose cores are not shared: the last resort of the others."""

MIB, GIB = 1024**2, 1024**3


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One thing to do.

    Attributes:
        what: in a few words.
        reason: what was measured, in sentences.
        changes: to be made together; none where no setting helps.
        extra: what they cost more a month, after all advice before; None where unknown.
        total: what the servers then cost a month; None where unknown.
        currency: of both.
    """

    what: str
    reason: str
    changes: tuple[Change, ...] = ()
    extra: Decimal | None = None
    total: Decimal | None = None
    currency: str = ""


def advise(
    week: Week,
    settings: Settings,
    stack: str,
    offer: Offer | None = None,
    prices: Prices | None = None,
) -> tuple[Advice, ...]:
    """What to change, most important first; nothing when less than a day was measured.

    No two of them change the same setting: where that would be needed, the next review says what is
    left to do.

    Args:
        week: what was measured.
        settings: the stack's config. What it has already changed since counts as done.
        stack: its name.
        offer: what Hetzner sells; None when that is unknown, or on a laptop.
        prices: Hetzner's, when known.
    """
    if week.days < MIN_DAYS:
        return ()
    adviser = _Adviser(week, settings, stack, offer, prices)
    adviser.hosts()
    adviser.limits()
    adviser.disks()
    return tuple(adviser.advice)


@dataclass(frozen=True, kw_only=True)
class _Resource:
    """CPUs or memory: what hosts, containers, server types and limits call them.

    Attributes:
        name: for people.
        use: what was used, in cores or bytes.
        size: what a host has, likewise.
        of_type: the field of a server type, in `type_unit`.
        limit: the setting of a service, in `limit_unit` and multiples of `step`.
        text: an amount for people.
    """

    name: str
    use: Callable[[HostWeek | ContainerWeek], Use]
    size: Callable[[HostWeek], float]
    of_type: str
    type_unit: int
    limit: str
    limit_unit: int
    step: int
    text: Callable[[float], str]

    def planned(self, kind: ServerType | None) -> float | None:
        """What servers of a type have."""
        return getattr(kind, self.of_type) * self.type_unit if kind else None


def gib(size: float, *, sign: bool = False) -> str:
    """A size for people, such as `1.5 GiB`."""
    return f"{size / GIB:{'+' if sign else ''},.1f} GiB"


def percent(part: float, whole: float) -> str:
    """A share for people."""
    return f"{part / whole * 100:.0f} %"


_CPUS = _Resource(
    name="CPUs",
    use=lambda measured: measured.cpu,
    size=lambda host: host.cores,
    of_type="cores",
    type_unit=1,
    limit="cpus",
    limit_unit=1,
    step=1,
    text=lambda cores: f"{cores:.1f} cores",
)
_MEMORY = _Resource(
    name="memory",
    use=lambda measured: measured.memory,
    size=lambda host: host.memory_size,
    of_type="memory_gb",
    type_unit=GIB,
    limit="memory_mb",
    limit_unit=MIB,
    step=MEMORY_STEP_MB,
    text=gib,
)


@dataclass(frozen=True)
class _Limit:
    """The limits that the nodes of a service share, and the setting that holds them."""

    path: str
    nodes: Sequence[NodePlan]

    def of(self, resource: _Resource) -> float:
        """The limit of a resource, in its `limit_unit`."""
        return float(getattr(self.nodes[0], resource.limit))


def _limits(plan: Plan) -> Sequence[_Limit]:
    return (
        _Limit("citus.coordinator", (plan.citus.coordinator,)),
        _Limit("citus.worker", plan.citus.workers),
        _Limit("minio", plan.minio.nodes),
    )


class _Adviser:
    """Collects advice; each piece is based on the settings with all those before."""

    def __init__(
        self,
        week: Week,
        settings: Settings,
        stack: str,
        offer: Offer | None,
        prices: Prices | None,
    ) -> None:
        self.week = week
        self.settings = settings
        self.stack = stack
        self.offer = offer
        self.prices = prices
        self.advice: list[Advice] = []
        self.taken: set[str] = set()
        thresholds = settings.monitoring.thresholds
        self.shares = (
            (_CPUS, thresholds.cpu_percent / 100),
            (_MEMORY, thresholds.memory_percent / 100),
        )
        self.disk_share = 1 - thresholds.disk_free_percent / 100
        self.storage_share = thresholds.storage_percent / 100
        self.containers = {container.name: container for container in week.containers}
        self.before = frozenset(self._problems(settings))

    # The settings as they are so far.

    @property
    def plan(self) -> Plan:
        return make_plan(self.settings, self.stack)

    @property
    def servers(self) -> HetznerHosts | None:
        hosts = self.settings.hosts
        return hosts if isinstance(hosts, HetznerHosts) else None

    def role(self, role: str) -> ServerSettings:
        """The settings of the servers of a role."""
        servers = self.servers
        assert servers
        return servers.data if role == "data" and servers.data else servers.main

    def kind(self, role: str) -> ServerType | None:
        """The type of a role's servers, when it is known."""
        if self.servers is None or self.offer is None:
            return None
        return self.offer.server_type(self.role(role).server_type)

    def by_role(self) -> Mapping[str, list[HostWeek]]:
        """The measured hosts by the role that the config describes them in."""
        roles: dict[str, list[HostWeek]] = {}
        for host in self.week.hosts:
            role = "main" if host.name == MAIN else "data" if self.servers else "local"
            roles.setdefault(role, []).append(host)
        return roles

    # Rules.

    def hosts(self) -> None:
        """CPU and memory of whole hosts."""
        for role, hosts in self.by_role().items():
            kind = self.kind(role)
            needs: dict[str, float] = {}
            names, reasons = [], []
            for resource, share in self.shares:
                rooms = {h.name: _room(resource.size(h), resource.planned(kind)) for h in hosts}
                host = max(hosts, key=lambda h: resource.use(h).busy / rooms[h.name])
                use, room = resource.use(host), rooms[host.name]
                if use.busy > share * room:
                    needs[resource.of_type] = use.busy / share / resource.type_unit
                    names.append(resource.name)
                    reasons.append(_used(f"{host.name}: {resource.name}", use, room, resource))
            if needs:
                self._decide(
                    f"{' and '.join(names)} of {_people(role)}",
                    " ".join(reasons),
                    self._larger_servers(role, needs),
                    self._nothing_larger(role),
                )

    def limits(self) -> None:
        """Memory and CPUs of containers, where they are measured one by one."""
        for index in range(len(_limits(self.plan))):
            for resource, share in self.shares:
                limit = _limits(self.plan)[index]  # as the advice before has left it
                uses = {
                    node: resource.use(self.containers[node.name])
                    for node in limit.nodes
                    if node.name in self.containers
                }
                if not uses:
                    continue
                node = max(uses, key=lambda node: uses[node].busy)
                now, unit = limit.of(resource), resource.limit_unit
                if uses[node].busy <= share * now * unit:
                    continue
                needed = _up(uses[node].busy / unit / share, resource.step)
                values = sorted({max(needed, _up(now * STEP, resource.step)), needed}, reverse=True)
                self._decide(
                    f"{resource.name} of {node.name}",
                    _used(f"{node.name}: {resource.name}", uses[node], now * unit, resource),
                    self._larger_limits(f"{limit.path}.{resource.limit}", values, node),
                    self._nothing_larger(_role_of(node)),
                )

    def disks(self) -> None:
        """The file systems with the data."""
        for role, hosts in self.by_role().items():
            minio = {node.host for node in self.plan.minio.nodes}
            volume_gb = self.role(role).volume_gb if self.servers else None
            found = []
            for host in hosts:
                share = min(self.disk_share, self.storage_share if host.name in minio else 1)
                for disk in host.disks:
                    on_volume = disk.mountpoint == VOLUMES and volume_gb
                    room = _room(disk.size, volume_gb * GIB if on_volume and volume_gb else 0)
                    soon = disk.used + max(disk.growth, 0) * AHEAD_DAYS
                    if soon > share * room:
                        found.append((soon / room, host, disk, share, room, bool(on_volume)))
            if not found:
                continue
            _, host, disk, share, room, on_volume = max(found, key=lambda one: one[0])
            pace = "" if disk.used > share * room else f": above {percent(share, 1)} within a week"
            self._decide(
                f"disk of {_people(role)}",
                f"{host.name}: {gib(disk.used)} of {gib(room)} are used at {disk.mountpoint} "
                f"({percent(disk.used, room)}), {gib(disk.growth, sign=True)} a day"
                f"{pace}.",
                self._larger_disks(role, disk, share, on_volume),
                "No setting makes this disk larger: `docker system df` shows what can be deleted.",
            )

    # What can be done, the best first.

    def _larger_servers(
        self, role: str, needs: Mapping[str, float]
    ) -> Iterator[tuple[Change, ...]]:
        if self.servers is None:
            return
        before = self.kind(role)
        for kind in self._types(role, needs):
            change = Change(path=f"hosts.{role}.server_type", value=kind.name)
            follow = tuple(
                Change(path=f"{limit.path}.cpus", value=kind.cores)
                for limit in _limits(self.plan)
                if before
                and _CPUS.of_type in needs
                and limit.of(_CPUS) == before.cores
                and any(_role_of(node) == role for node in limit.nodes)
            )
            # A limit that was the whole server's would keep a service from using the larger one.
            yield (change, *follow)
            if follow:
                yield (change,)
        if self.offer:  # else there may be larger ones
            yield from self._one_more(role, self._minio_works_more(role))

    def _larger_limits(
        self, path: str, values: Sequence[int], node: NodePlan
    ) -> Iterator[tuple[Change, ...]]:
        for value in values:
            yield (Change(path=path, value=value),)
        for value in values:
            change = Change(path=path, value=value)
            types = self._types_for(change)
            if types:
                yield (*types, change)
        if self.offer and path.startswith(("citus.worker", "minio")):
            yield from self._one_more(_role_of(node), path.startswith("minio"))

    def _larger_disks(
        self, role: str, disk: DiskWeek, share: float, on_volume: bool
    ) -> Iterator[tuple[Change, ...]]:
        if self.servers is None:
            return
        now = self.role(role).volume_gb
        if on_volume and now and now < MAX_VOLUME_GB:
            needed = (disk.used + max(disk.growth, 0) * ROOM_DAYS) / share / GIB
            size = min(MAX_VOLUME_GB, _up(max(needed, now * STEP), VOLUME_STEP_GB))
            yield (Change(path=f"hosts.{role}.volume_gb", value=size),)
        elif on_volume or now is None:
            yield from self._one_more(role, self._minio_holds_more())

    def _one_more(self, role: str, minio: bool) -> Iterator[tuple[Change, ...]]:
        """Horizontal: another pool or worker, on servers of their own."""
        servers, plan = self.servers, self.plan
        if servers is None:
            return
        worker = Change(path="citus.workers", value=len(plan.citus.workers) + 1)
        if role == "data":
            yield self._pool() if minio else (worker,)
        elif servers.data is None:
            yield (
                Change(path="hosts.main.citus_workers", value=len(plan.citus.workers)),
                Change(path="hosts.main.minio_nodes", value=len(plan.minio.nodes)),
                Change(path="hosts.data.server_type", value=servers.main.server_type),
                *(
                    [Change(path="hosts.data.volume_gb", value=servers.main.volume_gb)]
                    if servers.main.volume_gb
                    else []
                ),
                worker,
            )
        elif any(node.host == MAIN for node in plan.citus.workers):
            yield (worker,)

    def _pool(self) -> tuple[Change, ...]:
        """Another pool like the last."""
        minio = self.settings.minio
        last, index = minio.pools[-1], len(minio.pools)
        pools = [(index, last)]
        if "pools" not in minio.model_fields_set:  # the config would have a hole
            pools.insert(0, (0, last))
        return tuple(
            Change(path=f"minio.pools[{at}].{key}", value=value)
            for at, pool in pools
            for key, value in (("nodes", pool.nodes), ("drives", pool.drives))
            if value is not None
        )

    def _minio_works_more(self, role: str) -> bool:
        """Whether MinIO takes more CPU than the workers on the servers of a role."""

        def busy(nodes: Iterable[NodePlan]) -> float:
            measured = (self.containers.get(n.name) for n in nodes if _role_of(n) == role)
            return sum(container.cpu.busy for container in measured if container)

        return busy(self.plan.minio.nodes) > busy(self.plan.citus.workers)

    def _minio_holds_more(self) -> bool:
        storage = self.week.storage
        databases = sum(database.size for database in self.week.databases)
        return storage is not None and storage.used > databases

    def _types(self, role: str, needs: Mapping[str, float]) -> list[ServerType]:
        """Larger types for a role: in all that is needed, or in anything; the best first.

        Those with what is needed come before those that only have more, the cheapest first.
        """
        now, servers = self.kind(role), self.servers
        if now is None or servers is None or self.offer is None:
            return []
        place, family = servers.location, _family(now)
        larger = [
            kind
            for kind in self.offer.server_types
            if kind.architecture == now.architecture
            and _family(kind) in (family, DEDICATED)
            and kind.locations.get(place)
            and kind.cores >= now.cores
            and kind.memory_gb >= now.memory_gb
            and (kind.cores, kind.memory_gb) != (now.cores, now.memory_gb)
            and all(getattr(kind, resource) > getattr(now, resource) for resource in needs)
        ]

        def rank(kind: ServerType) -> tuple[bool, bool, float | Decimal]:
            short = any(getattr(kind, resource) < need for resource, need in needs.items())
            price = kind.monthly_price.get(place, Decimal("Infinity"))
            return short, _family(kind) != family, -kind.cores if short else price

        return sorted(larger, key=rank)

    def _types_for(self, change: Change) -> list[Change] | None:
        """The types that servers must have for a limit; None when there are none such."""
        types: list[Change] = []
        try:
            after = changed(self.settings, [change])
        except ConfigError:
            return None
        for path in self._new_problems(after):
            role = path.removeprefix("hosts.").removesuffix(".server_type")
            for kind in self._types(role, {}):
                larger = Change(path=path, value=kind.name)
                if path not in self._new_problems(changed(after, [*types, larger])):
                    types.append(larger)
                    break
            else:
                return None
        return types

    # Whether it can be had, and what it costs.

    def _decide(
        self, what: str, reason: str, tries: Iterable[tuple[Change, ...]], otherwise: str
    ) -> None:
        """Advises the first that can be had; nothing when one of its settings has its change."""
        for changes in tries:
            paths = {change.path for change in changes}
            if paths & self.taken:
                return
            try:
                after = changed(self.settings, changes)
            except ConfigError:
                continue
            if not self._new_problems(after):
                self.advice.append(self._priced(what, reason, changes, after))
                self.settings = after
                self.taken |= paths
                return
        self.advice.append(Advice(what=what, reason=f"{reason} {otherwise}"))

    def _priced(
        self, what: str, reason: str, changes: tuple[Change, ...], after: Settings
    ) -> Advice:
        before, cost = self._cost(self.settings), self._cost(after)
        if before is None or cost is None:
            return Advice(what=what, reason=reason, changes=changes)
        return Advice(
            what=what,
            reason=reason,
            changes=changes,
            extra=cost.total - before.total,
            total=cost.total,
            currency=cost.currency,
        )

    def _cost(self, settings: Settings) -> Cost | None:
        """What the servers cost, when all of it is known."""
        hetzner = make_plan(settings, self.stack).hetzner
        cost = hetzner and monthly_cost(hetzner.servers, hetzner.location, self.prices)
        return cost if cost and not cost.unknown else None

    def _new_problems(self, settings: Settings) -> list[str]:
        """Where settings ask for more than there is, and the stack's present ones do not."""
        return [p.path for p in self._problems(settings) if p not in self.before]

    def _problems(self, settings: Settings) -> Iterator[Problem]:
        plan = make_plan(settings, self.stack)
        if plan.hetzner and self.offer:
            yield from offer_problems(plan, self.offer)
            return
        # What Hetzner sells is not known, or this is a laptop: hosts are as they were measured.
        for host in self.week.hosts:
            loads: list[Load | NodePlan] = [
                load
                for server in (plan.hetzner.servers if plan.hetzner else ())
                if server.name == host.name
                for load in server.loads
            ] or [node for node in (*plan.citus.nodes, *plan.minio.nodes) if node.host == host.name]
            memory = SYSTEM_MEMORY_MB + sum(load.memory_mb for load in loads)
            if memory * MIB > host.memory_size:
                yield Problem(host.name, f"has less memory than {memory} MiB")
            if (most := max((load.cpus for load in loads), default=0)) > host.cores:
                yield Problem(host.name, f"has fewer cores than {most:g}")

    def _nothing_larger(self, role: str) -> str:
        if self.servers is None:
            return (
                "Docker's machine has no more: give it more, or move to a server "
                "(Pulumi.small.yaml)."
            )
        if self.offer is None:
            return (
                f"Choose a larger hosts.{role}.server_type: what Hetzner sells could not be read."
            )
        return (
            f"{self.servers.location} has no larger server type at present, and another node would "
            "not help: look for the queries or uploads that cause it."
        )


def _role_of(node: NodePlan) -> str:
    return "main" if node.host == MAIN else "data"


def _family(kind: ServerType) -> str:
    return kind.name.rstrip("0123456789")


def _room(measured: float, planned: float | None) -> float:
    """The planned size where it is another one; else what is really there, a bit less."""
    near = planned and abs(planned - measured) <= 0.1 * planned
    return measured if near or not planned else planned


def _up(number: float, step: int) -> int:
    """The next multiple of a step."""
    return math.ceil(number / step) * step


def _used(what: str, use: Use, room: float, resource: _Resource) -> str:
    """The sentence with the numbers."""
    return (
        f"{what} in use for 1 % of the time: {resource.text(use.busy)} of {resource.text(room)} "
        f"({percent(use.busy, room)}) or more; at worst {resource.text(use.worst)}."
    )


def _people(role: str) -> str:
    return {"main": "the main server", "data": "the data servers"}.get(role, "this machine")
