"""Hetzner's API fails in the middle of an update: the next one goes on where it stopped."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.committed import on_servers, resources
from tests.engine.conftest import Cloud
from tests.stack import LiveStack

LAST = {
    "firewall": "POST /v1/firewalls$",  # the provider forgets it
    "address": "POST /v1/primary_ips/[0-9]+/actions/change_protection$",  # likewise, protected
    "subnet": "POST /v1/networks/[0-9]+/actions/add_subnet$",  # the provider cannot update it
    "limit": "POST /v1/networks/[0-9]+/actions/add_subnet$",
    "volume": "POST /v1/volumes$",  # the provider takes it for protected
}
"""The last request that the API accepts, by what is there by half then."""

ERRORS = {**dict.fromkeys(LAST, "server_error"), "limit": "rate_limit_exceeded"}
"""What the API says then."""


@pytest.fixture(autouse=True)
def _key_of_one_stack(cloud: Cloud) -> Iterator[None]:
    """A project holds a key once."""
    yield
    for key in cloud.api.client.ssh_keys.get_all():
        key.delete()


@pytest.mark.parametrize("half", LAST)
def test_the_next_update_goes_on(cloud: Cloud, tmp_path: Path, half: str) -> None:
    stack = LiveStack(f"half-{half}", tmp_path, None)
    stack.prepare()
    stack.configure(**on_servers("small", token=cloud.api.token, endpoint=cloud.endpoint))
    assert stack.automation.name
    with cloud.failing_after(LAST[half], ERRORS[half]):
        assert "out of order" in _up(stack)
    before = _made(stack)
    text = _up(stack)
    made = _made(stack)
    expected = {kind: n for kind, n in resources("small").items() if kind.startswith("hcloud:")}
    assert before != expected
    assert made == expected, text
    _is_whole(cloud, stack.name)


def _is_whole(cloud: Cloud, stack: str) -> None:
    """There is one of each at Hetzner, and the server has them all."""
    volume, server, address = (
        _only(cloud, kind, stack) for kind in ("volumes", "servers", "primary_ips")
    )
    assert volume["server"] == server["id"]
    assert address["assignee_id"] == server["id"]
    assert [net["ip"] for net in server["private_net"]] == ["10.0.1.10"]
    assert len(server["public_net"]["firewalls"]) == 2
    assert server["protection"] == {"delete": True, "rebuild": True}
    assert volume["protection"] == address["protection"] == {"delete": True}


def _only(cloud: Cloud, kind: str, stack: str) -> dict[str, Any]:
    path = f"/{kind}?label_selector=stack={stack}"
    (found,) = cloud.api.client.request("GET", path)[kind]
    return dict(found)


def _up(stack: LiveStack) -> str:
    """What an update says that fails: the server is only in the API's memory and has no Docker.

    Whoever logs in to it finds all well.
    """
    programs = stack.directory / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "ssh").write_text("#!/bin/sh\n")
    (programs / "ssh").chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    result = stack.cli("up", "--yes", "--skip-preview", "--stack", stack.name, PATH=path)
    assert result.returncode != 0
    return result.stdout + result.stderr


def _made(stack: LiveStack) -> Mapping[str, int]:
    """How many whole resources the state holds of Hetzner, by type."""
    exported = json.loads(stack.cli("stack", "export", "--stack", stack.name).stdout)
    made: dict[str, int] = {}
    for resource in exported["deployment"]["resources"]:
        if resource["type"].startswith("hcloud:") and not resource.get("initErrors"):
            made[resource["type"]] = made.get(resource["type"], 0) + 1
    return made
