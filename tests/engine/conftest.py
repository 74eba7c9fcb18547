"""A stack that is previewed only: nothing of it is ever made."""

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
