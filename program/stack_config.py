"""Reads the running stack's config: the only place that knows how Pulumi hands it over."""

import json
import os
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG

from config.problems import ConfigError
from config.settings import Settings, parse_settings

NAMESPACE = "arquitectura:"
TOKEN = "HCLOUD_TOKEN"
"""Environment variable of Hetzner's own tools."""


def load_settings() -> Settings:
    """The validated settings of the running stack.

    Raises:
        pulumi.RunError: with every problem of the config, before any resource is registered.
    """
    sections = _sections(CONFIG.get())
    hosts = sections.get("hosts")
    token = os.environ.get(TOKEN)
    if isinstance(hosts, dict) and hosts.get("provider") == "hetzner" and token:
        hosts.setdefault("token", token)
    try:
        return parse_settings(sections)
    except ConfigError as error:
        raise pulumi.RunError(str(error)) from None


def _sections(config: Mapping[str, str]) -> Mapping[str, Any]:
    """Every key of the program's namespace, decoded; also those that no setting knows.

    `pulumi.Config` can only be asked for a key by its name, and an unknown one would go unnoticed.
    """
    return {
        key.removeprefix(NAMESPACE): _decoded(value)
        for key, value in config.items()
        if key.startswith(NAMESPACE)
    }


def _decoded(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value  # a plain text
