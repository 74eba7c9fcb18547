"""The stack's config as frozen, validated objects. No I/O, no resources.

Every field's description is the text of `docs/settings.md` (`make docs`).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    StrictInt,
    Tag,
    ValidationError,
)

from config.problems import PROVIDER_TAG, ConfigError, Problem, problems_of

RESERVED_NAMES = {"none", "postgres", "public", "template0", "template1"}
"""Names PostgreSQL keeps for itself, as a role or as a database."""

MONITORING_ROLE = "monitoring"
"""The role in PostgreSQL that measures."""

MINIO_SET_SIZES = range(2, 17)
"""Drives in one erasure set (MinIO, `cmd/endpoint-ellipses.go`, `setSizes`)."""

MAX_SERVERS = 100
"""Servers that Hetzner allows on a network."""

AMD64_ONLY = ("citusdata/citus",)
"""Repositories that publish no image for other architectures."""

WIDEST_PREFIX = 8
"""The largest network that may be called someone's own."""

PRIVATE_RANGES = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""What Hetzner takes for a private network (RFC 1918)."""

SWARM_RANGE = "172.28.0.0/16"
"""What the swarm takes for its networks that Dokploy makes of a Docker engine."""

DOCKER_RANGES = (SWARM_RANGE, "172.29.0.0/24", "172.30.0.0/16")
"""What the servers' Docker engines take for their own networks."""


class Model(BaseModel):
    """A section of the config: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _rule(check: Callable[[str], bool], explanation: str) -> AfterValidator:
    def validate(value: str) -> str:
        if not check(value):
            raise ValueError(explanation)
        return value

    return AfterValidator(validate)


def is_pinned(image: str) -> bool:
    """Whether a reference has a tag that names a version, or a digest."""
    name = image.partition("@")[0].rpartition("/")[2]
    tag = name.partition(":")[2]
    return "@sha256:" in image or tag not in ("", "latest")


def _is_network(cidr: str) -> bool:
    try:
        IPv4Network(cidr)
    except ValueError:
        return False
    return "/" in cidr


Image = Annotated[
    str, _rule(is_pinned, "not pinned: add a tag (not 'latest') or a digest, name:tag@sha256:…")
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
DomainName = Annotated[
    str,
    _rule(
        lambda name: bool(re.fullmatch(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", name)),
        "a domain is written in lower case, such as example.com",
    ),
]
Registry = Annotated[
    str,
    _rule(
        lambda registry: bool(re.fullmatch(r"[A-Za-z0-9.-]+:[0-9]+", registry)),
        "write host:port, such as registry.example.com:443",
    ),
]
Email = Annotated[
    str,
    _rule(
        lambda email: bool(re.fullmatch(r"[^@\s]+@([A-Za-z0-9-]+\.)+[A-Za-z]{2,}", email)),
        "write an e-mail address, such as admin@example.com",
    ),
]
Release = Annotated[
    str,
    _rule(
        lambda release: bool(re.fullmatch(r"v[0-9]+\.[0-9]+\.[0-9]+", release)),
        "write a release, such as v0.30.2",
    ),
]
HttpUrl = Annotated[
    str,
    _rule(
        lambda url: bool(re.fullmatch(r"https?://[^\s'\"]+", url)),
        "write a URL, such as https://example.com/install.sh",
    ),
]
Cidr = Annotated[
    str,
    _rule(_is_network, "write an IPv4 network, such as 203.0.113.7/32 for one address"),
    _rule(
        lambda cidr: IPv4Network(cidr).prefixlen >= WIDEST_PREFIX,
        "would let in a large part of the internet: name your own addresses "
        f"(https://ifconfig.me shows yours), networks of /{WIDEST_PREFIX} at most",
    ),
]
PrivateRange = Annotated[str, _rule(_is_network, "write an IPv4 network, such as 10.0.0.0/16")]
VolumeGb = Annotated[StrictInt, Field(ge=10, le=10240)]
Count = Annotated[StrictInt, Field(ge=0)]
Port = Annotated[StrictInt, Field(ge=1, le=65535)]
Positive = Annotated[StrictInt, Field(ge=1)]
MemoryMb = Annotated[StrictInt, Field(ge=256)]
Cpus = Annotated[float, Field(ge=0.1)]
Percent = Annotated[float, Field(gt=0, le=100)]
Rebalance = Literal["online", "block_writes"]


class DockerHosts(Model):
    """This machine's Docker engine (the current context, or `DOCKER_HOST`)."""

    provider: Literal["docker"] = "docker"
    """`docker`, or `hetzner` for servers of Hetzner Cloud."""


class ServerSettings(Model):
    """The servers of one role."""

    server_type: Annotated[str, Field(examples=["cx43"])]
    """Hetzner's name of the size, such as `cx43`. Another one resizes the servers, one after the
    other. Citus' official images are for x86 only, not for the `cax` types."""
    volume_gb: VolumeGb | None = None
    """Size of the volume for data, in GB, for each server. It can grow, never shrink. Default: data
    lies on the server's own disk: faster, and lost with the server."""


class MainServerSettings(ServerSettings):
    """The first server: coordinator and edge, and what else is placed there."""

    citus_workers: Count | None = None
    """How many workers, the first ones, stand on it. Default: all when there is no `data`, else
    none. It cannot be changed for a worker that exists."""
    minio_nodes: Count | None = None
    """How many MinIO nodes, the first ones, stand on it: 0 or 1. Default as for
    `citus_workers`."""


class HetznerHosts(Model):
    """Servers of Hetzner Cloud."""

    provider: Literal["hetzner"]
    """`hetzner`."""
    token: Annotated[SecretStr, Field(examples=["--secret"])]
    """Token of the Hetzner project, with read and write access. Set it as a secret, or in the
    environment as `HCLOUD_TOKEN`."""
    location: Annotated[str, Field(examples=["fsn1"])]
    """Where the servers stand, such as `fsn1`. It cannot be changed later."""
    main: MainServerSettings
    """The first server."""
    data: ServerSettings | None = None
    """The other servers: MinIO's node n and worker n stand on the server `data-n`, as far as they
    are not on `main`. Default: there is one server."""
    apps: ServerSettings | None = None
    """A server for Dokploy and the applications on it. It cannot be added or removed while Dokploy
    is there. Default: they are on `main`."""
    admin_cidrs: Annotated[tuple[Cidr, ...], Field(min_length=1, examples=["203.0.113.7/32"])]
    """The addresses that may reach SSH, PostgreSQL and the consoles, such as
    `[203.0.113.7/32]`."""
    ssh_keys: Annotated[
        tuple[str, ...], Field(min_length=1, examples=['"$(cat ~/.ssh/id_ed25519.pub)"'])
    ]
    """Who may log in as root: names of keys in the Hetzner project, or public keys. Pulumi itself
    logs in, so one of them must be yours."""
    ssh_identity_file: str | None = None
    """The private key that Pulumi logs in with. Default: what the SSH agent offers."""
    domain: DomainName | None = None
    """The services' names are `s3.<domain>`, `console.<domain>`, `db.<domain>` and so on, with
    certificates of Let's Encrypt. Default: names from `domain_suffix` and the stack's own CA."""
    acme_email: str | None = None
    """Address that Let's Encrypt writes to. Needed with `domain`."""
    domain_suffix: DomainName = "sslip.io"
    """Without `domain`: a domain that resolves `s3.203-0-113-7.<suffix>` to 203.0.113.7."""
    dns_zone: DomainName | None = None
    """A zone in the Hetzner project, where the records of `domain` are made. Default: you make
    them."""
    registry: Registry | None = None
    """`host:port` of a registry that has all images; put before each image's name. One with a
    private address is spoken to without TLS."""
    network_cidr: PrivateRange = "10.0.0.0/16"
    """Range of the private network, a /16. It cannot be changed later."""
    budget_eur: Annotated[float, Field(gt=0)] | None = None
    """What the stack may cost a month, in euros without VAT. Above it the preview says so."""
    endpoint: str = "https://api.hetzner.cloud/v1"
    """URL of the API."""


def _provider(hosts: Any) -> str | None:
    if isinstance(hosts, Mapping):
        return f"{PROVIDER_TAG}{hosts.get('provider', 'docker')}"
    return (
        f"{PROVIDER_TAG}{hosts.provider}" if isinstance(hosts, DockerHosts | HetznerHosts) else None
    )


Hosts = Annotated[
    Annotated[DockerHosts, Tag(f"{PROVIDER_TAG}docker")]
    | Annotated[HetznerHosts, Tag(f"{PROVIDER_TAG}hetzner")],
    Discriminator(_provider),
]


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
    traefik: Image = "docker.io/library/traefik:v3.7.8"
    """The edge of a stack on servers."""
    busybox: Image = "docker.io/library/busybox:1.37.0"
    """Runs the one-shot containers that write files into volumes."""
    prometheus: Image = "docker.io/prom/prometheus:v3.16.0"
    """Keeps the metrics, and decides which alerts fire."""
    alertmanager: Image = "docker.io/prom/alertmanager:v0.34.2"
    """Sends alerts to people."""
    node_exporter: Image = "docker.io/prom/node-exporter:v1.12.1"
    """Measures a host."""
    cadvisor: Image = "ghcr.io/google/cadvisor:0.60.5"
    """Measures a host's containers."""
    postgres_exporter: Image = "quay.io/prometheuscommunity/postgres-exporter:v0.20.1"
    """Measures a Citus node, and what Citus knows of its databases."""
    grafana: Image = "docker.io/grafana/grafana:13.0.1"
    """Shows the metrics."""
    cloudbeaver: Image = "docker.io/dbeaver/cloudbeaver:26.2.0"
    """Shows the databases."""


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
    """Port of the S3 API on 127.0.0.1, on a laptop."""
    console_port: Port = 9001
    """Port of the web console on 127.0.0.1, on a laptop."""
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
    """Port of the coordinator on 127.0.0.1, on a laptop."""
    coordinator: CitusNodeSettings = CitusNodeSettings()
    """Limits of the coordinator."""
    worker: CitusNodeSettings = CitusNodeSettings()
    """Limits of each worker."""
    rebalance: Rebalance = "online"
    """How shards move when workers change. `online`: reads and writes go on, and every distributed
    table needs a primary key or a replica identity. `block_writes`: writes to a
    moving shard wait."""


class ThresholdSettings(Model):
    """When an alert fires."""

    cpu_percent: Percent = 80
    """Use of a host's or container's CPUs, in per cent."""
    memory_percent: Percent = 80
    """Use of a host's memory, or of a container's limit, in per cent."""
    disk_free_percent: Percent = 15
    """Free space of a file system, in per cent; below it the alert fires."""
    connections_percent: Percent = 80
    """Connections of a Citus node, in per cent of what it takes."""
    replication_lag_seconds: Positive = 30
    """How far a standby may be behind, in seconds."""
    shard_imbalance_ratio: Annotated[float, Field(gt=1)] = 1.5
    """Shards on the fullest worker, in multiples of the average."""
    storage_percent: Percent = 80
    """Use of the S3 storage, in per cent."""
    certificate_days: Positive = 14
    """Days before a certificate expires."""
    error_percent: Percent = 5
    """Requests that end with an error of the server, in per cent."""


class EmailSettings(Model):
    """Alerts by e-mail."""

    to: str
    """Who gets them; several addresses with commas."""
    from_: Annotated[str, Field(alias="from")]
    """The sender's address."""
    smarthost: Annotated[
        str,
        _rule(
            lambda host: bool(re.fullmatch(r"[^:\s]+:[0-9]+", host)),
            "write host:port, such as smtp.example.com:587",
        ),
    ]
    """`host:port` of the mail server; it must speak TLS, by STARTTLS or from the start."""
    username: str | None = None
    """How to log in there."""
    password: Annotated[SecretStr | None, Field(examples=["--secret"])] = None
    """How to log in there. Set it as a secret."""


class SlackSettings(Model):
    """Alerts to a channel of Slack."""

    url: Annotated[SecretStr, Field(examples=["--secret"])]
    """The incoming webhook's URL. Set it as a secret."""
    channel: str | None = None
    """The channel, such as `#alerts`. Default: the webhook's own."""


class WebhookSettings(Model):
    """Alerts to a program of yours."""

    url: Annotated[SecretStr, Field(examples=["--secret"])]
    """Where alerts are posted as JSON. Set it as a secret."""


class TelegramSettings(Model):
    """Alerts to a chat of Telegram."""

    token: Annotated[SecretStr, Field(examples=["--secret"])]
    """The bot's token. Set it as a secret."""
    chat_id: StrictInt
    """The chat; that of a group is negative."""


class AlertSettings(Model):
    """Where alerts are sent: to each that is there. Without any they are only shown."""

    email: EmailSettings | None = None
    """Alerts by e-mail."""
    slack: SlackSettings | None = None
    """Alerts to a channel of Slack."""
    webhook: WebhookSettings | None = None
    """Alerts to a program of yours."""
    telegram: TelegramSettings | None = None
    """Alerts to a chat of Telegram."""


class GrafanaSettings(Model):
    """Dashboards."""

    enabled: bool = True
    """Whether Grafana runs."""
    port: Port = 3000
    """Its port on 127.0.0.1, on a laptop. On servers it is `grafana.<domain>`."""
    dashboards: str | None = None
    """A folder with dashboards of your own (`*.json`), relative to the program."""


class MonitoringSettings(Model):
    """Measures everything, and says when something is wrong."""

    enabled: bool = False
    """Whether the stack is monitored."""
    interval: Annotated[StrictInt, Field(ge=1, le=120)] = 30
    """Seconds from one measurement to the next."""
    retention_days: Positive = 15
    """How long the metrics are kept, in days."""
    retention_gb: Positive = 10
    """How much of the disk they may take, in GB; the oldest go first."""
    memory_mb: MemoryMb = 1024
    """Memory limit of Prometheus, in MiB. 1024 are enough for about ten hosts."""
    port: Port = 9090
    """Port of Prometheus on 127.0.0.1, on a laptop."""
    alertmanager_port: Port = 9093
    """Port of Alertmanager on 127.0.0.1, on a laptop."""
    cadvisor: bool = True
    """Whether containers are measured one by one, which takes 256 MiB on each host."""
    thresholds: ThresholdSettings = ThresholdSettings()
    """When alerts fire."""
    alerts: AlertSettings = AlertSettings()
    """Where alerts are sent."""
    grafana: GrafanaSettings = GrafanaSettings()
    """Dashboards."""


class CloudBeaverSettings(Model):
    """Manages the databases in the browser."""

    enabled: bool = False
    """Whether CloudBeaver runs."""
    port: Port = 8978
    """Its port on 127.0.0.1, on a laptop. On servers it is `cloudbeaver.<domain>`."""
    memory_mb: MemoryMb = 1024
    """Memory limit, in MiB."""


class DokploySettings(Model):
    """Deploys applications in the browser, on a stack on servers."""

    enabled: bool = False
    """Whether Dokploy is installed; on servers only. It is taken away only when no application is
    left on it."""
    version: Release = "v0.30.2"
    """The release that is installed. Later Dokploy updates itself, on its own page: another version
    here changes nothing where it is installed."""
    installer: HttpUrl | None = None
    """URL of the script that installs it. Default: that of the release, on GitHub."""
    admin_email: Email = "admin@dokploy.local"
    """How its owner logs in at first. Later it is changed on Dokploy's page."""
    memory_mb: MemoryMb = 2048
    """Memory that is left free for Dokploy and the applications on it, in MiB. It limits nothing:
    limits are given to each application, on Dokploy's page."""


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

    hosts: Hosts = DockerHosts()
    """Where the containers run."""
    images: Images = Images()
    """Container images."""
    minio: MinioSettings = MinioSettings()
    """S3 storage."""
    citus: CitusSettings = CitusSettings()
    """Distributed PostgreSQL."""
    monitoring: MonitoringSettings = MonitoringSettings()
    """Metrics, alerts and dashboards."""
    cloudbeaver: CloudBeaverSettings = CloudBeaverSettings()
    """The databases in the browser."""
    dokploy: DokploySettings = DokploySettings()
    """Applications beside the data."""
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
        if "hosts" in broken:
            broken.add("dokploy")  # whether it can be there is a question of the hosts
        settings = Settings.model_validate({k: v for k, v in raw.items() if k not in broken})
    problems += _cross_check(settings)
    if problems:
        raise ConfigError(problems)
    return settings


def _cross_check(settings: Settings) -> Iterator[Problem]:
    yield from _pool_problems(settings.minio)
    yield from _project_problems(settings.projects)
    if settings.monitoring.enabled and MONITORING_ROLE in settings.projects:
        yield Problem(
            f"projects.{MONITORING_ROLE}", "the role that measures has this name: choose another"
        )
    if isinstance(settings.hosts, HetznerHosts):
        yield from _server_problems(settings.hosts, settings)
        return
    if settings.dokploy.enabled:
        yield Problem(
            "dokploy.enabled",
            "its installer makes a swarm of the whole Docker engine and takes ports 80, 443 and "
            "3000, which a laptop has other uses for: set it to false, and run applications with "
            "what `pulumi stack output projects --show-secrets` gives them",
        )
    ports = {
        "minio.api_port": settings.minio.api_port,
        "minio.console_port": settings.minio.console_port,
        "citus.port": settings.citus.port,
        **optional_ports(settings),
    }
    for port, count in Counter(ports.values()).items():
        if count > 1:
            paths = [path for path, value in ports.items() if value == port]
            yield Problem(paths[-1], f"{port} is also {paths[0]}: give each its own port")


def optional_ports(settings: Settings) -> dict[str, int]:
    """The ports on 127.0.0.1 of what can be left out and is not, by the setting."""
    monitoring, cloudbeaver = settings.monitoring, settings.cloudbeaver
    ports: dict[str, int] = {}
    if monitoring.enabled:
        ports |= {
            "monitoring.port": monitoring.port,
            "monitoring.alertmanager_port": monitoring.alertmanager_port,
        }
        if monitoring.grafana.enabled:
            ports["monitoring.grafana.port"] = monitoring.grafana.port
    if cloudbeaver.enabled:
        ports["cloudbeaver.port"] = cloudbeaver.port
    return ports


def _server_problems(hosts: HetznerHosts, settings: Settings) -> Iterator[Problem]:
    nodes = sum(pool.nodes for pool in settings.minio.pools)
    on_main = hosts.main.minio_nodes
    if on_main is not None and on_main > 1:
        yield Problem("hosts.main.minio_nodes", f"{on_main}: a server takes one MinIO node")
    if hosts.data is None:
        if nodes > 1:
            yield Problem(
                "minio.pools",
                f"{nodes} nodes need {nodes} servers, and there is only main: describe the others "
                "with hosts.data (server_type, volume_gb)",
            )
        for path, placed, wanted in (
            ("citus_workers", hosts.main.citus_workers, settings.citus.workers),
            ("minio_nodes", on_main, nodes),
        ):
            if placed is not None and placed < wanted:
                yield Problem(
                    f"hosts.main.{path}",
                    f"{placed} of {wanted}: the others have no server without hosts.data",
                )
    if hosts.apps and not settings.dokploy.enabled:
        yield Problem("hosts.apps", "nothing would be on it: set dokploy.enabled, or leave it out")
    for path, count in (("minio.pools", nodes), ("citus.workers", settings.citus.workers)):
        if count >= MAX_SERVERS:
            yield Problem(path, f"{count} nodes: a network takes {MAX_SERVERS} servers at most")
    if hosts.domain and not hosts.acme_email:
        yield Problem("hosts.acme_email", "is missing, and Let's Encrypt asks for it")
    if hosts.dns_zone and not f".{hosts.domain}".endswith(f".{hosts.dns_zone}"):
        yield Problem(
            "hosts.dns_zone", f"{hosts.dns_zone!r} is not the zone of hosts.domain {hosts.domain!r}"
        )
    network = IPv4Network(hosts.network_cidr)
    if network.prefixlen != 16 or not any(map(network.subnet_of, map(IPv4Network, PRIVATE_RANGES))):
        yield Problem("hosts.network_cidr", f"{network} is not a private /16, such as 10.0.0.0/16")
    taken = [(f"the servers' Docker ({cidr})", cidr) for cidr in DOCKER_RANGES]
    for what, cidr in [*taken, *((f"hosts.admin_cidrs ({c})", c) for c in hosts.admin_cidrs)]:
        if network.overlaps(IPv4Network(cidr)):
            yield Problem("hosts.network_cidr", f"{network} overlaps with {what}: choose another")
    yield from _overlaps("hosts.admin_cidrs", hosts.admin_cidrs)


def _overlaps(path: str, cidrs: Sequence[str]) -> Iterator[Problem]:
    for (first, one), (second, other) in combinations(enumerate(cidrs), 2):
        if IPv4Network(one).overlaps(IPv4Network(other)):
            yield Problem(
                f"{path}[{second}]", f"{other} overlaps with {path}[{first}] {one}: keep one"
            )


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
