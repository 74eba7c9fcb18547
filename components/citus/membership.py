"""`Membership`: which workers a database of a Citus cluster has, as a Pulumi resource.

The list of workers is a property, so another number of workers is an *update* of this resource,
while the container of a worker that leaves is a *delete*: Pulumi updates first, and deletes nothing
after a failed update. So a worker is drained before it goes.

The state holds the provider as a reference to this module and class: never move or rename them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pulumi
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    UpdateResult,
)

from components.dynamic import Provider

if TYPE_CHECKING:
    from components.citus.reconcile import Target
    from components.citus.sessions import Address, Server

CONNECTION = ("host", "port", "user", "password", "sslmode", "sslrootcert")
"""The properties of a `Connection`."""


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How the machine that runs Pulumi logs in to the coordinator, as a superuser.

    `sslmode` and `sslrootcert` are libpq's.
    """

    host: pulumi.Input[str]
    port: int
    user: str
    password: pulumi.Input[str] = field(repr=False)
    sslmode: str = "require"
    sslrootcert: pulumi.Input[str] | None = None


@dataclass(frozen=True, kw_only=True)
class MembershipArgs:
    """The members of one database.

    Attributes:
        database: exists on the coordinator already.
        owner: role that owns the database on the workers too, so that it may create there what it
            creates here; None for `postgres`.
        coordinator: `host:port` under which the nodes reach the coordinator.
        workers: `host:port` of each worker, in the order of their ordinals.
        databases: names of all databases of the cluster that have a membership. A worker does not
            leave while it is a member of any other.
        containers: ids of the nodes' containers; when one is replaced, its node is waited for.
        connection: reaches the coordinator.
        rebalance: `online`, or `block_writes` for tables without a primary key.
        ready_timeout: seconds that coordinator and workers get to answer.
    """

    database: str
    owner: str | None
    coordinator: str
    workers: Sequence[str]
    databases: Sequence[str]
    connection: Connection
    containers: Sequence[pulumi.Input[str]] = ()
    rebalance: Literal["online", "block_writes"] = "online"
    ready_timeout: int = 120


class MembershipProvider(Provider):
    """Carries out a `Membership` over one connection to the coordinator."""

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Compares without connecting.

        `databases`, `rebalance` and `ready_timeout` only say how a change is made: another value is
        none. Another connection is kept for later deletes.

        Raises:
            ValueError: another database: it cannot be renamed on several nodes at once.
        """
        kept = ("containers", "owner", "coordinator", *CONNECTION)
        if olds.get("database") != news.get("database"):
            raise ValueError(
                f"database {olds.get('database')!r} cannot be renamed to {news.get('database')!r}: "
                "add a project with the new name, copy the data, then remove this one"
            )
        changes = _differ(olds.get("workers"), news.get("workers")) or any(
            olds.get(key) != news.get(key) for key in kept
        )
        return DiffResult(changes=changes)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Reconciles: what a killed run has begun is completed."""
        _reconcile(props)
        return CreateResult(str(props["database"]), dict(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Reconciles from what the coordinator says, not from the old state."""
        _reconcile(news)
        return UpdateResult(dict(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """The actual members, in the order of the list, others last."""
        from components.citus.reconcile import members

        with errors_of_one_line():
            found = members(server_of(props), str(props["database"]))
        if found is None:
            return ReadResult("", {})
        actual = [str(address) for address in found]
        listed = [worker for worker in props["workers"] if worker in actual]
        others = [worker for worker in actual if worker not in listed]
        return ReadResult(id_, {**props, "workers": [*listed, *others]})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Drops the database on the workers; the coordinator's goes with its own resource."""
        from components.citus.reconcile import dissolve

        with errors_of_one_line():
            dissolve(server_of(props), str(props["database"]), addresses_of(props["workers"]))


class Membership(Resource, name="Membership"):
    """The workers of one database: registered, each with its share of the shards.

    Create and update wait for coordinator and workers to answer, so this is where a stack waits for
    its cluster. A worker that joins gets the database, its owner, the extension and shards; one
    that leaves is drained and removed, in this database. Delete drops the database on the workers,
    with all rows in it.

    Attributes:
        workers: addresses of the members.
    """

    workers: pulumi.Output[Sequence[str]]

    def __init__(
        self, name: str, args: MembershipArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        connection = args.connection
        props = {
            "database": args.database,
            "owner": args.owner,
            "coordinator": args.coordinator,
            "workers": list(args.workers),
            "databases": list(args.databases),
            "containers": list(args.containers),
            "rebalance": args.rebalance,
            "ready_timeout": args.ready_timeout,
            "host": connection.host,
            "port": connection.port,
            "user": connection.user,
            "password": pulumi.Output.secret(connection.password),
            "sslmode": connection.sslmode,
            "sslrootcert": connection.sslrootcert,
        }
        super().__init__(
            MembershipProvider(),
            name,
            props,
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=["password"])
            ),
        )


def _differ(old: Any, new: Any) -> bool:
    """Whether two lists of workers differ as sets; one may not be known yet."""
    if not (isinstance(old, list) and isinstance(new, list)):
        return bool(old != new)
    return set(old) != set(new)


def _reconcile(props: dict[str, Any]) -> None:
    from components.citus.reconcile import reconcile

    with errors_of_one_line():
        reconcile(_target(props))


def _target(props: dict[str, Any]) -> "Target":
    from components.citus.reconcile import Target
    from components.citus.sessions import Address

    return Target(
        server=server_of(props),
        database=str(props["database"]),
        owner=props.get("owner"),
        coordinator=Address.parse(str(props["coordinator"])),
        workers=addresses_of(props["workers"]),
        databases=list(props["databases"]),
        mode="auto" if props["rebalance"] == "online" else "block_writes",
        patience=float(props["ready_timeout"]),
    )


def server_of(props: dict[str, Any]) -> "Server":
    """The coordinator, from the properties of a `Connection`."""
    from components.citus.sessions import Server

    return Server(
        host=str(props["host"]),
        port=int(props["port"]),  # numbers arrive as floats
        user=str(props["user"]),
        password=str(props["password"]),
        sslmode=str(props["sslmode"]),
        sslrootcert=props.get("sslrootcert"),
    )


def addresses_of(workers: Sequence[str]) -> "list[Address]":
    """The nodes, from their `host:port`."""
    from components.citus.sessions import Address

    return [Address.parse(worker) for worker in workers]


@contextmanager
def errors_of_one_line() -> Iterator[None]:
    """Pulumi shows a provider's error with its traceback: leave the sentence only."""
    from components.citus.sessions import CitusError

    try:
        yield
    except CitusError as error:
        raise RuntimeError(str(error)) from None
