"""The stacks that are measured."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.floor import Floor
from bench.measure import timed
from tests.stack import LiveStack, Ports, live_stack

PORTS = Ports(api=16800, console=16801, postgres=16802)


def projects(count: int) -> Mapping[str, Any]:
    """Projects with a bucket each."""
    return {f"project-{number:02}": {"buckets": {"uploads": {}}} for number in range(1, count + 1)}


@contextmanager
def stack(name: str, **sections: Any) -> Iterator[LiveStack]:
    """A stack of the benchmark's own; nothing of it is up yet."""
    with (
        tempfile.TemporaryDirectory() as directory,
        live_stack(f"bench-{name}", Path(directory), PORTS, **sections) as live,
    ):
        live.cli("stack", "select", "--create", live.name)
        yield live


@contextmanager
def floor(live: LiveStack) -> Iterator[Floor]:
    """The floor on the images of a stack."""
    with tempfile.TemporaryDirectory() as directory:
        script = Floor(Path(directory), live.image("citus"), live.image("minio"))
        try:
            yield script
        finally:
            script.down()


def cli(live: LiveStack, *arguments: str) -> float:
    """Seconds of a command of the CLI.

    Raises:
        RuntimeError: it failed; the text is what it said.
    """

    def run() -> None:
        result = live.cli(*arguments, "--stack", live.name)
        if result.returncode:
            raise RuntimeError(result.stdout + result.stderr)

    return timed(run)


def up(live: LiveStack) -> float:
    """Seconds of an update without a preview."""
    return cli(live, "up", "--yes", "--skip-preview")


def destroy(live: LiveStack) -> None:
    """Destroys what `up` made."""
    cli(live, "destroy", "--yes", "--skip-preview")
