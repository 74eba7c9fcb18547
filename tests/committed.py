"""The stacks' configs as they are committed, whatever `make up` has written into them since."""

import subprocess
from copy import deepcopy
from functools import cache
from typing import Any

import yaml

from ops.stack import REPOSITORY

TOKEN = "tokenOfTheTests".ljust(64, "x")
PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG5ldmVyIHVzZWQgdG8gbG9nIGluIGFueXdoZXJlIDop me@here"
)
ADMIN_CIDRS = ["203.0.113.7/32", "198.51.100.0/24"]


def git(*arguments: str) -> str:
    """What git prints."""
    return subprocess.check_output(["git", *arguments], cwd=REPOSITORY, text=True)


def committed(name: str) -> dict[str, Any]:
    """The sections of a committed stack's config."""
    return deepcopy(_sections(name))


@cache
def _sections(name: str) -> dict[str, Any]:
    text = git("show", f"HEAD:Pulumi.{name}.yaml")
    return {
        key.removeprefix("arquitectura:"): value
        for key, value in yaml.safe_load(text)["config"].items()
        if key.startswith("arquitectura:")
    }


def on_servers(name: str, **hosts: Any) -> dict[str, Any]:
    """The sections of a committed config of servers, with what each user adds.

    Args:
        name: of the stack.
        hosts: more of the section `hosts`; None takes a key away.
    """
    sections = committed(name)
    mine = {"token": TOKEN, "admin_cidrs": ADMIN_CIDRS, "ssh_keys": [PUBLIC_KEY]}
    section = {**sections["hosts"], **mine, **hosts}
    return {**sections, "hosts": {key: v for key, v in section.items() if v is not None}}
