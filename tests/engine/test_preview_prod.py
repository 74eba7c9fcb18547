"""What the real engine would make on servers, and what a user reads who cannot have them."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.committed import PUBLIC_KEY, committed, on_servers, resources
from tests.engine.conftest import Cloud, previewed, refused
from tests.stack import LiveStack

Make = Callable[..., LiveStack]

NOBODY = "http://127.0.0.1:9/v1"
PROBLEM = re.compile(r"^\s+arquitectura:(\S+): (.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def stacks(
    cloud: Cloud, no_ssh: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, LiveStack]:
    """The stacks `prod` and `small`; a login to a server leaves a trace."""
    made = {}
    for name in ("prod", "small"):
        stack = LiveStack(
            name,
            tmp_path_factory.mktemp(name),
            None,
            variables={
                "HCLOUD_TOKEN": cloud.api.token,
                "PATH": f"{no_ssh}{os.pathsep}{os.environ['PATH']}",
            },
        )
        stack.prepare()
        made[name] = stack
    return made


@pytest.fixture
def configured(stacks: dict[str, LiveStack], cloud: Cloud) -> Iterator[Make]:
    """Gives a stack the committed config, with more of its `hosts` and other sections if wanted.

    Whatever is done with it changes nothing at Hetzner, and logs in nowhere.
    """
    cloud.asked.clear()

    def configured(
        name: str = "prod", hosts: dict[str, Any] | None = None, **more: Any
    ) -> LiveStack:
        # The token is in the environment.
        sections = on_servers(name, **{"token": None, "endpoint": cloud.endpoint, **(hosts or {})})
        stacks[name].configure(**{**sections, **more})
        return stacks[name]

    yield configured
    assert [request for request in cloud.asked if not request.startswith("GET ")] == []


@pytest.fixture(autouse=True)
def _no_login(no_ssh: Path) -> Iterator[None]:
    yield
    assert not (no_ssh / "used").exists(), "a preview has called ssh"


@pytest.mark.parametrize(
    ("name", "cost"),
    [
        (
            "prod",
            [
                "Cost a month in EUR, without VAT:",
                "1 × ccx23 for main 24.49 24.49",
                "4 × ccx23 for data 24.49 97.96",
                "1 × volume of 100 GB 4.40 4.40",
                "4 × volume of 500 GB 22.00 88.00",
                "5 × primary IPv4 0.50 2.50",
                "total 217.35",
                "Within budget_eur (450.00).",
            ],
        ),
        (
            "small",
            [
                "1 × cx43 for main 9.49 9.49",
                "1 × volume of 200 GB 8.80 8.80",
                "1 × primary IPv4 0.50 0.50",
                "total 18.79",
                "Within budget_eur (110.00).",
            ],
        ),
    ],
)
def test_a_stack_on_an_empty_project(
    configured: Make, cloud: Cloud, name: str, cost: list[str]
) -> None:
    stack = configured(name)
    assert previewed(stack) == resources(name)
    assert cloud.asked
    said = [" ".join(line.split()) for line in stack.output.splitlines()]
    for line in cost:
        assert any(line in one for one in said), stack.output


def test_the_development_size(configured: Make) -> None:
    hosts = {"main": {"server_type": "cx33"}, "budget_eur": 5}
    stack = configured("small", hosts, citus={"workers": 2}, minio={}, protect=False)
    assert previewed(stack) == {
        key: count
        for key, count in resources("small").items()
        if key not in ("hcloud:index/volume:Volume", "pulumi-python:dynamic:VolumeAttachment")
    }
    assert "Over budget_eur (5.00) by " in stack.output


# -- The first hour ----------------------------------------------------------------------------


def test_what_is_missing_is_said_with_the_commands_that_set_it(
    stacks: dict[str, LiveStack], cloud: Cloud, tmp_path: Path
) -> None:
    stack = stacks["prod"]
    sections = committed("prod")
    stack.configure(**{**sections, "hosts": {**sections["hosts"], "endpoint": cloud.endpoint}})
    found = dict(PROBLEM.findall(refused(stack, HCLOUD_TOKEN="")))
    assert found.keys() == {"hosts.token", "hosts.admin_cidrs", "hosts.ssh_keys"}

    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id_ed25519.pub").write_text(PUBLIC_KEY)
    for problem in found.values():
        command = problem.removeprefix("is missing: ")
        assert command.startswith("pulumi config set ")
        subprocess.run(
            ["bash", "-c", f"{command} --stack prod"],
            cwd=stack.directory,
            env={
                **os.environ,
                **stack.environment,
                "HOME": str(home),
                "PULUMI_HOME": os.environ.get("PULUMI_HOME", str(Path.home() / ".pulumi")),
            },
            input=cloud.api.token,
            text=True,
            check=True,
        )
    written = stack.config_file.read_text()
    assert cloud.api.token not in written
    assert "secure:" in written
    result = stack.cli("preview", "--stack", "prod", HCLOUD_TOKEN="")
    assert result.returncode == 0, result.stdout + result.stderr
    assert cloud.api.token not in result.stdout + result.stderr
    assert "hcloud:index:Server" in begun(result.stdout)


# -- What cannot be had ------------------------------------------------------------------------


def begun(text: str) -> set[str]:
    """The types of what the engine was told to make."""
    return set(re.findall(r"^\s*\+\s+(\S+:\S+:\S+)", text, re.MULTILINE)) - {"pulumi:pulumi:Stack"}


@pytest.mark.parametrize(
    ("hosts", "more", "sentence"),
    [
        (
            {"location": "fsn9"},
            {},
            "hosts.location: 'fsn9' is not one of ash, fsn1, hel1, hil, nbg1, sin",
        ),
        (
            {"data": {"server_type": "ccx24"}},
            {},
            "hosts.data.server_type: 'ccx24' is no server type. Did you mean ccx",
        ),
        (
            {"data": {"server_type": "ccx33"}},
            {},
            "hosts.data.server_type: ccx33 is sold out in fsn1 at present, and data-1, data-2, "
            "data-3, data-4 would need it. With as much memory or more there is cx53 ",
        ),
        (
            {"location": "ash", "data": {"server_type": "cx53"}},
            {},
            "hosts.data.server_type: cx53 is not sold in ash, only in fsn1, nbg1, hel1: ash has ",
        ),
        (
            {"data": {"server_type": "cax41"}},
            {"images": {"citus": "docker.io/citusdata/citus:13.2.0"}},
            "hosts.data.server_type: cax41 has the arm64 architecture, and "
            "docker.io/citusdata/citus:13.2.0 is for amd64 only",
        ),
        (
            {"data": {"server_type": "cx33"}},
            {"monitoring": {"enabled": False}},
            "hosts.data.server_type: the containers of data-1 may take 12288 MiB: "
            "prod-citus-worker-1 8192 + prod-minio-1 4096 (so do those of data-2, data-3, data-4). "
            "cx33 has 7680 for them, besides 512 for the system.",
        ),
        (
            {"data": None},
            {},
            "minio.pools: 4 nodes need 4 servers, and there is only main: describe the others with "
            "hosts.data (server_type, volume_gb)",
        ),
        (
            {"admin_cidrs": ["203.0.113.0/24", "203.0.113.7/32"]},
            {},
            "hosts.admin_cidrs[1]: 203.0.113.7/32 overlaps with hosts.admin_cidrs[0] "
            "203.0.113.0/24: keep one",
        ),
        (
            {"network_cidr": "172.30.0.0/16"},
            {},
            "hosts.network_cidr: 172.30.0.0/16 overlaps with the servers' Docker (172.30.0.0/16): "
            "choose another",
        ),
        (
            {"admin_cidrs": ["0.0.0.0/0"]},
            {},
            "hosts.admin_cidrs[0]: '0.0.0.0/0': would let in a large part of the internet: name "
            "your own addresses",
        ),
        (
            {"ssh_keys": ["desktop"]},
            {},
            "hosts.ssh_keys[0]: 'desktop' is no key of the Hetzner project, which has no keys yet.",
        ),
    ],
)
def test_a_bad_input(
    configured: Make, hosts: dict[str, Any], more: dict[str, Any], sentence: str
) -> None:
    text = refused(configured(hosts=hosts, **more))
    (found,) = PROBLEM.findall(text)
    assert ": ".join(found).startswith(sentence)
    assert not begun(text)


def test_a_key_that_the_project_has_under_another_name(configured: Make, cloud: Cloud) -> None:
    key = cloud.api.client.ssh_keys.create("laptop", PUBLIC_KEY)
    try:
        text = refused(configured())
        assert (
            "arquitectura:hosts.ssh_keys[0]: this key is in the Hetzner project already: write its "
            "name, 'laptop'"
        ) in text
        assert not begun(text)
        named = previewed(configured(hosts={"ssh_keys": ["laptop"]}))
    finally:
        key.delete()
    assert named == {
        kind: count
        for kind, count in resources("prod").items()
        if kind != "hcloud:index/sshKey:SshKey"
    }


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        ("", "arquitectura:hosts.token: is missing: "),
        ("tooShort", "the token of the Hetzner project has 64 letters and digits; what was given"),
        ("a" * 64, "the Hetzner API refuses the token, which may have been deleted: make a new"),
    ],
)
def test_a_token_that_is_none(configured: Make, token: str, sentence: str) -> None:
    text = refused(configured(), HCLOUD_TOKEN=token)
    assert sentence in text
    assert "pulumi config set --secret --path 'arquitectura:hosts.token'" in text
    assert not token or token not in text
    assert not begun(text)


def test_an_api_that_does_not_answer(configured: Make, cloud: Cloud) -> None:
    text = refused(configured(hosts={"endpoint": NOBODY}))
    assert f"the Hetzner API at {NOBODY} cannot be reached (Connection refused)" in text
    assert not begun(text)
    assert not cloud.asked


def test_an_update_that_cannot_be_had_leaves_nothing(configured: Make) -> None:
    stack = configured(hosts={"data": {"server_type": "ccx33"}})
    assert stack.automation.name
    result = stack.cli("up", "--yes", "--skip-preview", "--stack", stack.name)
    assert result.returncode != 0
    assert "ccx33 is sold out in fsn1" in result.stdout + result.stderr
    state = json.loads(stack.cli("stack", "export", "--stack", stack.name).stdout)
    made = {resource["type"] for resource in state["deployment"].get("resources", [])}
    assert made <= {"pulumi:pulumi:Stack"}
