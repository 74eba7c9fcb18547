"""Every mistake in the description of servers is named, with what is allowed or what to do."""

import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pulumi.runtime.config import set_all_config

from config.problems import ConfigError
from config.settings import HetznerHosts, parse_settings
from program.stack_config import load_settings
from tests.committed import TOKEN, committed, on_servers

CX43 = {"server_type": "cx43"}
HOSTS_KEYS = (
    "acme_email, admin_cidrs, apps, budget_eur, data, dns_zone, domain, domain_suffix, endpoint, "
    "location, main, network_cidr, provider, registry, ssh_identity_file, ssh_keys, token"
)
WIDE = (
    "would let in a large part of the internet: name your own addresses (https://ifconfig.me shows "
    "yours), networks of /8 at most"
)
MAIL = "admin@example.com"


def problems(hosts: Any, **sections: Any) -> list[str]:
    with pytest.raises(ConfigError) as error:
        parse_settings({"hosts": hosts, **sections})
    assert TOKEN not in str(error.value)
    return [str(problem) for problem in error.value.problems]


def small(**hosts: Any) -> dict[str, Any]:
    """One server, with more or other keys."""
    section = on_servers("small")["hosts"]
    return {**section, **hosts}


def hosts(**changes: Any) -> HetznerHosts:
    parsed = parse_settings({"hosts": small(**changes)}).hosts
    assert isinstance(parsed, HetznerHosts)
    return parsed


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("hetzner", "hosts: 'hetzner' is not a group of keys"),
        (["hetzner"], "hosts: ['hetzner'] is not a group of keys"),
        (None, "hosts: is empty: leave it out, or write {} for all defaults"),
        ({"provider": "aws"}, "hosts: provider 'aws' is not one of 'docker', 'hetzner'"),
        ({"token": TOKEN}, "hosts.token: unknown key, the valid ones are provider"),
        (small(provider="Hetzner"), "hosts: provider 'Hetzner' is not one of 'docker', 'hetzner'"),
    ],
)
def test_what_describes_no_hosts(given: Any, problem: str) -> None:
    assert problems(given) == [problem]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"server_type": "cx43"}, f"server_type: unknown key, the valid ones are {HOSTS_KEYS}"),
        ({"location": 1}, "location: 1 is not a text"),
        ({"main": "cx43"}, "main: 'cx43' is not a group of keys"),
        (
            {"main": {}},
            "main.server_type: is missing: "
            "pulumi config set --path 'arquitectura:hosts.main.server_type' cx43",
        ),
        ({"main": {"server_type": 43}}, "main.server_type: 43 is not a text"),
        (
            {"main": {**CX43, "volume": 10}},
            "main.volume: unknown key, the valid ones are citus_workers, minio_nodes, server_type, "
            "volume_gb",
        ),
        ({"main": {**CX43, "volume_gb": 9}}, "main.volume_gb: 9 is too small, at least 10"),
        (
            {"main": {**CX43, "volume_gb": 10241}},
            "main.volume_gb: 10241 is too large, at most 10240",
        ),
        ({"main": {**CX43, "volume_gb": 10.5}}, "main.volume_gb: 10.5 is not a whole number"),
        ({"main": {**CX43, "citus_workers": -1}}, "main.citus_workers: -1 is too small, at least"),
        (
            {"main": {**CX43, "citus_workers": 1}},
            "main.citus_workers: 1 of 2: the others have no server without hosts.data",
        ),
        (
            {"main": {**CX43, "minio_nodes": 0}},
            "main.minio_nodes: 0 of 1: the others have no server without hosts.data",
        ),
        (
            {"main": {**CX43, "minio_nodes": 2}},
            "main.minio_nodes: 2: a server takes one MinIO node",
        ),
        (
            {"data": {}},
            "data.server_type: is missing: "
            "pulumi config set --path 'arquitectura:hosts.data.server_type' cx43",
        ),
        (
            {"data": {**CX43, "citus_workers": 1}},
            "data.citus_workers: unknown key, the valid ones are server_type, volume_gb",
        ),
        (
            {"admin_cidrs": []},
            "admin_cidrs: must not be empty: "
            "pulumi config set --path 'arquitectura:hosts.admin_cidrs[0]' 203.0.113.7/32",
        ),
        ({"admin_cidrs": "203.0.113.7/32"}, "admin_cidrs: '203.0.113.7/32' is not a list"),
        ({"admin_cidrs": ["0.0.0.0/0"]}, f"admin_cidrs[0]: '0.0.0.0/0': {WIDE}"),
        ({"admin_cidrs": ["64.0.0.0/7"]}, f"admin_cidrs[0]: '64.0.0.0/7': {WIDE}"),
        (
            {"admin_cidrs": ["203.0.113.0/24", "203.0.113.7/32"]},
            "admin_cidrs[1]: 203.0.113.7/32 overlaps with hosts.admin_cidrs[0] 203.0.113.0/24: "
            "keep one",
        ),
        (
            {"admin_cidrs": ["10.0.5.0/24"]},
            "network_cidr: 10.0.0.0/16 overlaps with hosts.admin_cidrs (10.0.5.0/24): choose "
            "another",
        ),
        (
            {"ssh_keys": []},
            "ssh_keys: must not be empty: pulumi config set --path 'arquitectura:hosts.ssh_keys[0]'"
            ' "$(cat ~/.ssh/id_ed25519.pub)"',
        ),
        ({"ssh_keys": "laptop"}, "ssh_keys: 'laptop' is not a list"),
        ({"domain": "Example.com"}, "domain: 'Example.com': a domain is written in lower case"),
        ({"domain": "https://example.com"}, "domain: 'https://example.com': a domain is written"),
        ({"domain": "example.com"}, "acme_email: is missing, and Let's Encrypt asks for it"),
        (
            {"dns_zone": "example.com"},
            "dns_zone: 'example.com' is not the zone of hosts.domain None",
        ),
        (
            {"domain": "notexample.com", "acme_email": MAIL, "dns_zone": "example.com"},
            "dns_zone: 'example.com' is not the zone of hosts.domain 'notexample.com'",
        ),
        ({"domain_suffix": "sslip io"}, "domain_suffix: 'sslip io': a domain is written in lower"),
        ({"registry": "registry"}, "registry: 'registry': write host:port, such as registry.exa"),
        ({"registry": "http://r:5000"}, "registry: 'http://r:5000': write host:port"),
        ({"budget_eur": 0}, "budget_eur: 0 is too small, more than 0"),
        ({"budget_eur": "much"}, "budget_eur: 'much' is not a number"),
    ],
)
def test_a_mistake_is_named(changes: dict[str, Any], problem: str) -> None:
    (found,) = problems(small(**changes))
    assert found.startswith(f"hosts.{problem}")


@pytest.mark.parametrize("cidr", ["203.0.113.7", "203.0.113.7/24", "::/0", "2001:db8::/32", "home"])
def test_what_is_no_ipv4_network(cidr: str) -> None:
    assert problems(small(admin_cidrs=[cidr])) == [
        f"hosts.admin_cidrs[0]: {cidr!r}: write an IPv4 network, such as 203.0.113.7/32 for one "
        "address"
    ]


@pytest.mark.parametrize(
    "cidr",
    [
        "10.0.0.0/24",
        "10.0.0.0/8",
        "192.0.0.0/16",
        "169.254.0.0/16",
        "127.0.0.0/16",
        "100.64.0.0/16",
    ],
)
def test_a_network_that_hetzner_refuses(cidr: str) -> None:
    assert problems(small(network_cidr=cidr)) == [
        f"hosts.network_cidr: {cidr} is not a private /16, such as 10.0.0.0/16"
    ]


@pytest.mark.parametrize(
    ("cidr", "range_"), [("172.29.0.0/16", "172.29.0.0/24"), ("172.30.0.0/16", "172.30.0.0/16")]
)
def test_a_network_that_the_servers_use_inside(cidr: str, range_: str) -> None:
    assert problems(small(network_cidr=cidr)) == [
        f"hosts.network_cidr: {cidr} overlaps with the servers' Docker ({range_}): choose another"
    ]


@pytest.mark.parametrize("cidr", ["10.255.0.0/16", "172.16.0.0/16", "192.168.0.0/16"])
def test_networks_that_are_fine(cidr: str) -> None:
    assert hosts(network_cidr=cidr).network_cidr == cidr


def test_a_distributed_minio_needs_servers() -> None:
    assert problems(small(), minio={"pools": [{"nodes": 4}]}) == [
        "minio.pools: 4 nodes need 4 servers, and there is only main: describe the others with "
        "hosts.data (server_type, volume_gb)"
    ]


def test_more_servers_than_a_network_takes() -> None:
    pools = [{"nodes": 64}, {"nodes": 64}]
    assert problems(small(data=CX43), minio={"pools": pools}, citus={"workers": 100}) == [
        "minio.pools: 128 nodes: a network takes 100 servers at most",
        "citus.workers: 100 nodes: a network takes 100 servers at most",
    ]


def test_the_ports_of_a_laptop_do_not_matter() -> None:
    parse_settings({"hosts": small(), "citus": {"port": 9000}})


@pytest.mark.parametrize("token", [3, None, [TOKEN], {"secret": TOKEN}])
def test_a_token_is_never_shown(token: Any) -> None:
    assert problems(small(token=token)) == ["hosts.token: is not a text"]


def test_a_token_is_shown_neither_with_other_problems_nor_in_the_settings() -> None:
    assert len(problems({**small(location=1, size="x"), "token": TOKEN}, cytus=1)) == 3
    assert TOKEN not in repr(hosts())
    assert TOKEN not in str(hosts().model_dump())
    assert hosts().token.get_secret_value() == TOKEN


def test_a_domain_with_its_zone() -> None:
    for domain in ("example.com", "shop.example.com"):
        assert hosts(domain=domain, acme_email=MAIL, dns_zone="example.com").domain == domain


# -- The first hour ----------------------------------------------------------------------------

MISSING = [
    "hosts.token: is missing: pulumi config set --secret --path 'arquitectura:hosts.token'",
    "hosts.admin_cidrs: is missing: "
    "pulumi config set --path 'arquitectura:hosts.admin_cidrs[0]' 203.0.113.7/32",
    "hosts.ssh_keys: is missing: "
    "pulumi config set --path 'arquitectura:hosts.ssh_keys[0]' \"$(cat ~/.ssh/id_ed25519.pub)\"",
]


@pytest.mark.parametrize("stack", ["prod", "small"])
def test_what_a_committed_config_lacks_is_said_at_once(stack: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_settings(committed(stack))
    assert [str(problem) for problem in error.value.problems] == MISSING


@pytest.mark.parametrize("stack", ["prod", "small"])
def test_a_committed_config_lacks_nothing_else(stack: str) -> None:
    parse_settings(on_servers(stack))


@pytest.mark.parametrize(
    ("dokploy", "problem"),
    [
        ({"version": "latest"}, "dokploy.version: 'latest': write a release, such as v0.30.2"),
        ({"installer": "install.sh"}, "dokploy.installer: 'install.sh': write a URL, such as"),
        ({"admin_email": "me"}, "dokploy.admin_email: 'me': write an e-mail address, such as"),
        ({"memory_mb": 100}, "dokploy.memory_mb: 100 is too small, at least 256"),
    ],
)
def test_a_mistake_in_dokploy_is_named(dokploy: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_settings({**on_servers("small"), "dokploy": {"enabled": True, **dokploy}})
    (found,) = map(str, error.value.problems)
    assert found.startswith(problem)


def test_dokploy_is_for_servers() -> None:
    with pytest.raises(ConfigError, match=r"dokploy.enabled: its installer makes a swarm of the"):
        parse_settings({"dokploy": {"enabled": True}})


def test_a_server_for_nothing() -> None:
    sections = on_servers("small", apps=CX43)
    parse_settings(sections)
    with pytest.raises(ConfigError, match=r"hosts.apps: nothing would be on it"):
        parse_settings({**sections, "dokploy": {}})


def test_the_first_server_too() -> None:
    without = {key: value for key, value in small().items() if key != "main"}
    assert problems(without) == [
        "hosts.main: is missing: "
        "pulumi config set --path 'arquitectura:hosts.main.server_type' cx43"
    ]


def test_a_network_that_is_none() -> None:
    (problem,) = problems(small(network_cidr="10.0.0.0/33"))
    assert problem.endswith("write an IPv4 network, such as 10.0.0.0/16")


@pytest.fixture
def stack_config() -> Iterator[None]:
    """The stack's config is the small one's, without a token."""
    sections = on_servers("small", token=None)
    set_all_config(
        {
            f"arquitectura:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in sections.items()
        }
    )
    yield
    set_all_config({})


@pytest.mark.usefixtures("stack_config")
def test_the_token_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HCLOUD_TOKEN", raising=False)
    with pytest.raises(pulumi.RunError, match=r"hosts\.token: is missing"):
        load_settings()
    monkeypatch.setenv("HCLOUD_TOKEN", "")
    with pytest.raises(pulumi.RunError, match=r"hosts\.token: is missing"):
        load_settings()
    monkeypatch.setenv("HCLOUD_TOKEN", TOKEN)
    found = load_settings().hosts
    assert isinstance(found, HetznerHosts)
    assert found.token.get_secret_value() == TOKEN


def test_a_token_in_the_config_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HCLOUD_TOKEN", "another")
    set_all_config({"arquitectura:hosts": json.dumps(small())})
    try:
        found = load_settings().hosts
    finally:
        set_all_config({})
    assert isinstance(found, HetznerHosts)
    assert found.token.get_secret_value() == TOKEN
