"""What to change in a stack's config after a week: pure, from what was measured to advice.

The platform's rule is vertical first, then horizontal: a limit or a server that was too small gets
larger, and only when Hetzner has no larger one is a node added. Every change is tried on the
settings first, so what is advised can be had. Nothing is ever advised to become smaller: a quiet
week says little about the next.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from config.change import Change
from config.cost import Prices
from config.growth import MIB, Growth, role_of
from config.offer import Offer, ServerType
from config.plan import LOCAL, NodePlan, Plan
from config.settings import Settings
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

GIB = 1024**3


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
    adviser = _Adviser(
        week,
        Growth(settings=settings, stack=stack, offer=offer, prices=prices, hosts=week.hosts),
    )
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


@dataclass(frozen=True, kw_only=True)
class _Fill:
    """A disk with the room that it has, and the share of it that may be used."""

    host: str
    disk: DiskWeek
    room: float
    share: float
    on_volume: bool

    @property
    def soon(self) -> float:
        """What will be used at the next review."""
        return self.disk.used + max(self.disk.growth, 0) * AHEAD_DAYS

    @property
    def sentence(self) -> str:
        """The sentence with the numbers."""
        used, full = self.disk.used, self.share * self.room
        return (
            f"{self.host}: {gib(used)} of {gib(self.room)} are used at {self.disk.mountpoint} "
            f"({percent(used, self.room)}), {gib(self.disk.growth, sign=True)} a day"
            f"{'' if used > full else f': above {percent(self.share, 1)} within a week'}."
        )


class _Adviser:
    """Collects advice; each piece is based on the settings with all those before."""

    def __init__(self, week: Week, growth: Growth) -> None:
        self.week = week
        self.growth = replace(growth, accepted=frozenset(growth.problems()))
        self.advice: list[Advice] = []
        self.taken: set[str] = set()
        self.containers = {container.name: container for container in week.containers}
        thresholds = growth.settings.monitoring.thresholds
        self.shares = (
            (_CPUS, thresholds.cpu_percent / 100),
            (_MEMORY, thresholds.memory_percent / 100),
        )
        self.disk_share = 1 - thresholds.disk_free_percent / 100
        self.storage_share = thresholds.storage_percent / 100

    def by_role(self) -> Mapping[str, list[HostWeek]]:
        """The measured hosts of the config, by the role that it describes them in."""
        roles: dict[str, list[HostWeek]] = {}
        hetzner = self.growth.plan.hetzner
        planned = (
            {server.name: server.role for server in hetzner.servers} if hetzner else {LOCAL: LOCAL}
        )
        for host in self.week.hosts:
            if host.name in planned:
                roles.setdefault(planned[host.name], []).append(host)
        return roles

    # Rules.

    def hosts(self) -> None:
        """CPU and memory of whole hosts."""
        for role, hosts in self.by_role().items():
            kind = self.growth.kind(role)
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
        for index in range(len(_limits(self.growth.plan))):
            for resource, share in self.shares:
                limit = _limits(self.growth.plan)[index]  # as the advice before has left it
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
                    self._nothing_larger(role_of(node)),
                )

    def disks(self) -> None:
        """The file systems: those with the data, and the others."""
        for role, hosts in self.by_role().items():
            for of_data in (True, False):
                disks = [
                    self._fill(role, host, disk)
                    for host in hosts
                    for disk in host.disks
                    if (disk.mountpoint == VOLUMES) == of_data
                ]
                full = max(disks, key=lambda fill: fill.soon / fill.room, default=None)
                if full and full.soon > full.share * full.room:
                    self._decide(
                        f"disk of {_people(role)}",
                        full.sentence,
                        self._larger_disks(role, full),
                        "No setting makes this disk larger: `docker system df` shows what can be "
                        "deleted.",
                    )

    def _fill(self, role: str, host: HostWeek, disk: DiskWeek) -> "_Fill":
        """How full a disk is, against the size that the config gives it."""
        volume_gb = self.growth.role(role).volume_gb if self.growth.servers else None
        on_volume = volume_gb is not None and disk.mountpoint == VOLUMES
        with_minio = host.name in {node.host for node in self.growth.plan.minio.nodes}
        return _Fill(
            host=host.name,
            disk=disk,
            room=_room(disk.size, volume_gb * GIB if on_volume and volume_gb else None),
            share=min(self.disk_share, self.storage_share if with_minio else 1),
            on_volume=on_volume,
        )

    # What can be done, the best first.

    def _larger_servers(
        self, role: str, needs: Mapping[str, float]
    ) -> Iterator[tuple[Change, ...]]:
        if self.growth.servers is None:
            return
        before = self.growth.kind(role)
        for kind in self.growth.types(role, needs):
            change = Change(path=f"hosts.{role}.server_type", value=kind.name)
            follow = tuple(
                Change(path=f"{limit.path}.cpus", value=kind.cores)
                for limit in _limits(self.growth.plan)
                if before
                and _CPUS.of_type in needs
                and limit.of(_CPUS) == before.cores
                and any(role_of(node) == role for node in limit.nodes)
            )
            # A limit that was the whole server's would keep a service from using the larger one.
            yield (change, *follow)
            if follow:
                yield (change,)
        if self.growth.offer:  # else there may be larger ones
            yield from self.growth.one_more(role, self._minio_works_more(role))

    def _larger_limits(
        self, path: str, values: Sequence[int], node: NodePlan
    ) -> Iterator[tuple[Change, ...]]:
        for value in values:
            yield (Change(path=path, value=value),)
        for value in values:
            change = Change(path=path, value=value)
            types = self.growth.types_for(change)
            if types:
                yield (*types, change)
        if self.growth.offer and path.startswith(("citus.worker", "minio")):
            yield from self.growth.one_more(role_of(node), path.startswith("minio"))

    def _larger_disks(self, role: str, full: "_Fill") -> Iterator[tuple[Change, ...]]:
        if self.growth.servers is None:
            return
        now = self.growth.role(role).volume_gb
        if full.on_volume and now and now < MAX_VOLUME_GB:
            needed = full.disk.used + max(full.disk.growth, 0) * ROOM_DAYS
            size = _up(max(needed / full.share / GIB, now * STEP), VOLUME_STEP_GB)
            yield (Change(path=f"hosts.{role}.volume_gb", value=min(MAX_VOLUME_GB, size)),)
        elif full.on_volume or now is None:
            yield from self.growth.one_more(role, self._minio_holds_more())

    def _minio_works_more(self, role: str) -> bool:
        """Whether MinIO takes more CPU than the workers on the servers of a role."""

        def busy(nodes: Iterable[NodePlan]) -> float:
            measured = (self.containers.get(n.name) for n in nodes if role_of(n) == role)
            return sum(container.cpu.busy for container in measured if container)

        return busy(self.growth.plan.minio.nodes) > busy(self.growth.plan.citus.workers)

    def _minio_holds_more(self) -> bool:
        storage = self.week.storage
        databases = sum(database.size for database in self.week.databases)
        return storage is not None and storage.used > databases

    # The decision.

    def _decide(
        self, what: str, reason: str, tries: Iterable[tuple[Change, ...]], otherwise: str
    ) -> None:
        """Advises the first that can be had; nothing when one of its settings has its change."""
        for changes in tries:
            paths = {change.path for change in changes}
            if paths & self.taken:
                return
            after = self.growth.after(changes)
            if after and not after.new_problems():
                cost, before = after.cost, self.growth.cost
                self.advice.append(
                    Advice(
                        what=what,
                        reason=reason,
                        changes=changes,
                        extra=cost.total - before.total if cost and before else None,
                        total=cost.total if cost else None,
                        currency=cost.currency if cost else "",
                    )
                )
                self.growth = after
                self.taken |= paths
                return
        self.advice.append(Advice(what=what, reason=f"{reason} {otherwise}"))

    def _nothing_larger(self, role: str) -> str:
        if self.growth.servers is None:
            return (
                "Docker's machine has no more: give it more, or move to a server "
                "(Pulumi.small.yaml)."
            )
        if self.growth.offer is None:
            return (
                f"Choose a larger hosts.{role}.server_type: what Hetzner sells could not be read."
            )
        return (
            f"{self.growth.servers.location} has no larger server type at present, and another "
            "node would not help: look for the queries or uploads that cause it."
        )


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
    people = {
        "main": "the main server",
        "data": "the data servers",
        "apps": "the applications' server",
    }
    return people.get(role, "this machine")
