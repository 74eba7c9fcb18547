"""Sessions with a Citus coordinator, and through it with its workers.

The machine that runs Pulumi reaches the coordinator only. Workers are reached from there, by
`dblink`, with the PGPASSFILE and the TLS settings that Citus itself uses.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

MAINTENANCE_DATABASE = "postgres"
"""Exists on every node; commands for other nodes start here."""

RETRY_SECONDS = 0.2
CONNECT_TIMEOUT = 5
"""Seconds for one login."""

# Refusals that pass by themselves.
_PASSING = (
    "starting up",
    "shutting down",
    "not yet accepting",
    "terminating connection",
    "too many clients",
    "remaining connection slots",
)

Session = psycopg.Connection[tuple[Any, ...]]


class CitusError(Exception):
    """What went wrong and what to do, for the person who runs Pulumi."""


class NotReadyError(CitusError):
    """A server does not answer, and may yet."""


@dataclass(frozen=True)
class Address:
    """A node as other nodes dial it, and as `pg_dist_node` holds it."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Reads `host:port`.

        Raises:
            CitusError: when the port is missing or no number.
        """
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal():
            raise CitusError(f"{text!r} is no address of a node: write it as host:port")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Server:
    """How this machine logs in to the coordinator, as a superuser."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    sslmode: str
    sslrootcert: str | None = None


def connect(server: Server, database: str, *, patience: float = 0) -> Session:
    """Opens a session in which each statement commits by itself.

    Args:
        server: the coordinator.
        database: its database.
        patience: seconds that a server which does not answer gets to start.

    Raises:
        NotReadyError: when it did not answer in time.
        CitusError: when it answered and refused the login, at once.
    """
    return _patiently(patience)(_connect, server, database)


def await_worker(
    session: Session, worker: Address, *, patience: float, database: str = MAINTENANCE_DATABASE
) -> None:
    """Waits until a worker answers the coordinator.

    Raises:
        NotReadyError: when it did not within `patience` seconds.
        CitusError: when it refused the login, at once.
    """
    _patiently(patience)(_greet, session, worker, database)


def on_worker(session: Session, worker: Address, database: str, statement: sql.Composable) -> None:
    """Runs a statement in a worker's database, outside of any transaction.

    `session` is one in the coordinator's maintenance database.
    """
    _dblink(session, "SELECT dblink_exec(%s, %s)", worker, database, statement.as_string(session))


def ask_worker(
    session: Session, worker: Address, database: str, query: sql.Composable
) -> str | None:
    """The only value that a query gives on a worker, as text; None for no row."""
    return _dblink(
        session,
        "SELECT value FROM dblink(%s, %s) AS answer(value text)",
        worker,
        database,
        query.as_string(session),
    )


def value(session: Session, query: str, parameters: Sequence[object] = ()) -> Any:
    """The first column of a query's first row; None for no row."""
    row = session.execute(query.encode(), parameters).fetchone()
    return row[0] if row else None


@contextmanager
def clear_errors(database: str) -> Iterator[None]:
    """Names the database in every error, and leaves only what a person needs of PostgreSQL's."""
    try:
        yield
    except CitusError as error:
        raise CitusError(f"database {database}: {error}") from error
    except psycopg.Error as error:
        raise CitusError(f"database {database}: {describe(error)}") from error


def describe(error: psycopg.Error) -> str:
    """PostgreSQL's message, with its detail and hint, on one line."""
    diagnostics = error.diag
    parts = [
        diagnostics.message_primary or str(error),
        diagnostics.message_detail,
        diagnostics.message_hint,
    ]
    return "; ".join(" ".join(part.split()) for part in parts if part)


def is_final(message: str) -> bool:
    """Whether a failed login was refused by a running server for good, as for a wrong password."""
    return "FATAL:" in message and not any(passing in message for passing in _PASSING)


def _patiently(patience: float) -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(NotReadyError),
        wait=wait_fixed(RETRY_SECONDS),
        stop=stop_after_delay(patience),
        reraise=True,
    )


def _connect(server: Server, database: str) -> Session:
    try:
        return psycopg.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password,
            sslmode=server.sslmode,
            sslrootcert=server.sslrootcert,
            dbname=database,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT,
            application_name="arquitectura",
            # A server that vanished, and a lock that an application holds, end the wait.
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            options="-c lock_timeout=2min -c statement_timeout=30min",
        )
    except psycopg.OperationalError as error:
        where = f"the coordinator at {server.host}:{server.port}"
        raise _login_error(where, server.user, describe(error)) from error


def _greet(session: Session, worker: Address, database: str) -> None:
    try:
        ask_worker(session, worker, database, sql.SQL("SELECT 'ready'"))
    except psycopg.OperationalError as error:
        raise _login_error(f"worker {worker}", session.info.user, describe(error)) from error


def _login_error(where: str, user: str, message: str) -> CitusError:
    if "password authentication failed" in message:
        return CitusError(
            f"{where} refuses the password of {user!r}. A data directory keeps the password it was"
            " made with: restore that one in the stack, or set the new one there with ALTER ROLE"
        )
    if is_final(message):
        return CitusError(f"{where} refuses the login: {message}")
    return NotReadyError(f"{where} does not answer: {message}")


def _dblink(
    session: Session, query: str, worker: Address, database: str, remote: str
) -> str | None:
    conninfo = make_conninfo(
        value(session, "SHOW citus.node_conninfo"),
        host=worker.host,
        port=worker.port,
        dbname=database,
        user=session.info.user,
        connect_timeout=CONNECT_TIMEOUT,
        application_name="arquitectura",
    )
    answer: str | None = value(session, query, [conninfo, remote])
    return answer
