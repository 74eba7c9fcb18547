"""A stack that is previewed only: nothing of it is ever made."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

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
