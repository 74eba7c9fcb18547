"""A backend whose servers are containers of the local Docker engine.

Public addresses are those of the containers on one Docker network, a private network is another
Docker network, and a volume is a file behind a loop device.
"""

import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any, Final

import docker
from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import Container
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from cloud.backends.base import NewServer, Stopped
from cloud.catalog import PRIVATE_RANGES
from cloud.errors import ApiError
from cloud.store import Record

IMAGE: Final = "arquitectura-sandbox/server:bookworm"

# What systemd, udev and a Docker engine need; `--privileged` asks for more than some hosts have.
_CAPABILITIES = [
    "SYS_ADMIN",
    "NET_ADMIN",
    "SYS_PTRACE",
    "SYS_MODULE",
    "MKNOD",
    "SYS_CHROOT",
    "SETFCAP",
    "NET_RAW",
    "SYS_NICE",
    "IPC_LOCK",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "SYSLOG",
    "DAC_READ_SEARCH",
    "SYS_BOOT",
]
_SYS_RESOURCE: Final = 24  # linux/capability.h

# Signals to systemd (SIGRTMIN is 34), and the exit code of an init whose system starts again.
_SIGNAL_POWER_OFF: Final = 34 + 4
_SIGNAL_REBOOT: Final = 34 + 5
_EXIT_REBOOT: Final = 129

_GUEST_STATE = "var/lib/hetzner"
_GUEST_PROGRAMS = "/usr/local/lib/hetzner"
_SEED = "var/lib/cloud/seed/nocloud"


class DockerBackend:
    """Servers as containers.

    Args:
        name: prefix of the names of containers, networks and volumes, and their label.
        public_range: the subnet of the public Docker network.
        state: folder for the volumes' files.
        stopped: told of servers that went off by themselves.

    Raises:
        RuntimeError: without the image, or when the public range is used elsewhere.
    """

    def __init__(self, name: str, public_range: IPv4Network, state: Path, stopped: Stopped) -> None:
        self._docker = docker.from_env(timeout=120)
        self._name = name
        self._label = f"arquitectura.sandbox.hetzner={name}"
        self._volumes = state / "volumes"
        self._volumes.mkdir(exist_ok=True, mode=0o700)
        self._stopped = stopped
        self._cores = int(self._docker.info()["NCPU"])
        self._loop_lock = threading.Lock()
        try:
            self._docker.images.get(IMAGE)
        except ImageNotFound:
            raise RuntimeError(
                f"the image {IMAGE} is missing: run sandbox/hetzner/image/build.sh"
            ) from None
        self._public = f"{name}-public"
        if not self._docker.networks.list(filters={"name": f"^{self._public}$"}):
            self._make_network(self._public, str(public_range), internal=False)
        threading.Thread(target=self._watch, daemon=True).start()

    def check_server(self, server_type: Record, image: Record) -> None:
        """Only Debian 12, and only the architecture of this machine."""
        here = {"x86_64": "x86", "aarch64": "arm"}.get(self._docker.info()["Architecture"])
        if server_type["architecture"] != here:
            raise ApiError(
                "resource_unavailable",
                f"{server_type['name']} is {server_type['architecture']}, and the sandbox runs "
                f"on {here}",
            )
        if image["name"] != "debian-12":
            raise ApiError(
                "resource_unavailable", f"the sandbox has only debian-12, not {image['name']}"
            )

    def create_server(self, server: NewServer) -> None:
        """A container with cloud-init's seed."""
        api = self._docker.api
        host = api.create_host_config(
            network_mode=self._public,
            cap_add=_capabilities(),
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            device_cgroup_rules=["a *:* rwm"],
            cgroupns="private",
            tmpfs={"/run": "exec", "/run/lock": "", "/tmp": "exec"},  # noqa: S108
            binds={self._disk_name(server.id): {"bind": "/var/lib/docker"}},
            **self._limits(server.server_type),
        )
        # What `docker run --security-opt systempaths=unconfined` sends.
        host.update(MaskedPaths=[], ReadonlyPaths=[])
        endpoint = api.create_endpoint_config(ipv4_address=server.public_ip)
        api.create_container(
            IMAGE,
            name=self._container_name(server.id),
            hostname=server.name,
            labels=dict([self._label.split("=")]),
            host_config=host,
            networking_config={"EndpointsConfig": {self._public: endpoint}},
        )
        container = self._server(server.id)
        if server.public_ip is None:
            self._docker.networks.get(self._public).disconnect(container)
        _write(container, _seed(server), mode=0o600)
        _write(container, {f"{_GUEST_STATE}/volumes": ""})
        self.set_firewall(server.id, None)

    def delete_server(self, server_id: int) -> None:
        """Removes the container and what its Docker engine kept."""
        # Either may be gone: the creation failed half-way, or this is a second try.
        with suppress(NotFound):
            self._server(server_id).remove(force=True, v=True)
        with suppress(NotFound):
            disk = self._docker.volumes.get(self._disk_name(server_id))
            # A mount point that the server has made immutable goes with its disk.
            if (mount_point := Path(disk.attrs["Mountpoint"], "volumes")).exists():
                _run("chattr", "-i", str(mount_point))
            disk.remove()

    def start(self, server_id: int) -> None:
        """Starts the container, with its volumes plugged in."""
        self._list_volumes(server_id)
        self._server(server_id).start()

    def power_off(self, server_id: int) -> None:
        """Kills the container."""
        container = self._server(server_id)
        if container.status == "running":
            container.kill()
            container.wait(timeout=60)

    def press_power(self, server_id: int) -> None:
        """Has systemd end."""
        self._signal(server_id, _SIGNAL_POWER_OFF)

    def reboot(self, server_id: int) -> None:
        """Has systemd end; the watcher starts it again."""
        self._signal(server_id, _SIGNAL_REBOOT)

    def is_running(self, server_id: int) -> bool:
        """Whether the container runs."""
        try:
            return bool(self._server(server_id).status == "running")
        except NotFound:
            return False

    def resize(self, server_id: int, server_type: Record) -> None:
        """Sets the container's limits."""
        limits = self._limits(server_type)
        self._docker.api.update_container(
            self._container_name(server_id),
            mem_limit=limits["mem_limit"],
            memswap_limit=limits["memswap_limit"],
            cpu_period=limits["cpu_period"],
            cpu_quota=limits["cpu_quota"],
        )

    def set_public_ip(self, server_id: int, address: str | None) -> None:
        """Joins or leaves the public network."""
        container = self._server(server_id)
        network = self._docker.networks.get(self._public)
        if self._public in container.attrs["NetworkSettings"]["Networks"]:
            network.disconnect(container)
        if address:
            network.connect(container, ipv4_address=address)

    def create_network(self, network_id: int, ip_range: str) -> None:
        """A Docker network without a way out."""
        self._make_network(self._network_name(network_id), ip_range, internal=True)

    def delete_network(self, network_id: int) -> None:
        """Removes the Docker network."""
        self._network(network_id).remove()

    def connect(self, server_id: int, network_id: int, address: str) -> None:
        """Joins the Docker network."""
        self._network(network_id).connect(self._container_name(server_id), ipv4_address=address)

    def disconnect(self, server_id: int, network_id: int) -> None:
        """Leaves the Docker network."""
        self._network(network_id).disconnect(self._container_name(server_id))

    def set_firewall(self, server_id: int, rules: Sequence[Record] | None) -> None:
        """Writes the rules into the server, and puts them into force when it runs."""
        container = self._server(server_id)
        networks = container.attrs["NetworkSettings"]["Networks"]
        public = networks.get(self._public)
        gateways = [
            self._docker.networks.get(name).attrs["IPAM"]["Config"][0]["Gateway"]
            for name in networks
            if name != self._public
        ]
        address = ((public or {}).get("IPAMConfig") or {}).get("IPv4Address", "")
        _write(
            container,
            {
                f"{_GUEST_STATE}/address": f"PUBLIC_IP={address}\n",
                f"{_GUEST_STATE}/firewall": firewall(rules, gateways),
            },
        )
        _run_if_running(container, f"{_GUEST_PROGRAMS}/firewall")

    def create_volume(self, volume_id: int, size: int, file_system: str | None) -> None:
        """A sparse file."""
        file = self._file(volume_id)
        with file.open("wb") as content:
            content.truncate(size * 2**30)
        if file_system:
            _run(f"mkfs.{file_system}", "-q", str(file))

    def resize_volume(self, volume_id: int, size: int) -> None:
        """Lengthens the file, and tells the loop device."""
        with self._file(volume_id).open("r+b") as content:
            content.truncate(size * 2**30)
        if device := self._loop(volume_id):
            _run("losetup", "--set-capacity", f"/dev/{device}")

    def delete_volume(self, volume_id: int) -> None:
        """Deletes the file."""
        self._file(volume_id).unlink(missing_ok=True)

    def attach(self, volume_id: int, server_id: int) -> None:
        """Plugs in a loop device. Raises while a server still uses the volume."""
        if self._loop(volume_id):
            raise RuntimeError(
                f"volume {volume_id} was detached, but is still mounted on the server that had it: "
                "unmount it there, or power that server off"
            )
        self._holder(volume_id).write_text(str(server_id))
        self._plug(server_id)

    def detach(self, volume_id: int, server_id: int) -> None:
        """Takes the loop device away; one that is mounted ends with the mount."""
        self._holder(volume_id).unlink(missing_ok=True)
        self._plug(server_id)
        if device := self._loop(volume_id):
            _run("losetup", "--detach", f"/dev/{device}")

    def _plug(self, server_id: int) -> None:
        self._list_volumes(server_id)
        _run_if_running(self._server(server_id), f"{_GUEST_PROGRAMS}/volumes")

    def _list_volumes(self, server_id: int) -> None:
        """Sees to a loop device for each volume of a server, and tells the server."""
        lines = []
        for holder in sorted(self._volumes.glob("*.server")):
            if holder.read_text() == str(server_id):
                volume_id = int(holder.stem)
                with self._loop_lock:
                    device = self._loop(volume_id) or _run(
                        "losetup", "--find", "--show", str(self._file(volume_id))
                    ).removeprefix("/dev/")
                lines.append(f"{device} {volume_id}\n")
        _write(self._server(server_id), {f"{_GUEST_STATE}/volumes": "".join(lines)})

    def _loop(self, volume_id: int) -> str:
        """The name of the loop device of a volume, empty when there is none."""
        file = str(self._file(volume_id))
        output = _run("losetup", "--associated", file, "--output", "NAME", "--noheadings")
        return output.removeprefix("/dev/")

    def _file(self, volume_id: int) -> Path:
        return self._volumes.resolve() / f"{volume_id}.img"

    def _holder(self, volume_id: int) -> Path:
        return self._volumes / f"{volume_id}.server"

    def _watch(self) -> None:
        """Starts servers again that reboot, and reports those that went off."""
        filters = {"type": "container", "event": "die", "label": self._label}
        for event in self._docker.events(decode=True, filters=filters):
            attributes = event["Actor"]["Attributes"]
            server_id = int(attributes["name"].rpartition("-")[2])
            if attributes["exitCode"] == str(_EXIT_REBOOT):
                self.start(server_id)
            elif not self.is_running(server_id):  # it may have been started again meanwhile
                self._stopped(server_id)

    def _signal(self, server_id: int, signal: int) -> None:
        container = self._server(server_id)
        if container.status == "running":
            container.kill(signal=signal)

    def _limits(self, server_type: Record) -> dict[str, Any]:
        """Cores, as many as this machine has at most, and memory in bytes without swap."""
        memory = int(server_type["memory"] * 10**9)
        period = 100_000
        return {
            "mem_limit": memory,
            "memswap_limit": memory,
            "cpu_period": period,
            "cpu_quota": min(server_type["cores"], self._cores) * period,
        }

    def _make_network(self, name: str, ip_range: str, *, internal: bool) -> None:
        wanted = IPv4Network(ip_range)
        if other := _shadowed(wanted):
            raise RuntimeError(
                f"a network with {ip_range} would cut this machine off from {other}: "
                "choose another range"
            )
        pool = IPAMPool(subnet=ip_range, gateway=str(next(wanted.hosts())))
        try:
            self._docker.networks.create(
                name,
                driver="bridge",
                internal=internal,
                labels=dict([self._label.split("=")]),
                ipam=IPAMConfig(pool_configs=[pool]),
            )
        except APIError as error:
            raise RuntimeError(
                f"Docker cannot make the network {name} with {ip_range}: {error.explanation}"
            ) from None

    def _network(self, network_id: int) -> Network:
        return self._docker.networks.get(self._network_name(network_id))

    def _server(self, server_id: int) -> Container:
        return self._docker.containers.get(self._container_name(server_id))

    def _network_name(self, network_id: int) -> str:
        return f"{self._name}-network-{network_id}"

    def _container_name(self, server_id: int) -> str:
        return f"{self._name}-server-{server_id}"

    def _disk_name(self, server_id: int) -> str:
        return f"{self._name}-disk-{server_id}"


def _capabilities() -> Sequence[str]:
    """What a server may do; SYS_RESOURCE, which resize2fs needs, where this machine has it."""
    status = Path("/proc/self/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:"))
    has_resource = int(mask, 16) >> _SYS_RESOURCE & 1
    return [*_CAPABILITIES, *(["SYS_RESOURCE"] if has_resource else [])]


def _shadowed(network: IPv4Network) -> str | None:
    """What this machine would not reach any more beside the network, if anything is known."""
    if not any(network.subnet_of(private) for private in PRIVATE_RANGES):
        return "the real addresses there"
    for route in json.loads(_run("ip", "-json", "-4", "route", "show")):
        for destination in (route["dst"], route.get("gateway", "default")):
            if destination != "default" and network.overlaps(IPv4Network(destination)):
                return f"{destination} on {route['dev']}"
    for line in Path("/etc/resolv.conf").read_text().splitlines():
        words = line.split()
        if words[:1] != ["nameserver"] or ":" in words[1]:
            continue
        if network.overlaps(IPv4Network(words[1])):
            return f"its name server {words[1]}"
    return None


def firewall(rules: Sequence[Record] | None, private_gateways: Sequence[str]) -> str:
    """What iptables-restore loads; `PUBLIC` stands for the public interface.

    As at Hetzner: with a firewall nothing comes in that no rule lets in; what goes out is free
    until a rule of that direction exists; answers always pass; private networks are not filtered.
    The machine under the sandbox is on no private network: what comes from it there is dropped.
    """
    lines = ["*mangle", ":HETZNER-PREROUTING - [0:0]", ":HETZNER-POSTROUTING - [0:0]"]
    lines += [f"-A HETZNER-PREROUTING -s {gateway} -j DROP" for gateway in private_gateways]
    for direction, chain, option, networks, own in (
        ("in", "HETZNER-PREROUTING -i PUBLIC", "-s", "source_ips", rules is not None),
        ("out", "HETZNER-POSTROUTING -o PUBLIC", "-d", "destination_ips", False),
    ):
        chosen = [rule for rule in rules or () if rule["direction"] == direction]
        if not chosen and not own:
            continue
        lines.append(f"-A {chain} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN")
        for rule in chosen:
            ports = {None: "", "any": " --dport 1:65535"}.get(rule["port"])
            if ports is None:
                ports = f" --dport {rule['port'].replace('-', ':')}"
            for network in rule[networks]:
                if ip_network(network).version == 4:
                    lines.append(
                        f"-A {chain} {option} {network} -p {rule['protocol']}{ports} -j RETURN"
                    )
        lines.append(f"-A {chain} -j DROP")
    return "\n".join([*lines, "COMMIT", ""])


def _seed(server: NewServer) -> dict[str, str]:
    """The files of cloud-init's NoCloud source."""
    vendor: dict[str, Any] = {}
    if server.root_password:
        user = {"name": "root", "password": server.root_password, "type": "text"}
        vendor = {"ssh_pwauth": True, "chpasswd": {"expire": False, "users": [user]}}
    meta = {
        "instance-id": str(server.id),
        "local-hostname": server.name,
        "public-keys": list(server.ssh_keys),
    }
    return {
        f"{_SEED}/meta-data": json.dumps(meta),
        f"{_SEED}/vendor-data": f"#cloud-config\n{json.dumps(vendor)}\n",
        f"{_SEED}/user-data": server.user_data,
    }


def _write(container: Container, files: Mapping[str, str], mode: int = 0o644) -> None:
    """Writes files into a container, running or not."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    container.put_archive("/", archive.getvalue())


def _run_if_running(container: Container, program: str) -> None:
    container.reload()
    if container.status != "running":
        return
    code, output = container.exec_run(program)
    if code and isinstance(output, bytes):
        raise RuntimeError(f"{container.name}: {program}: {output.decode().strip()}")


def _run(*command: str) -> str:
    """Runs a program of this machine, as root. Returns what it printed."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise RuntimeError(f"{command[0]} is missing: volumes need it") from None
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"{' '.join(command)}: {error.stderr.strip()}") from None
    return result.stdout.strip()
