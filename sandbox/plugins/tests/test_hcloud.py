"""The stand-in of the hcloud provider against the sandbox's Hetzner API, without containers."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import UNKNOWN, Plugin, RefusedError

pytest.importorskip("hcloud")

START = Path(__file__).parents[2] / "hetzner" / "start.sh"
PORT = 21015
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIl9W0MxYJ2bBSkbSbI1tKAoBd9MRbJhyaUIGWLmPpbT me"


@pytest.fixture(scope="module")
def hcloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    state = tmp_path_factory.mktemp("hetzner")
    environment = {"HETZNER_SANDBOX_STATE": str(state), "HETZNER_SANDBOX_PORT": str(PORT)}
    subprocess.run(
        [START, "--backend", "memory", "--action-seconds", "0.02"],
        check=True, env={**os.environ, **environment},
    )  # fmt: skip
    plugin = Plugin(
        "hcloud", token=(state / "token").read_text(), endpoint=f"http://127.0.0.1:{PORT}/v1",
        pollInterval="10ms", pollFunction="constant",
    )  # fmt: skip
    yield plugin
    plugin.stop()
    os.kill(int((state / "pid").read_text()), signal.SIGTERM)


def life(hcloud: Plugin, kind: str, inputs: dict) -> tuple[str, dict]:
    """Creates; nothing differs then, and the server says the same."""
    resource_id, state = hcloud.create(kind, inputs)
    assert hcloud.diff(kind, state, inputs) == {}
    assert hcloud.read(kind, resource_id, state) == state
    return resource_id, state


def gone(hcloud: Plugin, kind: str, resource_id: str, state: dict) -> None:
    hcloud.delete(kind, resource_id, state)
    assert hcloud.read(kind, resource_id, state) is None
    hcloud.delete(kind, resource_id, state)


def test_basics(hcloud: Plugin) -> None:
    inputs = {"name": "me", "publicKey": KEY, "labels": {"a": "b"}}
    key, state = life(hcloud, "SshKey", inputs)
    other = {**inputs, "publicKey": KEY.replace("me", "you")}
    assert hcloud.diff("SshKey", state, other) == {}
    assert hcloud.diff("SshKey", state, {**inputs, "publicKey": f"{KEY[:-6]}aaa"}) == {
        "publicKey": True
    }
    state = hcloud.update("SshKey", key, state, {**inputs, "name": "mine", "labels": {}})
    assert (state["name"], state["labels"]) == ("mine", {})
    with pytest.raises(RefusedError, match=r"already exists \(uniqueness_error\)"):
        hcloud.create("SshKey", inputs)
    gone(hcloud, "SshKey", key, state)

    rules = [
        {"direction": "in", "protocol": "tcp", "port": "22", "sourceIps": ["::/0", "0.0.0.0/0"]},
        {"direction": "in", "protocol": "icmp", "sourceIps": ["0.0.0.0/0"]},
    ]
    wall, state = life(hcloud, "Firewall", {"name": "wall", "rules": rules})
    assert hcloud.diff("Firewall", state, {"name": "wall", "rules": rules[::-1]}) == {}
    fewer = {"name": "wall", "rules": rules[:1]}
    assert hcloud.diff("Firewall", state, fewer) == {"rules": False}
    assert len(hcloud.update("Firewall", wall, state, fewer)["rules"]) == 1
    gone(hcloud, "Firewall", wall, state)


def test_server_with_all_that_belongs_to_it(hcloud: Plugin) -> None:
    key, _ = life(hcloud, "SshKey", {"name": "admin", "publicKey": KEY})
    net, _ = life(hcloud, "Network", {"name": "net", "ipRange": "10.1.0.0/16"})
    subnet, subnet_state = life(
        hcloud, "NetworkSubnet",
        {"networkId": int(net), "type": "cloud", "networkZone": "eu-central",
         "ipRange": "10.1.1.0/24"},
    )  # fmt: skip
    assert subnet == f"{net}-10.1.1.0/24"
    group, _ = life(hcloud, "PlacementGroup", {"name": "spread", "type": "spread"})
    wall, _ = life(
        hcloud, "Firewall",
        {"name": "w", "rules": [{"direction": "in", "protocol": "icmp", "sourceIps": ["::/0"]}]},
    )  # fmt: skip
    ip, ip_state = life(hcloud, "PrimaryIp", {"name": "ip", "type": "ipv4", "location": "fsn1"})
    inputs = {
        "name": "db", "serverType": "cx23", "image": "debian-12", "location": "fsn1",
        "sshKeys": [key], "userData": "#cloud-config\n", "firewallIds": [int(wall)],
        "placementGroupId": int(group), "shutdownBeforeDeletion": True, "keepDisk": True,
        "publicNets": [{"ipv4Enabled": True, "ipv4": int(ip), "ipv6Enabled": False}],
        "networks": [{"subnetId": subnet, "ip": "10.1.1.5"}],
    }  # fmt: skip
    server, state = life(hcloud, "Server", inputs)
    assert state["ipv4Address"] == ip_state["ipAddress"]
    assert "cloud-config" not in state["userData"]
    for name, value, replaces in (
        ("userData", "#cloud-config\nruncmd: []\n", True), ("image", "ubuntu-24.04", True),
        ("location", "nbg1", True), ("sshKeys", ["other"], True), ("serverType", "cx33", False),
        ("labels", {"a": "b"}, False), ("networks", [{"subnetId": UNKNOWN}], False),
        ("networks", [{"subnetId": subnet, "ip": "10.1.1.6"}], False),
    ):  # fmt: skip
        assert hcloud.diff("Server", state, {**inputs, name: value}) == {name: replaces}

    volume, volume_state = life(
        hcloud, "Volume", {"name": "data", "size": 10, "location": "fsn1", "format": "ext4"}
    )
    attachment, attachment_state = life(
        hcloud, "VolumeAttachment", {"volumeId": int(volume), "serverId": int(server)}
    )
    larger = {"name": "data", "size": 20, "location": "fsn1", "format": "ext4"}
    assert hcloud.update("Volume", volume, volume_state, larger)["size"] == 20
    name = {"serverId": int(server), "ipAddress": ip_state["ipAddress"], "dnsPtr": "db.example.com"}
    rdns, rdns_state = life(hcloud, "Rdns", name)

    # A resize leaves the server off, as the official provider does.
    state = hcloud.update("Server", server, state, {**inputs, "serverType": "cx33"})
    assert (state["serverType"], state["status"], state["primaryDiskSize"]) == ("cx33", "off", 40)
    with pytest.raises(RefusedError, match="replace it"):
        hcloud.update("Server", server, state, {**inputs, "publicNets": []})

    with pytest.raises(RefusedError, match="servers are attached"):
        hcloud.delete("NetworkSubnet", subnet, subnet_state)
    hcloud.delete("Rdns", rdns, rdns_state)
    gone(hcloud, "VolumeAttachment", attachment, attachment_state)
    gone(hcloud, "Volume", volume, volume_state)
    gone(hcloud, "Server", server, state)
    assert hcloud.read("Rdns", rdns, rdns_state) is None
    assert hcloud.read("PrimaryIp", ip, ip_state) == ip_state
    gone(hcloud, "NetworkSubnet", subnet, subnet_state)


def test_protection(hcloud: Plugin) -> None:
    inputs = {"name": "kept", "ipRange": "10.2.0.0/16", "deleteProtection": True}
    net, state = life(hcloud, "Network", inputs)
    with pytest.raises(RefusedError, match="delete protected"):
        hcloud.delete("Network", net, state)
    state = hcloud.update("Network", net, state, {**inputs, "deleteProtection": False})
    gone(hcloud, "Network", net, state)


def test_server_network(hcloud: Plugin) -> None:
    net, _ = life(hcloud, "Network", {"name": "late", "ipRange": "10.3.0.0/16"})
    subnet, _ = life(
        hcloud, "NetworkSubnet",
        {"networkId": int(net), "type": "cloud", "networkZone": "eu-central",
         "ipRange": "10.3.1.0/24"},
    )  # fmt: skip
    server, _ = life(hcloud, "Server", {"name": "x", "serverType": "cx23", "image": "debian-12"})
    inputs = {"serverId": int(server), "subnetId": subnet}
    attachment, state = life(hcloud, "ServerNetwork", inputs)
    assert state["ip"] == "10.3.1.1"
    assert hcloud.diff("ServerNetwork", state, {**inputs, "ip": "10.3.1.9"}) == {"ip": True}
    gone(hcloud, "ServerNetwork", attachment, state)


def test_zones(hcloud: Plugin) -> None:
    zone, zone_state = life(hcloud, "Zone", {"name": "example.com", "mode": "primary", "ttl": 600})
    inputs = {
        "zone": "example.com",
        "name": "www",
        "type": "A",
        "records": [{"value": "192.0.2.1"}],
    }
    records, state = life(hcloud, "ZoneRrset", inputs)
    changed = {**inputs, "ttl": 60, "records": [{"value": "192.0.2.2", "comment": "new"}]}
    assert hcloud.diff("ZoneRrset", state, changed) == {"records": False, "ttl": False}
    state = hcloud.update("ZoneRrset", records, state, changed)
    assert hcloud.diff("ZoneRrset", state, changed) == {}
    gone(hcloud, "ZoneRrset", records, state)
    gone(hcloud, "Zone", zone, zone_state)


def test_refusals(hcloud: Plugin) -> None:
    for kind, inputs, message in (
        ("Server", {"serverType": "cx23", "image": "debian-12", "backups": True}, "backups"),
        ("Server", {"serverType": "cx23", "image": "debian-12", "iso": "x"}, "support iso"),
        ("Server", {"serverType": "cx23", "image": "debian-12", "deleteProtection": True},
         "must be the same as deleteProtection"),
        ("LoadBalancer", {}, "not supported by this stand-in"),
    ):  # fmt: skip
        with pytest.raises(RefusedError, match=message):
            hcloud.check(kind, inputs)
    with pytest.raises(RefusedError, match="server type cx99 not found"):
        hcloud.create("Server", {"serverType": "cx99", "image": "debian-12"})


def test_settings() -> None:
    for settings, message in (
        ({"token": "short"}, "64 characters"),
        ({"token": "x" * 64, "pollInterval": "fast"}, "no duration"),
        ({"token": "x" * 64, "endpoint": "http://127.0.0.1:1/v1"}, "refused"),
    ):
        plugin = Plugin("hcloud", **settings)
        with pytest.raises(RefusedError, match=message):
            plugin.read("Network", "1")
        plugin.stop()
