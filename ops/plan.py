"""The plan of a stack, from its config, as the Makefile's targets need it."""

import os
from collections.abc import Mapping
from typing import Any

from config.plan import Plan, make_plan
from config.settings import parse_settings
from ops.stack import Stack
from program.stack_config import NAMESPACE, TOKEN


def read_plan(stack: Stack) -> Plan:
    """The plan of a stack as its config is now.

    Raises:
        ConfigError: the config is not valid.
        StackError: it cannot be read.
    """
    return make_plan(parse_settings(sections(stack.config())), stack.name)


def sections(config: Mapping[str, Any]) -> dict[str, Any]:
    """The program's part of a stack's config, as the program itself reads it."""
    found = {
        key.removeprefix(NAMESPACE): value
        for key, value in config.items()
        if key.startswith(NAMESPACE)
    }
    hosts = found.get("hosts")
    if isinstance(hosts, dict) and hosts.get("provider") == "hetzner" and TOKEN in os.environ:
        found["hosts"] = {"token": os.environ[TOKEN], **hosts}
    return found
