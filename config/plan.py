"""Decides what runs where: pure, from settings to a plan. All names and addresses are made here.

Names and addresses never change once given out: MinIO's arguments and `pg_dist_node` hold them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice

from config.monitoring import MonitoringPlan, Surroundings, plan_monitoring
from config.settings import (
    CitusNodeSettings,
    CloudBeaverSettings,
    DokploySettings,
    HetznerHosts,
    Images,
    MinioPoolSettings,
    ProjectSettings,
    Rebalance,
    ServerSettings,
    Settings,
    optional_ports,
)

MINIO_PORT = 9000
CONSOLE_PORT = 9001
POSTGRES_PORT = 5432

LOCAL = "local"
"""Name of the only host of a stack on this machine's Docker."""
MAIN = "main"
"""Name of the first server of a stack on Hetzner."""
APPS = "apps"
"""Name of the server that only applications are on."""

FIRST_ADDRESS = 10
"""The main server's place in its subnet; the data servers' follow, so that the nodes of a service
have consecutive addresses."""
APPS_ADDRESS = FIRST_ADDRESS - 1
"""The place of the applications' server, before all that may ever be added."""
GROUP_SIZE = 10
"""Servers that Hetzner allows in a placement group."""

EDGE_MEMORY_MB = 256
EDGE_CPUS = 2.0
CLOUDBEAVER_CPUS = 1.0
CLOUDBEAVER_PORT = 8978
DOKPLOY_PORT = 3000
"""The only one that its installer knows."""


@dataclass(frozen=True, kw_only=True)
class NodePlan:
    """One container of a service.

    Attributes:
        name: its container's name.
        host: name of the host it stands on.
        address: host under which the service's other nodes dial it.
        port: where they dial it.
        published: the port on its host, where it is to be reached from outside of Docker.
    """

    name: str
    ordinal: int
    host: str
    address: str
    port: int
    published: int | None
    memory_mb: int
    cpus: float


@dataclass(frozen=True, kw_only=True)
class MinioPoolPlan:
    """One server pool: its nodes, and `source`, the argument that describes it to every node."""

    ordinal: int
    nodes: tuple[NodePlan, ...]
    drives: int
    source: str


@dataclass(frozen=True, kw_only=True)
class MinioPlan:
    """The MinIO cluster over its pools."""

    pools: tuple[MinioPoolPlan, ...]
    api_port: int
    console_port: int
    cors_origins: tuple[str, ...]

    @property
    def nodes(self) -> tuple[NodePlan, ...]:
        """The nodes of all pools."""
        return tuple(node for pool in self.pools for node in pool.nodes)


@dataclass(frozen=True, kw_only=True)
class CitusPlan:
    """The coordinator and its workers, in the order in which they join."""

    coordinator: NodePlan
    workers: tuple[NodePlan, ...]
    port: int
    rebalance: Rebalance

    @property
    def nodes(self) -> tuple[NodePlan, ...]:
        """The coordinator and all workers."""
        return (self.coordinator, *self.workers)


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a container asks of its server: memory in MiB, CPUs in cores."""

    name: str
    image: str
    memory_mb: int
    cpus: float


@dataclass(frozen=True, kw_only=True)
class ServerPlan:
    """One server.

    Attributes:
        name: its name within the stack, as in `ssh main`.
        full_name: its name in the Hetzner project.
        role: `main`, `data` or `apps`, the section of the config that describes it.
        group: number of its placement group; None: it is in none.
        holds_data: whether data would be lost with it: a worker leaves only when drained, the
            data of the coordinator, of MinIO and of applications never do.
        loads: the containers on it.
    """

    name: str
    full_name: str
    role: str
    server_type: str
    volume_gb: int | None
    private_ip: str
    group: int | None
    holds_data: bool
    loads: tuple[Load, ...]


@dataclass(frozen=True, kw_only=True)
class HetznerPlan:
    """The servers and what they have in common.

    Attributes:
        network_cidr: range of the private network.
        subnet_cidr: the part of it that the servers are in.
        hosts: the config, for what needs no planning.
    """

    servers: tuple[ServerPlan, ...]
    network_cidr: str
    subnet_cidr: str
    hosts: HetznerHosts

    @property
    def location(self) -> str:
        """Where the servers stand."""
        return self.hosts.location

    @property
    def ssh_keys(self) -> tuple[str, ...]:
        """Names of keys, or public keys."""
        return self.hosts.ssh_keys

    @property
    def budget_eur(self) -> float | None:
        """What the stack may cost a month."""
        return self.hosts.budget_eur


@dataclass(frozen=True, kw_only=True)
class BucketPlan:
    """One bucket. Ages are in days, the quota in bytes."""

    name: str
    full_name: str
    versioning: bool
    expire_days: int | None
    noncurrent_expire_days: int | None
    quota_bytes: int | None
    public_read: bool


@dataclass(frozen=True, kw_only=True)
class ProjectPlan:
    """What one application gets; its role has the project's name."""

    name: str
    database: str
    extensions: tuple[str, ...]
    buckets: tuple[BucketPlan, ...]
    credentials_version: int
    protect: bool


@dataclass(frozen=True, kw_only=True)
class DokployPlan:
    """Dokploy and where it stands.

    Attributes:
        server: name of its server.
        address: private address of that server.
        settings: the config, for what needs no planning.
    """

    server: str
    address: str
    settings: DokploySettings

    @property
    def beside_edge(self) -> bool:
        """Whether it shares its server with the edge, which then serves its applications too."""
        return self.server == MAIN


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything a stack consists of."""

    stack: str
    prefix: str
    """Before the name of every container, volume and network. Empty in `dev`."""
    images: Images
    minio: MinioPlan
    citus: CitusPlan
    projects: tuple[ProjectPlan, ...]
    protect: bool
    monitoring: MonitoringPlan | None
    cloudbeaver: CloudBeaverSettings | None
    dokploy: DokployPlan | None
    hetzner: HetznerPlan | None
    """None for a stack on this machine's Docker."""
    optional_ports: Mapping[str, int]
    """The ports taken on 127.0.0.1 by what can be left out, by the setting that chooses them."""

    @property
    def published_ports(self) -> dict[str, int]:
        """The ports taken on 127.0.0.1, by the setting that chooses them."""
        return {
            "minio.api_port": self.minio.api_port,
            "minio.console_port": self.minio.console_port,
            "citus.port": self.citus.port,
            **self.optional_ports,
        }

    @property
    def placement(self) -> dict[str, str]:
        """The host of each node that has data."""
        return {node.name: node.host for node in (*self.minio.nodes, *self.citus.nodes)}


def make_plan(settings: Settings, stack: str) -> Plan:
    """The plan of a stack. The same settings always give the same plan."""
    prefix = "" if stack == "dev" else f"{stack}-"
    protect = stack == "prod" if settings.protect is None else settings.protect
    places = (
        _Servers(settings, prefix, settings.hosts)
        if isinstance(settings.hosts, HetznerHosts)
        else _Laptop(settings, prefix)
    )
    minio = _minio(settings, places)
    citus = _citus(settings, places)
    monitoring = _monitoring(settings, places, minio, citus)
    dokploy = places.dokploy() if isinstance(places, _Servers) else None
    return Plan(
        stack=stack,
        prefix=prefix,
        images=settings.images,
        minio=minio,
        citus=citus,
        projects=tuple(
            _project(name, project, protect) for name, project in settings.projects.items()
        ),
        protect=protect,
        monitoring=monitoring,
        cloudbeaver=settings.cloudbeaver if settings.cloudbeaver.enabled else None,
        dokploy=dokploy,
        hetzner=_hetzner(settings, stack, places, minio, citus, monitoring, dokploy)
        if isinstance(places, _Servers)
        else None,
        optional_ports=optional_ports(settings),
    )


@dataclass(frozen=True)
class _Laptop:
    """One Docker engine: nodes dial each other by name, ports are for this machine."""

    settings: Settings
    prefix: str

    def minio(self, number: int) -> NodePlan:
        minio = self.settings.minio
        name = f"{self.prefix}minio-{number}"
        return NodePlan(
            name=name,
            ordinal=number,
            host=LOCAL,
            address=name,
            port=MINIO_PORT,
            published=minio.api_port if number == 1 else None,
            memory_mb=minio.memory_mb,
            cpus=minio.cpus,
        )

    def citus(self, number: int, limits: CitusNodeSettings) -> NodePlan:
        name = _citus_name(self.prefix, number)
        return NodePlan(
            name=name,
            ordinal=number,
            host=LOCAL,
            address=name,
            port=POSTGRES_PORT,
            published=self.settings.citus.port if number == 0 else None,
            memory_mb=limits.memory_mb,
            cpus=limits.cpus,
        )

    def range(self, first: int, count: int) -> str:
        """The host names of `count` MinIO nodes, as MinIO's arguments write them."""
        return f"{self.prefix}minio-{_ellipsis(first, count)}"


@dataclass(frozen=True)
class _Servers:
    """Servers on a private network: nodes dial each other by address and published port."""

    settings: Settings
    prefix: str
    hosts: HetznerHosts

    @property
    def subnet(self) -> IPv4Network:
        """The second /24 of the network."""
        _first, second = islice(IPv4Network(self.hosts.network_cidr).subnets(new_prefix=24), 2)
        return second

    def ip(self, server: int) -> str:
        """The private address of a server: 0 is `main`, n is `data-n`."""
        return str(self.subnet[FIRST_ADDRESS + server])

    def server_of(self, ordinal: int, on_main: int | None) -> int:
        """The server of a service's node: the first ones on `main`, then one on each `data-n`."""
        if on_main is None:
            on_main = 0 if self.hosts.data else ordinal
        return max(0, ordinal - on_main)

    def minio(self, number: int) -> NodePlan:
        server = self.server_of(number, self.hosts.main.minio_nodes)
        return NodePlan(
            name=f"{self.prefix}minio-{number}",
            ordinal=number,
            host=_server_name(server),
            address=self.ip(server),
            port=MINIO_PORT,
            published=MINIO_PORT,
            memory_mb=self.settings.minio.memory_mb,
            cpus=self.settings.minio.cpus,
        )

    def citus(self, number: int, limits: CitusNodeSettings) -> NodePlan:
        server = self.server_of(number, self.hosts.main.citus_workers) if number else 0
        # On main the coordinator has the standard port.
        port = POSTGRES_PORT if server else POSTGRES_PORT + number
        return NodePlan(
            name=_citus_name(self.prefix, number),
            ordinal=number,
            host=_server_name(server),
            address=self.ip(server),
            port=port,
            published=port,
            memory_mb=limits.memory_mb,
            cpus=limits.cpus,
        )

    def dokploy(self) -> DokployPlan | None:
        settings = self.settings.dokploy
        if not settings.enabled:
            return None
        return DokployPlan(
            server=APPS if self.hosts.apps else MAIN,
            address=self.apps_ip if self.hosts.apps else self.ip(0),
            settings=settings,
        )

    @property
    def apps_ip(self) -> str:
        """The private address of the applications' server."""
        return str(self.subnet[APPS_ADDRESS])

    def range(self, first: int, count: int) -> str:
        """The addresses of `count` MinIO nodes, as MinIO's arguments write them."""
        address = self.minio(first).address
        start, _, last = address.rpartition(".")
        return f"{start}.{_ellipsis(int(last), count)}"


def _server_name(server: int) -> str:
    return f"data-{server}" if server else MAIN


def _citus_name(prefix: str, number: int) -> str:
    return f"{prefix}citus-worker-{number}" if number else f"{prefix}citus-coordinator"


def _ellipsis(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{{{first}...{first + count - 1}}}"


def _minio(settings: Settings, places: _Laptop | _Servers) -> MinioPlan:
    minio = settings.minio
    pools: list[MinioPoolPlan] = []
    first = 1
    for ordinal, pool in enumerate(minio.pools, start=1):
        numbers = range(first, first + pool.nodes)
        hosts = places.range(first, pool.nodes)
        source = _source(pool, hosts, alone=len(minio.pools) == 1)
        pools.append(
            MinioPoolPlan(
                ordinal=ordinal,
                nodes=tuple(places.minio(number) for number in numbers),
                drives=pool.drives_per_node,
                source=source,
            )
        )
        first += pool.nodes
    return MinioPlan(
        pools=tuple(pools),
        api_port=minio.api_port,
        console_port=minio.console_port,
        cors_origins=minio.cors_origins,
    )


def _source(pool: MinioPoolSettings, hosts: str, *, alone: bool) -> str:
    """A pool as an argument of `minio server`.

    A cluster of one node names directories; with a second pool the same node is named by its
    address, which MinIO accepts for the same directories.
    """
    drives = pool.drives_per_node
    path = "/data" if drives == 1 else f"/data/d{{1...{drives}}}"
    if alone and pool.nodes == 1:
        return path
    return f"http://{hosts}:{MINIO_PORT}{path}"


def _citus(settings: Settings, places: _Laptop | _Servers) -> CitusPlan:
    citus = settings.citus
    return CitusPlan(
        coordinator=places.citus(0, citus.coordinator),
        workers=tuple(places.citus(number, citus.worker) for number in range(1, citus.workers + 1)),
        port=citus.port,
        rebalance=citus.rebalance,
    )


def _monitoring(
    settings: Settings, places: _Laptop | _Servers, minio: MinioPlan, citus: CitusPlan
) -> MonitoringPlan | None:
    if not settings.monitoring.enabled:
        return None
    hosts: dict[str, str | None] = {LOCAL: None}
    if isinstance(places, _Servers):
        numbers = range(_servers(minio, citus))
        hosts = {_server_name(number): places.ip(number) for number in numbers}
        if places.hosts.apps:
            hosts[APPS] = places.apps_ip
    return plan_monitoring(
        settings.monitoring,
        settings.images,
        Surroundings(prefix=places.prefix, hosts=hosts, edge=isinstance(places, _Servers)),
        citus=citus.nodes,
        minio=minio.nodes,
    )


def _servers(minio: MinioPlan, citus: CitusPlan) -> int:
    """The number of servers with nodes: `main`, and one for each number that a node stands on."""
    return 1 + len({node.host for node in (*minio.nodes, *citus.nodes)} - {MAIN})


def _hetzner(
    settings: Settings,
    stack: str,
    places: _Servers,
    minio: MinioPlan,
    citus: CitusPlan,
    monitoring: MonitoringPlan | None,
    dokploy: DokployPlan | None,
) -> HetznerPlan:
    hosts = places.hosts

    def server(
        name: str, role: str, described: ServerSettings, private_ip: str, group: int | None
    ) -> ServerPlan:
        return ServerPlan(
            name=name,
            full_name=f"{stack}-{name}",
            role=role,
            server_type=described.server_type,
            volume_gb=described.volume_gb,
            private_ip=private_ip,
            group=group,
            holds_data=name in (MAIN, APPS) or name in {node.host for node in minio.nodes},
            loads=tuple(_loads(name, settings, minio, citus, monitoring, dokploy)),
        )

    numbered = [
        server(
            _server_name(number),
            "data" if number else "main",
            hosts.data if number and hosts.data else hosts.main,
            places.ip(number),
            number // GROUP_SIZE + 1,
        )
        for number in range(_servers(minio, citus))
    ]
    # In no group: its number, and so its group, would change with the number of the others.
    apps = [server(APPS, APPS, hosts.apps, places.apps_ip, None)] if hosts.apps else []
    return HetznerPlan(
        servers=(*numbered, *apps),
        network_cidr=places.hosts.network_cidr,
        subnet_cidr=str(places.subnet),
        hosts=places.hosts,
    )


def _loads(
    server: str,
    settings: Settings,
    minio: MinioPlan,
    citus: CitusPlan,
    monitoring: MonitoringPlan | None,
    dokploy: DokployPlan | None,
) -> Iterator[Load]:
    images = settings.images
    if server == MAIN:
        yield Load(name="edge", image=images.traefik, memory_mb=EDGE_MEMORY_MB, cpus=EDGE_CPUS)
    for image, nodes in ((images.citus, citus.nodes), (images.minio, minio.nodes)):
        for node in nodes:
            if node.host == server:
                yield Load(name=node.name, image=image, memory_mb=node.memory_mb, cpus=node.cpus)
    for service in monitoring.services if monitoring else ():
        if service.host == server:
            yield Load(
                name=service.name,
                image=service.image,
                memory_mb=service.memory_mb,
                cpus=service.cpus,
            )
    if server == MAIN and settings.cloudbeaver.enabled:
        yield Load(
            name="cloudbeaver",
            image=images.cloudbeaver,
            memory_mb=settings.cloudbeaver.memory_mb,
            cpus=CLOUDBEAVER_CPUS,
        )
    if dokploy and server == dokploy.server:
        yield Load(
            name="dokploy",
            image=f"dokploy/dokploy:{dokploy.settings.version}",
            memory_mb=dokploy.settings.memory_mb,
            cpus=0,
        )


def _project(name: str, project: ProjectSettings, protect: bool) -> ProjectPlan:
    return ProjectPlan(
        name=name,
        database=project.database or name,
        extensions=project.extensions,
        buckets=tuple(
            BucketPlan(
                name=bucket,
                full_name=f"{name}-{bucket}",
                versioning=options.versioning,
                expire_days=options.expire_days,
                noncurrent_expire_days=options.noncurrent_expire_days,
                quota_bytes=options.quota_gb * 1024**3 if options.quota_gb else None,
                public_read=options.public_read,
            )
            for bucket, options in project.buckets.items()
        ),
        credentials_version=project.credentials_version,
        protect=protect if project.protect is None else project.protect,
    )
