"""`MonitoringRole`: the role that measures a Citus cluster, on each of its nodes.

It may see all statistics (`pg_monitor`) and log in to every database, and is no superuser. Citus
copies a role to a worker, but neither the right to connect nor, in all versions, its memberships:
each node is told here.

The state holds the provider as a reference to this module and class: never move or rename them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CreateResult, Resource, UpdateResult

from components.citus.membership import Connection, addresses_of, errors_of_one_line, server_of
from components.dynamic import Properties, Provider

if TYPE_CHECKING:
    from components.citus.sessions import Session


@dataclass(frozen=True, kw_only=True)
class MonitoringRoleArgs:
    """The role and where it is let in.

    Attributes:
        role: its name.
        role_password: secret.
        databases: names of the databases besides `postgres`.
        workers: `host:port` of each worker, as the coordinator dials it.
        connection: reaches the coordinator.
    """

    role: str
    role_password: pulumi.Input[str]
    databases: Sequence[str]
    workers: Sequence[str]
    connection: Connection


class MonitoringRoleProvider(Provider):
    """Carries out a `MonitoringRole` over one connection to the coordinator."""

    def create(self, props: Properties) -> CreateResult:
        """Makes the role, or brings one that is there into order."""
        _ensure(props)
        return CreateResult(str(props["role"]), dict(props))

    def update(self, _id: str, _olds: Properties, news: Properties) -> UpdateResult:
        """The same again: also for a worker or a database that is new."""
        _ensure(news)
        return UpdateResult(dict(news))

    def delete(self, _id: str, props: Properties) -> None:
        """Drops the role on all nodes."""
        from components.citus.sessions import MAINTENANCE_DATABASE, connect

        with errors_of_one_line(), connect(server_of(props), MAINTENANCE_DATABASE) as session:
            _drop(session, props)


class MonitoringRole(Resource, name="MonitoringRole"):
    """A role that may look at everything in a cluster, and change nothing.

    It must come after every `Membership`: Citus copies all roles to a worker that joins, and one
    that is made at the same moment would make both fail.
    """

    def __init__(
        self, name: str, args: MonitoringRoleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        connection = args.connection
        props = {
            "role": args.role,
            "role_password": pulumi.Output.secret(args.role_password),
            "databases": list(args.databases),
            "workers": list(args.workers),
            "host": connection.host,
            "port": connection.port,
            "user": connection.user,
            "password": pulumi.Output.secret(connection.password),
            "sslmode": connection.sslmode,
            "sslrootcert": connection.sslrootcert,
        }
        secrets = ["password", "role_password"]
        super().__init__(
            MonitoringRoleProvider(),
            name,
            props,
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=secrets)
            ),
        )


def _ensure(props: Properties) -> None:
    from psycopg import sql

    from components.citus.sessions import MAINTENANCE_DATABASE, clear_errors, connect, value

    role, name = str(props["role"]), sql.Identifier(str(props["role"]))
    databases = [MAINTENANCE_DATABASE, *map(str, props["databases"])]
    grants = sql.SQL("GRANT pg_monitor TO {}; GRANT CONNECT ON DATABASE {} TO {}").format(
        name, sql.SQL(", ").join(map(sql.Identifier, databases)), name
    )
    with (
        errors_of_one_line(),
        clear_errors(MAINTENANCE_DATABASE),
        connect(server_of(props), MAINTENANCE_DATABASE) as session,
    ):
        # Encrypted here: the server's log must not show it.
        verifier = session.pgconn.encrypt_password(
            str(props["role_password"]).encode(), role.encode(), b"scram-sha-256"
        ).decode()
        known = value(session, "SELECT true FROM pg_roles WHERE rolname = %s", [role])
        session.execute(
            sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                sql.SQL("ALTER" if known else "CREATE"), name, verifier
            )
        )
        _on_each_node(session, props, grants)


def _drop(session: "Session", props: Properties) -> None:
    from psycopg import sql

    from components.citus.sessions import MAINTENANCE_DATABASE, clear_errors, value

    role = str(props["role"])
    with clear_errors(MAINTENANCE_DATABASE):
        if not value(session, "SELECT true FROM pg_roles WHERE rolname = %s", [role]):
            return
        name = sql.Identifier(role)
        # Its rights on the databases: with them it cannot be dropped.
        _on_each_node(session, props, sql.SQL("DROP OWNED BY {}").format(name))
        session.execute(sql.SQL("DROP ROLE {}").format(name))


def _on_each_node(session: "Session", props: Properties, statement: Any) -> None:
    """Runs a statement on the coordinator and on each worker, without Citus' sending it on."""
    from psycopg import sql

    from components.citus.sessions import MAINTENANCE_DATABASE, on_worker

    off = sql.SQL("SET citus.enable_ddl_propagation TO off")
    session.execute(off)
    session.execute(statement)
    session.execute("RESET citus.enable_ddl_propagation")
    for worker in addresses_of(props["workers"]):
        on_worker(session, worker, MAINTENANCE_DATABASE, off + sql.SQL("; ") + statement)
