"""(a) `up` of dev from nothing, against a plain script."""

from bench.floor import Floor
from bench.measure import alternate, report, timed
from bench.stacks import destroy, floor, projects, stack, up
from tests.stack import LiveStack

GOAL = 1.5


def measure() -> None:
    """Measures with one project and with three."""
    for count in (1, 3):
        with stack("startup", projects=projects(count)) as live, floor(live) as script:
            _compare(live, script, count)


def _compare(live: LiveStack, script: Floor, count: int) -> None:
    def ours() -> float:
        seconds = up(live)
        destroy(live)
        return seconds

    def plain() -> float:
        seconds = timed(lambda: script.up(list(projects(count))))
        script.down()
        return seconds

    times = alternate({"ours": ours, "floor": plain})
    report(f"(a) up from nothing, {count} projects", times["ours"], times["floor"], GOAL)
