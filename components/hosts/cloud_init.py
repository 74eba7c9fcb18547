"""What a server's first boot makes of a plain Debian 12: cloud-init's user data.

The volume may be attached long after the boot, and must never be missed: Docker runs only on it.
"""

import ipaddress
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

MAX_BYTES = 32 * 1024
"""Hetzner's limit for user data."""

MTU = 1450
"""Of Hetzner's private networks: larger packets would be lost between containers."""

PACKAGES = ("docker.io", "e2fsprogs", "iptables", "unattended-upgrades")

READY = "/usr/local/sbin/arquitectura-ready"
"""Program that says whether the server can be used. Its exit status is one of `os.EX_OK`,
`os.EX_TEMPFAIL` (not yet; one line says what it waits for), `os.EX_SOFTWARE` (never; the rest is
cloud-init's error)."""

LOG_LINES = 20

SETUP = "/usr/local/sbin/arquitectura-setup"
STOP_CONTAINERS = "/usr/local/sbin/arquitectura-stop-containers"
SERVER_ENV = "/etc/arquitectura/server.env"
VOLUMES = "/var/lib/docker/volumes"
"""Where Docker keeps its volumes, and the Hetzner volume is mounted."""


@dataclass(frozen=True, kw_only=True)
class ServerSetup:
    """What tells one server from another.

    Attributes:
        private_ip: its address in the private network, which it gets after it has booted.
        volume_id: of the Hetzner volume that holds its data. None: the server's own disk does.
        host_key_private: its SSH host key (ED25519), in OpenSSH's PEM.
        host_key_public: the same, as in a line of `authorized_keys`.
        registry: `host:port` that images come from; at a private address it is spoken to in plain
            HTTP. None: images come from where their names say.
    """

    private_ip: str
    volume_id: str | None
    host_key_private: str
    host_key_public: str
    registry: str | None


def user_data(setup: ServerSetup) -> str:
    """The user data of a server, a `#cloud-config`.

    Raises:
        ValueError: it is larger than Hetzner takes.
    """
    config: dict[str, Any] = {
        "ssh_deletekeys": True,
        "ssh_keys": {
            "ed25519_private": setup.host_key_private,
            "ed25519_public": setup.host_key_public,
        },
        "ssh_pwauth": False,
        "package_update": True,
        "packages": list(PACKAGES),
        "write_files": [
            {"path": path, "content": content, "permissions": _permissions(path)}
            for path, content in _files(setup)
        ],
        "runcmd": [[SETUP]],
    }
    if setup.volume_id:
        # The package would start Docker, and wait with apt's lock held until there is a volume.
        hold = ["systemctl", "mask", "--runtime", "docker.service", "docker.socket"]
        config["bootcmd"] = [["cloud-init-per", "instance", "hold-docker", *hold]]
    text = "#cloud-config\n" + yaml.dump(config, Dumper=_Dumper, sort_keys=False, width=1000)
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(
            f"the user data of the server {setup.private_ip} has {len(text.encode())} bytes, "
            f"Hetzner takes at most {MAX_BYTES}"
        )
    return text


class _Dumper(yaml.SafeDumper):
    """Texts of several lines are written as such."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _permissions(path: str) -> str:
    return "0755" if path.startswith("/usr/local/sbin/") else "0644"


def _files(setup: ServerSetup) -> Iterator[tuple[str, str]]:
    yield "/etc/apt/apt.conf.d/02-retries", APT_RETRIES
    yield "/etc/apt/apt.conf.d/52arquitectura", APT_SECURITY
    yield "/etc/ssh/sshd_config.d/00-arquitectura.conf", SSHD
    yield "/etc/sysctl.d/60-arquitectura.conf", SYSCTL
    yield "/etc/tmpfiles.d/arquitectura.conf", TMPFILES
    yield "/etc/docker/daemon.json", _daemon_json(setup.registry)
    yield "/etc/systemd/system/containerd.service.d/arquitectura.conf", CONTAINERD
    yield "/etc/systemd/system/arquitectura-metadata.service", METADATA
    yield "/etc/systemd/system/arquitectura-containers.service", CONTAINERS
    yield STOP_CONTAINERS, STOP_CONTAINERS_SCRIPT
    yield READY, READY_SCRIPT
    yield SETUP, SETUP_SCRIPT
    environment = {"PRIVATE_IP": setup.private_ip}
    if setup.volume_id:
        device = f"/dev/disk/by-id/scsi-0HC_Volume_{setup.volume_id}"
        environment["VOLUME"] = device
        yield "/etc/systemd/system/arquitectura-docker.service", DOCKER_WHEN_MOUNTED
        for unit, content in _volume_units(device).items():
            yield f"/etc/systemd/system/{unit}", content
    yield SERVER_ENV, "".join(f"{key}={shlex.quote(value)}\n" for key, value in environment.items())


def _daemon_json(registry: str | None) -> str:
    settings: dict[str, Any] = {
        "log-driver": "json-file",
        "log-opts": {"max-size": "10m", "max-file": "3"},
        "live-restore": True,
        "bip": "172.29.0.1/24",
        "default-address-pools": [{"base": "172.30.0.0/16", "size": 24}],
        "mtu": MTU,
    }
    if registry and _is_private(registry):
        settings["insecure-registries"] = [registry]
    return json.dumps(settings, indent=2) + "\n"


def _is_private(registry: str) -> bool:
    try:
        return ipaddress.ip_address(registry.rpartition(":")[0]).is_private
    except ValueError:  # a name
        return False


def _volume_units(device: str) -> Mapping[str, str]:
    """The mount, and what makes Docker and the containers depend on it, by file."""
    mount = _escape(VOLUMES) + ".mount"
    bound = f"[Unit]\nRequiresMountsFor={VOLUMES}\nBindsTo={mount}\n"
    return {
        mount: f"""\
[Unit]
Description=Volume with the data of the containers

[Mount]
What={device}
Where={VOLUMES}
Type=ext4
# nofail: what needs local file systems, such as sshd, does not wait for it.
Options=discard,noatime,nofail
TimeoutSec=10min
""",
        f"{_escape(device)}.device.d/arquitectura.conf": """\
[Unit]
# However late it is attached.
JobRunningTimeoutSec=infinity
""",
        "docker.socket.d/arquitectura.conf": f"""\
{bound}
# Were it ever enabled again, sshd would wait for sockets.target, and that for the volume.
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target
""",
        "docker.service.d/arquitectura.conf": f"""\
{bound}
[Service]
# Docker would take it for a volume.
ExecStartPre=-/usr/bin/rmdir {VOLUMES}/lost+found
""",
        # They end before it is unmounted.
        "arquitectura-containers.service.d/arquitectura.conf": bound,
    }


def _escape(path: str) -> str:
    """A path as the name of a unit, as `systemd-escape --path` writes it."""

    def escape(character: str) -> str:
        if character == "/":
            return "-"
        plain = character.isascii() and (character.isalnum() or character in ":_.")
        return character if plain else "".join(f"\\x{byte:02x}" for byte in character.encode())

    return "".join(map(escape, path.strip("/")))


APT_RETRIES = """\
Acquire::Retries "5";
DPkg::Lock::Timeout "300";
"""

APT_SECURITY = """\
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
"""

SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
X11Forwarding no
# Pulumi's docker provider opens many connections and sessions at once.
MaxStartups 100:30:200
MaxSessions 100
ClientAliveInterval 30
ClientAliveCountMax 4
"""

SYSCTL = """\
# A service can listen on the private address before the network is attached.
net.ipv4.ip_nonlocal_bind = 1
# Bursts of connections to PostgreSQL and MinIO.
net.core.somaxconn = 16384
# The page cache gives way before a database is swapped out.
vm.swappiness = 1
# MinIO maps many files.
vm.max_map_count = 524288
# vm.overcommit_memory stays as it is: containers have limits, and to forbid overcommitting would
# make the processes of all others fail.
"""

TMPFILES = """\
# Huge pages on demand cost PostgreSQL pauses and memory.
w /sys/kernel/mm/transparent_hugepage/enabled - - - - never
w /sys/kernel/mm/transparent_hugepage/defrag - - - - never
"""

CONTAINERD = """\
[Service]
# Open files of each container, which inherits it: Debian's "infinity" is slow for programs that go
# through all descriptors. As a setting of Docker's it would be an error where a server has less.
LimitNOFILE=1048576
"""

METADATA = """\
[Unit]
Description=Keep containers from the metadata service
# cloud-init has read it by then, on every boot.
After=cloud-init.service
Before=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip route replace blackhole 169.254.169.254/32

[Install]
WantedBy=multi-user.target
RequiredBy=docker.service
"""

CONTAINERS = f"""\
[Unit]
Description=Let containers end cleanly when the server shuts down
# Docker itself leaves them running when it stops (live-restore).
After=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/true
ExecStop={STOP_CONTAINERS}
TimeoutStopSec=90

[Install]
WantedBy=docker.service
"""

DOCKER_WHEN_MOUNTED = """\
[Unit]
Description=Start Docker as soon as the volume is mounted
# Were docker.service itself enabled, the end of the boot would wait for the volume, and the last
# stage of cloud-init for the end of the boot.

[Service]
Type=oneshot
ExecStart=/usr/bin/systemctl start --no-block docker.service

[Install]
WantedBy=multi-user.target
"""

STOP_CONTAINERS_SCRIPT = """\
#!/bin/sh
# Docker starts them again: their restart policy is "always".
set -eu
docker ps --quiet | xargs --no-run-if-empty docker stop --time 60
"""

SETUP_SCRIPT = f"""\
#!/bin/sh
# The last step of the first boot.
set -eu
. {SERVER_ENV}
systemctl daemon-reload
systemctl restart systemd-sysctl.service
systemd-tmpfiles --create /etc/tmpfiles.d/arquitectura.conf
systemctl enable arquitectura-containers.service
if [ -n "${{VOLUME-}}" ]; then
    mkdir -p {VOLUMES}
    # Nothing is written below it to the server's own disk.
    mountpoint -q {VOLUMES} || chattr +i {VOLUMES}
    systemctl unmask --runtime docker.service docker.socket
    systemctl disable docker.service docker.socket
    systemctl enable arquitectura-metadata.service
    systemctl enable --now arquitectura-docker.service
else
    systemctl start arquitectura-containers.service
    systemctl enable --now arquitectura-metadata.service
fi
"""

READY_SCRIPT = f"""\
#!/bin/sh
# Is the server ready? Status 0: yes; 75: not yet, and one line says what it waits for; 70: never,
# with cloud-init's error.   Usage: arquitectura-ready [GIGABYTES that the volume must have]
set -eu
. {SERVER_ENV}
wait_for() {{
    echo "$1"
    exit {os.EX_TEMPFAIL}
}}

status=$(cloud-init status | sed -n 's/^status: //p' || true)
case $status in
done* | degraded*) ;;
error* | disabled*)
    cloud-init status --long || true
    tail -n {LOG_LINES} /var/log/cloud-init-output.log
    exit {os.EX_SOFTWARE}
    ;;
*) wait_for cloud-init ;;
esac

[ -n "$(ip -oneline address show to "$PRIVATE_IP")" ] || wait_for "its address $PRIVATE_IP"

if [ -n "${{VOLUME-}}" ]; then
    mountpoint -q {VOLUMES} || wait_for "its volume $VOLUME"
    device=$(readlink -f "$VOLUME")
    rescan=/sys/class/block/${{device##*/}}/device/rescan
    if [ -w "$rescan" ]; then echo 1 >"$rescan"; fi
    [ "$(blockdev --getsize64 "$device")" -ge "${{1:-0}}000000000" ] ||
        wait_for "its volume to have $1 GB"
    error=$(resize2fs "$device" 2>&1) ||
        wait_for "its file system to grow: $(echo "$error" | tr '\\n' ' ')"
fi

timeout 10 docker info >/dev/null 2>&1 || wait_for Docker

# After a resize: the next server is shut down only when the services are back on this one.
unwell=$(docker ps --filter health=starting --filter health=unhealthy --format '{{{{.Names}}}}')
[ -z "$unwell" ] || wait_for "$(echo $unwell)"
"""
