"""A stack that is previewed only: nothing of it is ever made."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.heard import Heard, listening
from tests.hetzner import HetznerApi, hetzner_api
from tests.stack import LiveStack, Ports, live_stack

PORTS = Ports(api=18000, console=18001, postgres=18002)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Callable[..., LiveStack]]:
    """Makes a stack with the given sections of the config."""
    with ExitStack() as stacks:

        def make(**sections: Any) -> LiveStack:
            return stacks.enter_context(live_stack("test-engine", tmp_path, PORTS, **sections))

        yield make


def previewed(stack: LiveStack) -> Counter[str]:
    """The number of resources to create, by type; components and providers left out."""
    stack.preview()
    return Counter(
        event.resource_pre_event.metadata.type
        for event in stack.events
        if event.resource_pre_event
        and event.resource_pre_event.metadata.op.value == "create"
        and not event.resource_pre_event.metadata.type.startswith(("arquitectura:", "pulumi:"))
    )


def refused(stack: LiveStack, **environment: str) -> str:
    """What `pulumi preview` says when it fails, without a traceback."""
    assert stack.automation.name
    result = stack.cli("preview", "--stack", stack.name, **environment)
    text = result.stdout + result.stderr
    assert result.returncode != 0, text
    assert "Traceback" not in text
    return text


@dataclass(kw_only=True)
class Cloud(Heard):
    """A Hetzner Cloud without servers, and what it was asked for.

    Attributes:
        api: it, without the ear in between.
    """

    api: HetznerApi


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """A Hetzner Cloud in whose location fsn1 the type ccx33 is sold out."""
    if sys.platform != "linux":
        pytest.skip("the sandbox's Hetzner Cloud needs Linux")
    with hetzner_api("--sold-out", "ccx33@fsn1") as api:
        cloud = Cloud(behind=api.endpoint, api=api)
        with listening(cloud):
            yield cloud


@pytest.fixture(scope="session")
def no_ssh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose `ssh` does nothing but leave a file `used`."""
    folder = tmp_path_factory.mktemp("no-ssh")
    (folder / "ssh").write_text(f"#!/bin/sh\ntouch {folder}/used\nexit 255\n")
    (folder / "ssh").chmod(0o755)
    return folder
