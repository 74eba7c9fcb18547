"""A stack on one server: it comes up although it is interrupted, is protected, and goes."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ops.citus_advice.__main__ import citus_advice
from tests.cloud.servers import CloudStack, cloud_stack
from tests.heard import Heard, listening
from tests.local.database import ROWS, contents, fill
from tests.local.storage import client, presigned, put

pytestmark = [pytest.mark.cloud, pytest.mark.slow]

NAME = "test-small"
FIXED: dict[str, dict[str, Any]] = {
    "hosts": {
        "network_cidr": "10.78.0.0/16",
        "main": {"server_type": "cx33", "volume_gb": 10},
    },
    "minio": {"pools": [{"nodes": 1}], "memory_mb": 384},
    "citus": {"workers": 2, "coordinator": {"memory_mb": 512}, "worker": {"memory_mb": 512}},
}
PROJECTS: dict[str, Any] = {"shop": {"buckets": {"uploads": {}}}}
BUCKET = "shop-uploads"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudStack]:
    with cloud_stack(NAME, tmp_path_factory.mktemp("small"), FIXED, projects=PROJECTS) as stack:
        stack.cli("stack", "select", "--create", NAME)
        yield stack


@pytest.fixture
def shop(stack: CloudStack) -> dict[str, Any]:
    return stack.project("shop")


def end_at(stack: CloudStack, words: str, end: signal.Signals) -> int:
    """Starts an `up` and ends it when its output holds the words; its exit status."""
    run = stack.start("up", "--yes", "--skip-preview", "--stack", NAME)
    assert run.stdout
    said = ""
    for line in run.stdout:
        said += line
        if words in line:
            run.send_signal(end)
            break
    else:
        raise AssertionError(f"{words!r} was not said: {said}")
    run.stdout.read()
    run.stdout.close()
    return run.wait(120)


def test_an_api_that_fails_in_the_middle(stack: CloudStack) -> None:
    """The volume is being attached: Hetzner's provider cannot update what is made by half."""
    assert not any(stack.in_project().values())
    endpoint = stack.fixed["hosts"]["endpoint"]
    api = Heard(behind=endpoint)
    with listening(api), api.failing_after("POST /v1/volumes/[0-9]+/actions/attach$"):
        stack.configure(hosts={"endpoint": api.endpoint}, projects=PROJECTS)
        result = stack.cli("up", "--yes", "--skip-preview", "--stack", NAME)
    assert result.returncode != 0
    assert "out of order" in result.stdout + result.stderr
    stack.configure(projects=PROJECTS)


def test_a_run_that_was_killed_and_one_that_was_interrupted_are_completed(
    stack: CloudStack,
) -> None:
    assert end_at(stack, "main-ready creating", signal.SIGKILL) == -signal.SIGKILL
    assert stack.server("main").status == "running"
    assert stack.cli("cancel", "--yes", "--stack", NAME).returncode == 0
    assert end_at(stack, "docker:index:Volume", signal.SIGINT) != 0
    stack.up()
    assert stack.containers().keys() == {"main"}
    assert stack.containers()["main"].keys() == {
        "edge", "minio-1", "citus-coordinator", "citus-worker-1", "citus-worker-2",
    }  # fmt: skip


def test_a_preview_needs_no_ssh(stack: CloudStack, tmp_path: Path) -> None:
    """So that it can run where the servers let nobody in, as on a pull request."""
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\ntouch {tmp_path}/used\nexit 255\n")
    ssh.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    result = stack.cli("preview", "--expect-no-changes", "--stack", NAME, PATH=path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert not (tmp_path / "used").exists()


def test_s3_through_the_edge(stack: CloudStack, shop: dict[str, Any]) -> None:
    s3 = client(shop, stack.ca)
    assert put(presigned(s3, "put_object", BUCKET, "a b+c"), b"content", stack.ca) == 200
    answer = requests.get(presigned(s3, "get_object", BUCKET, "a b+c"), timeout=30, verify=stack.ca)
    assert answer.content == b"content"


def test_sql_through_the_edge(stack: CloudStack, shop: dict[str, Any]) -> None:
    fill(shop["database_url"])
    assert stack.shards("shop").keys() == {"10.78.1.10:5433", "10.78.1.10:5434"}
    assert contents(shop["database_url"])[0] == ROWS


def test_advice_through_the_edge(stack: CloudStack, shop: dict[str, Any]) -> None:
    assert citus_advice(stack.outputs(), "shop").startswith("shop: nothing to distribute")


def refused(stack: CloudStack, *command: str) -> str:
    """What a command said that must be refused."""
    result = stack.cli(*command, "--yes", "--stack", NAME)
    assert result.returncode != 0, result.stdout
    said = result.stdout + result.stderr
    assert "Traceback" not in said
    return said


def test_a_protected_stack_cannot_be_destroyed(stack: CloudStack, shop: dict[str, Any]) -> None:
    from hcloud import APIException

    ids = stack.containers()
    stack.configure(protect=True, projects=PROJECTS)
    stack.up()
    assert stack.containers() == ids
    assert "protect" in refused(stack, "destroy")
    assert stack.containers() == ids
    with pytest.raises(APIException) as refusal:
        stack.server("main").delete()
    assert refusal.value.code == "protected"
    assert contents(shop["database_url"])[0] == ROWS


def test_nor_can_a_protected_project_leave(stack: CloudStack, shop: dict[str, Any]) -> None:
    stack.configure(protect=True, projects={})
    said = refused(stack, "up")
    assert "protect" in said
    assert "shop" in said
    assert contents(shop["database_url"])[0] == ROWS
    body = client(shop, stack.ca).get_object(Bucket=BUCKET, Key="a b+c")["Body"]
    assert body.read() == b"content"


def test_destroy_leaves_nothing_once_the_protection_is_off(stack: CloudStack) -> None:
    stack.configure(protect=False, projects=PROJECTS)
    stack.up()
    result = stack.cli("destroy", "--yes", "--skip-preview", "--stack", NAME)
    assert result.returncode == 0, result.stdout + result.stderr
    assert not any(stack.in_project().values())
