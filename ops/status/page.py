"""One screen of a stack's state: pure text."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from config.plan import Plan
from ops.status.state import HEALTHY, Member, Pool, State


def page(plan: Plan, state: State) -> str:
    """The screen, ending with what is down."""
    down = list(state.down(plan))
    parts: dict[str, Iterator[str]] = {
        "Containers": _containers(state.containers),
        "Workers": _workers(state.members),
        "Storage": _storage(plan, state.pools),
        "Alerts": _alerts(state),
    }
    verdict = [f"DOWN  {sentence}" for sentence in down] or ["Everything is up."]
    lines = [plan.stack]
    for title, rows in parts.items():
        lines += ["", title, *(f"  {row}" for row in rows)]
    return "\n".join([*lines, "", *verdict]) + "\n"


def _containers(containers: Mapping[str, Mapping[str, str] | str]) -> Iterator[str]:
    width = max(map(len, containers))
    for host, conditions in containers.items():
        said = conditions if isinstance(conditions, str) else _grouped(conditions)
        yield f"{host:<{width}}  {said}"


def _grouped(conditions: Mapping[str, str]) -> str:
    by_condition: dict[str, list[str]] = defaultdict(list)
    for name, condition in conditions.items():
        by_condition[condition].append(name)
    # What is not well stands first.
    worst_first = sorted(by_condition, key=lambda condition: (condition == HEALTHY, condition))
    groups = (
        f"{len(by_condition[condition])} {condition}: {', '.join(by_condition[condition])}"
        for condition in worst_first
    )
    return "; ".join(groups) or "no container"


def _workers(members: Sequence[Member] | str) -> Iterator[str]:
    if isinstance(members, str):
        yield members
        return
    by_worker: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        by_worker[member.worker].append(member)
    if not by_worker:
        yield "no project has a database yet"
    width = max(map(len, by_worker), default=0)
    for worker, its in by_worker.items():
        shards = sum(member.shards for member in its)
        detail = ", ".join(
            f"{member.database} {member.shards}{'' if member.active else ' (inactive)'}"
            for member in its
        )
        yield f"{worker:<{width}}  {shards} shards: {detail}"


def _storage(plan: Plan, pools: Sequence[Pool] | str) -> Iterator[str]:
    for number, planned in enumerate(plan.minio.pools, start=1):
        nodes = f"pool {number}  {len(planned.nodes)} node{'s' * (len(planned.nodes) > 1)}"
        if isinstance(pools, str):
            yield f"{nodes} of {planned.drives} drives"
        elif number <= len(pools):
            yield f"{nodes}, {pools[number - 1].online} of {pools[number - 1].drives} drives work"
        else:
            yield f"{nodes}, not started yet: pulumi up"
    if isinstance(pools, str):
        yield f"whether the drives work is not known: {pools}"


def _alerts(state: State) -> Iterator[str]:
    if state.alerts is None:
        yield "not monitored (monitoring.enabled)"
    elif isinstance(state.alerts, str):
        yield state.alerts
    elif not state.alerts:
        yield "none"
    else:
        for alert in state.alerts:
            yield (
                f"{alert.severity:<8}  {alert.name} of {alert.instance}  "
                f"(docs/alerts.md#{alert.name.lower()})"
            )
