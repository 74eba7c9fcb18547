"""(c) Two workers to three and back, with a million rows and a writer, against raw SQL."""

from collections.abc import Callable

import psycopg

from bench.floor import Floor
from bench.measure import RUNS, Timing, report, timed
from bench.stacks import floor, projects, stack, up
from tests.local.database import Writer, writing
from tests.stack import LiveStack

GOAL = 1.3
LONGEST_INSERT = 0.5
TABLE = (
    "CREATE TABLE events (id bigint PRIMARY KEY, payload text NOT NULL)",
    "SELECT create_distributed_table('events', 'id')",
    "INSERT INTO events SELECT n, md5(n::text) FROM generate_series(1, 1000000) n",
)
PROJECTS = projects(1)
(DATABASE,) = PROJECTS


def measure() -> None:
    """Measures both directions, alternately on both clusters."""
    with stack("scaling", projects=PROJECTS) as live, floor(live) as script:
        up(live)
        script.up([DATABASE])
        _compare(live, script)


def _compare(live: LiveStack, script: Floor) -> None:
    ours = str(live.outputs()["projects"][DATABASE]["database_url"])
    raw = script.url(DATABASE)
    for url in (ours, raw):
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in TABLE:
                connection.execute(statement.encode())
    writers: list[Writer] = []

    def watched(url: str, action: Callable[[], object]) -> float:
        with writing(url) as writer:
            seconds = timed(action)
        writers.append(writer)
        return seconds

    def to(workers: int) -> None:
        live.configure(projects=PROJECTS, citus={"workers": workers})
        up(live)

    def raw_out() -> None:
        script.start(3)
        script.create(DATABASE, 3)
        for database in ("postgres", DATABASE):
            script.register(database, [3])
        script.rebalance(DATABASE)

    def raw_in() -> None:
        for database in (DATABASE, "postgres"):
            script.leave(database, 3)
        script.stop(3)

    steps: dict[str, Callable[[], float]] = {
        "out": lambda: watched(ours, lambda: to(3)),
        "raw out": lambda: watched(raw, raw_out),
        "in": lambda: watched(ours, lambda: to(2)),
        "raw in": lambda: watched(raw, raw_in),
    }
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(RUNS):
        for name, step in steps.items():
            taken[name].append(step())
    times = {name: Timing(tuple(seconds)) for name, seconds in taken.items()}
    report("(c) 2→3 with a million rows", times["out"], times["raw out"], GOAL)
    report("(c) 3→2 with a million rows", times["in"], times["raw in"], GOAL)
    longest = max(writer.longest for writer in writers)
    failed = sum(len(writer.failures) for writer in writers)
    verdict = "met" if longest < LONGEST_INSERT and not failed else "MISSED"
    print(f"  longest insert {longest * 1000:.0f} ms, {failed} failed: {verdict}", flush=True)
