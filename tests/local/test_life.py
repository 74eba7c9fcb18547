"""The whole life of a stack on this machine's Docker, in order: each step builds on the last."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tests.local.database import (
    ROWS,
    admin,
    ask,
    contents,
    fill,
    members,
    shards,
    writing,
)
from tests.local.storage import client, presigned, put, refusal
from tests.stack import (
    LiveStack,
    Ports,
    container_ids,
    docker,
    inspect,
    live_stack,
    on_engine,
    real,
)

PORTS = Ports(api=17000, console=17001, postgres=17002)
SHOP = {
    "buckets": {
        "uploads": {"versioning": True, "expire_days": 90},
        "public": {"public_read": True},
    }
}
BLOG = {"database": 'Blog "Data"', "extensions": ["pg_trgm"], "buckets": {"media": {}}}
PROJECTS = {"shop": SHOP, "blog": BLOG}
DATABASES = ["postgres", "shop", 'Blog "Data"']
WORKERS = [f"test-life-citus-worker-{n}" for n in (1, 2, 3)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    directory = tmp_path_factory.mktemp("life")
    with live_stack("test-life", directory, PORTS, projects=PROJECTS) as stack:
        stack.up()
        yield stack


@pytest.fixture
def shop(stack: LiveStack) -> dict[str, Any]:
    return dict(stack.outputs()["projects"]["shop"])


@pytest.fixture
def blog(stack: LiveStack) -> dict[str, Any]:
    return dict(stack.outputs()["projects"]["blog"])


def test_everything_runs(stack: LiveStack) -> None:
    assert container_ids("test-life").keys() == {
        stack.container(name)
        for name in ("citus-coordinator", "citus-worker-1", "citus-worker-2", "minio-1")
    }
    for database in DATABASES:
        assert members(stack, database) == WORKERS[:2]


def test_a_second_preview_shows_no_change(stack: LiveStack) -> None:
    stack.preview(expect_no_changes=True)


def test_nor_does_one_after_a_refresh(stack: LiveStack) -> None:
    stack.refresh()
    stack.preview(expect_no_changes=True)


def test_every_port_is_on_loopback(stack: LiveStack) -> None:
    bindings = [
        binding
        for container in container_ids("test-life")
        for published in inspect(container)["NetworkSettings"]["Ports"].values()
        for binding in published or ()
    ]
    assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}
    assert sorted(int(binding["HostPort"]) for binding in bindings) == [17000, 17001, 17002]
    assert listening_beyond_loopback(range(17000, 17003)) == set()


def listening_beyond_loopback(ports: range) -> set[int]:
    """Those of the host's listening TCP ports that another machine could reach."""
    reachable = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, port = local.split(":")
            if state == "0A" and int(port, 16) in ports and address != "0100007F":
                reachable.add(int(port, 16))
    return reachable


def test_limits_are_real(stack: LiveStack) -> None:
    host = inspect(stack.container("citus-worker-1"))["HostConfig"]
    assert host["Memory"] == 1024 * 1024**2
    assert host["NanoCpus"] == 2 * 10**9
    assert admin(stack, "SHOW shared_buffers", node="citus-worker-1") == ["256MB"]
    assert admin(stack, "SHOW wal_level", node="citus-worker-1") == ["logical"]


def test_no_secret_can_be_seen(stack: LiveStack, shop: dict[str, Any]) -> None:
    outputs = stack.outputs()
    state = [file.read_text() for file in (stack.directory / "state").rglob("*.json")]
    assert any("citus-coordinator" in text for text in state)
    secrets = {
        str(outputs["s3_root_password"]),
        str(shop["s3_secret_key"]),
        str(shop["database_url"]).split(":")[2].split("@")[0],
    }
    seen = {
        "state": "".join(state),
        "processes": docker("ps") + subprocess.check_output(["ps", "axww"], text=True),
        "output of the preview": stack.cli("preview", "--stack", stack.name, "--diff").stdout,
    }
    for container in [*container_ids("test-life"), stack.container("citus-secrets-local-writer")]:
        seen[f"docker inspect {container}"] = json.dumps(inspect(container))
        logs = subprocess.run(["docker", "logs", container], capture_output=True, check=True)
        seen[f"docker logs {container}"] = (logs.stdout + logs.stderr).decode()
    for container in container_ids("test-life"):
        owner = docker("exec", container, "stat", "-c", "%u", "/proc/1")
        seen[f"environment of {container}"] = docker(
            "exec", "--user", owner, container, "cat", "/proc/1/environ"
        )
    for place, text in seen.items():
        assert not [secret for secret in secrets if secret in text], place


def test_an_upload_goes_straight_to_storage(shop: dict[str, Any]) -> None:
    s3, bucket = client(shop), shop["buckets"]["uploads"]
    url = presigned(s3, "put_object", bucket, "a.txt")
    assert put(url, b"first") == 200
    assert put(url, b"second") == 200
    download = presigned(s3, "get_object", bucket, "a.txt")
    assert requests.get(download, timeout=30).content == b"second"
    versions = s3.list_object_versions(Bucket=bucket, Prefix="a.txt")["Versions"]
    assert len(versions) == 2


def test_a_tampered_url_is_refused(shop: dict[str, Any]) -> None:
    url = presigned(client(shop), "put_object", shop["buckets"]["uploads"], "a.txt")
    assert put(url.replace("a.txt", "b.txt"), b"x") == 403
    tampered = re.sub("(?<=X-Amz-Signature=)(.)", lambda m: "1" if m[0] == "0" else "0", url)
    assert put(tampered, b"x") == 403


def test_objects_expire(stack: LiveStack, shop: dict[str, Any]) -> None:
    outputs = stack.outputs()
    root = {
        "s3_endpoint": outputs["s3_endpoint"],
        "s3_access_key": outputs["s3_root_user"],
        "s3_secret_key": outputs["s3_root_password"],
    }
    rules = client(root).get_bucket_lifecycle_configuration(Bucket=shop["buckets"]["uploads"])
    assert [(rule["Status"], rule["Expiration"]["Days"]) for rule in rules["Rules"]] == [
        ("Enabled", 90)
    ]


def test_only_a_public_bucket_is_read_without_a_key(shop: dict[str, Any]) -> None:
    s3 = client(shop)
    for name, status in (("public", 200), ("uploads", 403)):
        bucket = shop["buckets"][name]
        s3.put_object(Bucket=bucket, Key="page", Body=b"hello")
        answer = requests.get(f"{shop['s3_endpoint']}/{bucket}/page", timeout=30)
        assert answer.status_code == status, name
    listing = requests.get(f"{shop['s3_endpoint']}/{shop['buckets']['public']}", timeout=30)
    assert listing.status_code == 403


def test_a_project_stays_within_its_buckets(shop: dict[str, Any], blog: dict[str, Any]) -> None:
    s3, theirs = client(shop), blog["buckets"]["media"]
    assert refusal(s3.put_object, Bucket=theirs, Key="x", Body=b"x") == "AccessDenied"
    assert refusal(s3.list_objects_v2, Bucket=theirs) == "AccessDenied"
    assert refusal(s3.create_bucket, Bucket="shop-more") == "AccessDenied"
    uploads = shop["buckets"]["uploads"]
    assert refusal(s3.delete_bucket_lifecycle, Bucket=uploads) == "AccessDenied"
    assert refusal(s3.put_bucket_policy, Bucket=uploads, Policy="{}") == "AccessDenied"
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] in (
        [],
        ["shop-public", "shop-uploads"],
    )


def test_a_project_stays_within_its_database(shop: dict[str, Any], blog: dict[str, Any]) -> None:
    theirs = blog["database_url"].rpartition("/")[2]
    ours = shop["database_url"].rpartition("/")[0]
    for database in (theirs, "postgres"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            ask(f"{ours}/{database}", "SELECT 1")


def test_extra_extensions(blog: dict[str, Any]) -> None:
    assert ask(blog["database_url"], "SELECT similarity('citus', 'citrus')") > 0.4


def test_three_workers(stack: LiveStack, shop: dict[str, Any], blog: dict[str, Any]) -> None:
    for project in (shop, blog):
        fill(project["database_url"])
    before = container_ids("test-life"), contents(shop["database_url"])
    stack.configure(projects=PROJECTS, citus={"workers": 3})
    stack.preview()
    assert stack.changes() == {
        "Node::citus-worker-3": "create",
        "Volume::citus-worker-3": "create",
        "Container::citus-worker-3": "create",
        "Membership::citus-members": "update",
        "Membership::shop-members": "update",
        "Membership::blog-members": "update",
    }
    with writing(shop["database_url"]) as writer:
        stack.up()
    assert not writer.failures
    assert writer.written > 50
    after = container_ids("test-life")
    assert {name: after[name] for name in before[0]} == before[0]
    for database in DATABASES:
        assert members(stack, database) == WORKERS
    for database in DATABASES[1:]:
        counts = shards(stack, database)
        assert counts.keys() == set(WORKERS)
        assert max(counts.values()) - min(counts.values()) <= 1
    assert contents(shop["database_url"]) == before[1]
    assert contents(blog["database_url"])[0] == ROWS
    assert ask(shop["database_url"], "SELECT count(*) FROM events") == ROWS + writer.written
    assert "shop: " in stack.output


def test_three_workers_are_stable(stack: LiveStack) -> None:
    stack.preview(expect_no_changes=True)


def refused_up(stack: LiveStack) -> str:
    """An `up` that must fail; what it said."""
    result = stack.cli("up", "--yes", "--stack", stack.name)
    assert result.returncode != 0, result.stdout
    assert "Traceback" not in result.stdout
    return result.stdout + result.stderr


def nothing_has_left(stack: LiveStack) -> None:
    """Asserts that worker 3 is still there and can be used."""
    assert WORKERS[2] in container_ids("test-life")
    assert WORKERS[2] in docker("volume", "ls", "--quiet").split()


def test_a_table_that_cannot_move_online_stops_a_worker_from_leaving(
    stack: LiveStack, shop: dict[str, Any]
) -> None:
    with psycopg.connect(shop["database_url"]) as connection:
        connection.execute("CREATE TABLE keyless (id bigint, note text)")
        connection.execute("SELECT create_distributed_table('keyless', 'id')")
    stack.configure(projects=PROJECTS, citus={"workers": 2})
    said = refused_up(stack)
    assert "keyless" in said
    assert "REPLICA IDENTITY" in said
    nothing_has_left(stack)
    assert WORKERS[2] in members(stack, "shop")
    with psycopg.connect(shop["database_url"]) as connection:
        connection.execute("DROP TABLE keyless")


def test_a_database_that_the_config_does_not_know_stops_it(stack: LiveStack) -> None:
    admin(stack, "CREATE DATABASE stray")
    for node in ("citus-worker-3",):
        admin(stack, "CREATE DATABASE stray", node=node)
        admin(stack, "CREATE EXTENSION citus", "stray", node=node)
    admin(stack, "CREATE EXTENSION citus", "stray")
    admin(
        stack,
        f"SELECT citus_set_coordinator_host('{stack.container('citus-coordinator')}')",
        "stray",
    )
    admin(stack, f"SELECT citus_add_node('{WORKERS[2]}', 5432)", "stray")
    said = refused_up(stack)
    assert "stray" in said
    nothing_has_left(stack)
    assert WORKERS[2] in members(stack, "stray")
    admin(stack, "DROP DATABASE stray WITH (FORCE)")


def test_two_workers_again(stack: LiveStack, shop: dict[str, Any], blog: dict[str, Any]) -> None:
    before = contents(shop["database_url"])
    stack.preview()
    assert stack.changes() == {
        "Node::citus-worker-3": "delete",
        "Volume::citus-worker-3": "delete",
        "Container::citus-worker-3": "delete",
        **{
            change: kind
            for change, kind in stack.changes().items()
            if change.startswith("Membership::")
        },
    }
    written = ask(shop["database_url"], "SELECT count(*) FROM events")
    with writing(shop["database_url"]) as writer:
        stack.up()
    assert not writer.failures
    assert WORKERS[2] not in container_ids("test-life")
    assert WORKERS[2] not in docker("volume", "ls", "--quiet").split()
    for database in DATABASES:
        assert members(stack, database) == WORKERS[:2]
    assert contents(shop["database_url"]) == before
    assert contents(blog["database_url"])[0] == ROWS
    assert ask(shop["database_url"], "SELECT count(*) FROM events") == written + writer.written
    stack.preview(expect_no_changes=True)


def test_a_worker_unregistered_by_hand_is_put_back(stack: LiveStack) -> None:
    worker = WORKERS[1]
    admin(
        stack,
        f"CREATE TABLE IF NOT EXISTS nothing (id int); SELECT citus_remove_node('{worker}', 5432)",
    )
    assert members(stack, "postgres") == WORKERS[:1]
    stack.refresh()
    stack.up()
    assert members(stack, "postgres") == WORKERS[:2]


def test_a_worker_removed_by_hand_comes_back_on_its_volume(
    stack: LiveStack, shop: dict[str, Any]
) -> None:
    before = contents(shop["database_url"])
    docker("rm", "--force", WORKERS[1])
    stack.refresh()
    stack.up()
    assert contents(shop["database_url"]) == before
    stack.preview(expect_no_changes=True)


@contextmanager
def refusals(url: str) -> Iterator[list[tuple[float, str]]]:
    """Logs in and asks all nodes, again and again while the block runs; when and how it failed."""
    refused: list[tuple[float, str]] = []
    stop = threading.Event()

    def log_in() -> None:
        while not stop.wait(0.05):
            try:
                ask(url, "SELECT count(*) FROM events")
            except psycopg.Error as error:
                refused.append((time.monotonic(), str(error)))

    thread = threading.Thread(target=log_in)
    thread.start()
    try:
        yield refused
    finally:
        stop.set()
        thread.join()


def test_credentials_are_replaced(stack: LiveStack, shop: dict[str, Any]) -> None:
    before = container_ids("test-life")
    projects = {"shop": {**SHOP, "credentials_version": 2}, "blog": BLOG}
    stack.configure(projects=projects)
    with refusals(shop["database_url"]) as refused:
        stack.up()
    new = stack.outputs()["projects"]["shop"]
    assert container_ids("test-life") == before
    assert ask(new["database_url"], "SELECT 1") == 1
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(shop["database_url"], "SELECT 1")
    assert client(new).list_objects_v2(Bucket=new["buckets"]["uploads"])["KeyCount"] > 0
    code = refusal(client(shop).list_objects_v2, Bucket=shop["buckets"]["uploads"])
    assert code in ("InvalidAccessKeyId", "AccessDenied")
    assert contents(new["database_url"])[0] == ROWS
    # From when the nodes use the new password until it counts, about a second.
    between_nodes = [when for when, how in refused if "remote node" in how]
    at_the_door = [when for when, how in refused if "remote node" not in how]
    assert at_the_door
    if between_nodes:
        assert at_the_door[0] - between_nodes[0] < 3
    stack.preview(expect_no_changes=True)


def test_a_new_project_replaces_no_node(stack: LiveStack) -> None:
    before = container_ids("test-life")
    wiki = {"protect": True, "buckets": {"pages": {}}}
    stack.configure(
        projects={"shop": {**SHOP, "credentials_version": 2}, "blog": BLOG, "wiki": wiki}
    )
    stack.preview()
    assert "replace" not in {
        kind for change, kind in stack.changes().items() if "writer" not in change
    }
    stack.up()
    assert container_ids("test-life") == before
    url = stack.outputs()["projects"]["wiki"]["database_url"]
    assert ask(url, "SELECT count(*) FROM citus_get_active_worker_nodes()") == 2


def test_a_protected_project_is_not_deleted(stack: LiveStack) -> None:
    projects = {"shop": {**SHOP, "credentials_version": 2}, "blog": BLOG}
    stack.configure(projects=projects)
    said = refused_up(stack)
    assert "cannot be deleted" in said
    assert "protect" in said
    assert "wiki" in admin(stack, "SELECT datname FROM pg_database")


def test_a_project_leaves_once_it_is_not_protected(stack: LiveStack) -> None:
    projects = {"shop": {**SHOP, "credentials_version": 2}, "blog": BLOG}
    stack.configure(projects={**projects, "wiki": {"protect": False, "buckets": {"pages": {}}}})
    stack.up()
    stack.configure(projects=projects)
    stack.up()
    for node in ("citus-coordinator", "citus-worker-1", "citus-worker-2"):
        assert "wiki" not in admin(stack, "SELECT datname FROM pg_database", node=node)
        assert "wiki" not in admin(stack, "SELECT rolname FROM pg_roles", node=node)
    assert "wiki" not in stack.outputs()["projects"]
    stack.preview(expect_no_changes=True)


def test_a_pool_is_never_edited(stack: LiveStack) -> None:
    projects = {"shop": {**SHOP, "credentials_version": 2}, "blog": BLOG}
    stack.configure(projects=projects, minio={"pools": [{"nodes": 4}]})
    result = stack.cli("preview", "--stack", stack.name)
    assert result.returncode != 0
    assert "minio.pools[0] has 1 nodes of 4 drives and cannot be changed" in result.stdout
    stack.configure(projects=projects)


@pytest.mark.real_minio
@pytest.mark.skipif(not real("minio"), reason="the stand-in cannot add a pool in place")
def test_storage_grows_by_a_pool(stack: LiveStack) -> None:
    projects = {"shop": {**SHOP, "credentials_version": 2}, "blog": BLOG}
    stack.configure(projects=projects, minio={"pools": [{"nodes": 1}, {"nodes": 4}]})
    stack.up()
    shop = stack.outputs()["projects"]["shop"]
    s3 = client(shop)
    body = s3.get_object(Bucket=shop["buckets"]["uploads"], Key="a.txt")["Body"].read()
    assert body == b"second"
    s3.put_object(Bucket=shop["buckets"]["uploads"], Key="after", Body=b"grown")
    stack.preview(expect_no_changes=True)


def test_down_leaves_nothing(stack: LiveStack, monkeypatch: pytest.MonkeyPatch) -> None:
    docker("stop", stack.container("citus-coordinator"))
    assert down(stack, monkeypatch) == 0
    assert on_engine("test-life") == {"container": [], "volume": [], "network": []}


def down(stack: LiveStack, monkeypatch: pytest.MonkeyPatch) -> int:
    """`make down` on the tests' stack."""
    from ops import down
    from ops import stack as ops_stack

    for key, value in stack.environment.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(ops_stack, "REPOSITORY", stack.directory)
    monkeypatch.setattr("sys.argv", ["down", stack.name])
    return down.main()
