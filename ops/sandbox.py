"""What differs in a stack's config where the sandbox stands in for images and servers."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.stack import REPOSITORY, Stack, StackError

SETTINGS_FILE = REPOSITORY / "sandbox" / "settings.json"
"""Config values by their path below `arquitectura:`."""

CPU_LIMITS = ("minio.cpus", "citus.coordinator.cpus", "citus.worker.cpus")

SSH_KEY = "sandbox"
"""Name of the key in the cloud's project."""

START_CLOUD = REPOSITORY / "sandbox" / "hetzner" / "start.sh"


def sandbox_settings() -> Mapping[str, str | bool]:
    """The settings that point the program at the sandbox's images, and turn off what has none."""
    settings: Mapping[str, str | bool] = json.loads(SETTINGS_FILE.read_text())
    return settings


def start_cloud() -> Mapping[str, str]:
    """Starts the sandbox's Hetzner Cloud, unless it runs.

    Returns:
        What its `start.sh` says, by the first word.

    Raises:
        StackError: it does not start.
    """
    started = subprocess.run([START_CLOUD], capture_output=True, text=True, check=False)
    if started.returncode != 0:
        raise StackError(f"the sandbox's Hetzner Cloud does not start: {started.stderr.strip()}")
    lines = (line.partition(": ") for line in started.stdout.splitlines())
    return {name: value for name, separator, value in lines if separator}


def cloud_settings(cloud: Mapping[str, str]) -> Mapping[str, str]:
    """The settings that point the program at the sandbox's Hetzner Cloud, but for the token."""
    return {
        "hosts.endpoint": cloud["endpoint"],
        "hosts.registry": cloud["registry"],
        "hosts.admin_cidrs[0]": f"{cloud['gateway']}/32",
        "hosts.ssh_keys[0]": SSH_KEY,
        "hosts.ssh_identity_file": cloud["key"],
    }


def cpu_settings(config: Mapping[str, Any]) -> Mapping[str, str]:
    """Limits that Docker takes on a server that has no more cores than this machine."""
    cores = os.cpu_count() or 1
    return {path: str(cores) for path in CPU_LIMITS if (_at(config, path) or 0) > cores}


def on_servers(config: Mapping[str, Any]) -> bool:
    """Whether the hosts of a stack with this config are servers of Hetzner Cloud."""
    return bool(_at(config, "hosts.provider") == "hetzner")


def configure(stack: Stack) -> Iterator[str]:
    """Writes the sandbox's settings where they are missing; yields the commands it ran.

    Raises:
        StackError: the stack's servers are Hetzner's, and the sandbox's cloud does not start.
    """
    config = stack.config()
    settings = dict(sandbox_settings())
    if on_servers(config):
        cloud = start_cloud()
        settings |= {**cloud_settings(cloud), **cpu_settings(config)}
        token = Path(cloud["token"]).read_text().strip()
        if _at(config, "hosts.token") != token:
            set_secret = _set(stack, "--secret")
            stack.read(*set_secret, "arquitectura:hosts.token", secret=token)
            yield f"pulumi {' '.join(set_secret)} 'arquitectura:hosts.token' <{cloud['token']}"
    set_value = _set(stack)
    for path, value in settings.items():
        if _at(config, path) != value:
            text = value if isinstance(value, str) else json.dumps(value)
            stack.read(*set_value, f"arquitectura:{path}", text)
            yield f"pulumi {' '.join(set_value)} 'arquitectura:{path}' {text}"


def _set(stack: Stack, *options: str) -> Sequence[str]:
    return ("config", "set", "--stack", stack.name, *options, "--path")


def _at(config: Mapping[str, Any], path: str) -> Any:
    section, *keys = re.findall(r"[^.\[\]]+", path)
    value: Any = config.get(f"arquitectura:{section}")
    for key in keys:
        try:
            value = value[int(key) if isinstance(value, list) else key]
        except (TypeError, LookupError):
            return None
    return value
