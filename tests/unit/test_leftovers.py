"""What a run left at Hetzner without noting it makes way, and nothing else does."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hcloud.networks import NetworkSubnet

from components.hosts import leftovers
from components.hosts.leftovers import (
    leave_network,
    remove_address,
    remove_firewall,
    remove_group,
    remove_key,
    remove_network,
    remove_server,
    remove_subnet,
    remove_volume,
)
from tests.committed import PUBLIC_KEY
from tests.hetzner import HetznerApi, hetzner_api

SUBNET = NetworkSubnet(type="cloud", ip_range="10.0.1.0/24", network_zone="eu-central")
OURS: Any = {"stack": "prod"}  # the client declares labels as text


@pytest.fixture(scope="module")
def api() -> Iterator[HetznerApi]:
    with hetzner_api("--action-seconds", "0.01") as running:
        yield running


@pytest.fixture(autouse=True)
def _empty(api: HetznerApi) -> Iterator[None]:
    yield
    for server in api.client.servers.get_all():
        server.change_protection(delete=False, rebuild=False).wait_until_finished()
        server.delete().wait_until_finished()
    for address in api.client.primary_ips.get_all():
        address.change_protection(delete=False).wait_until_finished()
        address.delete()
    for volume in api.client.volumes.get_all():
        volume.change_protection(delete=False).wait_until_finished()
    client = api.client
    for kind in (client.volumes, client.firewalls, client.networks, client.ssh_keys):
        for one in kind.get_all():
            one.delete()
    for group in client.placement_groups.get_all():
        group.delete()


def _address(api: HetznerApi, labels: dict[str, str], *, protected: bool) -> Any:
    from hcloud.locations import Location

    made = api.client.primary_ips.create(
        type="ipv4", name="prod-main", location=Location(name="fsn1"), labels=labels
    )
    if protected:
        made.primary_ip.change_protection(delete=True).wait_until_finished()
    return made.primary_ip


@pytest.mark.parametrize("protected", [False, True])
def test_an_address_of_a_run_that_failed(api: HetznerApi, protected: bool) -> None:
    _address(api, OURS, protected=protected)
    assert remove_address(api.client, "prod", {"name": "prod-main"})
    assert not api.client.primary_ips.get_all()


def test_an_older_address_stays_when_it_is_protected(
    api: HetznerApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(leftovers, "NEW", timedelta())
    monkeypatch.setattr("pulumi.log.warn", said.append)
    address = _address(api, OURS, protected=True)
    assert not remove_address(api.client, "prod", {"name": "prod-main"})
    assert api.client.primary_ips.get_by_name("prod-main")
    assert address.ip in said[0]
    assert "take its protection away" in said[0]


def test_a_firewall_of_a_run_that_failed(api: HetznerApi) -> None:
    api.client.firewalls.create("prod-admin", labels=OURS)
    assert remove_firewall(api.client, "prod", {"name": "prod-admin"})
    assert not api.client.firewalls.get_all()


@pytest.mark.parametrize("labels", [{}, {"stack": "staging"}])
def test_what_is_not_the_stacks_stays(api: HetznerApi, labels: Any) -> None:
    _address(api, labels, protected=False)
    api.client.firewalls.create("prod-admin", labels=labels)
    assert not remove_address(api.client, "prod", {"name": "prod-main"})
    assert not remove_firewall(api.client, "prod", {"name": "prod-admin"})
    assert api.client.primary_ips.get_all()
    assert api.client.firewalls.get_all()


def test_what_a_server_uses_stays(api: HetznerApi) -> None:
    from hcloud.firewalls import FirewallResource

    server = api.make_server("prod-main", "cx23")
    (address,) = api.client.primary_ips.get_all(name=None)[:1]
    api.client.primary_ips.update(address, name="prod-main", labels=OURS)
    made = api.client.firewalls.create(
        "prod-admin", labels=OURS, resources=[FirewallResource(type="server", server=server)]
    )
    for action in made.actions or []:
        action.wait_until_finished()
    assert not remove_address(api.client, "prod", {"name": "prod-main"})
    assert not remove_firewall(api.client, "prod", {"name": "prod-admin"})


@pytest.mark.parametrize("stack", ["prod", "staging"])
def test_a_server_leaves_the_network_that_it_is_to_join(api: HetznerApi, stack: str) -> None:
    server = api.make_server("prod-main", "cx23")
    network = api.client.networks.create("prod", "10.0.0.0/16")
    try:
        network.add_subnet(SUBNET).wait_until_finished()
        inputs = {"serverId": server.id, "subnetId": f"{network.id}-10.0.1.0/24"}
        assert not leave_network(api.client, stack, inputs)
        server.attach_to_network(network, ip="10.0.1.10").wait_until_finished()
        assert leave_network(api.client, stack, inputs) == (stack == "prod")
        server.reload()
        assert len(server.private_net or []) == (stack != "prod")
    finally:
        server.delete().wait_until_finished()
        network.delete()


def test_a_server_leaves_the_network_that_it_is_still_joining() -> None:
    """The run that failed has asked for it, and the next one comes at once."""
    with hetzner_api("--action-seconds", "0.5") as slow:
        server = slow.make_server("prod-main", "cx23")
        network = slow.client.networks.create("prod", "10.0.0.0/16", labels=OURS)
        network.add_subnet(SUBNET).wait_until_finished()
        server.attach_to_network(network, ip="10.0.1.10")
        inputs = {"serverId": server.id, "subnetId": f"{network.id}-10.0.1.0/24"}
        assert leave_network(slow.client, "prod", inputs)
        server.reload()
        assert not server.private_net


def _volume(api: HetznerApi, labels: Any = OURS) -> Any:
    from hcloud.locations import Location

    made = api.client.volumes.create(10, "prod-main", location=Location(name="fsn1"), labels=labels)
    made.action.wait_until_finished()
    return made.volume


@pytest.mark.parametrize("stack", ["prod", "staging"])
def test_what_holds_no_data(api: HetznerApi, stack: str) -> None:
    ours = stack == "prod"
    client = api.client
    client.ssh_keys.create("prod-key", PUBLIC_KEY, labels=OURS)
    client.placement_groups.create("prod-1", "spread", labels=OURS)
    network = client.networks.create("prod", "10.0.0.0/16", labels=OURS)
    network.add_subnet(SUBNET).wait_until_finished()
    subnet = {"networkId": network.id, "ipRange": SUBNET.ip_range}
    assert remove_subnet(client, stack, subnet) == ours
    assert not remove_subnet(client, "prod", {**subnet, "ipRange": "10.0.2.0/24"})
    assert remove_network(client, stack, {"name": "prod"}) == ours
    assert remove_key(client, stack, {"name": "prod-key"}) == ours
    assert remove_group(client, stack, {"name": "prod-1"}) == ours
    kinds = (client.ssh_keys, client.placement_groups, client.networks)
    assert [len(kind.get_all()) for kind in kinds] == [0 if ours else 1] * 3


def test_a_network_with_a_server_stays(api: HetznerApi) -> None:
    server = api.make_server("prod-main", "cx23")
    network = api.client.networks.create("prod", "10.0.0.0/16", labels=OURS)
    network.add_subnet(SUBNET).wait_until_finished()
    server.attach_to_network(network).wait_until_finished()
    subnet = {"networkId": network.id, "ipRange": SUBNET.ip_range}
    assert not remove_subnet(api.client, "prod", subnet)
    assert not remove_network(api.client, "prod", {"name": "prod"})


@pytest.mark.parametrize("stack", ["prod", "staging"])
def test_a_new_server_and_a_new_volume(api: HetznerApi, stack: str) -> None:
    api.make_server("prod-main", "cx23")
    _volume(api)
    assert remove_volume(api.client, stack, {"name": "prod-main"}) == (stack == "prod")
    assert remove_server(api.client, stack, {"name": "prod-main"}) == (stack == "prod")


def test_a_server_and_a_volume_in_use_stay(api: HetznerApi) -> None:
    server = api.make_server("prod-main", "cx23")
    volume = _volume(api)
    volume.attach(server).wait_until_finished()
    assert not remove_volume(api.client, "prod", {"name": "prod-main"})
    assert not remove_server(api.client, "prod", {"name": "prod-main"})


def test_a_server_and_a_volume_that_once_were_in_use_stay(api: HetznerApi) -> None:
    server = api.make_server("prod-main", "cx23")
    volume = _volume(api)
    volume.attach(server).wait_until_finished()
    volume.detach().wait_until_finished()
    assert not remove_volume(api.client, "prod", {"name": "prod-main"})
    assert not remove_server(api.client, "prod", {"name": "prod-main"})


@pytest.mark.parametrize("older", [False, True])
def test_a_server_and_a_volume_that_are_protected_or_older_stay(
    api: HetznerApi, monkeypatch: pytest.MonkeyPatch, older: bool
) -> None:
    server = api.make_server("prod-main", "cx23")
    volume = _volume(api)
    if older:
        monkeypatch.setattr(leftovers, "NEW", timedelta())
    else:
        server.change_protection(delete=True, rebuild=True).wait_until_finished()
        volume.change_protection(delete=True).wait_until_finished()
    assert not remove_volume(api.client, "prod", {"name": "prod-main"})
    assert not remove_server(api.client, "prod", {"name": "prod-main"})


@pytest.mark.parametrize(
    "remove",
    [remove_address, remove_firewall, remove_group, remove_key, remove_network, remove_server,
     remove_volume],
)  # fmt: skip
def test_nothing_of_that_name(api: HetznerApi, remove: Any) -> None:
    assert not remove(api.client, "prod", {"name": "prod-main"})
