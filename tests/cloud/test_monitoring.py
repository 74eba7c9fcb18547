"""A stack on two servers that is monitored: Prometheus reaches all of it, and nobody else does."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import yaml
from tenacity import Retrying, stop_after_delay, wait_fixed

from config.plan import make_plan
from config.settings import parse_settings
from ops import hosts, inside
from ops.plan import sections
from ops.review import __main__ as program
from ops.status.__main__ import look
from tests.cloud.servers import CloudStack, cloud_stack, wait

pytestmark = [pytest.mark.cloud, pytest.mark.slow]

NAME = "test-monitored"
MAIN, DATA = "10.79.1.10", "10.79.1.11"
FIXED: dict[str, dict[str, Any]] = {
    "hosts": {
        "network_cidr": "10.79.0.0/16",
        "main": {"server_type": "cx33", "volume_gb": 10},
        "data": {"server_type": "cx33", "volume_gb": 10},
    },
    "minio": {"pools": [{"nodes": 1}], "memory_mb": 384},
    "citus": {"workers": 1, "coordinator": {"memory_mb": 512}, "worker": {"memory_mb": 512}},
    "monitoring": {"enabled": True, "interval": 2},
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudStack]:
    with cloud_stack(NAME, tmp_path_factory.mktemp("monitored"), FIXED) as stack:
        stack.up()
        yield stack


def prometheus(stack: CloudStack, path: str) -> Any:
    """What Prometheus answers on main, where it has `wget`."""
    answer = stack.ssh(
        "main",
        *("docker", "exec", stack.container("prometheus")),
        *("wget", "-q", "-O", "-", f"http://{MAIN}:9090/api/v1/{path}"),
    )
    return json.loads(answer)["data"]


def health(stack: CloudStack) -> dict[tuple[str, str], str]:
    return {
        (target["labels"]["job"], target["scrapeUrl"].split("/")[2]): target["health"]
        for target in prometheus(stack, "targets?state=active")["activeTargets"]
    }


def test_every_target_on_every_server_is_up(stack: CloudStack) -> None:
    wanted = {
        ("node", f"{MAIN}:9100"),
        ("node", f"{DATA}:9100"),
        ("postgres", f"{MAIN}:9187"),
        ("postgres", f"{DATA}:9188"),
        ("citus", f"{MAIN}:9186"),
        ("minio", f"{DATA}:9000"),
        ("traefik", f"{MAIN}:9102"),
        ("prometheus", f"{NAME}-prometheus:9090"),
        ("alertmanager", f"{NAME}-alertmanager:9093"),
    }
    for attempt in Retrying(wait=wait_fixed(1), stop=stop_after_delay(90), reraise=True):
        with attempt:
            assert health(stack) == dict.fromkeys(wanted, "up")


def test_exporters_log_in_over_tls(stack: CloudStack) -> None:
    def up() -> bool:
        found = prometheus(stack, "query?query=pg_up%7Bjob%3D%22postgres%22%7D%3D%3D1")["result"]
        return len(found) == 2

    wait("both nodes", up)
    (encrypted,) = stack.psql(
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
        "WHERE usename = 'monitoring'"
    )
    assert encrypted == "t"


def test_the_volume_is_among_the_disks(stack: CloudStack) -> None:
    query = (
        "query?query=count(node_filesystem_size_bytes%7Bmountpoint%3D~%22.*docker%2Fvolumes%22%7D)"
    )
    (answer,) = prometheus(stack, query)["result"]
    assert answer["value"][1] == "2"


def test_all_of_it_listens_on_private_addresses(stack: CloudStack) -> None:
    for server, address in (("main", MAIN), ("data-1", DATA)):
        listening = {
            line.split()[3].rpartition(":")[::2]
            for line in stack.ssh(server, "ss", "-Hltn").splitlines()
        }
        # Docker listens on loopback, on ports that it chooses.
        ours = {
            host.strip("[]")
            for host, port in listening
            if port.startswith("9") and not host.startswith("127.")
        }
        assert ours == {address}


def test_the_edge_shows_no_metrics(stack: CloudStack) -> None:
    for path in ("/minio/metrics/v3", "/minio/v2/metrics/cluster"):
        answer = requests.get(f"https://{stack.address}{path}", verify=stack.ca, timeout=30)
        assert answer.status_code == 404, path


def test_the_review_comes_through_ssh(stack: CloudStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `make review` makes it, from the folder whose program has written `ssh_config`."""
    monkeypatch.setattr(hosts, "REPOSITORY", stack.directory)
    monkeypatch.setenv("HCLOUD_TOKEN", stack.variables["HCLOUD_TOKEN"])
    config = sections(yaml.safe_load(stack.config_file.read_text())["config"])

    def shows_both() -> bool:
        page = program.review(NAME, config)
        assert "None before a whole day was measured." in page
        return "| main |" in page and "| data-1 |" in page

    wait("both hosts in the review", shows_both, 90)


def test_the_commands_at_hand_come_through_ssh(
    stack: CloudStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `make status` and `make psql` ask."""
    monkeypatch.setattr(hosts, "REPOSITORY", stack.directory)
    monkeypatch.setenv("HCLOUD_TOKEN", stack.variables["HCLOUD_TOKEN"])
    config = yaml.safe_load(stack.config_file.read_text())["config"]
    plan = make_plan(parse_settings(sections(config)), NAME)

    wait("all of it up", lambda: not list(look(plan, hosts.hosts_of(plan)).down(plan)), 90)
    found = look(plan, hosts.hosts_of(plan))
    assert found.alerts is not None
    assert {name for names in found.containers.values() for name in names} > {
        "citus-coordinator",
        "citus-worker-1",
        "edge",
        "minio-1",
        "prometheus",
    }

    became: list[tuple[str, ...]] = []
    monkeypatch.setattr("os.execvp", lambda _, words: became.append(words))
    inside.psql(plan, hosts.hosts_of(plan), None)
    (command,) = became
    asked = subprocess.run(
        command, input="SELECT 'as ' || current_user", capture_output=True, text=True, check=True
    )
    assert "as postgres" in asked.stdout


def test_a_second_preview_shows_no_change(stack: CloudStack) -> None:
    stack.preview(expect_no_changes=True)
