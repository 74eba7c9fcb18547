"""The policy pack under the real engine: what is shipped keeps to it; what does not is refused."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from ops.stack import REPOSITORY
from tests.committed import committed, on_servers
from tests.engine.conftest import Cloud
from tests.heard import listening
from tests.stack import LiveStack

PACK = REPOSITORY / "policies"

BREAKS_ALL = """
import pulumi
import pulumi_docker as docker
import pulumi_hcloud as hcloud
import pulumi_postgresql as postgresql

engine = pulumi.ResourceOptions(provider=docker.Provider("engine", host="unix:///nowhere.sock"))
sql = pulumi.ResourceOptions(provider=postgresql.Provider("sql", host="127.0.0.1"))
cloud = hcloud.Provider("cloud", token="x" * 64)

made = [
    docker.RemoteImage("image", name="docker.io/library/redis:latest", opts=engine),
    docker.Container(
        "cache",
        image="redis:7.4.1",
        ports=[docker.ContainerPortArgs(internal=6379, external=6379)],
        opts=engine,
    ),
    hcloud.Firewall(
        "door",
        rules=[
            hcloud.FirewallRuleArgs(
                direction="in", protocol="tcp", port="22", source_ips=["0.0.0.0/0"]
            )
        ],
        opts=pulumi.ResourceOptions(provider=cloud),
    ),
    postgresql.Database("shop", name="shop", opts=sql),
]
hcloud.PrimaryIp(
    "address",
    type="ipv4",
    datacenter="fsn1-dc14",
    # Last: the provider may refuse it, too.
    opts=pulumi.ResourceOptions(provider=cloud, protect=True, depends_on=made),
)
"""
REFUSED = {
    "images-pinned": "image uses docker.io/library/redis:latest, which may be another image",
    "memory-limit": "cache may take all memory of its host: set memory, in MiB",
    "healthcheck": "nobody asks whether cache works: set healthcheck",
    "private-ports": "cache publishes port 6379 on 0.0.0.0: set ip to 127.0.0.1",
    "firewall": "door lets 0.0.0.0/0 reach tcp 22: name your own addresses",
    "deprecated": "address sets datacenter, which Hetzner's API gives up: set location instead",
    "protected-data": "shop holds data and `pulumi destroy` would delete it: give it protect=True",
}

Make = Callable[..., LiveStack]


@pytest.fixture
def on_cloud(cloud: Cloud, tmp_path: Path) -> Make:
    """Makes a stack with a committed config of servers."""

    def make(name: str, **hosts: Any) -> LiveStack:
        stack = LiveStack(name, tmp_path, None)
        stack.prepare()
        token = cloud.api.token
        stack.configure(**on_servers(name, **{"token": token, "endpoint": cloud.endpoint, **hosts}))
        return stack

    return make


def checked(stack: LiveStack) -> tuple[bool, str]:
    """Whether a preview with the pack succeeds, and what it says of the policies."""
    assert stack.automation.name
    result = stack.cli("preview", "--stack", stack.name, "--policy-pack", str(PACK))
    _, found, policies = result.stdout.partition("Policies:\n")
    assert found, result.stdout + result.stderr
    policies, _, _ = policies.partition("\n\n")
    return result.returncode == 0, policies


@pytest.mark.parametrize("name", ["small", "prod"])
def test_a_stack_on_servers_keeps_to_all(on_cloud: Make, name: str) -> None:
    succeeded, policies = checked(on_cloud(name))
    assert succeeded, policies
    assert len(policies.splitlines()) == 1, policies
    assert "✅ arquitectura@" in policies


def test_dev_keeps_to_all(stack: Make) -> None:
    succeeded, policies = checked(stack(**committed("dev")))
    assert succeeded, policies
    assert len(policies.splitlines()) == 1, policies
    assert "✅ arquitectura@" in policies


def test_a_program_that_keeps_to_none_is_refused_for_each(on_cloud: Make) -> None:
    stack = on_cloud("prod")
    (stack.directory / "__main__.py").unlink()
    (stack.directory / "__main__.py").write_text(BREAKS_ALL)
    succeeded, policies = checked(stack)
    assert not succeeded
    said = dict(mandatory(policies))
    assert said.keys() == REFUSED.keys()
    for policy, sentence in REFUSED.items():
        assert said[policy].startswith(sentence)


def mandatory(policies: str) -> Iterator[tuple[str, str]]:
    """Each violation's policy and sentence."""
    lines = policies.splitlines()
    for number, line in enumerate(lines):
        if "[mandatory]" in line:
            yield line.split()[2], lines[number + 2].strip()


def test_a_budget_that_is_not_kept(on_cloud: Make) -> None:
    succeeded, policies = checked(on_cloud("small", budget_eur=18))
    assert not succeeded
    assert list(mandatory(policies)) == [
        (
            "budget",
            "18.79 a month. Over budget_eur (18.00) by 0.79: choose smaller server types or "
            "volumes, fewer servers, or raise it.",
        )
    ]


class WithoutPrices(Cloud):
    """It answers, but not what anything costs."""

    @override
    def answer(self, request: str, **more: Any) -> tuple[int, str, bytes]:
        if request.endswith("/pricing"):
            return 200, "application/json", b"{}"
        return super().answer(request, **more)


def test_a_budget_without_prices_only_warns(on_cloud: Make, cloud: Cloud) -> None:
    priceless = WithoutPrices(behind=cloud.behind, api=cloud.api)
    with listening(priceless):
        succeeded, policies = checked(on_cloud("small", endpoint=priceless.endpoint, budget_eur=1))
    assert succeeded
    assert "[advisory]  budget-checked" in policies
    assert "budget_eur (1.00) was not compared with 1 × cx43 for main, " in policies
