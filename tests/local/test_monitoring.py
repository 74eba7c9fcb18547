"""A stack that is monitored, on this machine's Docker: what is measured, and who is told."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import psycopg
import pytest
import requests
import yaml

from components.monitoring.stack import RULES
from dashboards import expressions
from ops.plan import sections
from ops.review import measure
from ops.review.__main__ import review
from tests.local.database import admin, fill
from tests.local.storage import client
from tests.stack import (
    LiveStack,
    Ports,
    container_ids,
    docker,
    inspect,
    live_stack,
    on_engine,
)

T = TypeVar("T")

PORTS = Ports(api=22310, console=22311, postgres=22312)
PROMETHEUS, ALERTMANAGER = 22313, 22314
RECEIVER = "test-mon-receiver"
INTERVAL = 2
MONITORING = {
    "enabled": True,
    "interval": INTERVAL,
    "port": PROMETHEUS,
    "alertmanager_port": ALERTMANAGER,
    "alerts": {"webhook": {"url": f"http://{RECEIVER}:8080/cgi-bin/alert"}},
    # Nobody is to be told that the machine is busy with tests.
    "thresholds": {"cpu_percent": 100, "memory_percent": 100, "disk_free_percent": 1},
}
SHOP: dict[str, Any] = {"buckets": {"uploads": {}}}
# The exporter cannot read a name with a space; that must not keep it from the others.
PROJECTS = {"shop": SHOP, "odd": {"database": 'Odd "Data"'}}

# Recording rules, or what their names begin with. Why dashboards' expressions may be, they say
# themselves.
MAY_BE_EMPTY = {
    "container": "the sandbox has no cAdvisor",
    "edge": "a laptop has no edge",
    "minio:errors_percent:rate5m": "a stand-in's recorded counters never change: no request",
    "postgres:replication_lag_seconds:max": "there is no standby, and exporter 0.11 is silent then",
}

RECEIVE = """\
mkdir -p /www/cgi-bin
cat >/www/cgi-bin/alert <<'END'
#!/bin/sh
cat >>/tmp/alerts
echo >>/tmp/alerts
printf 'Content-Type: text/plain\\r\\n\\r\\n'
END
chmod +x /www/cgi-bin/alert
touch /tmp/alerts
exec httpd -f -p 8080 -h /www
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    directory = tmp_path_factory.mktemp("mon")
    sections = {"projects": PROJECTS, "monitoring": MONITORING}
    with live_stack("test-mon", directory, PORTS, **sections) as stack:
        stack.up()
        docker(
            *("run", "--detach", "--name", RECEIVER, "--label", "stack=test-mon"),
            *("--network", "test-mon-arquitectura", stack.image("busybox")),
            *("sh", "-ec", RECEIVE),
        )
        yield stack


def eventually(what: Callable[[], T], *, within: float) -> T:
    """The first true answer. Fails with the last one after `within` seconds."""
    end = time.monotonic() + within
    while not (answer := what()):
        assert time.monotonic() < end, f"{what}: {answer} after {within} s"
        time.sleep(0.5)
    return answer


def nothing_is_left(what: Callable[[], list[str]], *, within: float) -> None:
    """Waits until there is none any more. Fails with those that are left."""
    end = time.monotonic() + within
    while left := what():
        assert time.monotonic() < end, f"after {within} s:\n" + "\n".join(left)
        time.sleep(0.5)


def api(path: str, **parameters: str) -> Any:
    answer = requests.get(
        f"http://127.0.0.1:{PROMETHEUS}/api/v1/{path}", params=parameters, timeout=10
    ).json()
    assert answer["status"] == "success", answer
    return answer["data"]


def query(expression: str) -> list[dict[str, Any]]:
    return list(api("query", query=expression)["result"])


def targets() -> dict[tuple[str, str], str]:
    """The health of each target, by job and instance."""
    return {
        (target["labels"]["job"], target["labels"]["instance"]): target["health"]
        for target in api("targets", state="active")["activeTargets"]
    }


def expected_targets(workers: int) -> set[tuple[str, str]]:
    return {
        ("node", "local"),
        ("minio", "minio-1"),
        ("prometheus", "prometheus"),
        ("alertmanager", "alertmanager"),
        ("citus", "citus-coordinator"),
        ("postgres", "citus-coordinator"),
        *(("postgres", f"citus-worker-{n}") for n in range(1, workers + 1)),
    }


def all_up(workers: int) -> bool:
    found = targets()
    return found.keys() == expected_targets(workers) and set(found.values()) == {"up"}


# -- What is measured --------------------------------------------------------------------------


def test_every_target_is_up(stack: LiveStack) -> None:
    eventually(lambda: all_up(2), within=60)
    for series in query("up"):
        assert series["metric"]["host"] == "local"


def test_a_second_preview_shows_no_change(stack: LiveStack) -> None:
    stack.preview(expect_no_changes=True)


def test_nor_does_one_after_a_refresh(stack: LiveStack) -> None:
    stack.refresh()
    stack.preview(expect_no_changes=True)


def test_everything_becomes_healthy(stack: LiveStack) -> None:
    def unhealthy() -> list[str]:
        found = docker(
            *("ps", "--all", "--filter", "label=stack=test-mon", "--filter", "health=healthy"),
            *("--format", "{{.Names}}"),
        ).split()
        return sorted(container_ids("test-mon").keys() - {*found, RECEIVER})

    nothing_is_left(unhealthy, within=90)


def test_every_port_is_on_loopback(stack: LiveStack) -> None:
    bindings = [
        binding
        for container in container_ids("test-mon")
        for published in inspect(container)["NetworkSettings"]["Ports"].values()
        for binding in published or ()
    ]
    assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}
    assert sorted(int(binding["HostPort"]) for binding in bindings) == list(range(22310, 22315))


def monitoring_password(stack: LiveStack) -> str:
    lines = docker(
        "exec", stack.container("citus-coordinator"), "cat", "/run/arquitectura/pgpass"
    ).splitlines()
    (line,) = [line for line in lines if ":monitoring:" in line]
    return line.rpartition(":")[2]


def test_the_role_that_measures_may_look_and_no_more(stack: LiveStack) -> None:
    shop = stack.outputs()["projects"]["shop"]["database_url"]
    address = shop.partition("@")[2]
    with psycopg.connect(f"postgresql://monitoring:{monitoring_password(stack)}@{address}") as own:
        assert own.execute("SELECT pg_has_role('pg_monitor', 'member')").fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            own.execute("CREATE TABLE public.mine (id int)")
    for node in ("citus-coordinator", "citus-worker-1"):
        (rights,) = admin(
            stack,
            "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles "
            "WHERE rolname = 'monitoring'",
            node=node,
        )
        assert rights == "f|f|f"


def test_its_password_can_be_seen_nowhere(stack: LiveStack) -> None:
    password = monitoring_password(stack)
    seen = {"processes": subprocess.check_output(["ps", "axwwe"], text=True)}
    for container in container_ids("test-mon"):
        seen[f"inspect {container}"] = json.dumps(inspect(container))
        logs = subprocess.run(["docker", "logs", container], capture_output=True, check=True)
        seen[f"logs {container}"] = (logs.stdout + logs.stderr).decode()
    for where, text in seen.items():
        assert password not in text, where


def test_the_tables_of_a_project_are_counted(stack: LiveStack) -> None:
    shop = stack.outputs()["projects"]["shop"]
    fill(shop["database_url"])
    with psycopg.connect(shop["database_url"]) as connection:
        connection.execute("CREATE TABLE plain AS SELECT generate_series(1, 1000) AS id")
        connection.execute("ANALYZE plain")
    client(shop).put_object(Bucket=shop["buckets"]["uploads"], Key="a", Body=b"a")

    def counted() -> bool:
        return bool(
            query('citus_tables_distributed{datname="shop"} > 0')
            and query('citus_tables_reference{datname="shop"} == 1')
            and query('sum(citus_node_shard_count{datname="shop"}) > 0')
            and query('citus_largest_local_table_rows{datname="shop", table="plain"} == 1000')
        )

    eventually(counted, within=90)  # the exporter keeps some answers for a minute
    assert len(query('citus_node_active{datname="shop", role="worker"} == 1')) == 2


# -- What is shown -----------------------------------------------------------------------------


def test_every_expression_of_a_dashboard_has_an_answer(stack: LiveStack) -> None:
    asked = [one for one in expressions() if one.may_be_empty is None]
    assert len(asked) > 50

    nothing_is_left(
        lambda: [
            f"{one.dashboard}/{one.panel}: {one.expr}"
            for one in asked
            if not query(one.promql(rate_interval="1m", shown="10m"))
        ],
        within=60,
    )


def test_those_that_may_be_empty_are_understood(stack: LiveStack) -> None:
    for one in expressions():
        query(one.promql(rate_interval="1m", shown="10m"))


def test_every_question_of_the_review_has_an_answer(stack: LiveStack) -> None:
    asked = {what: one for what, one in measure.QUERIES.items() if what not in measure.MAY_BE_EMPTY}
    nothing_is_left(lambda: [what for what, one in asked.items() if not query(one)], within=90)
    for what in measure.MAY_BE_EMPTY:
        query(measure.QUERIES[what])


def test_the_review_of_a_stack_that_just_began(stack: LiveStack) -> None:
    config = yaml.safe_load(stack.config_file.read_text())["config"]
    page = review(stack.name, sections(config))
    assert "None before a whole day was measured." in page
    assert "| local |" in page
    assert "| shop |" in page


def test_every_recording_rule_has_an_answer(stack: LiveStack) -> None:
    names = {
        rule["record"]
        for file in RULES.glob("*.yaml")
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    names = {name for name in names if not {name, name.partition(":")[0]} & MAY_BE_EMPTY.keys()}
    assert len(names) > 20
    nothing_is_left(lambda: [name for name in names if not query(name)], within=60)


def test_every_rule_can_be_evaluated(stack: LiveStack) -> None:
    for group in api("rules")["groups"]:
        for rule in group["rules"]:
            assert rule["health"] == "ok", (rule["name"], rule.get("lastError"))


def test_the_expected_workers_are_those_of_the_config(stack: LiveStack) -> None:
    (answer,) = query("arquitectura:citus_workers:expected")
    assert answer["value"][1] == "2"


# -- Who is told -------------------------------------------------------------------------------


def received(status: str, alert: str) -> list[dict[str, Any]]:
    """The alerts of that name that the receiver was told of."""
    text = docker("exec", RECEIVER, "cat", "/tmp/alerts")
    return [
        one
        for line in text.splitlines()
        if line.strip()
        for one in json.loads(line)["alerts"]
        if (one["status"], one["labels"]["alertname"]) == (status, alert)
    ]


def test_a_stopped_worker_is_reported_and_then_its_return(stack: LiveStack) -> None:
    assert not received("firing", "PostgresDown")
    docker("stop", stack.container("citus-worker-2"))
    # It fires after a minute; then a group waits for an interval.
    (alert,) = eventually(lambda: received("firing", "PostgresDown"), within=120)
    assert alert["labels"]["instance"] == "citus-worker-2"
    assert alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["summary"]
    assert "alerts.md#" in alert["annotations"]["runbook_url"]
    docker("start", stack.container("citus-worker-2"))
    # News of a group are sent every ten intervals.
    (alert, *_) = eventually(lambda: received("resolved", "PostgresDown"), within=90)
    assert alert["labels"]["instance"] == "citus-worker-2"


def test_the_watchdog_fires_and_tells_nobody(stack: LiveStack) -> None:
    assert query('ALERTS{alertname="Watchdog", alertstate="firing"}')
    assert not received("firing", "Watchdog")


# -- Growth ------------------------------------------------------------------------------------


def test_a_project_is_measured_by_itself(stack: LiveStack) -> None:
    before = container_ids("test-mon")
    stack.configure(projects={**PROJECTS, "blog": {}}, monitoring=MONITORING)
    stack.up()
    assert container_ids("test-mon") == before
    eventually(lambda: query('citus_node_active{datname="blog", role="worker"}'), within=60)
    eventually(lambda: query('citus_node_shard_count{datname="blog"}'), within=120)


def test_a_worker_is_measured_by_itself(stack: LiveStack) -> None:
    before = container_ids("test-mon")
    sections = {"projects": {**PROJECTS, "blog": {}}, "monitoring": MONITORING}
    stack.configure(**sections, citus={"workers": 3})
    stack.up()
    after = container_ids("test-mon")
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {
        "test-mon-citus-worker-3",
        "test-mon-postgres-exporter-citus-worker-3",
    }
    eventually(lambda: all_up(3), within=60)
    eventually(lambda: query("arquitectura:citus_workers:expected == 3"), within=30)
    eventually(lambda: query('pg_up{instance="citus-worker-3"} == 1'), within=30)


def test_a_project_that_leaves_is_forgotten(stack: LiveStack) -> None:
    # The exporter has a session in the database that goes.
    stack.configure(projects=PROJECTS, monitoring=MONITORING, citus={"workers": 3})
    stack.up()
    eventually(lambda: not query('citus_node_active{datname="blog"}'), within=30)
    assert query('pg_exporter_last_scrape_error{job="citus"} == 0')


def test_so_is_a_worker(stack: LiveStack) -> None:
    stack.configure(projects=PROJECTS, monitoring=MONITORING)
    stack.up()
    eventually(lambda: all_up(2), within=60)
    stack.preview(expect_no_changes=True)


def test_without_monitoring_nothing_of_it_is_left(stack: LiveStack) -> None:
    nodes = ("citus-coordinator", "citus-worker-1", "citus-worker-2")
    before = container_ids("test-mon")
    stack.configure(projects=PROJECTS)
    stack.up()
    after = container_ids("test-mon")
    assert after == {
        name: before[name] for name in (*map(stack.container, (*nodes, "minio-1")), RECEIVER)
    }
    for node in nodes:
        assert not admin(stack, "SELECT rolname FROM pg_roles WHERE rolname ~ '^mon'", node=node)
    assert not [
        name
        for name in docker("volume", "ls", "--filter", "label=stack=test-mon", "-q").split()
        if "prometheus" in name or "monitoring" in name
    ]
    assert on_engine("test-mon")["container"]
    stack.preview(expect_no_changes=True)
