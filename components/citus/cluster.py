"""`CitusCluster`: a coordinator, its workers, and the roles that use them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

import pulumi
import pulumi_docker as docker
import pulumi_postgresql as postgresql
import pulumi_random as random

from components.citus.membership import Connection, Membership, MembershipArgs
from components.citus.node import CitusNode, CitusNodeArgs
from components.citus.passfile import write_passfile
from components.hosts.host import Host

SUPERUSER = "postgres"
PORT = 5432


@dataclass(frozen=True, kw_only=True)
class NodeLimits:
    """Limits of a node: memory in MiB, CPUs in cores."""

    memory_mb: int
    cpus: float


@dataclass(frozen=True, kw_only=True)
class RoleArgs:
    """A role that logs in with a password of its own.

    Attributes:
        password_version: another number gives it another password.
        protect: whether Pulumi refuses to drop it.
    """

    password_version: int = 1
    protect: bool = False


@dataclass(frozen=True, kw_only=True)
class CitusClusterArgs:
    """A cluster.

    Attributes:
        image: PostgreSQL with Citus.
        helper_image: busybox, to write files into volumes.
        workers: number of workers; their ordinals count from 1, and the highest leave first.
        port: the coordinator's port on its host.
        roles: roles by name, one for each application.
        databases: names of the cluster's databases, without `postgres`.
        rebalance: `online`, or `block_writes` for tables without a primary key.
        protect: whether Pulumi refuses to delete the coordinator's data.
    """

    image: str
    helper_image: str
    workers: int
    coordinator_limits: NodeLimits
    worker_limits: NodeLimits
    port: int = PORT
    roles: Mapping[str, RoleArgs] = field(default_factory=dict)
    databases: Sequence[str] = ()
    rebalance: Literal["online", "block_writes"] = "online"
    protect: bool = False


class CitusCluster(pulumi.ComponentResource):
    """Distributed PostgreSQL: a coordinator that is ready, with workers registered in `postgres`.

    Resources: a `CitusNode` for the coordinator and for each worker, a data directory and a writer
    for the PGPASSFILE, a `random.RandomPassword` for the superuser and for each role, a
    `postgresql.Provider`, a `postgresql.Role` for each role, and the `Membership` of `postgres`.

    Attributes:
        provider: connects to the coordinator as superuser.
        passwords: the roles' passwords.
        endpoint: `host:port` that applications dial.
        ready: depend on it to reach a cluster that answers.
    """

    provider: postgresql.Provider
    passwords: Mapping[str, pulumi.Output[str]]
    endpoint: str
    ready: Sequence[pulumi.Resource]

    def __init__(
        self,
        name: str,
        args: CitusClusterArgs,
        host: Host,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:citus:Cluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._args = args
        self._host = host
        self.endpoint = f"{host.address}:{args.port}"

        self._superuser_password = _password(f"{name}-superuser", 1, child)
        self.passwords = {
            role: _password(f"{name}-role-{role}", options.password_version, child)
            for role, options in args.roles.items()
        }
        secrets = write_passfile(
            f"{name}-secrets",
            host,
            image=args.helper_image,
            passwords={SUPERUSER: self._superuser_password, **self.passwords},
            opts=child,
        )

        def node(
            service: str, ordinal: int, limits: NodeLimits, *, port: int | None, protect: bool
        ) -> CitusNode:
            return CitusNode(
                f"{service}-{ordinal}" if ordinal else service,
                CitusNodeArgs(
                    service=service,
                    ordinal=ordinal,
                    image=args.image,
                    memory_mb=limits.memory_mb,
                    cpus=limits.cpus,
                    worker_cpus=args.worker_limits.cpus,
                    databases=len(args.databases) + 1,
                    password=self._superuser_password,
                    secrets=secrets,
                    port=port,
                ),
                host,
                protect=protect,
                opts=child,
            )

        coordinator = node(
            "citus-coordinator", 0, args.coordinator_limits, port=args.port, protect=args.protect
        )
        # A worker is never protected: it leaves by config, once it has been drained.
        workers = [
            node("citus-worker", ordinal, args.worker_limits, port=None, protect=False)
            for ordinal in range(1, args.workers + 1)
        ]
        nodes = [coordinator.container, *(worker.container for worker in workers)]

        # The gate: whatever needs the cluster comes after it, also when a node was replaced.
        membership = self.join(
            f"{name}-members", SUPERUSER, owner=None, containers=nodes, parent=self
        )
        self.provider = postgresql.Provider(
            f"{name}-postgresql",
            host=host.address,
            port=args.port,
            username=SUPERUSER,
            password=self._superuser_password,
            sslmode="require",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[membership]),
        )
        roles = [
            postgresql.Role(
                f"{name}-{role}",
                name=role,
                login=True,
                password=self.passwords[role],
                opts=pulumi.ResourceOptions(
                    parent=self,
                    provider=self.provider,
                    depends_on=[membership],
                    protect=options.protect,
                ),
            )
            for role, options in args.roles.items()
        ]
        # Citus copies all roles to a worker whenever a database joins it: a role that is created at
        # the same moment would make both fail.
        self.ready = [membership, *roles]
        self.register_outputs({"endpoint": self.endpoint})

    def url(self, role: str, database: str) -> pulumi.Output[str]:
        """A connection URL (libpq's "Connection URIs") with the role's password; secret."""
        address = f"{self.endpoint}/{quote(database, safe='')}"
        return pulumi.Output.concat(
            "postgresql://", quote(role, safe=""), ":", self.passwords[role], "@", address
        )

    def join(
        self,
        name: str,
        database: str,
        *,
        owner: str | None,
        parent: pulumi.Resource,
        depends_on: Sequence[pulumi.Resource] = (),
        containers: Sequence[docker.Container] = (),
        protect: bool = False,
    ) -> Membership:
        """Registers the cluster's workers in `database`, which exists on the coordinator.

        Adding a worker later is an update of this resource; for one that leaves, the update drains
        it, before Pulumi deletes its container.
        """
        prefix = self._host.prefix
        return Membership(
            name,
            MembershipArgs(
                database=database,
                owner=owner,
                coordinator=f"{prefix}citus-coordinator:{PORT}",
                workers=[
                    f"{prefix}citus-worker-{ordinal}:{PORT}"
                    for ordinal in range(1, self._args.workers + 1)
                ],
                databases=self._args.databases,
                containers=[container.id for container in containers],
                connection=Connection(
                    host=self._host.address,
                    port=self._args.port,
                    user=SUPERUSER,
                    password=self._superuser_password,
                ),
                rebalance=self._args.rebalance,
            ),
            opts=pulumi.ResourceOptions(parent=parent, depends_on=depends_on, protect=protect),
        )


def _password(name: str, version: int, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Letters and digits, so that it fits unquoted into URLs, files and shells."""
    return random.RandomPassword(
        name, length=32, special=False, keepers={"version": str(version)}, opts=opts
    ).result
