"""What `make status`, `psql`, `mc` and `logs` make of a stack's answers, and how they reach it."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from config.plan import Plan, make_plan
from config.settings import parse_settings
from ops import hosts, inside
from ops.hosts import Container, Host, HostError, containers_by_host, hosts_of
from ops.review.prometheus import Sample
from ops.status.page import page
from ops.status.state import Alert, Member, Pool, State, alerts, conditions, members, pools
from tests.unit.test_advice import PROD

DEV = {"projects": {"shop": {}, "blog": {"database": "posts"}}}

INFO = """\
{"status": "success", "info": {"mode": "online", "servers": [
  {"state": "online", "endpoint": "10.0.1.11:9000", "drives": [
    {"state": "ok", "path": "/data", "pool_index": 0},
    {"state": "ok", "path": "/data", "pool_index": 1}]},
  {"state": "offline", "endpoint": "10.0.1.12:9000", "drives": [
    {"state": "offline", "path": "/data", "pool_index": 0}]}]}}
"""
REFUSED = """\
{"status": "error", "error": "dial tcp 127.0.0.1:9000: connect: connection refused",
 "info": {"buckets": {"count": 0}, "backend": {"backendType": "", "onlineDisks": 0}}}
"""


def plan(stack: str = "dev", **sections: Any) -> Plan:
    return make_plan(parse_settings({**DEV, **sections}), stack)


def well(of: Plan) -> State:
    """A stack without monitoring that is as its plan."""
    nodes = (*of.minio.nodes, *of.citus.nodes)
    names = {node.name.removeprefix(of.prefix): node for node in nodes}
    return State(
        containers={
            host: {name: "healthy" for name, node in names.items() if node.host == host}
            for host in {node.host for node in nodes}
        },
        members=[
            Member(project.database, worker.name.removeprefix(of.prefix), True, 16)
            for project in of.projects
            for worker in of.citus.workers
        ],
        pools=[Pool(4, 4)],
        alerts=None,
    )


def but(state: State, **changes: Any) -> State:
    return State(**{**vars(state), **changes})


# -- What is said ------------------------------------------------------------------------------


def test_a_stack_that_is_well() -> None:
    made = plan()
    assert list(well(made).down(made)) == []
    assert page(made, well(made)) == (
        "dev\n"
        "\n"
        "Containers\n"
        "  local  4 healthy: minio-1, citus-coordinator, citus-worker-1, citus-worker-2\n"
        "\n"
        "Workers\n"
        "  citus-worker-1  32 shards: shop 16, posts 16\n"
        "  citus-worker-2  32 shards: shop 16, posts 16\n"
        "\n"
        "Storage\n"
        "  pool 1  1 node, 4 of 4 drives work\n"
        "\n"
        "Alerts\n"
        "  not monitored (monitoring.enabled)\n"
        "\n"
        "Everything is up.\n"
    )


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"containers": {"local": {"minio-1": "exited"}}}, "minio-1 is exited"),
        ({"containers": {"local": {"minio-1": "missing"}}}, "minio-1 is missing"),
        ({"containers": {"local": "ssh: timed out"}}, "host local does not answer"),
        ({"members": "no answer"}, "Citus does not say what its workers have"),
        ({"pools": [Pool(3, 4)]}, "1 drives of pool 1 do not work"),
        ({"alerts": [Alert("HostDown", "critical", "main")]}, "HostDown of main"),
    ],
)
def test_what_is_down_is_said(changes: Mapping[str, Any], sentence: str) -> None:
    made = plan()
    state = but(well(made), **changes)
    assert list(state.down(made)) == [sentence]
    assert f"DOWN  {sentence}\n" in page(made, state)


def test_a_worker_that_a_database_does_not_use_is_down() -> None:
    made = plan()
    state = well(made)
    assert not isinstance(state.members, str)
    _first, *others = state.members
    left = but(state, members=others)
    inactive = but(state, members=[Member("shop", "citus-worker-1", False, 16), *others])
    for state in (left, inactive):
        assert list(state.down(made)) == ["Citus does not use citus-worker-1 in shop"]
    assert "shop 16 (inactive)" in page(made, inactive)


def test_what_is_not_known_is_no_failure() -> None:
    made = plan()
    state = but(well(made), pools="no admin API", alerts="Prometheus does not answer")
    assert list(state.down(made)) == []
    shown = page(made, state)
    assert "  pool 1  1 node of 4 drives\n" in shown
    assert "whether the drives work is not known: no admin API" in shown
    assert "  Prometheus does not answer\n" in shown


def test_a_warning_is_shown_and_nothing_is_down() -> None:
    made = plan()
    state = but(well(made), alerts=[Alert("HostCpuHigh", "warning", "main")])
    assert list(state.down(made)) == []
    assert "warning   HostCpuHigh of main  (docs/alerts.md#hostcpuhigh)" in page(made, state)


def test_a_pool_that_was_only_configured_is_named() -> None:
    made = plan(minio={"pools": [{"nodes": 1}, {"nodes": 4}]})
    assert "pool 2  4 nodes, not started yet: pulumi up" in page(made, well(made))


# -- What was answered -------------------------------------------------------------------------


def test_conditions_are_those_of_what_is_planned() -> None:
    made = plan("prod", **PROD)
    found = conditions(
        made,
        "data-1",
        [
            Container("prod-minio-1", "running", "Up 2 hours (healthy)"),
            Container("prod-citus-worker-1", "exited", "Exited (0) 5 minutes ago"),
            Container("prod-cadvisor-data-1", "running", "Up 3 seconds (health: starting)"),
            Container("prod-pgpass-writer", "exited", "Exited (0) 2 days ago"),
            Container("prod-other-writer", "exited", "Exited (1) 2 days ago"),
        ],
    )
    assert found == {
        "cadvisor-data-1": "starting",
        "citus-worker-1": "exited",
        "minio-1": "healthy",
        "node-exporter-data-1": "missing",
        "other-writer": "exited",
        "postgres-exporter-citus-worker-1": "missing",
    }


def test_workers_have_their_names_on_servers_too() -> None:
    rows = "shop\t10.0.1.11\t5432\tt\t9\nshop\t10.0.1.99\t5432\tf\t0\n"
    assert members(plan("prod", **PROD), rows) == [
        Member("shop", "citus-worker-1", True, 9),
        Member("shop", "10.0.1.99:5432", False, 0),
    ]


def test_drives_are_counted_by_pool() -> None:
    assert pools(INFO) == [Pool(online=1, drives=2), Pool(online=1, drives=1)]


def test_a_storage_that_cannot_say_is_an_error() -> None:
    with pytest.raises(HostError, match="connection refused"):
        pools(REFUSED)


def test_the_worst_alert_stands_first() -> None:
    samples = [
        Sample({"alertname": "A", "severity": "warning", "instance": "x"}, 1),
        Sample({"alertname": "B", "severity": "critical", "instance": "x"}, 1),
        Sample({"alertname": "B", "severity": "critical", "instance": "x", "job": "twice"}, 1),
    ]
    assert [alert.name for alert in alerts(samples)] == ["B", "A"]


# -- The way there -----------------------------------------------------------------------------


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts programs first on PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def make(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return make


@pytest.fixture
def prod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan of a `prod` that was previewed on this machine."""
    config = tmp_path / ".arquitectura" / "prod" / "ssh_config"
    config.parent.mkdir(parents=True)
    config.touch()
    monkeypatch.setattr(hosts, "REPOSITORY", tmp_path)
    return plan("prod", **PROD)


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The commands that took this process' place."""
    commands: list[Sequence[str]] = []
    monkeypatch.setattr(os, "execvp", lambda _, words: commands.append(words))
    monkeypatch.setattr(inside, "on_terminal", lambda: False)
    return commands


def test_on_a_server_a_command_is_one_word_for_ssh(prod: Plan) -> None:
    main = hosts_of(prod)[0]
    program, option, file, name, command = main.command("psql", "-c", "SELECT 'a b'")
    assert (program, option, name) == ("ssh", "-F", "main")
    assert file.endswith(".arquitectura/prod/ssh_config")
    assert command == "psql -c 'SELECT '\"'\"'a b'\"'\"''"


def test_without_the_servers_keys_it_says_what_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "REPOSITORY", tmp_path)
    with pytest.raises(HostError, match="pulumi preview --stack prod writes it"):
        hosts_of(plan("prod", **PROD))


def test_a_server_that_does_not_answer_keeps_nobody_else(
    prod: Plan, programs: Callable[[str, str], None]
) -> None:
    programs(
        "ssh",
        'case "$3" in data-2) echo "connect to host: timed out" >&2; exit 255;; esac\n'
        "printf 'prod-minio-1\\trunning\\tUp 2 hours (healthy)\\n'",
    )
    found = containers_by_host(hosts_of(prod), "prod")
    silent = found.pop("data-2")
    assert str(silent) == "data-2 does not answer: connect to host: timed out"
    assert set(found) == {"main", "data-1", "data-3", "data-4"}
    assert found["main"] == [Container("prod-minio-1", "running", "Up 2 hours (healthy)")]


def test_psql_goes_to_the_coordinators_host(prod: Plan, became: list[Sequence[str]]) -> None:
    inside.psql(prod, hosts_of(prod), "shop")
    ((*_, host, command),) = became
    assert host == "main"
    assert command == (
        "docker exec --interactive prod-citus-coordinator psql --username shop --dbname shop"
    )


def test_psql_knows_a_projects_own_database(became: list[Sequence[str]]) -> None:
    inside.psql(plan(), [Host("local")], "blog")
    assert became[0][-4:] == ("--username", "blog", "--dbname", "posts")


def test_on_a_terminal_it_is_one_there_too(
    prod: Plan, became: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside, "on_terminal", lambda: True)
    inside.psql(prod, hosts_of(prod), None)
    assert "-t" in became[0]
    assert "--interactive --tty" in became[0][-1]


def test_mc_takes_a_node_that_runs(
    prod: Plan, programs: Callable[[str, str], None], became: list[Sequence[str]]
) -> None:
    programs("ssh", 'case "$3" in data-1) exit 255;; data-2) echo exited;; *) echo running;; esac')
    inside.mc(prod, hosts_of(prod), ["--json", "admin", "info", "local"])
    assert became[0][-1] == "docker exec --interactive prod-minio-3 mc --json admin info local"


def test_logs_find_the_containers_host(
    prod: Plan, programs: Callable[[str, str], None], became: list[Sequence[str]]
) -> None:
    programs("ssh", "printf 'prod-on-%s\\trunning\\tUp\\n' \"$3\"")
    inside.logs(prod, hosts_of(prod), "on-data-3")
    assert became[0][-2:] == ("data-3", "docker logs --tail 100 --follow prod-on-data-3")
    with pytest.raises(HostError, match="there is no edge: the stack has on-data-1, on-data-2"):
        inside.logs(prod, hosts_of(prod), "edge")


def test_arguments_of_mc_that_look_like_options_are_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[Sequence[str]] = []
    monkeypatch.setattr(inside, "read_plan", lambda _: plan())
    monkeypatch.setattr(inside, "mc", lambda _plan, _hosts, words: given.append(words))
    monkeypatch.setattr("sys.argv", ["inside", "mc", "dev", "--json", "ls", "--recursive", "local"])
    inside.main()
    assert given == [["--json", "ls", "--recursive", "local"]]
