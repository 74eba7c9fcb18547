"""What the tests ask of PostgreSQL, as an application and as its administrator."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg

from tests.stack import LiveStack, docker

ROWS = 100_000


def admin(
    stack: LiveStack, statement: str, database: str = "postgres", node: str = ""
) -> list[str]:
    """Runs SQL as superuser inside a node's container; a line per row."""
    return docker(
        "exec",
        stack.container(node or "citus-coordinator"),
        *("psql", "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-tA", "-c"),
        statement,
    ).splitlines()


def ask(url: str, statement: LiteralString, *values: Any) -> Any:
    """The single value that a query gives an application."""
    with psycopg.connect(url, connect_timeout=10) as connection:
        row = connection.execute(statement, values).fetchone()
        return row[0] if row else None


def fill(url: str) -> None:
    """Makes a distributed table of `ROWS` rows and a reference table."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE events (id bigint PRIMARY KEY, payload text NOT NULL)")
        connection.execute("SELECT create_distributed_table('events', 'id')")
        connection.execute("CREATE TABLE countries (code text PRIMARY KEY)")
        connection.execute("SELECT create_reference_table('countries')")
        connection.execute("INSERT INTO countries VALUES ('es'), ('fr'), ('pt')")
        connection.execute(
            "INSERT INTO events SELECT n, md5(n::text) FROM generate_series(1, %s) n", [ROWS]
        )


def contents(url: str) -> tuple[Any, ...]:
    """Count, sum and checksum of the rows that `fill` wrote, and the reference rows."""
    with psycopg.connect(url) as connection:
        events = connection.execute(
            "SELECT count(*), sum(id), sum(hashtext(payload)::bigint) FROM events WHERE id <= %s",
            [ROWS],
        ).fetchone()
        countries = connection.execute("SELECT string_agg(code, ',' ORDER BY code) FROM countries")
        return (*(events or ()), *(countries.fetchone() or ()))


def members(stack: LiveStack, database: str) -> list[str]:
    """The registered workers of a database that may hold shards."""
    return admin(
        stack,
        "SELECT nodename FROM pg_dist_node WHERE groupid <> 0 AND shouldhaveshards ORDER BY 1",
        database,
    )


def shards(stack: LiveStack, database: str) -> dict[str, int]:
    """The number of the distributed table's shards on each worker."""
    rows = admin(
        stack,
        "SELECT nodename, count(*) FROM citus_shards WHERE table_name = 'events'::regclass "
        "GROUP BY 1",
        database,
    )
    return {node: int(count) for node, count in (row.split("|") for row in rows)}


@dataclass
class Writer:
    """An application that inserts a row about every 10 ms.

    Attributes:
        written: rows that were acknowledged.
        failures: errors it met.
        longest: the longest insert, in seconds.
    """

    written: int = 0
    failures: list[str] = field(default_factory=list)
    longest: float = 0


@contextmanager
def writing(url: str) -> Iterator[Writer]:
    """Writes while the block runs."""
    writer, stop = Writer(), threading.Event()
    first = ROWS + 1 + int(time.time() * 1000)

    def write() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not stop.wait(0.01):
                start = time.monotonic()
                try:
                    connection.execute(
                        "INSERT INTO events VALUES (%s, 'written')", [first + writer.written]
                    )
                    writer.written += 1
                except psycopg.Error as error:
                    writer.failures.append(str(error))
                writer.longest = max(writer.longest, time.monotonic() - start)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield writer
    finally:
        stop.set()
        thread.join()
