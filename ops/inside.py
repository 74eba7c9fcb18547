"""`make psql`, `make mc`, `make logs`: a stack's own containers at hand, wherever they are.

Nobody types a password: `psql` is trusted inside the node's container, and `mc` has its rights in a
file there.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from config.plan import Plan
from config.problems import ConfigError
from ops.hosts import Host, HostError, containers_by_host, hosts_of
from ops.plan import read_plan
from ops.stack import Stack, StackError

SUPERUSER = "postgres"

LINES = "100"
"""How many lines of a log are shown of what was before."""


def main() -> int:
    """Becomes the program that was asked for; the exit code is 1 when that cannot be."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, arguments in (("psql", "?"), ("mc", argparse.REMAINDER), ("logs", "?")):
        command = commands.add_parser(name)
        command.add_argument("stack")
        command.add_argument("rest", nargs=arguments)
    given = parser.parse_args()
    run = {"psql": psql, "mc": mc, "logs": logs}[given.command]
    try:
        plan = read_plan(Stack(given.stack))
        run(plan, hosts_of(plan), given.rest)
    except (StackError, ConfigError, HostError) as error:
        print(f"{given.command}: {error}", file=sys.stderr)
        return 1


def psql(plan: Plan, hosts: Sequence[Host], project: str | None) -> NoReturn:
    """`psql` on the coordinator: as a project's owner in its database, or as superuser.

    Raises:
        HostError: there is no such project.
    """
    role, database = _login(plan, project)
    coordinator = plan.citus.coordinator
    enter(
        _named(hosts, coordinator.host),
        coordinator.name,
        *("psql", "--username", role, "--dbname", database),
    )


def mc(plan: Plan, hosts: Sequence[Host], arguments: Sequence[str]) -> NoReturn:
    """MinIO's client on the first node that runs; there its alias `local` is this cluster.

    Raises:
        HostError: nothing was asked, or no node runs.
    """
    if not arguments:
        raise HostError('say what: make mc CMD="admin info local"')
    enter(*running_node(plan, hosts), "mc", *arguments)


def logs(plan: Plan, hosts: Sequence[Host], service: str | None) -> NoReturn:
    """The last lines of a container's log, and what comes.

    Raises:
        HostError: there is no such container; with those that there are.
    """
    found = containers_by_host(hosts, plan.stack)
    known: dict[str, str] = {}
    silent: list[str] = []
    for host, answer in found.items():
        if isinstance(answer, HostError):
            silent.append(str(answer))
        else:
            known |= {one.name.removeprefix(plan.prefix): host for one in answer}
    if service not in known:
        wrong = f"there is no {service}" if service else "say whose: make logs SERVICE=…"
        listed = ", ".join(sorted(known)) or "no container"
        raise HostError("; ".join([f"{wrong}: the stack has {listed}", *silent]))
    _named(hosts, known[service]).become(
        *("docker", "logs", "--tail", LINES, "--follow", f"{plan.prefix}{service}"),
        terminal=on_terminal(),
    )


def running_node(plan: Plan, hosts: Sequence[Host]) -> tuple[Host, str]:
    """The first node of MinIO that runs: its host and its container.

    Raises:
        HostError: none does.
    """
    reasons = []
    for node in plan.minio.nodes:
        host = _named(hosts, node.host)
        try:
            state = host.read("docker", "inspect", "--format", "{{.State.Status}}", node.name)
        except HostError as error:
            reasons.append(str(error))
            continue
        if state.strip() == "running":
            return host, node.name
        reasons.append(f"{node.name} is {state.strip()}")
    raise HostError(f"no node of MinIO runs: {'; '.join(reasons)}")


def enter(host: Host, container: str, *arguments: str) -> NoReturn:
    """Becomes a program inside a container, on a terminal where there is one."""
    terminal = on_terminal()
    options = ("--interactive", *(("--tty",) if terminal else ()))
    host.become("docker", "exec", *options, container, *arguments, terminal=terminal)


def on_terminal() -> bool:
    """Whether a person reads and writes, and not a script."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _login(plan: Plan, project: str | None) -> tuple[str, str]:
    """Role and database."""
    if project is None:
        return SUPERUSER, SUPERUSER
    for one in plan.projects:
        if one.name == project:
            return one.name, one.database
    names = ", ".join(one.name for one in plan.projects) or "none"
    raise HostError(f"{project} is no project of stack {plan.stack}, which has {names}")


def _named(hosts: Sequence[Host], name: str) -> Host:
    return next(host for host in hosts if host.name == name)


if __name__ == "__main__":
    sys.exit(main())
