"""The stack's config as frozen, validated objects. No I/O, no resources.

Every field's description is the text of `docs/settings.md` (`make docs`).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, ValidationError

from config.problems import ConfigError, Problem, problems_of

RESERVED_NAMES = {"none", "postgres", "public", "template0", "template1"}
"""Names PostgreSQL keeps for itself, as a role or as a database."""

MINIO_SET_SIZES = range(2, 17)
"""Drives in one erasure set (MinIO, `cmd/endpoint-ellipses.go`, `setSizes`)."""


class Model(BaseModel):
    """A section of the config: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _rule(check: Callable[[str], bool], explanation: str) -> AfterValidator:
    def validate(value: str) -> str:
        if not check(value):
            raise ValueError(explanation)
        return value

    return AfterValidator(validate)


def _is_pinned(image: str) -> bool:
    name = image.partition("@")[0].rpartition("/")[2]
    tag = name.partition(":")[2]
    return "@sha256:" in image or tag not in ("", "latest")


Image = Annotated[
    str, _rule(_is_pinned, "not pinned: add a tag (not 'latest') or a digest, name:tag@sha256:…")
]
ProjectName = Annotated[
    str,
    _rule(
        lambda name: bool(re.fullmatch(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", name)),
        "a project's name has 3 to 32 lower-case letters, digits and hyphens, "
        "begins with a letter and does not end with a hyphen",
    ),
    _rule(
        lambda name: name not in RESERVED_NAMES,
        f"reserved by PostgreSQL, as are {', '.join(sorted(RESERVED_NAMES))}",
    ),
]
DatabaseName = Annotated[
    str,
    _rule(
        lambda name: 0 < len(name.encode()) <= 63 and "\0" not in name,
        "a database's name has 1 to 63 bytes",
    ),
    _rule(
        lambda name: name not in RESERVED_NAMES,
        f"reserved by PostgreSQL, as are {', '.join(sorted(RESERVED_NAMES))}",
    ),
]
BucketName = Annotated[
    str,
    _rule(
        lambda name: bool(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)),
        "a bucket's name has lower-case letters, digits and hyphens, "
        "and neither begins nor ends with a hyphen",
    ),
]
Extension = Annotated[
    str,
    _rule(bool, "an extension has a name"),
    _rule(lambda name: name != "citus", "every database has it already"),
]
Port = Annotated[StrictInt, Field(ge=1, le=65535)]
Positive = Annotated[StrictInt, Field(ge=1)]
MemoryMb = Annotated[StrictInt, Field(ge=256)]
Cpus = Annotated[float, Field(ge=0.1)]
Rebalance = Literal["online", "block_writes"]


class Hosts(Model):
    """Where the containers run."""

    provider: Literal["docker"] = "docker"
    """`docker`: this machine's Docker engine (the current context, or `DOCKER_HOST`)."""


class Images(Model):
    """The container images. Each can be replaced; each must be pinned."""

    citus: Image = "docker.io/citusdata/citus:13.2.0"
    """PostgreSQL with Citus, for the coordinator and the workers. The official one is
    for amd64 only."""
    minio: Image = (
        "docker.io/pgsty/silo:RELEASE.2026-09-16T00-00-00Z"
        "@sha256:635197cb9f36d01bee221d34d1c7d7960f6a95c48b0b6c01d99cd13bdae51a46"
    )
    """MinIO, or a server that takes its arguments. The default is the maintained fork."""
    busybox: Image = "docker.io/library/busybox:1.37.0"
    """Runs the one-shot containers that write files into volumes."""


class MinioPoolSettings(Model):
    """One MinIO server pool. A pool is never edited: growing is adding one."""

    nodes: Positive
    """Number of nodes."""
    drives: Positive | None = None
    """Directories a node stores on. Default: 4 on a single node, so that it can grow in place, else
    1. A single node with `drives: 1` is faster and can never grow."""

    @property
    def drives_per_node(self) -> int:
        """The drives of each node, with the default applied."""
        return self.drives or (4 if self.nodes == 1 else 1)

    @property
    def total_drives(self) -> int:
        """The drives of the whole pool."""
        return self.nodes * self.drives_per_node


class MinioSettings(Model):
    """S3 storage."""

    pools: Annotated[tuple[MinioPoolSettings, ...], Field(min_length=1)] = (
        MinioPoolSettings(nodes=1),
    )
    """The server pools, oldest first: `[{nodes: 1}]` is one node, `[{nodes: 4}]` a distributed
    cluster. Add an entry to grow; never change or remove one."""
    api_port: Port = 9000
    """Port of the S3 API on 127.0.0.1."""
    console_port: Port = 9001
    """Port of the web console on 127.0.0.1."""
    memory_mb: MemoryMb = 512
    """Memory limit of each node, in MiB."""
    cpus: Cpus = 2
    """CPU limit of each node, in cores."""
    cors_origins: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    """Origins of web pages that may use the S3 API from a browser."""


class CitusNodeSettings(Model):
    """Limits of a Citus node. PostgreSQL's own settings are computed from them."""

    memory_mb: MemoryMb = 1024
    """Memory limit, in MiB."""
    cpus: Cpus = 2
    """CPU limit, in cores."""


class CitusSettings(Model):
    """Distributed PostgreSQL."""

    workers: Positive = 2
    """Number of workers. Change it and run `pulumi up`: shards move, no row is lost."""
    port: Port = 5432
    """Port of the coordinator on 127.0.0.1."""
    coordinator: CitusNodeSettings = CitusNodeSettings()
    """Limits of the coordinator."""
    worker: CitusNodeSettings = CitusNodeSettings()
    """Limits of each worker."""
    rebalance: Rebalance = "online"
    """How shards move when workers change. `online`: reads and writes go on, and every distributed
    table needs a primary key or a replica identity. `block_writes`: writes to a
    moving shard wait."""


class BucketSettings(Model):
    """One bucket of a project; its full name is `<project>-<bucket>`."""

    versioning: bool = False
    """Keep old versions of objects."""
    expire_days: Positive | None = None
    """Delete objects this many days after they were written. With `versioning` they stay as old
    versions until `noncurrent_expire_days`."""
    noncurrent_expire_days: Positive | None = None
    """Delete old versions this many days after they were replaced. Needs `versioning`."""
    quota_gb: Positive | None = None
    """Refuse writes above this size, in GiB."""
    public_read: bool = False
    """Let anyone read the objects (not list them) without a key."""


class ProjectSettings(Model):
    """What one application gets: a database, its buckets and the credentials of both."""

    database: DatabaseName | None = None
    """Name of the database. It cannot be changed later. Default: the project's name."""
    extensions: tuple[Extension, ...] = ()
    """PostgreSQL extensions to create, besides `citus`."""
    buckets: dict[BucketName, BucketSettings] = {}
    """The project's buckets, by name."""
    credentials_version: Positive = 1
    """Raise it by one to replace the database password and the S3 key."""
    protect: bool | None = None
    """Refuse to delete the project's data. Default: the stack's `protect`."""


class Settings(Model):
    """The whole config of a stack, below `arquitectura:`."""

    hosts: Hosts = Hosts()
    """Where the containers run."""
    images: Images = Images()
    """Container images."""
    minio: MinioSettings = MinioSettings()
    """S3 storage."""
    citus: CitusSettings = CitusSettings()
    """Distributed PostgreSQL."""
    projects: dict[ProjectName, ProjectSettings] = {}
    """The projects, by name."""
    protect: bool | None = None
    """Refuse to delete data: an `up` that turns it off must come first. Default: true in the stack
    `prod`, false in others."""


def parse_settings(raw: Mapping[str, Any]) -> Settings:
    """Validates the sections of a stack's config.

    Args:
        raw: the decoded values by their key below `arquitectura:`.

    Raises:
        ConfigError: with every problem found, each with its path, its value and what is allowed.
    """
    try:
        settings = Settings.model_validate(raw)
        problems = []
    except ValidationError as error:
        problems = problems_of(error, Settings)
        # Sections that are well-formed are still checked as a whole, so that one run of the program
        # shows everything there is to mend.
        broken = {str(detail["loc"][0]) for detail in error.errors()}
        settings = Settings.model_validate({k: v for k, v in raw.items() if k not in broken})
    problems += _cross_check(settings)
    if problems:
        raise ConfigError(problems)
    return settings


def _cross_check(settings: Settings) -> Iterator[Problem]:
    yield from _pool_problems(settings.minio)
    yield from _project_problems(settings.projects)
    ports = {
        "minio.api_port": settings.minio.api_port,
        "minio.console_port": settings.minio.console_port,
        "citus.port": settings.citus.port,
    }
    for port, count in Counter(ports.values()).items():
        if count > 1:
            paths = [path for path, value in ports.items() if value == port]
            yield Problem(paths[-1], f"{port} is also {paths[0]}: give each its own port")


def _pool_problems(minio: MinioSettings) -> Iterator[Problem]:
    for index, pool in enumerate(minio.pools):
        path = f"minio.pools[{index}]"
        alone = pool.total_drives == 1
        if alone and len(minio.pools) > 1:
            yield Problem(
                path,
                "a single node with one drive can never grow: keep it the only pool, "
                "or start a new cluster with 'drives: 4' and copy the objects",
            )
        if not alone and not any(pool.total_drives % size == 0 for size in MINIO_SET_SIZES):
            yield Problem(
                path,
                f"{pool.nodes} nodes of {pool.drives_per_node} drives are {pool.total_drives} "
                "drives, which do not divide into erasure sets of 2 to 16: choose another number",
            )


def _project_problems(projects: Mapping[str, ProjectSettings]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    databases: dict[str, str] = {}
    for name, project in projects.items():
        database = project.database or name
        if database in databases:
            yield Problem(
                f"projects.{name}.database",
                f"{database!r} is already the database of project {databases[database]}",
            )
        databases.setdefault(database, name)
        for extension, count in Counter(project.extensions).items():
            if count > 1:
                yield Problem(f"projects.{name}.extensions", f"{extension!r} stands there twice")
        for bucket, options in project.buckets.items():
            path = f"projects.{name}.buckets.{bucket}"
            full = f"{name}-{bucket}"
            if len(full) > 63:
                yield Problem(
                    path,
                    f"the full name {full!r} has {len(full)} characters, at most 63 are allowed",
                )
            if full in owners:
                yield Problem(path, f"{full!r} is already a bucket of project {owners[full]}")
            owners.setdefault(full, name)
            if options.noncurrent_expire_days and not options.versioning:
                yield Problem(
                    f"{path}.noncurrent_expire_days", "there are no old versions: set versioning"
                )
