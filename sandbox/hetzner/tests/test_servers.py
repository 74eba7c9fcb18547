"""A server as a container: boots, is logged in to, and does what the API says."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hcloud.firewalls import FirewallRule
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.networks import NetworkSubnet
from hcloud.server_types import ServerType
from local_api import Api, api, wait

pytestmark = pytest.mark.slow_cloud

NAME = "hetzner-test"
USER_DATA = """#cloud-config
packages: [docker.io]
write_files:
  - {path: /etc/motto, content: "start simple"}
  - path: /etc/systemd/system/srv-data.mount
    content: |
      [Mount]
      What=/dev/disk/by-id/scsi-0HC_Volume_%d
      Where=/srv/data
      [Install]
      WantedBy=multi-user.target
runcmd:
  - systemctl enable --now --no-block srv-data.mount
"""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Api]:
    with api(tmp_path, 21013, "--name", NAME, "--public-range", "172.31.204.0/24") as server:
        try:
            yield server
        finally:
            client = server.client()
            for machine in client.servers.get_all():
                machine.delete().wait_until_finished()
            for volume in client.volumes.get_all():
                volume.delete()
            for network in client.networks.get_all():
                network.delete()
    subprocess.run(["docker", "network", "rm", f"{NAME}-public"], check=True, capture_output=True)


def test_a_server_boots_and_obeys(cloud: Api, tmp_path: Path) -> None:
    client = cloud.client()
    identity = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", identity], check=True)
    key = client.ssh_keys.create("me", identity.with_suffix(".pub").read_text())
    here = Location(name="fsn1")
    volume = client.volumes.create(10, "data", location=here, format="ext4").volume
    subnet = NetworkSubnet(type="cloud", ip_range="10.211.1.0/24", network_zone="eu-central")
    network = client.networks.create("net", "10.211.0.0/16", subnets=[subnet])
    rules = [FirewallRule("in", "tcp", ["0.0.0.0/0"], port="22")]
    wall = client.firewalls.create("wall", rules=rules).firewall
    made = client.servers.create(
        "db-1", ServerType(name="cx23"), Image(name="debian-12"), location=here, ssh_keys=[key],
        firewalls=[wall], user_data=USER_DATA % volume.id,
    )  # fmt: skip
    for action in (made.action, *made.next_actions):
        action.wait_until_finished()
    machine = made.server
    address = client.servers.get_by_id(machine.id).public_net.ipv4.ip

    def ssh(command: str) -> str | None:
        result = subprocess.run(
            ["ssh", "-i", identity, "-o", "StrictHostKeyChecking=accept-new", "-o",
             f"UserKnownHostsFile={tmp_path}/known_hosts", "-o", "ConnectTimeout=2",
             f"root@{address}", command],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return None if result.returncode == 255 else result.stdout.strip()

    wait(lambda: ssh("true") is not None, 40)
    assert "status: done" in ssh("cloud-init status --wait")
    assert ssh("cat /etc/motto; echo; hostname").split("\n") == ["start simple", "db-1"]
    assert ssh("docker info --format '{{.Driver}}'") == "overlay2"

    # The private network and the volume come late, as with the official provider.
    machine.attach_to_network(network, ip="10.211.1.7").wait_until_finished()
    assert "10.211.1.7" in ssh("ip -brief address")
    assert ssh("mountpoint -q /srv/data && echo mounted") == ""
    volume.attach(machine).wait_until_finished()
    wait(lambda: ssh("mountpoint -q /srv/data && echo mounted") == "mounted", 20)
    ssh("echo kept >/srv/data/file; sync")

    # Only what the firewall lets in; a container's published port is no exception.
    ssh("systemd-run --quiet python3 -m http.server 8080 --directory /srv/data")
    curl = ["curl", "-s", "--max-time", "1", f"http://{address}:8080/file"]
    assert subprocess.run(curl, capture_output=True).returncode == 28
    for action in wall.set_rules([*rules, FirewallRule("in", "tcp", ["0.0.0.0/0"], port="8080")]):
        action.wait_until_finished()
    assert subprocess.run(curl, capture_output=True, text=True).stdout == "kept\n"
    private = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=1", "root@10.211.1.7"]
    assert "timed out" in subprocess.run(private, capture_output=True, text=True).stderr

    # Off, larger, and on again: disk, volume and host keys are the same.
    machine.shutdown().wait_until_finished()
    wait(lambda: client.servers.get_by_id(machine.id).status == "off", 30)
    assert ssh("true") is None
    machine.change_type(ServerType(name="cx33"), upgrade_disk=False).wait_until_finished()
    limit = ["docker", "inspect", "-f", "{{.HostConfig.Memory}}", f"{NAME}-server-{machine.id}"]
    assert subprocess.run(limit, capture_output=True, text=True).stdout == "8000000000\n"
    machine.power_on().wait_until_finished()
    wait(lambda: ssh("cat /srv/data/file") == "kept", 40)
    booted = ssh("cat /proc/1/stat | cut -d' ' -f22")
    machine.reboot().wait_until_finished()
    wait(lambda: ssh("cat /proc/1/stat | cut -d' ' -f22") not in (None, "", booted), 40)
    assert "10.211.1.7" in ssh("ip -brief address")
