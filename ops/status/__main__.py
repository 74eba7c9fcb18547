"""`make status`: whether all of a stack is up, on one screen."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from config.plan import Plan
from config.problems import ConfigError
from ops.hosts import Container, Host, HostError, containers_by_host, hosts_of
from ops.inside import SUPERUSER, running_node
from ops.plan import read_plan
from ops.review.prometheus import PrometheusError, prometheus_of
from ops.stack import Stack, StackError
from ops.status import state
from ops.status.page import page

T = TypeVar("T")

MEMBERS = """\
SELECT current_database(), nodename, nodeport, isactive, count(shardid)
FROM pg_dist_node LEFT JOIN pg_dist_placement USING (groupid)
WHERE groupid <> 0 AND noderole = 'primary'
GROUP BY nodename, nodeport, isactive, groupid ORDER BY groupid"""

IN_EACH_DATABASE = (
    'for name; do PGDATABASE="$name" '
    f"psql -X -q -A -t -F '\t' -v ON_ERROR_STOP=1 -U {SUPERUSER} -c \"$QUERY\"; done"
)
"""A name that looks like a connection string is taken as a name from the environment only."""

FIRING = 'ALERTS{alertstate="firing", alertname!="Watchdog"}'


def main() -> int:
    """Prints the screen; the exit code is 0 when nothing is down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack")
    stack = Stack(parser.parse_args().stack)
    try:
        plan = read_plan(stack)
        found = look(plan, hosts_of(plan))
    except (StackError, ConfigError, HostError) as error:
        print(f"status: {error}", file=sys.stderr)
        return 1
    print(page(plan, found), end="")
    return 1 if any(found.down(plan)) else 0


def look(plan: Plan, hosts: Sequence[Host]) -> state.State:
    """Asks every part of a stack at once how it is."""
    with ThreadPoolExecutor() as pool:
        containers = pool.submit(containers_by_host, hosts, plan.stack)
        members = pool.submit(_or_reason, lambda: _members(plan, hosts))
        pools = pool.submit(_or_reason, lambda: _pools(plan, hosts))
        alerts = pool.submit(_or_reason, lambda: _alerts(plan))
    return state.State(
        containers=_conditions(plan, containers.result()),
        members=members.result(),
        pools=pools.result(),
        alerts=alerts.result(),
    )


def _or_reason(ask: Callable[[], T]) -> T | str:
    """The answer, or why there is none, in one line."""
    try:
        return ask()
    except (HostError, PrometheusError) as error:
        return _line(error)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _conditions(
    plan: Plan, found: Mapping[str, Sequence[Container] | HostError]
) -> dict[str, Mapping[str, str] | str]:
    return {
        host: str(answer) if isinstance(answer, HostError) else state.conditions(plan, host, answer)
        for host, answer in found.items()
    }


def _members(plan: Plan, hosts: Sequence[Host]) -> Sequence[state.Member]:
    coordinator = plan.citus.coordinator
    host = next(host for host in hosts if host.name == coordinator.host)
    rows = host.read(
        *("docker", "exec", "--env", f"QUERY={MEMBERS}", coordinator.name),
        *("sh", "-ec", IN_EACH_DATABASE, "sh", *(project.database for project in plan.projects)),
    )
    return state.members(plan, rows)


def _pools(plan: Plan, hosts: Sequence[Host]) -> Sequence[state.Pool]:
    host, node = running_node(plan, hosts)
    return state.pools(host.read("docker", "exec", node, "mc", "admin", "info", "local", "--json"))


def _alerts(plan: Plan) -> Sequence[state.Alert] | None:
    if plan.monitoring is None:
        return None
    with prometheus_of(plan) as prometheus:
        return state.alerts(prometheus.ask(FIRING))


if __name__ == "__main__":
    sys.exit(main())
