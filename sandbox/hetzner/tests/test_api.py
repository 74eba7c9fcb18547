"""The API by Hetzner's own client; no containers."""

from pathlib import Path

import pytest
import requests
from hcloud import APIException, Client
from hcloud.firewalls import FirewallResource, FirewallRule
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.networks import NetworkSubnet
from hcloud.server_types import ServerType
from hcloud.servers import Server, ServerCreatePublicNetwork
from hcloud.servers.client import BoundServer
from hcloud.zones import ZoneRecord
from local_api import Api, api, wait

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIl9W0MxYJ2bBSkbSbI1tKAoBd9MRbJhyaUIGWLmPpbT me"
FSN1 = Location(name="fsn1")


def server(client: Client, name: str = "db", **more: object) -> BoundServer:
    answer = client.servers.create(
        name, ServerType(name="cx23"), Image(name="debian-12"), location=FSN1, **more
    )
    answer.action.wait_until_finished()
    for action in answer.next_actions:
        action.wait_until_finished()
    return client.servers.get_by_id(answer.server.id)


def refused(code: str, call: object, *arguments: object, **more: object) -> APIException:
    with pytest.raises(APIException) as caught:
        call(*arguments, **more)
    assert caught.value.code == code
    return caught.value


def test_catalogue_has_prices_as_text(client: Client) -> None:
    kind = client.server_types.get_by_name("cx23")
    assert (kind.cores, kind.memory, kind.architecture) == (2, 4.0, "x86")
    price = next(price for price in kind.prices if price["location"] == "fsn1")
    assert price["price_monthly"] == {"net": "3.4900", "gross": "4.1531"}
    assert {place.location.name for place in kind.locations} == {"fsn1", "nbg1", "hel1"}
    assert client.images.get_by_name_and_architecture("debian-12", "arm")
    pricing = client.request(method="GET", url="/pricing")
    assert pricing["pricing"]["volume"]["price_per_gb_month"]["net"] == "0.0440"


def test_only_the_token_is_let_in(memory: Api) -> None:
    refused("unauthorized", memory.client("x" * 64).servers.get_all)
    assert len(memory.token) == 64
    assert (memory.state / "token").stat().st_mode & 0o077 == 0
    assert (memory.state / "state.json").stat().st_mode & 0o077 == 0


def test_server_life(client: Client) -> None:
    key = client.ssh_keys.create("me", KEY)
    db = server(client, ssh_keys=[key], labels={"stack": "prod"}, user_data="#cloud-config\n")
    assert db.status == "running"
    assert db.public_net.ipv4.ip.startswith("172.31.203.")
    refused("server_not_stopped", db.change_type, ServerType(name="cx33"), upgrade_disk=False)
    db.power_off().wait_until_finished()
    db.change_type(ServerType(name="cx33"), upgrade_disk=False).wait_until_finished()
    db.reload()
    assert (db.status, db.server_type.name, db.primary_disk_size) == ("off", "cx33", 40)
    db.power_on().wait_until_finished()
    db.change_protection(delete=True, rebuild=True).wait_until_finished()
    assert "delete protected" in str(refused("protected", db.delete))
    db.change_protection(delete=False, rebuild=False).wait_until_finished()
    db.shutdown().wait_until_finished()
    wait(lambda: client.servers.get_by_id(db.id).status == "off", 5)
    db.delete().wait_until_finished()
    assert client.servers.get_by_name("db") is None
    assert client.primary_ips.get_all() == []


def test_a_running_action_locks_the_server(client: Client) -> None:
    db = server(client)
    action = db.power_off()
    assert action.status == "running"
    refused("locked", db.power_on)
    action.wait_until_finished()
    assert db.power_on().command == "start_server"


def test_networks_and_addresses(client: Client) -> None:
    subnet = NetworkSubnet(type="cloud", ip_range="10.9.1.0/24", network_zone="eu-central")
    net = client.networks.create("private", "10.9.0.0/16", subnets=[subnet])
    one, two = server(client, "one", networks=[net]), server(client, "two")
    assert one.private_net[0].ip == "10.9.1.1"
    two.attach_to_network(net, ip="10.9.1.7").wait_until_finished()
    three = server(client, "three")
    refused("ip_not_available", three.attach_to_network, net, ip="10.9.1.7")
    refused("no_subnet_available", three.attach_to_network, net, ip="10.9.2.7")
    refused("server_already_attached", two.attach_to_network, net)
    refused("resource_in_use", net.delete)
    error = refused("service_error", net.delete_subnet, subnet)
    assert "servers are attached" in str(error)
    assert sorted(one.id for one in client.networks.get_by_id(net.id).servers) == [one.id, two.id]
    bad = NetworkSubnet(type="cloud", ip_range="10.9.1.128/25", network_zone="eu-central")
    assert "overlaps" in str(refused("invalid_input", net.add_subnet, bad))
    refused("invalid_input", client.networks.create, "public", "8.8.0.0/16")


def test_volumes(client: Client) -> None:
    db = server(client)
    made = client.volumes.create(10, "data", location=FSN1, format="ext4")
    made.action.wait_until_finished()
    volume = made.volume
    assert volume.linux_device == f"/dev/disk/by-id/scsi-0HC_Volume_{volume.id}"
    volume.attach(db, automount=False).wait_until_finished()
    refused("resource_in_use", volume.delete)
    refused("invalid_input", volume.resize, 10)
    volume.resize(20).wait_until_finished()
    volume.detach().wait_until_finished()
    assert client.volumes.get_by_id(volume.id).server is None
    assert volume.delete() is True


def test_firewalls(client: Client) -> None:
    rule = FirewallRule("in", "tcp", ["0.0.0.0/0", "::/0"], port="22")
    wall = client.firewalls.create("wall", rules=[rule]).firewall
    db = server(client, firewalls=[wall])
    assert db.public_net.firewalls[0].firewall.id == wall.id
    assert refused("resource_in_use", wall.delete)
    for action in wall.set_rules([FirewallRule("in", "icmp", ["10.0.0.0/8"])]):
        action.wait_until_finished()
    wall.reload()
    assert [rule.protocol for rule in wall.rules] == ["icmp"]
    target = FirewallResource(type="server", server=Server(id=db.id))
    for action in wall.remove_from_resources([target]):
        action.wait_until_finished()
    assert wall.delete() is True
    error = refused(
        "invalid_input",
        client.firewalls.create,
        "bad",
        rules=[FirewallRule("in", "tcp", ["10.0.0.1/8"], port="22")],
    )
    assert error.details["fields"][0]["name"] == "rules.0.source_ips.0"


def test_primary_ip_outlives_its_server(client: Client) -> None:
    address = client.primary_ips.create(
        type="ipv4", name="front", location=FSN1, auto_delete=False
    ).primary_ip
    public = ServerCreatePublicNetwork(ipv4=address, enable_ipv6=False)
    db = server(client, public_net=public)
    assert db.public_net.ipv4.ip == address.ip
    assert db.public_net.ipv6 is None
    db.change_dns_ptr(address.ip, "db.example.com").wait_until_finished()
    assert client.servers.get_by_id(db.id).public_net.ipv4.dns_ptr == "db.example.com"
    refused("server_not_stopped", address.unassign)
    db.delete().wait_until_finished()
    assert client.primary_ips.get_by_id(address.id).assignee_id is None


def test_placement_group_takes_ten(client: Client) -> None:
    group = client.placement_groups.create("spread", "spread").placement_group
    for number in range(10):
        server(client, f"s{number}", placement_group=group)
    with pytest.raises(APIException, match="maximum of 10"):
        server(client, "s10", placement_group=group)


def test_zones(client: Client) -> None:
    zone = client.zones.create(name="example.com", mode="primary", ttl=600).zone
    records = [ZoneRecord(value="192.0.2.1", comment="first")]
    made = zone.create_rrset(name="www", type="A", records=records)
    made.action.wait_until_finished()
    assert made.rrset.id == "www/A"
    refused("uniqueness_error", zone.create_rrset, name="www", type="A", records=records)
    zone.set_rrset_records(made.rrset, [ZoneRecord(value="192.0.2.2")]).wait_until_finished()
    assert zone.get_rrset("www", "A").records[0].value == "192.0.2.2"
    zone.change_rrset_protection(made.rrset, change=True).wait_until_finished()
    refused("protected", zone.delete_rrset, made.rrset)
    assert client.zones.get("example.com").record_count == 1
    zone.delete().action.wait_until_finished()
    refused("not_found", client.zones.get, "example.com")


def test_lists_have_pages_labels_and_order(client: Client) -> None:
    for number in range(60):
        labels = {"n": str(number), "role": "db" if number % 2 else "web"}
        client.placement_groups.create(f"g{number:02}", "spread", labels=labels)
    assert len(client.placement_groups.get_all()) == 60
    page = client.placement_groups.get_list(page=2, per_page=25)
    assert (page.meta.pagination.next_page, page.meta.pagination.total_entries) == (3, 60)
    for selector, count in (
        ("role=db", 30), ("role!=db", 30), ("n in (1,2,3)", 3), ("n notin (1,2)", 58),
        ("role", 60), ("!role", 0), ("role==web,n=2", 1),
    ):  # fmt: skip
        assert len(client.placement_groups.get_all(label_selector=selector)) == count, selector
    refused("invalid_input", client.placement_groups.get_all, label_selector="a b")
    newest = client.placement_groups.get_list(sort=["name:desc"], per_page=1).placement_groups[0]
    assert newest.name == "g59"


def test_bad_input(client: Client, memory: Api) -> None:
    client.ssh_keys.create("me", KEY)
    refused("uniqueness_error", client.ssh_keys.create, "other", KEY)
    assert refused("invalid_input", client.ssh_keys.create, "bad", "nonsense").details["fields"]
    refused("not_found", client.servers.get_by_id, 1)
    with pytest.raises(APIException, match="there is no server type 'cx99'"):
        client.servers.create("x", ServerType(name="cx99"), Image(name="debian-12"))
    with pytest.raises(APIException, match="cx23 is not offered in ash"):
        client.servers.create(
            "x", ServerType(name="cx23"), Image(name="debian-12"), location=Location(name="ash")
        )
    with pytest.raises(APIException, match="longer than 32 KiB"):
        server(client, user_data="x" * 32769)
    headers = {"Authorization": f"Bearer {memory.token}"}
    answer = requests.get(f"{memory.url}/load_balancers", headers=headers, timeout=5)
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "not_implemented")
    assert requests.get(f"{memory.url}/datacenters", headers=headers, timeout=5).status_code == 410
    network = client.networks.create("n", "10.8.0.0/16")
    assert "not supported" in str(
        refused("invalid_input", client.request, "POST", f"/networks/{network.id}/actions/"
                "add_subnet", json={"type": "cloud", "ip_range": "10.8.1.0/24",
                                    "network_zone": "eu-central", "vswitch_id": 1})
    )  # fmt: skip


def test_state_survives_a_restart(tmp_path: Path) -> None:
    options = ("--backend", "memory", "--action-seconds", "0")
    with api(tmp_path, 21011, *options) as first:
        one = server(first.client())
        token = first.token
    with api(tmp_path, 21011, *options) as second:
        assert second.token == token
        again = second.client().servers.get_by_id(one.id)
        assert again.public_net.ipv4.ip == one.public_net.ipv4.ip
        assert server(second.client(), "two").id > one.id


def test_rate_limit(tmp_path: Path) -> None:
    options = ("--backend", "memory", "--requests-per-hour", "3")
    with api(tmp_path, 21012, *options) as limited:
        headers = {"Authorization": f"Bearer {limited.token}"}
        answers = [requests.get(f"{limited.url}/servers", headers=headers, timeout=5)
                   for _ in range(4)]  # fmt: skip
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["RateLimit-Remaining"] == "2"
    assert answers[3].json()["error"]["code"] == "rate_limit_exceeded"


def test_a_type_that_is_sold_out(tmp_path: Path) -> None:
    options = ("--backend", "memory", "--action-seconds", "0")
    with api(tmp_path, 21014, *options) as before:
        server(before.client()).power_off().wait_until_finished()
    with api(tmp_path, 21014, *options, "--sold-out", "cx33@fsn1") as after:
        client = after.client()
        kind = client.server_types.get_by_name("cx33")
        assert [place.location.name for place in kind.locations if not place.available] == ["fsn1"]
        db = client.servers.get_by_name("db")
        error = refused("resource_unavailable", db.change_type, kind, upgrade_disk=False)
        assert "sold out in fsn1" in str(error)
        db.power_on().wait_until_finished()
        assert client.servers.get_by_id(db.id).server_type.name == "cx23"
