"""(b) A preview and an `up` without change, against an empty program, and how they grow."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.measure import alternate, report
from bench.stacks import PORTS, cli, destroy, projects, stack, up
from ops.stack import REPOSITORY
from tests.stack import LiveStack

GOAL = 2.0
SIZES = (1, 25, 50)


def measure() -> None:
    """Measures a stack that is up, then previews of larger ones."""
    with (
        stack("nochange", projects=projects(1)) as live,
        tempfile.TemporaryDirectory() as directory,
    ):
        empty = _empty_program(Path(directory))
        up(live)
        for command in (("preview",), ("up", "--yes")):
            times = alternate(
                {"ours": partial(cli, live, *command), "empty": partial(cli, empty, *command)}
            )
            report(f"(b) {command[0]} without change", times["ours"], times["empty"], GOAL)
        destroy(live)
    _growth()


def _empty_program(directory: Path) -> LiveStack:
    (directory / "state").mkdir()
    (directory / ".venv").symlink_to(REPOSITORY / ".venv")
    (directory / "Pulumi.yaml").symlink_to(REPOSITORY / "Pulumi.yaml")
    (directory / "__main__.py").write_text("import pulumi\n")
    empty = LiveStack("bench-empty", directory, PORTS)
    empty.cli("stack", "select", "--create", empty.name)
    up(empty)
    return empty


def _growth() -> None:
    with stack("growth") as live:

        def preview(count: int) -> float:
            live.configure(projects=projects(count), citus={"workers": max(2, count)})
            return cli(live, "preview")

        sides: dict[str, Callable[[], float]] = {
            str(count): partial(preview, count) for count in SIZES
        }
        times = alternate(sides, runs=3)
    small, middle, large = (times[str(count)].median for count in SIZES)
    for count in SIZES:
        print(f"(b) preview of {count} workers and projects: {times[str(count)]}")
    print(
        f"  growth to 50 over growth to 25: {(large - small) / (middle - small):.2f}, linear is 2"
    )
