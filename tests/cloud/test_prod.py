"""The whole life of a stack on five servers, in order: each step builds on the last."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import psycopg
import pytest
import requests

from components.hosts.hetzner_client import takes_connections
from tests.cloud import reach
from tests.cloud.servers import CloudStack, cloud_stack, visitor, wait
from tests.local.database import ROWS, ask, contents, fill, writing
from tests.local.storage import client, presigned, put
from tests.stack import docker, real

pytestmark = [pytest.mark.cloud, pytest.mark.slow]

NAME = "test-cloud"
DATA = [f"data-{n}" for n in (1, 2, 3, 4)]
PRIVATE = {"main": "10.77.1.10", **{f"data-{n}": f"10.77.1.1{n}" for n in (1, 2, 3, 4, 5)}}
SMALL, LARGE = "cx23", "cx33"
FIXED: dict[str, dict[str, Any]] = {
    "hosts": {
        "network_cidr": "10.77.0.0/16",
        "main": {"server_type": SMALL, "volume_gb": 10},
        "data": {"server_type": SMALL, "volume_gb": 10},
    },
    "minio": {"pools": [{"nodes": 4}], "memory_mb": 384},
    "citus": {
        "workers": 4,
        "coordinator": {"memory_mb": 512},
        "worker": {"memory_mb": 512},
    },
    "projects": {"shop": {"buckets": {"uploads": {"versioning": True}}}},
}
KEYS = ("plain", "a b+c", "umlaut ä", "100%", "a%2Fb", "q?x=1", "semi;colon", "~tilde!*'()&=@:,$")
BUCKET = "shop-uploads"
EDGE_PORTS = [80, 443]
ADMIN_PORTS = [22, 5432]
UNREACHABLE_SECONDS = 120
SIZE = 512 * 1024
"""Of an object that is large enough to see which node sends it."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudStack]:
    with cloud_stack(NAME, tmp_path_factory.mktemp("cloud"), FIXED) as stack:
        yield stack


@pytest.fixture(scope="module", autouse=True)
def other_ca(stack: CloudStack) -> None:
    """The certificate of somebody else's CA, beside the stack's."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=other",
         "-keyout", "/dev/null", "-out", stack.directory / "other-ca.crt"],
        check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def shop(stack: CloudStack) -> dict[str, Any]:
    """The project, once the stack is up."""
    return stack.project("shop")


@pytest.fixture(scope="module")
def url(shop: dict[str, Any]) -> str:
    """Of its database."""
    return str(shop["database_url"])


@pytest.fixture(scope="module")
def s3(stack: CloudStack, shop: dict[str, Any]) -> Any:
    return client(shop, stack.ca)


def test_up_from_nothing(stack: CloudStack, capsys: pytest.CaptureFixture[str]) -> None:
    assert not any(stack.in_project().values())
    began = time.monotonic()
    stack.up()
    with capsys.disabled():
        print(f"\n{NAME} is up after {time.monotonic() - began:.0f} s")
    servers = stack.servers()
    assert {name: server.status for name, server in servers.items()} == dict.fromkeys(
        ("main", *DATA), "running"
    )
    for name, server in servers.items():
        assert [net.ip for net in server.private_net] == [PRIVATE[name]]
        assert len(server.volumes) == 1
    assert stack.outputs()["servers"] == {
        name: server.public_net.ipv4.ip for name, server in servers.items()
    }


def test_each_container_is_on_the_planned_server(stack: CloudStack) -> None:
    assert {server: set(found) for server, found in stack.containers().items()} == {
        "main": {"edge", "citus-coordinator"},
        **{name: {f"minio-{name[5:]}", f"citus-worker-{name[5:]}"} for name in DATA},
    }


def test_data_is_on_the_volumes(stack: CloudStack) -> None:
    for server in ("main", *DATA):
        source = stack.ssh(server, "findmnt", "-no", "SOURCE", "/var/lib/docker/volumes")
        volume = stack.server(server).volumes[0].id
        link = stack.ssh(server, "readlink", "-f", f"/dev/disk/by-id/scsi-0HC_Volume_{volume}")
        assert source == link


def test_the_firewalls_rules(stack: CloudStack) -> None:
    admins = stack.fixed["hosts"]["admin_cidrs"]
    found = {
        firewall.name: {(rule.port, tuple(rule.source_ips)) for rule in firewall.rules}
        for firewall in stack.of_kind("firewalls")
    }
    assert found == {
        f"{NAME}-admin": {("22", tuple(admins))},
        f"{NAME}-edge": {
            ("80", ("0.0.0.0/0",)),
            ("443", ("0.0.0.0/0",)),
            ("5432", tuple(admins)),
        },
    }
    for name, server in stack.servers().items():
        applied = {one.firewall.id for one in server.public_net.firewalls}
        expected = ("admin", "edge")[: 2 if name == "main" else 1]
        assert applied == {
            firewall.id
            for firewall in stack.of_kind("firewalls")
            if firewall.name.removeprefix(f"{NAME}-") in expected
        }


def test_a_second_preview_shows_no_change(stack: CloudStack) -> None:
    stack.preview(expect_no_changes=True)


def test_nor_does_one_after_a_refresh(stack: CloudStack) -> None:
    stack.refresh()
    stack.preview(expect_no_changes=True)


def test_a_distributed_table_is_spread_over_four_servers(stack: CloudStack, url: str) -> None:
    fill(url)
    shards = stack.shards("shop")
    assert shards.keys() == {f"{PRIVATE[name]}:5432" for name in DATA}
    assert len(set(shards.values())) == 1
    assert contents(url)[0] == ROWS


def test_nodes_verify_each_other(stack: CloudStack) -> None:
    assert stack.psql("SHOW citus.node_conninfo") == [
        "sslmode=verify-full sslrootcert=/var/lib/postgresql/tls/ca.crt"
    ]
    found = stack.psql(
        "SELECT nodename, result FROM run_command_on_workers("
        "'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()') ORDER BY 1"
    )
    assert found == [f"{PRIVATE[name]}|t" for name in DATA]


def test_a_login_is_verified_and_encrypted(stack: CloudStack, url: str) -> None:
    assert "sslmode=verify-full" in url
    assert ask(url, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        ask(url.replace("sslmode=verify-full", "sslmode=disable"), "SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        ask(url.replace("output-ca.crt", "other-ca.crt"), "SELECT 1")


@pytest.mark.parametrize("key", KEYS)
def test_presigned_requests_pass_the_edge(stack: CloudStack, s3: Any, key: str) -> None:
    body = f"content of {key}".encode()
    assert put(presigned(s3, "put_object", BUCKET, key), body, stack.ca) == 200
    answer = requests.get(presigned(s3, "get_object", BUCKET, key), timeout=30, verify=stack.ca)
    assert answer.content == body
    assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == len(body)


def test_the_edge_is_not_trusted_without_the_ca(stack: CloudStack, s3: Any) -> None:
    link = presigned(s3, "get_object", BUCKET, "plain")
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(link, timeout=30)
    name = f"s3.{stack.address.replace('.', '-')}.sslip.io"
    # Nothing resolves it here; the certificate has it all the same.
    assert reach.status(stack.ca, stack.address, name, "/minio/health/live") == 200


def test_a_multipart_upload(s3: Any) -> None:
    place = {"Bucket": BUCKET, "Key": "parts"}
    place["UploadId"] = s3.create_multipart_upload(**place)["UploadId"]
    bodies = {n: bytes([n]) * 5 * 1024**2 for n in (1, 2)}
    parts = [
        {"PartNumber": n, "ETag": s3.upload_part(**place, PartNumber=n, Body=body)["ETag"]}
        for n, body in bodies.items()
    ]
    s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=BUCKET, Key="parts")["Body"].read() == bodies[1] + bodies[2]


def console(stack: CloudStack) -> str:
    """Host name of the console."""
    return str(stack.outputs()["s3_console"]).removeprefix("https://")


def test_an_administrator_reaches_what_the_firewall_allows(stack: CloudStack) -> None:
    addresses = stack.outputs()["servers"]
    said = subprocess.check_output([sys.executable, reach.__file__, "ports", *addresses.values()])
    assert json.loads(said) == {
        address: sorted(EDGE_PORTS + ADMIN_PORTS if name == "main" else [22])
        for name, address in addresses.items()
    }
    assert reach.status(stack.ca, stack.address, console(stack), "/") not in (403, 404, 502, 503)


def test_everyone_else_reaches_the_edge_alone(stack: CloudStack, s3: Any) -> None:
    addresses = stack.outputs()["servers"]
    with visitor(stack) as visits:
        assert visits("ports", *addresses.values()) == {
            address: EDGE_PORTS if server == "main" else [] for server, address in addresses.items()
        }
        link = presigned(s3, "get_object", BUCKET, "plain")
        path = link.removeprefix(f"https://{stack.address}")
        assert visits("status", "/ca.crt", stack.address, stack.address, path) == 200
        assert visits("status", "/ca.crt", stack.address, console(stack), "/") == 403


def test_five_workers(stack: CloudStack, url: str) -> None:
    before, ids = contents(url), stack.containers()
    stack.configure(citus={"workers": 5})
    stack.preview()
    changes = stack.changes()
    new = {"Server::data-5-server", "Volume::data-5-volume", "Container::citus-worker-5"}
    assert new <= changes.keys()
    assert {change for change, kind in changes.items() if kind != "create"} == {
        "Placement::hetzner-placement",
        "Membership::citus-members",
        "Membership::shop-members",
    }
    assert set(changes.values()) == {"create", "update"}
    with writing(url) as writer:
        stack.up()
    assert not writer.failures
    assert writer.written > 50
    assert stack.server("data-5").status == "running"
    assert len(stack.server("data-5").volumes) == 1
    after = stack.containers()
    assert set(after.pop("data-5")) == {"citus-worker-5"}
    assert after == ids
    shards = stack.shards("shop")
    assert shards.keys() == {f"{PRIVATE[name]}:5432" for name in (*DATA, "data-5")}
    assert max(shards.values()) - min(shards.values()) <= 1
    assert contents(url) == before
    assert ask(url, "SELECT count(*) FROM events") == ROWS + writer.written
    stack.preview(expect_no_changes=True)


def test_four_workers_again(stack: CloudStack, url: str) -> None:
    before, ids = contents(url), stack.containers()
    ids.pop("data-5")
    rows = ask(url, "SELECT count(*) FROM events")
    stack.configure()
    stack.preview()
    changes = stack.changes()
    assert "Server::data-5-server" in changes
    assert {change for change, kind in changes.items() if kind != "delete"} == {
        "Placement::hetzner-placement",
        "Membership::citus-members",
        "Membership::shop-members",
    }
    with writing(url) as writer:
        stack.up()
    assert not writer.failures
    assert stack.containers() == ids
    assert len(stack.of_kind("volumes")) == len(stack.of_kind("primary_ips")) == 5
    assert stack.shards("shop").keys() == {f"{PRIVATE[name]}:5432" for name in DATA}
    assert contents(url) == before
    assert ask(url, "SELECT count(*) FROM events") == rows + writer.written
    stack.preview(expect_no_changes=True)


@contextmanager
def powered_off(stack: CloudStack, name: str) -> Iterator[None]:
    """A server fails while the block runs, from when the edge has noticed, and is back after it."""
    address = stack.outputs()["servers"][name]
    live = f"https://{stack.address}/minio/health/live"

    def answers_at_once() -> bool:
        """Whether no request of several goes to a node that is not there."""
        tried = (requests.get(live, timeout=10, verify=stack.ca) for _ in range(12))
        return all(answer.ok and answer.elapsed.total_seconds() < 1 for answer in tried)

    stack.server(name).power_off().wait_until_finished()
    wait(f"the edge has dropped {name}", answers_at_once, 30)
    yield
    stack.server(name).power_on().wait_until_finished()
    wait(f"{name} has booted", lambda: takes_connections(address, timeout=1), 120)


def test_a_server_that_fails_leaves_the_edge_and_comes_back(
    stack: CloudStack, s3: Any, url: str
) -> None:
    s3.put_object(Bucket=BUCKET, Key="large", Body=bytes(SIZE))
    get = presigned(s3, "get_object", BUCKET, "large")

    def takes_part() -> bool:
        """Whether the node serves objects through the edge."""
        before = sent_to_the_edge(stack, "data-2")
        for _ in range(16):
            requests.get(get, timeout=30, verify=stack.ca).raise_for_status()
        return sent_to_the_edge(stack, "data-2") - before >= SIZE

    wait("data-2 takes part", takes_part)
    ids = stack.containers()
    with powered_off(stack, "data-2"):
        pass
    wait("data-2 takes part again", takes_part, 120)
    wait("all workers answer", lambda: answers(url), 120)
    stack.up(expect_no_changes=True)
    assert stack.containers() == ids


@pytest.mark.real_minio
@pytest.mark.skipif(not real("minio"), reason="the stand-in stores objects on two nodes only")
def test_objects_are_read_and_written_without_a_server(
    stack: CloudStack, s3: Any, url: str
) -> None:
    with powered_off(stack, "data-1"):
        s3.put_object(Bucket=BUCKET, Key="meanwhile", Body=b"written")
        for _ in range(8):  # through every node
            assert s3.get_object(Bucket=BUCKET, Key="meanwhile")["Body"].read() == b"written"
            assert s3.get_object(Bucket=BUCKET, Key="plain")["Body"].read() == b"content of plain"
    wait("all workers answer", lambda: answers(url), 120)
    assert s3.get_object(Bucket=BUCKET, Key="meanwhile")["Body"].read() == b"written"


def sent_to_the_edge(stack: CloudStack, server: str) -> int:
    """Bytes that a MinIO node has sent over its open connections with the edge."""
    connections = stack.ssh(server, "ss", "-Htin", "sport = :9000 and dst 10.77.1.10")
    return sum(
        int(word.removeprefix("bytes_acked:"))
        for word in connections.split()
        if word.startswith("bytes_acked:")
    )


def answers(url: str) -> bool:
    """Whether every shard can be read."""
    try:
        return bool(ask(url, "SELECT count(*) FROM events"))
    except psycopg.Error:
        return False


def test_an_unreachable_server_stops_an_update(stack: CloudStack) -> None:
    ids = stack.containers()
    inside = f"hetzner-server-{stack.server('data-3').id}"
    docker("exec", inside, "systemctl", "stop", "ssh.service", "ssh.socket")
    began = time.monotonic()
    stack.configure(citus={"worker": {"memory_mb": 500}})
    try:
        result = stack.cli("up", "--yes", "--skip-preview", "--stack", NAME)
    finally:
        docker("exec", inside, "systemctl", "start", "ssh.service")
        stack.configure()
    assert time.monotonic() - began < UNREACHABLE_SECONDS
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert f"{NAME}-data-3 takes no SSH connection" in said
    assert "nothing was changed" in said
    assert "Traceback" not in said
    assert stack.containers() == ids
    stack.preview(expect_no_changes=True)


def test_a_server_that_is_off_is_started(stack: CloudStack, url: str) -> None:
    ids = stack.containers()
    stack.server("data-4").shutdown().wait_until_finished()
    wait("data-4 is off", lambda: stack.server("data-4").status == "off")
    stack.preview()
    assert stack.changes() == {"ServerSize::data-4-size": "update"}
    stack.up()
    assert stack.server("data-4").status == "running"
    wait("all workers answer", lambda: answers(url), 120)
    assert stack.containers() == ids
    stack.preview(expect_no_changes=True)


@pytest.mark.parametrize("size", [LARGE, SMALL])
def test_the_data_servers_become_another_size(
    stack: CloudStack, url: str, s3: Any, size: str
) -> None:
    before, ids = contents(url), stack.containers()
    since = datetime.now(UTC)
    stack.configure(hosts={"data": {"server_type": size, "volume_gb": 10}})
    stack.preview()
    assert stack.changes() == {
        f"{kind}::{name}-{part}": "update"
        for name in DATA
        for kind, part in (("ServerSize", "size"), ("ServerReady", "ready"))
    }
    stack.up()
    servers = stack.servers()
    assert {name: (server.server_type.name, server.status) for name, server in servers.items()} == {
        "main": (SMALL, "running"),
        **dict.fromkeys(DATA, (size, "running")),
    }
    assert {server.primary_disk_size for server in servers.values()} == {40}
    one_after_the_other([outage(servers[name], since) for name in DATA])
    wait("all workers answer", lambda: answers(url), 120)
    assert contents(url) == before
    for number, server in enumerate(DATA, start=1):
        log = stack.ssh(
            server,
            *("sh", "-c", f"docker logs --since {since:%Y-%m-%dT%H:%M:%SZ} "
              f"{stack.container(f'citus-worker-{number}')} 2>&1"),
        )  # fmt: skip
        assert "database system is shut down" in log
        assert "database system was shut down at" in log
    assert s3.get_object(Bucket=BUCKET, Key="plain")["Body"].read() == b"content of plain"
    assert stack.containers() == ids
    stack.preview(expect_no_changes=True)


def outage(server: Any, since: datetime) -> tuple[datetime, datetime]:
    """When a server went down and was up again."""
    actions = [
        action.data_model
        for action in server.get_actions()
        if action.data_model.started >= since.replace(microsecond=0)
    ]
    commands = {action.command: action for action in actions}
    assert commands.keys() == {"shutdown_server", "change_server_type", "start_server"}
    return commands["shutdown_server"].started, commands["start_server"].finished


def one_after_the_other(outages: list[tuple[datetime, datetime]]) -> None:
    """Asserts that no two servers were down at once."""
    ordered = sorted(outages)
    for (_, end), (start, _) in pairwise(ordered):
        assert end <= start


def test_destroy_leaves_nothing(stack: CloudStack) -> None:
    ids = [f"hetzner-server-{server.id}" for server in stack.servers().values()]
    networks = [f"hetzner-network-{network.id}" for network in stack.of_kind("networks")]
    result = stack.cli("destroy", "--yes", "--skip-preview", "--stack", NAME)
    assert result.returncode == 0, result.stdout + result.stderr
    assert not any(stack.in_project().values())
    assert not set(ids) & set(docker("ps", "--all", "--format", "{{.Names}}").split())
    assert not set(networks) & set(docker("network", "ls", "--format", "{{.Name}}").split())
