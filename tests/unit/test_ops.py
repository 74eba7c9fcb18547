"""What `make up` and `make down` do around Pulumi, with a CLI that only answers."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ops import sandbox, up
from ops.down import refuse_protected, without_content
from ops.sandbox import configure, sandbox_settings
from ops.stack import POLICIES, Stack, StackError
from ops.up import summary

OUTPUTS = {
    "s3_endpoint": "http://127.0.0.1:9000",
    "s3_console": "http://127.0.0.1:9001",
    "s3_root_user": "admin",
    "postgres": "127.0.0.1:5432",
    "projects": {"shop": "[secret]"},
}

Cli = Callable[[str], Path]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Puts a `pulumi` first on PATH that notes how it is called; the log of its calls."""
    for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)

    def make(script: str) -> Path:
        program, log = tmp_path / "pulumi", tmp_path / "log"
        program.write_text(f'#!/bin/sh\necho "$@" >> {log}\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return log

    return make


def test_secrets_are_read_only_when_asked_for(cli: Cli) -> None:
    log = cli("echo '{}'")
    Stack("dev").outputs()
    assert "--show-secrets" not in log.read_text()
    Stack("dev").outputs(show_secrets=True)
    assert "--show-secrets" in log.read_text()


@pytest.mark.parametrize(
    "words",
    [
        "error: this command requires logging in; try running `pulumi login` first",
        "error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions",
    ],
)
def test_who_is_not_logged_in_gets_a_local_backend(cli: Cli, words: str) -> None:
    log = cli(f"case \"$*\" in *whoami*) echo '{words}' >&2; exit 1;; esac")
    Stack("dev").select()
    assert "--non-interactive login --local" in log.read_text()


def test_a_backend_that_does_not_answer_is_no_reason_for_another(cli: Cli) -> None:
    log = cli('case "$*" in *whoami*) echo "connection refused" >&2; exit 1;; esac')
    with pytest.raises(StackError, match="connection refused"):
        Stack("dev").select()
    assert "login" not in log.read_text()


def test_a_backend_that_was_named_is_used(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    log = cli("")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///somewhere")
    Stack("dev").select()
    assert log.read_text() == "--non-interactive stack select --create dev\n"


def test_dev_goes_without_a_passphrase_and_others_do_not(cli: Cli) -> None:
    cli("")
    assert Stack("dev").environment()["PULUMI_CONFIG_PASSPHRASE"] == ""
    with pytest.raises(StackError, match="set PULUMI_CONFIG_PASSPHRASE or"):
        Stack("prod").environment()


def test_an_empty_passphrase_does_not_do_for_prod(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    with pytest.raises(StackError, match="stack prod keeps secrets"):
        Stack("prod").environment()


def test_the_sandbox_writes_only_what_differs(cli: Cli) -> None:
    images = {
        path.removeprefix("images."): value
        for path, value in sandbox_settings().items()
        if path.startswith("images.") and path != "images.minio"
    }
    config = {
        "arquitectura:images": {"value": "", "objectValue": images},
        "arquitectura:monitoring": {
            "value": "",
            "objectValue": {"cadvisor": False, "grafana": {"enabled": False}},
        },
        "arquitectura:cloudbeaver": {"value": "", "objectValue": {"enabled": True}},
    }
    cli(f"case \"$*\" in *--json*) echo '{json.dumps(config)}';; esac")
    assert list(configure(Stack("dev"))) == [
        "pulumi config set --stack dev --path 'arquitectura:images.minio' "
        "arquitectura-sandbox/minio:seaweedfs",
        "pulumi config set --stack dev --path 'arquitectura:cloudbeaver.enabled' false",
        "pulumi config set --stack dev --path 'arquitectura:dokploy.enabled' false",
    ]


def test_a_stack_on_servers_gets_those_of_the_sandbox(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("t" * 64)
    cloud = {
        "endpoint": "http://127.0.0.1:8450/v1",
        "registry": "172.31.203.2:5000",
        "gateway": "172.31.203.1",
        "token": f"{tmp_path}/token",
        "key": f"{tmp_path}/id",
    }
    monkeypatch.setattr(sandbox, "start_cloud", lambda: cloud)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "x")
    hosts = {"provider": "hetzner", "admin_cidrs": ["172.31.203.1/32"], "registry": "elsewhere"}
    citus = {"worker": {"cpus": 4}, "coordinator": {"cpus": 2}}
    config = {
        "arquitectura:hosts": {"value": "", "objectValue": hosts},
        "arquitectura:citus": {"value": "", "objectValue": citus},
    }
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    log = cli(
        f"case \"$*\" in *--json*) echo '{json.dumps(config)}';;"
        f" *--secret*) cat >{tmp_path}/in;; esac"
    )
    commands = list(configure(Stack("prod")))
    on_servers = [command for command in commands if "hosts." in command or "cpus" in command]
    assert on_servers == [
        "pulumi config set --stack prod --secret --path 'arquitectura:hosts.token' "
        f"<{tmp_path}/token",
        "pulumi config set --stack prod --path 'arquitectura:hosts.endpoint' "
        "http://127.0.0.1:8450/v1",
        "pulumi config set --stack prod --path 'arquitectura:hosts.registry' 172.31.203.2:5000",
        "pulumi config set --stack prod --path 'arquitectura:hosts.ssh_keys[0]' sandbox",
        "pulumi config set --stack prod --path 'arquitectura:hosts.ssh_identity_file' "
        f"{tmp_path}/id",
        "pulumi config set --stack prod --path 'arquitectura:citus.worker.cpus' 3",
    ]
    assert (tmp_path / "in").read_text() == "t" * 64
    assert "ttt" not in log.read_text()


def test_the_summary_says_where_everything_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "x")
    assert list(summary("dev", OUTPUTS)) == [
        "  S3 endpoint  http://127.0.0.1:9000",
        "  S3 console   http://127.0.0.1:9001  (user admin)",
        "  PostgreSQL   127.0.0.1:5432",
        "  Projects     shop",
        "  Secrets      pulumi stack output --stack dev --show-secrets",
    ]


def test_the_summary_names_the_consoles_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "x")
    consoles = {"grafana": "http://127.0.0.1:3000", "cloudbeaver": "http://127.0.0.1:8978"}
    lines = list(summary("dev", {**OUTPUTS, **consoles}))
    assert "  Grafana      http://127.0.0.1:3000  (user admin)" in lines
    assert "  CloudBeaver  http://127.0.0.1:8978  (user administrator)" in lines


def test_down_refuses_what_is_protected() -> None:
    with pytest.raises(StackError, match="shop-database of stack dev are protected"):
        refuse_protected("dev", [{"urn": "urn:pulumi:dev::a::b::shop-database", "protect": True}])


def test_down_forgets_what_lives_inside_the_services() -> None:
    volume = {"urn": "v", "type": "docker:index/volume:Volume", "dependencies": ["d"]}
    database = {"urn": "d", "type": "postgresql:index/database:Database"}
    member = {"urn": "m", "type": "pulumi-python:dynamic:Membership"}
    (kept,) = without_content([volume, database, member])
    assert kept["urn"] == "v"
    assert kept["dependencies"] == []


def test_down_forgets_what_goes_with_its_servers() -> None:
    server = {"urn": "s", "type": "hcloud:index/server:Server"}
    container = {"urn": "c", "type": "docker:index/container:Container"}
    assert [kept["urn"] for kept in without_content([server, container])] == ["s"]
    assert without_content([container]) == [container]


@pytest.mark.parametrize("attended", [True, False])
def test_where_nobody_looks_the_policies_do(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, attended: bool
) -> None:
    for name, value in {
        "PULUMI_BACKEND_URL": "file:///somewhere",
        "PULUMI_CONFIG_PASSPHRASE": "words",
        "PULUMI_HOME": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    answers = json.dumps(OUTPUTS)
    log = cli(f"case \"$*\" in *config*) echo '{{}}';; *output*) echo '{answers}';; esac")
    monkeypatch.setattr("sys.argv", ["up", "prod", *([] if attended else ["--yes"])])
    assert up.main() == 0
    (line,) = [line for line in log.read_text().splitlines() if line.startswith("up ")]
    expected = "" if attended else f" --yes --policy-pack {POLICIES}"
    assert line == f"up{expected} --stack prod"
