"""`CitusCluster`: a coordinator, its workers, and the roles that use them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

import pulumi
import pulumi_docker as docker
import pulumi_postgresql as postgresql
import pulumi_random as random

from components.access import Access
from components.authority import CertificateAuthority
from components.citus.membership import Connection, Membership, MembershipArgs
from components.citus.monitoring_role import MonitoringRole, MonitoringRoleArgs
from components.citus.node import CitusNode, CitusNodeArgs, NodeTls
from components.citus.passfile import write_passfile
from components.hosts.host import Host

SUPERUSER = "postgres"
MONITORING = "monitoring"
"""The role that measures."""


@dataclass(frozen=True, kw_only=True)
class MemberArgs:
    """A node: where it stands, and its limits.

    Attributes:
        ordinal: 0 for the coordinator, else the worker's number; the highest leave first.
        host: where its container runs.
        address: host under which the other nodes dial it. None: its container's name, which is
            enough when all stand on one host.
        port: where they dial it.
        published: port on its host, where it is reached from outside of that host's Docker.
        memory_mb: memory limit in MiB.
        cpus: CPU limit in cores.
    """

    ordinal: int
    host: Host
    memory_mb: int
    cpus: float
    address: str | None = None
    port: int = 5432
    published: int | None = None

    @property
    def service(self) -> str:
        """Its service: `citus-coordinator` or `citus-worker`."""
        return "citus-worker" if self.ordinal else "citus-coordinator"

    @property
    def name(self) -> str:
        """Its name within the stack."""
        return f"{self.service}-{self.ordinal}" if self.ordinal else self.service

    @property
    def dialed_host(self) -> str:
        """The host under which the other nodes dial it."""
        return self.address or f"{self.host.prefix}{self.name}"

    @property
    def dialed(self) -> str:
        """`host:port` under which the other nodes dial it."""
        return f"{self.dialed_host}:{self.port}"


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
        coordinator: the node that applications connect to.
        workers: the nodes that hold the shards, in the order in which they joined.
        access: how the coordinator is reached from outside.
        roles: roles by name, one for each application.
        databases: names of the cluster's databases, without `postgres`.
        rebalance: `online`, or `block_writes` for tables without a primary key.
        authority: certifies the nodes, which then take TLS only and verify each other. Without it
            they encrypt and verify nothing, as is enough on one machine.
        rolling: whether changes that replace nodes do so one after the other.
        monitored: whether the nodes let a role in that measures them, see `monitor`.
        protect: whether Pulumi refuses to delete the coordinator's data.
    """

    image: str
    helper_image: str
    coordinator: MemberArgs
    workers: Sequence[MemberArgs]
    access: Access
    roles: Mapping[str, RoleArgs] = field(default_factory=dict)
    databases: Sequence[str] = ()
    rebalance: Literal["online", "block_writes"] = "online"
    authority: CertificateAuthority | None = None
    rolling: bool = False
    monitored: bool = False
    protect: bool = False


class CitusCluster(pulumi.ComponentResource):
    """Distributed PostgreSQL: a coordinator that is ready, with workers registered in `postgres`.

    Resources: a `CitusNode` for the coordinator and for each worker, with `authority` its
    certificate, on each host a data directory and a writer for the PGPASSFILE, a
    `random.RandomPassword` for the superuser, for each role and for the one that measures, a
    `postgresql.Provider`, a `postgresql.Role` for each role, and the `Membership` of `postgres`.

    Attributes:
        provider: connects to the coordinator as superuser.
        passwords: the roles' passwords.
        endpoint: `host:port` that applications dial.
        sslmode: libpq's `sslmode` for that.
        monitoring_password: password of the role `monitoring`, where the cluster is `monitored`;
            secret.
        ready: depend on it to reach a cluster that answers.
    """

    provider: postgresql.Provider
    passwords: Mapping[str, pulumi.Output[str]]
    endpoint: pulumi.Output[str]
    sslmode: str
    monitoring_password: pulumi.Output[str]
    ready: Sequence[pulumi.Resource]

    def __init__(
        self,
        name: str,
        args: CitusClusterArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:citus:Cluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._args = args
        self.endpoint = args.access.endpoint
        # A certificate that nobody can verify still encrypts.
        self.sslmode = "verify-full" if args.authority else "require"

        self._superuser_password = _password(f"{name}-superuser", 1, child)
        self.passwords = {
            role: _password(f"{name}-role-{role}", options.password_version, child)
            for role, options in args.roles.items()
        }
        if args.monitored:
            self.monitoring_password = _password(f"{name}-monitoring", 1, child)
        measuring = {MONITORING: self.monitoring_password} if args.monitored else {}
        members = [args.coordinator, *args.workers]
        secrets = {
            host.name: write_passfile(
                f"{name}-secrets-{host.name}",
                host,
                image=args.helper_image,
                passwords={
                    SUPERUSER: self._superuser_password,
                    **self.passwords,
                    **measuring,
                },
                opts=child,
            )
            for host in {member.host.name: member.host for member in members}.values()
        }
        nodes: list[docker.Container] = []
        for member in members:
            made = CitusNode(
                member.name,
                CitusNodeArgs(
                    service=member.service,
                    ordinal=member.ordinal,
                    image=args.image,
                    memory_mb=member.memory_mb,
                    cpus=member.cpus,
                    worker_cpus=args.workers[0].cpus,
                    databases=len(args.databases) + 1,
                    password=self._superuser_password,
                    secrets=secrets[member.host.name],
                    port=member.published,
                    tls=self._tls(member),
                    rolling=args.rolling,
                ),
                member.host,
                # A worker is never protected: it leaves by config, once it has been drained.
                protect=args.protect and member is args.coordinator,
                opts=pulumi.ResourceOptions(
                    parent=self, depends_on=nodes[-1:] if args.rolling else None
                ),
            )
            nodes.append(made.container)

        # The gate: whatever needs the cluster comes after it, also when a node was replaced.
        membership = self.join(
            f"{name}-members",
            SUPERUSER,
            owner=None,
            containers=nodes,
            depends_on=args.access.ready,
            parent=self,
        )
        self.provider = postgresql.Provider(
            f"{name}-postgresql",
            host=args.access.host,
            port=args.access.port,
            username=SUPERUSER,
            password=self._superuser_password,
            sslmode=self.sslmode,
            sslrootcert=args.access.ca_file,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[membership]),
        )
        # Citus copies all roles to a worker whenever a database joins it: a role that is created at
        # the same moment would make both fail. So they come first, one after the other, and who
        # depends on the last depends on all.
        last: pulumi.Resource = membership
        for role, options in args.roles.items():
            last = postgresql.Role(
                f"{name}-{role}",
                name=role,
                login=True,
                password=self.passwords[role],
                opts=pulumi.ResourceOptions(
                    parent=self,
                    provider=self.provider,
                    depends_on=[last],
                    protect=options.protect,
                ),
            )
        self.ready = [last]
        self.register_outputs({"endpoint": self.endpoint})

    def _tls(self, member: MemberArgs) -> NodeTls | None:
        authority, access = self._args.authority, self._args.access
        if authority is None:
            return None
        # A node dials itself as localhost, and the coordinator is dialed from outside too.
        outside = member is self._args.coordinator
        return NodeTls(
            certificate=authority.issue(
                f"{member.name}-tls",
                names=["localhost", *([access.alias] if outside and access.alias else [])],
                addresses=["127.0.0.1", member.dialed_host, *([access.host] if outside else [])],
                parent=self,
            ),
            authority=authority.certificate,
        )

    def url(self, role: str, database: str, *, server: str | None = None) -> pulumi.Output[str]:
        """A connection URL (libpq's "Connection URIs") with the role's password; secret.

        Args:
            server: `host:port` of the coordinator within the private network, where the connection
                is only encrypted. None: the cluster's endpoint.
        """
        path = f"/{quote(database, safe='')}"
        mode = "require" if server else "verify-full"
        options = f"?sslmode={mode}" if self._args.authority else ""
        return pulumi.Output.concat(
            f"postgresql://{quote(role, safe='')}:",
            self.passwords[role],
            "@",
            server or self.endpoint,
            path + options,
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
        coordinator = self._args.coordinator
        return Membership(
            name,
            MembershipArgs(
                database=database,
                owner=owner,
                coordinator=coordinator.dialed,
                workers=[worker.dialed for worker in self._args.workers],
                databases=self._args.databases,
                containers=[container.id for container in containers],
                connection=self._connection,
                rebalance=self._args.rebalance,
            ),
            opts=pulumi.ResourceOptions(parent=parent, depends_on=depends_on, protect=protect),
        )

    def monitor(
        self, name: str, *, parent: pulumi.Resource, depends_on: Sequence[pulumi.Resource]
    ) -> MonitoringRole:
        """Makes the role `monitoring`, once every database has its workers: `depends_on` says so.

        The cluster must be `monitored`.
        """
        return MonitoringRole(
            name,
            MonitoringRoleArgs(
                role=MONITORING,
                role_password=self.monitoring_password,
                databases=self._args.databases,
                workers=[worker.dialed for worker in self._args.workers],
                connection=self._connection,
            ),
            pulumi.ResourceOptions(parent=parent, depends_on=[*self.ready, *depends_on]),
        )

    @property
    def _connection(self) -> Connection:
        access = self._args.access
        return Connection(
            host=access.host,
            port=access.port,
            user=SUPERUSER,
            password=self._superuser_password,
            sslmode=self.sslmode,
            sslrootcert=access.ca_file,
        )


def _password(name: str, version: int, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Letters and digits, so that it fits unquoted into URLs, files and shells."""
    return random.RandomPassword(
        name, length=32, special=False, keepers={"version": str(version)}, opts=opts
    ).result
