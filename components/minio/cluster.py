"""`MinioCluster` over its pools, and `MinioPool`."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
import pulumi_minio as minio
import pulumi_random as random

from components.access import Access
from components.container import ContainerArgs, File, Healthcheck, Port, container
from components.hosts.host import Host
from components.minio.connection import ServerArgs
from components.minio.layout import PoolLayout
from components.minio.ready import MinioReady, MinioReadyArgs

ROOT_USER = "admin"
API_PORT = 9000
CONSOLE_PORT = 9001
READ_PATH = "/minio/health/cluster/read"
"""Answers with 200 once the node serves reads: `/minio/health/live` does so while it still refuses
them (`XMinioServerNotInitialized`)."""
METRICS_PATH = "/minio/metrics/v3"
METRICS_PATHS = ("/minio/metrics", "/minio/v2/metrics", "/minio/prometheus")
"""What the paths of the metrics begin with, in all versions. A node gives them to everyone that
reaches it, which is on a private network or this machine only: an edge must not pass them on. The
other way, a token, is signed with its user's password and valid for years."""
ROOT_USER_FILE = "/etc/arquitectura/minio-root-user"
ROOT_PASSWORD_FILE = "/etc/arquitectura/minio-root-password"
CLIENT_FILE = "/etc/arquitectura/mc-environment"
"""Gives `mc` in the container its alias `local`, with the root user's rights."""


@dataclass(frozen=True, kw_only=True)
class MinioNodeArgs:
    """A node.

    Attributes:
        ordinal: its number; they count on from pool to pool.
        host: where its container runs.
        address: the host's address that the node itself listens on, and which the pools' arguments
            name it by. None: it listens inside of Docker, and its name is what they name it by.
        api_port: port of the S3 API published on the host, where it listens inside of Docker.
        console_port: likewise of the console.
    """

    ordinal: int
    host: Host
    address: str | None = None
    api_port: int | None = None
    console_port: int | None = None


@dataclass(frozen=True, kw_only=True)
class MinioPoolArgs:
    """A server pool.

    Attributes:
        nodes: its nodes.
        drives: directories that each node stores on.
        source: the argument of `minio server` that names the pool's drives.
    """

    nodes: Sequence[MinioNodeArgs]
    drives: int
    source: str


@dataclass(frozen=True, kw_only=True)
class MinioClusterArgs:
    """A cluster.

    Attributes:
        image: MinIO, or a server that takes its arguments.
        pools: oldest first; a pool is never changed, only added.
        memory_mb: memory limit of each node, in MiB.
        cpus: CPU limit of each node, in cores.
        access: how the S3 API is reached from outside.
        console: URL of the web console.
        cors_origins: web origins that may use the API from a browser.
        protect: whether Pulumi refuses to delete the data.
    """

    image: str
    pools: Sequence[MinioPoolArgs]
    memory_mb: int
    cpus: float
    access: Access
    console: pulumi.Input[str]
    cors_origins: Sequence[str] = ("*",)
    protect: bool = False


class MinioCluster(pulumi.ComponentResource):
    """S3 storage that is ready to be used.

    Resources: a `random.RandomPassword` for the root user, the `PoolLayout`, a `MinioPool` for each
    pool, the gate `MinioReady` and a `minio.Provider`.

    Attributes:
        provider: administers the cluster as root; usable once the gate is open.
        server: reaches the S3 API as root.
        endpoint: URL of the S3 API.
        console: URL of the web console.
        root_password: password of the user `admin`; secret.
    """

    provider: minio.Provider
    server: ServerArgs
    endpoint: pulumi.Output[str]
    console: pulumi.Input[str]
    root_password: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        args: MinioClusterArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:minio:Cluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        access = args.access
        self.endpoint = access.url
        self.console = args.console
        self.root_password = random.RandomPassword(
            f"{name}-root", length=32, special=False, opts=child
        ).result

        self.server = ServerArgs(
            server=access.server,
            tls=access.tls,
            ca_file=access.ca_file,
            user=ROOT_USER,
            password=self.root_password,
        )

        layout = PoolLayout(
            f"{name}-layout",
            [{"nodes": len(pool.nodes), "drives": pool.drives} for pool in args.pools],
            child,
        )
        # The nodes need each other to become ready: none waits for another, one gate follows them
        # all.
        pools = [
            MinioPool(
                f"{name}-pool-{number}",
                pool,
                args,
                root_password=self.root_password,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[layout]),
            )
            for number, pool in enumerate(args.pools, start=1)
        ]
        ready = MinioReady(
            f"{name}-ready",
            MinioReadyArgs(
                server=self.server,
                containers=[node.id for pool in pools for node in pool.containers],
            ),
            pulumi.ResourceOptions(parent=self, depends_on=access.ready),
        )
        self.provider = minio.Provider(
            f"{name}-minio",
            minio_server=access.server,
            minio_ssl=access.tls,
            minio_cacert_file=access.ca_file,
            minio_user=ROOT_USER,
            minio_password=self.root_password,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[ready]),
        )
        self.register_outputs({"endpoint": self.endpoint, "console": self.console})


class MinioPool(pulumi.ComponentResource):
    """The nodes of one server pool.

    Resources: for each node a data directory and a `docker.Container`.

    Attributes:
        containers: the nodes.
    """

    containers: Sequence[docker.Container]

    def __init__(
        self,
        name: str,
        args: MinioPoolArgs,
        cluster: MinioClusterArgs,
        *,
        root_password: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:minio:Pool", name, None, opts)

        # Every node gets the same sources.
        sources = [pool.source for pool in cluster.pools]

        def node(node: MinioNodeArgs) -> docker.Container:
            name = f"minio-{node.ordinal}"
            data = node.host.data_directory(
                name, pulumi.ResourceOptions(parent=self, protect=cluster.protect)
            )
            listen, itself = node.address or "", node.address or "127.0.0.1"
            published = {API_PORT: node.api_port, CONSOLE_PORT: node.console_port}
            return container(
                name,
                node.host,
                ContainerArgs(
                    service="minio",
                    ordinal=node.ordinal,
                    image=cluster.image,
                    memory_mb=cluster.memory_mb,
                    cpus=cluster.cpus,
                    command=[
                        "server",
                        "--address",
                        f"{listen}:{API_PORT}",
                        "--console-address",
                        f"{listen}:{CONSOLE_PORT}",
                        *sources,
                    ],
                    environment={
                        "MINIO_ROOT_USER_FILE": ROOT_USER_FILE,
                        "MINIO_ROOT_PASSWORD_FILE": ROOT_PASSWORD_FILE,
                        "MC_CONFIG_ENV_FILE": CLIENT_FILE,
                        "MINIO_PROMETHEUS_AUTH_TYPE": "public",
                        "MINIO_API_CORS_ALLOW_ORIGIN": ",".join(cluster.cors_origins),
                    },
                    files=[
                        File(path=ROOT_USER_FILE, content=ROOT_USER),
                        File(path=ROOT_PASSWORD_FILE, content=root_password),
                        File(path=CLIENT_FILE, content=_client(itself, root_password)),
                    ],
                    volumes=[data.at("/data")],
                    host_network=node.address is not None,
                    ports=[
                        Port(internal=internal, external=external)
                        for internal, external in published.items()
                        if external
                    ],
                    healthcheck=Healthcheck(
                        command=[
                            "curl",
                            "-fsS",
                            "-o",
                            "/dev/null",
                            f"http://{itself}:{API_PORT}{READ_PATH}",
                        ]
                    ),
                ),
                pulumi.ResourceOptions(parent=self, depends_on=[*data.resources]),
            )

        self.containers = [node(one) for one in args.nodes]
        self.register_outputs({})


def _client(address: str, root_password: pulumi.Input[str]) -> pulumi.Output[str]:
    return pulumi.Output.concat(
        f"MC_HOST_local=http://{ROOT_USER}:", root_password, f"@{address}:{API_PORT}\n"
    )
