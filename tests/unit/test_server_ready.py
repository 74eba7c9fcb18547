"""The readiness gate, with an `ssh` that answers what the test says."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.hosts import server_ready
from components.hosts.cloud_init import READY
from components.hosts.server_ready import ServerError, ServerReadyProvider

SSH = """#!/bin/sh
# Each line of `answers` is for one call: a status and what is printed. The last one stays.
cd "$(dirname "$0")"
echo "$@" >>calls
line=$(head -n 1 answers)
if [ "$(wc -l <answers)" -gt 1 ]; then sed -i 1d answers; fi
status=${line%% *}
if [ "$status" = 255 ]; then exec >&2; fi
echo "${line#* }"
exit "$status"
"""

Answers = Callable[..., Path]


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answers:
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH)
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(server_ready, "INTERVAL", 0.01)

    def set_answers(*lines: str) -> Path:
        (tmp_path / "answers").write_text("".join(f"{line}\n" for line in lines))
        return tmp_path / "calls"

    return set_answers


def inputs(**changed: Any) -> dict[str, Any]:
    return {
        "name": "data-1",
        "address": "203.0.113.5",
        "ssh_options": ["-o", "BatchMode=yes"],
        "server_id": "42",
        "server_type": "cx23",
        "private_ip": "10.0.1.11",
        "volume_size": 10.0,  # as Pulumi sends numbers
        "timeout": 20.0,
    } | changed


def wait(**changed: Any) -> None:
    ServerReadyProvider().create(inputs(**changed))


def test_it_asks_the_server_for_its_volume(answers: Answers) -> None:
    calls = answers("0 ")
    assert ServerReadyProvider().create(inputs()).id == "42"
    assert calls.read_text() == f"-o BatchMode=yes root@203.0.113.5 {READY} 10\n"


def test_a_server_without_a_volume(answers: Answers) -> None:
    calls = answers("0 ")
    wait(volume_size=None)
    assert calls.read_text().endswith(f"{READY}\n")


def test_what_it_waits_for_is_said_once(
    answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(
        "255 ssh: connect to host 203.0.113.5 port 22: Connection refused",
        "127 sh: not found",
        "75 cloud-init",
        "75 its address 10.0.1.11",
        "75 its address 10.0.1.11",
        "75 Docker",
        "0 ",
    )
    wait()
    assert capsys.readouterr().out.splitlines() == [
        "data-1: waits for SSH",
        "data-1: waits for cloud-init",
        "data-1: waits for its address 10.0.1.11",
        "data-1: waits for Docker",
    ]


def test_a_failed_cloud_init_ends_it_with_its_log(answers: Answers) -> None:
    answers("75 cloud-init", "70 status: error: no package")
    with pytest.raises(ServerError, match=r"(?s)data-1 .*cloud-init failed.*error: no package"):
        wait()


def test_a_server_that_failed_otherwise(answers: Answers) -> None:
    answers("2 server.env: No such file")
    with pytest.raises(ServerError, match=r"failed with 2: server\.env: No such file"):
        wait()


def test_the_end_of_the_time_shows_the_log(answers: Answers) -> None:
    answers("75 Docker")
    with pytest.raises(
        ServerError, match=r"(?s)data-1 \(203.0.113.5\): after 1 s it still waits for Docker"
    ):
        wait(timeout=1)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("Host key verification failed.", "has another SSH host key"),
        ("root@203.0.113.5: Permission denied (publickey).", r"ssh-add.*ssh_identity_file"),
    ],
)
def test_a_refusal_ends_it_at_once(answers: Answers, said: str, sentence: str) -> None:
    calls = answers(f"255 {said}")
    with pytest.raises(ServerError, match=f"data-1.*{sentence}"):
        wait()
    assert len(calls.read_text().splitlines()) == 1


def test_a_server_that_never_answers(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_ready, "UNREACHABLE_AFTER", 0.1)
    answers("255 ssh: connect to host 203.0.113.5 port 22: Connection timed out")
    with pytest.raises(ServerError, match=r"data-1 .*does not answer .*Connection timed out"):
        wait()


def test_without_ssh_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match="install an OpenSSH client"):
        wait()


@pytest.mark.parametrize("changed", [{"volume_size": 20.0}, {"server_type": "cx33"}])
def test_it_waits_again_when_the_server_changes(changed: dict[str, Any]) -> None:
    provider = ServerReadyProvider()
    assert provider.diff("42", inputs(), inputs(**changed)).changes
    assert not provider.diff("42", inputs(), inputs()).changes
