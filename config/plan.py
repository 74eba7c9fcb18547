"""Decides what runs where: pure, from settings to a plan. All names and addresses are made here.

Names and addresses never change once given out: MinIO's arguments and `pg_dist_node` hold them.
"""

from dataclasses import dataclass

from config.settings import Images, MinioPoolSettings, ProjectSettings, Rebalance, Settings

MINIO_PORT = 9000


@dataclass(frozen=True, kw_only=True)
class NodePlan:
    """One container of a service: `name` is its host name on the network."""

    name: str
    ordinal: int
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


@dataclass(frozen=True, kw_only=True)
class CitusPlan:
    """The coordinator and its workers, in the order in which they join."""

    coordinator: NodePlan
    workers: tuple[NodePlan, ...]
    port: int
    rebalance: Rebalance


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

    @property
    def published_ports(self) -> dict[str, int]:
        """The ports taken on 127.0.0.1, by the setting that chooses them."""
        return {
            "minio.api_port": self.minio.api_port,
            "minio.console_port": self.minio.console_port,
            "citus.port": self.citus.port,
        }


def make_plan(settings: Settings, stack: str) -> Plan:
    """The plan of a stack. The same settings always give the same plan."""
    prefix = "" if stack == "dev" else f"{stack}-"
    protect = stack == "prod" if settings.protect is None else settings.protect
    return Plan(
        stack=stack,
        prefix=prefix,
        images=settings.images,
        minio=_minio(settings, prefix),
        citus=_citus(settings, prefix),
        projects=tuple(
            _project(name, project, protect) for name, project in settings.projects.items()
        ),
        protect=protect,
    )


def _minio(settings: Settings, prefix: str) -> MinioPlan:
    minio = settings.minio
    pools: list[MinioPoolPlan] = []
    first = 1
    for ordinal, pool in enumerate(minio.pools, start=1):
        nodes = tuple(
            NodePlan(
                name=f"{prefix}minio-{number}",
                ordinal=number,
                memory_mb=minio.memory_mb,
                cpus=minio.cpus,
            )
            for number in range(first, first + pool.nodes)
        )
        source = _source(pool, prefix, first, alone=len(minio.pools) == 1)
        pools.append(
            MinioPoolPlan(ordinal=ordinal, nodes=nodes, drives=pool.drives_per_node, source=source)
        )
        first += pool.nodes
    return MinioPlan(
        pools=tuple(pools),
        api_port=minio.api_port,
        console_port=minio.console_port,
        cors_origins=minio.cors_origins,
    )


def _source(pool: MinioPoolSettings, prefix: str, first: int, *, alone: bool) -> str:
    """A pool as an argument of `minio server`.

    A cluster of one node names directories; with a second pool the same node is named by its
    address, which MinIO accepts for the same directories.
    """
    drives = pool.drives_per_node
    path = "/data" if drives == 1 else f"/data/d{{1...{drives}}}"
    if alone and pool.nodes == 1:
        return path
    numbers = str(first) if pool.nodes == 1 else f"{{{first}...{first + pool.nodes - 1}}}"
    return f"http://{prefix}minio-{numbers}:{MINIO_PORT}{path}"


def _citus(settings: Settings, prefix: str) -> CitusPlan:
    citus = settings.citus
    return CitusPlan(
        coordinator=NodePlan(
            name=f"{prefix}citus-coordinator",
            ordinal=0,
            memory_mb=citus.coordinator.memory_mb,
            cpus=citus.coordinator.cpus,
        ),
        workers=tuple(
            NodePlan(
                name=f"{prefix}citus-worker-{number}",
                ordinal=number,
                memory_mb=citus.worker.memory_mb,
                cpus=citus.worker.cpus,
            )
            for number in range(1, citus.workers + 1)
        ),
        port=citus.port,
        rebalance=citus.rebalance,
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
