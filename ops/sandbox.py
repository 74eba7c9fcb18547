"""What differs in a stack's config where the sandbox stands in for the official images."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ops.stack import REPOSITORY, Stack

SETTINGS_FILE = REPOSITORY / "sandbox" / "settings.json"
"""Config values by their path below `arquitectura:`."""


def sandbox_settings() -> Mapping[str, str]:
    """The settings that point the program at the sandbox."""
    settings: Mapping[str, str] = json.loads(SETTINGS_FILE.read_text())
    return settings


def configure(stack: Stack) -> Iterator[str]:
    """Writes the sandbox's settings where they are missing; yields the commands it ran."""
    config = stack.config()
    for path, value in sandbox_settings().items():
        if _at(config, path) != value:
            stack.read(
                "config", "set", "--stack", stack.name, "--path", f"arquitectura:{path}", value
            )
            yield f"pulumi config set --stack {stack.name} --path 'arquitectura:{path}' {value}"


def _at(config: Mapping[str, Any], path: str) -> Any:
    section, *keys = path.split(".")
    value = config.get(f"arquitectura:{section}")
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
