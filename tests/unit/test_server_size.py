"""`ServerSize` on a Hetzner API: whatever happens, the server runs afterwards."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from pulumi.dynamic.dynamic import serialize_provider

from components.hosts import server_size
from components.hosts.hetzner_client import HetznerApiError
from components.hosts.server_size import ServerSizeProvider, found_as, reconcile
from ops.stack import REPOSITORY
from tests.hetzner import HetznerApi, hetzner_api

PROPS: dict[str, Any] = {
    "name": "data-1",
    "server_id": "1",
    "server_type": "cx23",
    "address": "192.0.2.1",
    "endpoint": "http://127.0.0.1:9/v1",
    "token": "t" * 64,
    "found": None,
}
numbers = count()
SLOW = "0.5"
"""Seconds that an action of the slow API takes: long enough to be killed in one."""


@pytest.fixture(scope="module")
def api() -> Iterator[HetznerApi]:
    with hetzner_api("--sold-out", "cpx32@fsn1", "--action-seconds", "0.02") as running:
        yield running


@pytest.fixture
def dialed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that were tried: servers of this API have no SSH."""
    tried: list[str] = []

    def takes_connections(address: str, timeout: float) -> bool:
        tried.append(address)
        return True

    monkeypatch.setattr(server_size, "takes_connections", takes_connections)
    monkeypatch.setattr(server_size, "POLL_SECONDS", 0.02)
    return tried


class Resized:
    """A server and what its `ServerSize` gets."""

    def __init__(self, api: HetznerApi, name: str, server_type: str) -> None:
        self.server = api.make_server(name, server_type)
        self.props = {
            **PROPS,
            "server_id": str(self.server.id),
            "endpoint": api.endpoint,
            "token": api.token,
        }

    def to(self, server_type: str) -> dict[str, Any]:
        return {**self.props, "server_type": server_type}

    @property
    def now(self) -> str:
        self.server.reload()
        assert self.server.server_type is not None
        return found_as(str(self.server.server_type.name), str(self.server.status))

    @property
    def history(self) -> list[str]:
        return [
            str(action.command)
            for action in sorted(self.server.get_actions(), key=lambda action: action.id)
            if action.command not in ("create_server", "start_server")
        ]


@pytest.fixture
def resized(api: HetznerApi, dialed: list[str]) -> Resized:
    return Resized(api, f"server-{next(numbers)}", "cx33")


# -- The resource ------------------------------------------------------------------------------


def test_state_holds_a_reference_to_the_provider_not_its_code() -> None:
    provider = ServerSizeProvider()
    pickled = base64.b64decode(serialize_provider(provider))
    assert b"components.hosts.server_size" in pickled
    assert len(pickled) < 100
    assert not provider.serialize_as_secret_always


@pytest.mark.parametrize(
    ("change", "changes"),
    [
        ({}, False),
        ({"server_type": "cx33"}, True),
        ({"server_id": "2"}, True),
        ({"token": "another"}, False),
        ({"endpoint": "another"}, False),
        ({"address": "another"}, False),
        ({"name": "another"}, False),
        ({"found": "cx23 running"}, False),
        ({"found": "cx23 off"}, True),
        ({"found": "cx33 running"}, True),  # by a run that was killed, or by hand
    ],
)
def test_diff(change: dict[str, Any], changes: bool) -> None:
    assert ServerSizeProvider().diff("data-1", PROPS, {**PROPS, **change}).changes == changes


# -- On an API ---------------------------------------------------------------------------------


def test_a_server_of_the_right_type_is_left_alone(resized: Resized, dialed: list[str]) -> None:
    created = ServerSizeProvider().create(resized.to("cx33"))
    assert (created.id, created.outs) == ("data-1", resized.to("cx33"))
    assert resized.history == []
    assert dialed == []


def test_another_type(
    resized: Resized, dialed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    updated = ServerSizeProvider().update("data-1", resized.to("cx33"), resized.to("cx43"))
    assert updated.outs == resized.to("cx43")
    assert resized.now == "cx43 running"
    assert resized.history == ["shutdown_server", "change_server_type"]
    assert dialed == ["192.0.2.1"]
    assert capsys.readouterr().out.splitlines() == [
        "data-1: shuts down",
        "data-1: changes cx33 → cx43",
        "data-1: starts",
    ]


def test_one_can_go_back(resized: Resized) -> None:
    reconcile(resized.to("cx43"))
    reconcile(resized.to("cx33"))
    assert resized.now == "cx33 running"


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("cpx32", "sold out in fsn1"),
        ("cx23", "its disk of 40 GB is smaller"),
        ("cx99", "there is no server type"),
    ],
)
def test_after_a_refusal_it_runs_with_the_old_type(
    resized: Resized, dialed: list[str], wanted: str, reason: str
) -> None:
    with pytest.raises(HetznerApiError) as error:
        ServerSizeProvider().update("data-1", resized.to("cx33"), resized.to(wanted))
    assert str(error.value).startswith(
        f"data-1 could not become {wanted} and runs as cx33 again: the Hetzner API: "
    )
    assert reason in str(error.value)
    assert resized.now == "cx33 running"
    assert dialed == ["192.0.2.1"]


def test_a_system_that_does_not_shut_down_is_not_forced(
    resized: Resized, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hcloud.servers import BoundServer

    # The API does as it is told; that the system ignores it is what the rest of it does not do.
    monkeypatch.setattr(BoundServer, "shutdown", BoundServer.reboot)
    monkeypatch.setattr(server_size, "SHUTDOWN_SECONDS", 0.3)
    with pytest.raises(HetznerApiError, match="data-1 does not shut down: it still runs"):
        reconcile(resized.to("cx43"))
    assert resized.now == "cx33 running"
    assert "change_server_type" not in resized.history


def test_a_server_without_ssh_is_said(resized: Resized, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_size, "takes_connections", lambda *_: False)
    monkeypatch.setattr(server_size, "START_SECONDS", 0.3)
    with pytest.raises(HetznerApiError, match=r"runs as cx43, but takes no SSH .* at 192\.0\.2\.1"):
        reconcile(resized.to("cx43"))
    assert resized.now == "cx43 running"


@pytest.mark.parametrize("wanted", ["cx33", "cx43"])
def test_a_server_that_is_off_is_started(resized: Resized, wanted: str) -> None:
    resized.server.power_off().wait_until_finished()
    reconcile(resized.to(wanted))
    assert resized.now == f"{wanted} running"


def test_an_interrupt_leaves_it_running(resized: Resized, monkeypatch: pytest.MonkeyPatch) -> None:
    from hcloud.servers import BoundServer

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(BoundServer, "change_type", interrupted)
    with pytest.raises(KeyboardInterrupt):
        reconcile(resized.to("cx43"))
    assert resized.now == "cx33 running"


def test_an_answer_that_is_lost_is_asked_for_again(
    resized: Resized, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    send, sent = requests.Session.request, 0

    def unreliable(self: Any, method: str, url: str, **options: Any) -> Any:
        nonlocal sent
        answer = send(self, method, url, **options)
        sent += 1
        if sent % 3 == 0:
            raise requests.ConnectionError("connection reset")
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(requests.Session, "request", unreliable)
        reconcile(resized.to("cx43"))
    assert resized.now == "cx43 running"


def test_a_server_that_is_gone(resized: Resized) -> None:
    with pytest.raises(HetznerApiError, match="not_found"):
        reconcile({**resized.to("cx33"), "server_id": "987654"})


@pytest.mark.parametrize("line", ["shuts down", "changes", "starts"])
@pytest.mark.parametrize("then", ["cx43", "cx33"])
def test_a_run_that_was_killed_is_completed(dialed: list[str], line: str, then: str) -> None:
    with hetzner_api("--action-seconds", SLOW) as api:
        resized = Resized(api, "prod-data-1", "cx33")
        kill_at(line, resized.to("cx43"))
        # In place of the program that reads the API: the next run, with the same type or the old.
        reconcile(resized.to(then))
        assert resized.now == f"{then} running"


def kill_at(line: str, props: dict[str, Any]) -> None:
    """Runs `reconcile` in a process of its own that is killed when it has printed the line."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import json, sys\n"
            "from components.hosts.server_size import reconcile\n"
            "reconcile(json.load(sys.stdin))",
        ],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin and process.stdout
        json.dump(props, process.stdin)
        process.stdin.close()
        for printed in process.stdout:
            if line in printed:
                os.kill(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
