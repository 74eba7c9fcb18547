"""A PostgreSQL server: its settings, connections and error messages."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from standin.resource import Property, StandInError
from standin.values import Properties

if TYPE_CHECKING:
    from psycopg.sql import SQL, Composed

    Statement: TypeAlias = SQL | Composed

CONFIG: Final[Mapping[str, Property]] = {
    "host": Property(kind=str, default="localhost"),
    "port": Property(kind=int, default=5432),
    "scheme": Property(kind=str, default="postgres", allowed=("postgres",)),
    "database": Property(kind=str, default="postgres"),
    "username": Property(kind=str, default="postgres"),
    "password": Property(kind=str, secret=True),
    "databaseUsername": Property(kind=str),
    "superuser": Property(kind=bool, default=True, allowed=(True,)),
    "sslmode": Property(kind=str, default="require"),
    "sslrootcert": Property(kind=str),
    "connectTimeout": Property(kind=int, default=180),
    "maxConnections": Property(kind=int, default=20),
    "expectedVersion": Property(kind=str),
}


class Server:
    """Opens connections, at most `maxConnections` at a time."""

    def __init__(self, settings: Properties) -> None:
        self._settings = settings
        self._free = threading.Semaphore(settings["maxConnections"] or 1000)  # 0: no limit

    @property
    def user(self) -> str:
        """The role that owns what is created for nobody."""
        return str(self._settings.get("databaseUsername") or self._settings["username"])

    @property
    def database(self) -> str:
        """The database that is connected to unless another is named."""
        return str(self._settings["database"])

    def run(self, *statements: "Statement", database: str | None = None) -> None:
        """Runs statements, each in a transaction of its own."""
        with self._connection(database) as connection:
            for statement in statements:
                connection.execute(statement)

    def row(
        self, query: str, values: Sequence[Any] | Mapping[str, Any], database: str | None = None
    ) -> tuple[Any, ...] | None:
        """The first row of a query's result."""
        with self._connection(database) as connection:
            row: tuple[Any, ...] | None = connection.execute(query, values).fetchone()
            return row

    @contextmanager
    def _connection(self, database: str | None) -> Iterator[Any]:
        import psycopg

        settings = self._settings
        with self._free:
            try:
                connection = psycopg.connect(
                    host=settings["host"],
                    port=settings["port"],
                    dbname=database or self.database,
                    user=settings["username"],
                    password=settings.get("password"),
                    sslmode=settings["sslmode"],
                    sslrootcert=settings.get("sslrootcert"),
                    connect_timeout=settings["connectTimeout"],
                    autocommit=True,
                )
            except psycopg.OperationalError as error:
                raise StandInError(self._cannot_connect(str(error))) from None
            try:
                with connection:
                    yield connection
            except psycopg.Error as error:
                message = error.diag.message_primary or str(error)
                state = f" ({error.sqlstate})" if error.sqlstate else ""
                raise DatabaseError(f"pq: {message}{state}", error.sqlstate) from None

    def _cannot_connect(self, reason: str) -> str:
        host, port = self._settings["host"], self._settings["port"]
        if "Connection refused" in reason:
            reason = f"dial tcp {host}:{port}: connect: connection refused"
        else:
            reason = reason.splitlines()[0].partition("failed: ")[2] or reason
            reason = reason.replace("FATAL:  ", "pq: ")
        return f"error connecting to PostgreSQL server {host} (scheme: postgres): {reason}"


class DatabaseError(StandInError):
    """A statement that PostgreSQL refused.

    Attributes:
        state: PostgreSQL's error code.
    """

    def __init__(self, message: str, state: str | None) -> None:
        super().__init__(message)
        self.state = state


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Puts what was tried before the message of a refused statement."""
    try:
        yield
    except DatabaseError as error:
        raise DatabaseError(f"error {what}: {error}", error.state) from None


def statement(text: str, /, *names: str, **literals: Any) -> "Composed":
    """Fills identifiers into `{}` and values into `{name}`."""
    from psycopg import sql

    identifiers = [sql.Identifier(name) for name in names]
    values = {name: sql.Literal(value) for name, value in literals.items()}
    return sql.SQL(text).format(*identifiers, **values)
