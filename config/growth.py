"""How a stack can grow: pure, what settings, Hetzner's offer and the hosts allow."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property

from config.change import Change, changed
from config.cost import Cost, Prices, monthly_cost
from config.offer import SYSTEM_MEMORY_MB, Offer, ServerType, offer_problems
from config.plan import APPS, MAIN, Load, NodePlan, Plan, make_plan
from config.problems import ConfigError, Problem
from config.settings import HetznerHosts, ServerSettings, Settings
from config.week import HostWeek

DEDICATED = "ccx"
"""Hetzner's types whose cores are not shared: the last resort of the others."""

MIB = 1024**2


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A stack that may grow.

    Attributes:
        settings: as they are so far.
        stack: its name.
        offer: what Hetzner sells; None when that is unknown, or on a laptop.
        prices: Hetzner's, when known.
        hosts: as they were measured.
        accepted: what is wrong with the stack already, and no reason to refuse anything.
    """

    settings: Settings
    stack: str
    offer: Offer | None
    prices: Prices | None
    hosts: Sequence[HostWeek]
    accepted: frozenset[Problem] = field(default=frozenset())

    @cached_property
    def plan(self) -> Plan:
        """What the settings plan."""
        return make_plan(self.settings, self.stack)

    @property
    def servers(self) -> HetznerHosts | None:
        """The settings of the servers; None on a laptop."""
        hosts = self.settings.hosts
        return hosts if isinstance(hosts, HetznerHosts) else None

    def role(self, role: str) -> ServerSettings:
        """The settings of the servers of a role."""
        servers = self.servers
        assert servers
        of_its_own = {"data": servers.data, "apps": servers.apps}.get(role)
        return of_its_own or servers.main

    def kind(self, role: str) -> ServerType | None:
        """The type of a role's servers, when it is known."""
        if self.servers is None or self.offer is None:
            return None
        return self.offer.server_type(self.role(role).server_type)

    @property
    def cost(self) -> Cost | None:
        """What the servers cost a month, when all of it is known."""
        hetzner = self.plan.hetzner
        cost = hetzner and monthly_cost(hetzner.servers, hetzner.location, self.prices)
        return cost if cost and not cost.unknown else None

    def after(self, changes: Iterable[Change]) -> "Growth | None":
        """The stack after changes; None when the settings would not be valid."""
        try:
            return replace(self, settings=changed(self.settings, changes))
        except ConfigError:
            return None

    def types(self, role: str, needs: Mapping[str, float]) -> list[ServerType]:
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

    def types_for(self, change: Change) -> list[Change] | None:
        """The types that servers must have for a limit; None when there are none such."""
        types: list[Change] = []
        after = self.after([change])
        for path in dict.fromkeys(after.new_problems() if after else ()):
            role = path.removeprefix("hosts.").removesuffix(".server_type")
            for kind in self.types(role, {}):
                larger = Change(path=path, value=kind.name)
                trial = self.after([change, *types, larger])
                if trial and path not in trial.new_problems():
                    types.append(larger)
                    break
            else:
                return None
        return types

    def one_more(self, role: str, minio: bool) -> Iterator[tuple[Change, ...]]:
        """Horizontal: another pool or worker, on servers of their own."""
        servers, plan = self.servers, self.plan
        if servers is None or role == APPS:
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

    def new_problems(self) -> list[str]:
        """Where more is asked for than there is."""
        return [p.path for p in self.problems() if p not in self.accepted]

    def problems(self) -> Iterator[Problem]:
        """Everything that is asked for and not there."""
        plan = self.plan
        if plan.hetzner and self.offer:
            yield from offer_problems(plan, self.offer)
            return
        # What Hetzner sells is not known, or this is a laptop: hosts are as they were measured.
        for host in self.hosts:
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


def role_of(node: NodePlan) -> str:
    """The role of the server that a node stands on."""
    return "main" if node.host == MAIN else "data"


def _family(kind: ServerType) -> str:
    return kind.name.rstrip("0123456789")
