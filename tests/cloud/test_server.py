"""A server's first boot and its readiness, on servers of the sandbox's Hetzner.

What matters most: Docker never runs without the volume, however late that is attached.
"""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from components.hosts import cloud_init, server_ready
from components.hosts.cloud_init import READY, VOLUMES, ServerSetup, user_data
from components.hosts.server_ready import ServerError, ServerReadyProvider
from components.hosts.ssh import ssh_options
from ops.stack import REPOSITORY
from tests.cloud.servers import wait

if TYPE_CHECKING:
    from hcloud import Client
    from hcloud.networks import BoundNetwork
    from hcloud.servers import BoundServer
    from hcloud.ssh_keys import BoundSSHKey
    from hcloud.volumes import BoundVolume

pytestmark = pytest.mark.cloud

START = REPOSITORY / "sandbox" / "hetzner" / "start.sh"
PORT = 21200
NAME = "test-server"
IMAGE = "arquitectura-sandbox/server:bookworm"
BUSYBOX = "arquitectura-sandbox/busybox:1"
CAP_SYS_RESOURCE = 24


@dataclass(frozen=True)
class Cloud:
    """A Hetzner of the tests' own."""

    client: "Client"
    network: "BoundNetwork"
    key: "BoundSSHKey"
    identity: Path
    folder: Path

    def host_key(self) -> tuple[str, str]:
        """A new key: the private and the public part."""
        file = make_key(self.folder / f"host-{os.urandom(4).hex()}")
        return file.read_text(), file.with_suffix(".pub").read_text().strip()

    @contextmanager
    def machine(
        self, name: str, private_ip: str, volume: "BoundVolume | None"
    ) -> Iterator["Machine"]:
        """A server that is booting, neither in the network nor with its volume."""
        from hcloud.images import Image
        from hcloud.locations import Location
        from hcloud.server_types import ServerType

        private, public = self.host_key()
        setup = ServerSetup(
            private_ip=private_ip,
            volume_id=str(volume.id) if volume else None,
            host_key_private=private,
            host_key_public=public,
            registry="172.31.203.2:5000",
        )
        made = self.client.servers.create(
            name,
            ServerType(name="cx23"),
            Image(name="debian-12"),
            location=Location(name="fsn1"),
            ssh_keys=[self.key],
            user_data=user_data(setup),
        )
        for action in (made.action, *made.next_actions):
            action.wait_until_finished()
        server = made.server
        server.reload()
        assert server.public_net and server.public_net.ipv4
        address = server.public_net.ipv4.ip
        try:
            yield Machine(self, name, server, address, private_ip, public, volume)
        finally:
            server.delete().wait_until_finished()


@dataclass(frozen=True)
class Machine:
    """A server and what is known of it."""

    cloud: Cloud
    name: str
    server: "BoundServer"
    address: str
    private_ip: str
    host_key: str
    volume: "BoundVolume | None"

    def run(self, command: str, stdin: bytes | None = None) -> "subprocess.CompletedProcess[str]":
        options = ssh_options(self.host_key, str(self.cloud.identity))
        done = subprocess.run(
            ["ssh", *options, f"root@{self.address}", command],
            input=stdin,
            capture_output=True,
            timeout=120,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def output(self, command: str) -> str:
        done = self.run(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def waits_for(self) -> str:
        """What the server says that it waits for, empty when it cannot be asked."""
        done = self.run(READY)
        return done.stdout.strip() if done.returncode == os.EX_TEMPFAIL else ""

    def status(self) -> str | None:
        self.server.reload()
        return self.server.status

    def join(self) -> None:
        self.server.attach_to_network(self.cloud.network, ip=self.private_ip).wait_until_finished()

    def attach(self) -> None:
        assert self.volume
        self.volume.attach(self.server).wait_until_finished()

    def inputs(self, **changed: Any) -> dict[str, Any]:
        """Inputs of its gate."""
        size = self.volume.size if self.volume else None
        return {
            "name": self.name,
            "address": self.address,
            "ssh_options": ssh_options(self.host_key, str(self.cloud.identity)),
            "server_id": str(self.server.id),
            "server_type": "cx23",
            "private_ip": self.private_ip,
            "volume_size": size,
            "timeout": 90,
        } | changed

    def assert_docker_waits(self) -> None:
        """Docker is not there, and nothing could be written where the volume belongs."""
        for unit in ("docker.service", "docker.socket"):
            assert self.run(f"systemctl is-active {unit}").stdout.strip() == "inactive"
        assert self.run("pgrep dockerd").returncode == 1
        assert self.run(f"mountpoint -q {VOLUMES}").returncode != 0
        assert "not permitted" in self.run(f"mkdir {VOLUMES}/leak").stderr
        assert self.output(f"ls -A {VOLUMES}") == ""

    def below_the_mount(self) -> str:
        """What the server's own disk holds at the mount point."""
        return self.output(
            "mkdir -p /run/below && mount --bind /var/lib/docker /run/below && "
            "ls -A /run/below/volumes; umount /run/below"
        )


def make_key(file: Path) -> Path:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file], check=True
    )
    return file


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    from hcloud import Client
    from hcloud.networks import NetworkSubnet

    folder = tmp_path_factory.mktemp("hetzner")
    started = subprocess.run(
        [START, "--name", NAME, "--public-range", "172.31.205.0/24"],
        env={
            **os.environ,
            "HETZNER_SANDBOX_STATE": str(folder / "state"),
            "HETZNER_SANDBOX_PORT": str(PORT),
        },
        capture_output=True,
        text=True,
    )
    if started.returncode != 0:
        pytest.skip(f"the sandbox's Hetzner does not start: {started.stderr}")
    process = int((folder / "state" / "pid").read_text())
    client = Client(
        (folder / "state" / "token").read_text(),
        api_endpoint=f"http://127.0.0.1:{PORT}/v1",
        poll_interval=0.1,
    )
    try:
        identity = make_key(folder / "id")
        subnet = NetworkSubnet(type="cloud", ip_range="10.212.1.0/24", network_zone="eu-central")
        network = client.networks.create("net", "10.212.0.0/16", subnets=[subnet])
        key = client.ssh_keys.create("me", identity.with_suffix(".pub").read_text())
        yield Cloud(client, network, key, identity, folder)
        for volume in client.volumes.get_all():
            volume.delete()
        network.delete()
    finally:
        os.kill(process, 15)
        wait("the end of the API", lambda: not Path(f"/proc/{process}").exists())
        subprocess.run(["docker", "network", "rm", f"{NAME}-public"], capture_output=True)


@pytest.fixture(scope="module")
def machine(cloud: Cloud) -> Iterator[Machine]:
    from hcloud.locations import Location

    volume = cloud.client.volumes.create(
        10, "data-1", location=Location(name="fsn1"), format="ext4"
    ).volume
    with cloud.machine("data-1", "10.212.1.11", volume) as made:
        yield made


@pytest.mark.parametrize("volume_id", [None, "1001"])
def test_cloud_init_takes_the_user_data(cloud: Cloud, volume_id: str | None) -> None:
    """By its own schema, in the image that the cloud's servers are made of."""
    config = user_data(
        ServerSetup(
            private_ip="10.0.1.11",
            volume_id=volume_id,
            host_key_private="-----BEGIN OPENSSH PRIVATE KEY-----\n",
            host_key_public="ssh-ed25519 AAAA",
            registry="10.1.2.3:5000",
        )
    )
    check = (
        "cat >/run/user-data; chmod 600 /run/user-data; "
        "cloud-init schema --config-file /run/user-data"
    )
    checked = subprocess.run(
        ["docker", "run", "--rm", "-i", "--network=none", "--entrypoint=sh", IMAGE, "-c", check],
        input=config,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Valid" in checked.stdout


def test_the_boot_ends_without_the_network_and_the_volume(machine: Machine) -> None:
    wait("the address that is waited for", lambda: machine.waits_for() == "its address 10.212.1.11")
    machine.assert_docker_waits()
    machine.join()
    wait(
        "the volume that is waited for",
        lambda: machine.waits_for().startswith("its volume /dev/disk/by-id/scsi-0HC_Volume_"),
    )
    machine.assert_docker_waits()
    # The boot is over all the same.
    wait(
        "the end of its boot",
        lambda: machine.run("systemctl is-active multi-user.target").stdout.strip() == "active",
    )


def test_it_is_ready_once_its_volume_is_attached(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    gate = threading.Thread(target=ServerReadyProvider().create, args=[machine.inputs()])
    gate.start()
    said = []

    def has_said() -> bool:
        said.append(capsys.readouterr().out)
        return "data-1: waits for its volume" in "".join(said)

    wait("what the gate says", has_said)
    machine.attach()
    gate.join(90)
    assert not gate.is_alive()
    assert machine.run(READY).returncode == 0
    assert machine.output("systemctl is-active docker") == "active"
    assert machine.below_the_mount() == ""
    assert machine.output("docker volume ls --quiet") == ""  # no lost+found


def test_docker_and_the_kernel_are_set_up(machine: Machine) -> None:
    info = "{{.LoggingDriver}} {{.LiveRestoreEnabled}} {{.RegistryConfig.IndexConfigs}}"
    said = machine.output(f"docker info --format '{info}'")
    assert said.startswith("json-file true")
    assert "172.31.203.2:5000" in said
    assert "172.29.0.1/24" in machine.output("ip -brief address show docker0")
    for key, value in {
        "net.ipv4.ip_nonlocal_bind": "1",
        "net.core.somaxconn": "16384",
        "vm.swappiness": "1",
        "vm.max_map_count": "524288",
    }.items():
        assert machine.output(f"sysctl -n {key}") == value
    assert "never" in machine.output("cat /sys/kernel/mm/transparent_hugepage/enabled")


def test_ssh_takes_keys_only_and_shows_one_host_key(machine: Machine) -> None:
    assert machine.output("ls /etc/ssh/ssh_host_*") == (
        "/etc/ssh/ssh_host_ed25519_key\n/etc/ssh/ssh_host_ed25519_key.pub"
    )
    settings = machine.output("sshd -T").splitlines()
    for line in (
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "permitrootlogin without-password",
        "maxstartups 100:30:200",
        "maxsessions 100",
        "hostkey /etc/ssh/ssh_host_ed25519_key",
    ):
        assert line in settings


def test_nothing_reaches_the_metadata_service(machine: Machine) -> None:
    for sender in ("", "from 172.29.0.9 iif docker0"):
        route = machine.run(f"ip route get 169.254.169.254 {sender}")
        assert "Invalid argument" in route.stderr  # what a black hole answers
        assert machine.run(f"ip route get 169.254.169.253 {sender}").returncode == 0


def test_containers_end_cleanly_and_come_back_after_the_volume(machine: Machine) -> None:
    assert machine.volume
    saved = subprocess.run(["docker", "save", BUSYBOX], capture_output=True, check=True).stdout
    assert machine.run("docker load", stdin=saved).returncode == 0
    # This machine may allow less.
    limit = min(1048576, int(machine.output("ulimit -H -n")))
    assert machine.output(f"docker run --rm {BUSYBOX} sh -c 'ulimit -n'") == str(limit)
    script = (
        'trap "echo ended >>/data/log; exit 0" TERM; echo started >>/data/log; '
        "while :; do sleep 3600 & wait; done"
    )
    machine.output(
        f"docker run -d --name busy --restart always -v data:/data {BUSYBOX} sh -c '{script}'"
    )
    log = f"cat {VOLUMES}/data/_data/log"
    wait("the container's first line", lambda: machine.run(log).stdout == "started\n")

    machine.server.shutdown().wait_until_finished()
    wait("off", lambda: machine.status() == "off")
    machine.volume.detach().wait_until_finished()
    machine.server.power_on().wait_until_finished()
    wait("the volume that is waited for", lambda: machine.waits_for().startswith("its volume "))
    machine.assert_docker_waits()
    assert "Invalid argument" in machine.run("ip route get 169.254.169.254").stderr

    machine.attach()
    ServerReadyProvider().create(machine.inputs())
    wait(
        "the container's second start",
        lambda: machine.run(log).stdout == "started\nended\nstarted\n",
    )
    assert machine.below_the_mount() == ""
    assert machine.output("docker volume ls --quiet") == "data"


def test_a_reboot_with_the_volume_in_place(machine: Machine) -> None:
    boot = "cat /proc/1/stat | cut -d' ' -f22"
    before = machine.output(boot)
    machine.server.reboot().wait_until_finished()
    wait("another boot", lambda: machine.run(boot).stdout.strip() not in ("", before))
    ServerReadyProvider().create(machine.inputs())
    wait(
        "the container",
        lambda: machine.output("docker inspect -f '{{.State.Running}}' busy") == "true",
    )
    assert machine.output(f"tail -n 2 {VOLUMES}/data/_data/log") == "ended\nstarted"


def test_even_an_enabled_docker_waits(machine: Machine) -> None:
    """As it is for a moment in the first boot, when Docker was installed and not yet set up."""
    assert machine.volume
    machine.output("systemctl enable docker.service docker.socket")
    machine.server.shutdown().wait_until_finished()
    wait("off", lambda: machine.status() == "off")
    machine.volume.detach().wait_until_finished()
    machine.server.power_on().wait_until_finished()
    wait("a login", lambda: machine.run("true").returncode == 0)  # the login is there all the same
    wait(
        "the mount that waits",
        lambda: "docker-volumes.mount" in machine.run("systemctl list-jobs").stdout,
    )
    machine.assert_docker_waits()
    machine.attach()
    ServerReadyProvider().create(machine.inputs())
    machine.output("systemctl disable docker.service docker.socket")


def test_docker_ends_when_its_volume_goes(machine: Machine) -> None:
    machine.output("systemctl stop var-lib-docker-volumes.mount")
    assert machine.run("systemctl is-active docker").stdout.strip() == "inactive"
    assert machine.run("pgrep -f /data/log").returncode == 1  # nor did the container go on
    machine.output("systemctl start docker")
    ServerReadyProvider().create(machine.inputs())


def test_another_host_key_is_refused_at_once(machine: Machine) -> None:
    _, other = machine.cloud.host_key()
    options = ssh_options(other, str(machine.cloud.identity))
    with pytest.raises(ServerError, match=r"data-1 .* has another SSH host key"):
        ServerReadyProvider().create(machine.inputs(ssh_options=options))


def test_another_key_of_ours_is_refused_at_once(machine: Machine) -> None:
    options = ssh_options(machine.host_key, str(make_key(machine.cloud.folder / "other")))
    with pytest.raises(ServerError, match=r"(?s)refuses the login of root.*ssh-add"):
        ServerReadyProvider().create(machine.inputs(ssh_options=options))


def test_an_address_without_a_server(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_ready, "UNREACHABLE_AFTER", 1)
    with pytest.raises(ServerError, match=r"data-1 \(172.31.205.250\) does not answer"):
        ServerReadyProvider().create(machine.inputs(address="172.31.205.250"))


def test_what_is_still_missing_is_named_in_the_end(machine: Machine) -> None:
    with pytest.raises(ServerError, match="after 3 s it still waits for its volume to have 99 GB"):
        ServerReadyProvider().create(machine.inputs(volume_size=99, timeout=3))


def test_its_file_system_grows_with_the_volume(machine: Machine) -> None:
    assert machine.volume
    size = f"df --output=size -B1G {VOLUMES} | tail -n 1"
    before = int(machine.output(size))
    machine.volume.resize(12).wait_until_finished()
    capabilities = int(machine.output("sed -n 's/^CapEff:.//p' /proc/self/status"), 16)
    if not capabilities >> CAP_SYS_RESOURCE & 1:
        with pytest.raises(ServerError, match=r"its file system to grow: .*Permission denied"):
            ServerReadyProvider().update("", {}, machine.inputs(volume_size=12, timeout=3))
        pytest.skip("the sandbox's servers have no CAP_SYS_RESOURCE here: growing was only tried")
    ServerReadyProvider().update("", {}, machine.inputs(volume_size=12))
    assert int(machine.output(size)) > before


def test_a_server_without_a_volume(cloud: Cloud) -> None:
    with cloud.machine("main", "10.212.1.10", None) as machine:
        machine.join()
        ServerReadyProvider().create(machine.inputs())
        assert machine.output("systemctl is-enabled docker") == "enabled"
        assert machine.output("systemctl is-active arquitectura-containers") == "active"
        assert "Invalid argument" in machine.run("ip route get 169.254.169.254").stderr


def test_a_failed_first_boot_shows_its_log(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_init, "PACKAGES", ("no-such-package",))
    with (
        cloud.machine("broken", "10.212.1.12", None) as machine,
        pytest.raises(ServerError, match=r"(?s)broken .*cloud-init failed.*no-such-package"),
    ):
        ServerReadyProvider().create(machine.inputs())
