"""The Docker engine of this machine: found and checked before any resource is registered."""

import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LABEL_STACK = "stack"


class EngineError(Exception):
    """The machine cannot take the stack as it is. The text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A Docker engine that answers.

    Attributes:
        endpoint: how to reach it, as in `DOCKER_HOST`.
        architecture: of its machine, as Docker spells it in platforms (`amd64`, `arm64`).
        cpus: cores that containers can use.
        memory_mb: memory of its machine in MiB.
    """

    endpoint: str
    architecture: str
    cpus: int
    memory_mb: int


def find_engine() -> Engine:
    """The engine of `DOCKER_HOST` or of the current Docker context.

    Raises:
        EngineError: no Docker client is installed, or its engine does not answer.
    """
    endpoint = _docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").strip()
    info = json.loads(_docker("info", "--format", "{{json .}}"))
    if not info.get("ServerVersion"):
        reason = "; ".join(info.get("ServerErrors") or ["it does not answer"])
        raise EngineError(_no_engine(f"{endpoint}: {reason}"))
    return Engine(
        endpoint=endpoint,
        architecture={"x86_64": "amd64", "aarch64": "arm64"}.get(
            info["Architecture"], info["Architecture"]
        ),
        cpus=info["NCPU"],
        memory_mb=info["MemTotal"] // 1024**2,
    )


def taken_ports(ports: Mapping[str, int], stack: str) -> Iterator[str]:
    """A sentence for each port that something outside `stack` holds.

    Args:
        ports: host ports by the setting that chooses them.
        stack: the stack whose own containers may hold them.
    """
    busy = {setting: port for setting, port in ports.items() if _is_bound(port)}
    if not busy:
        return
    published = dict(_published_ports())
    for setting, port in busy.items():
        name, owner = published.get(port, (None, None))
        if name is None:
            yield f"{setting}: port {port} is taken by {_process_on(port)}: {_way_out(setting)}"
        elif owner != stack:
            yield f"{setting}: port {port} is taken by container {name}: {_way_out(setting)}"


def _way_out(setting: str) -> str:
    return f"stop it, or choose another with pulumi config set --path 'arquitectura:{setting}' PORT"


def _is_bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # To bind it would not do: macOS allows that beside a listener on all addresses.
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _published_ports() -> Iterator[tuple[int, tuple[str, str | None]]]:
    """The published ports of all running containers, each with the container and its stack."""
    identifiers = _docker("ps", "--quiet", "--no-trunc").split()
    if not identifiers:
        return
    for container in json.loads(_docker("inspect", *identifiers)):
        bindings: dict[str, Any] = container["HostConfig"]["PortBindings"] or {}
        owner = (container["Name"].lstrip("/"), container["Config"]["Labels"].get(LABEL_STACK))
        for binding in bindings.values():
            for address in binding or ():
                if address["HostPort"]:
                    yield int(address["HostPort"]), owner


def _process_on(port: int) -> str:
    import psutil  # only when there is something to explain

    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS asks for root
        return "another process"
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,):
            if connection.pid is None:
                break
            return f"process {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another process"


def _docker(*arguments: str) -> str:
    try:
        result = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except FileNotFoundError:
        raise EngineError(_no_engine("there is no 'docker' command")) from None
    except subprocess.TimeoutExpired:
        raise EngineError(_no_engine("it did not answer within 30 s")) from None
    if result.returncode != 0 and not result.stdout.strip():
        raise EngineError(_no_engine(result.stderr.strip()))
    return result.stdout


def _no_engine(reason: str) -> str:
    return (
        f"no Docker engine: {reason}. Start Docker Desktop, Colima or dockerd, or install one "
        "(https://docs.docker.com/get-docker/); DOCKER_HOST and 'docker context use' choose it."
    )
