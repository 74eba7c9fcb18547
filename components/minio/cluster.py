"""`MinioCluster` over its pools, and `MinioPool`."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
import pulumi_minio as minio
import pulumi_random as random

from components.container import ContainerArgs, File, Healthcheck, Port, container
from components.hosts.host import Host
from components.minio.layout import PoolLayout
from components.minio.ready import MinioReady, MinioReadyArgs

ROOT_USER = "admin"
API_PORT = 9000
CONSOLE_PORT = 9001
LIVE = f"http://127.0.0.1:{API_PORT}/minio/health/live"
"""Answers for the node alone, whether or not it has a quorum."""
ROOT_USER_FILE = "/etc/arquitectura/minio-root-user"
ROOT_PASSWORD_FILE = "/etc/arquitectura/minio-root-password"
CLIENT_FILE = "/etc/arquitectura/mc-environment"
"""Gives `mc` in the container its alias `local`, with the root user's rights."""


@dataclass(frozen=True, kw_only=True)
class MinioPoolArgs:
    """A server pool.

    Attributes:
        nodes: ordinals of its nodes; they count on from the pool before.
        drives: directories that each node stores on.
        source: the argument of `minio server` that names the pool's drives.
    """

    nodes: Sequence[int]
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
        api_port: port of the S3 API on the first node's host.
        console_port: port of the console on the first node's host.
        cors_origins: web origins that may use the API from a browser.
        protect: whether Pulumi refuses to delete the data.
    """

    image: str
    pools: Sequence[MinioPoolArgs]
    memory_mb: int
    cpus: float
    api_port: int = API_PORT
    console_port: int = CONSOLE_PORT
    cors_origins: Sequence[str] = ("*",)
    protect: bool = False


class MinioCluster(pulumi.ComponentResource):
    """S3 storage that is ready to be used.

    Resources: a `random.RandomPassword` for the root user, the `PoolLayout`, a `MinioPool` for each
    pool, the gate `MinioReady` and a `minio.Provider`.

    Attributes:
        provider: administers the cluster as root; usable once the gate is open.
        server: `host:port` of the S3 API.
        endpoint: URL of the S3 API.
        console: URL of the web console.
        root_password: password of the user `admin`; secret.
    """

    provider: minio.Provider
    server: str
    endpoint: str
    console: str
    root_password: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        args: MinioClusterArgs,
        host: Host,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:minio:Cluster", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.server = f"{host.address}:{args.api_port}"
        self.endpoint = f"http://{self.server}"
        self.console = f"http://{host.address}:{args.console_port}"
        self.root_password = random.RandomPassword(
            f"{name}-root", length=32, special=False, opts=child
        ).result

        layout = PoolLayout(
            f"{name}-layout",
            [{"nodes": len(pool.nodes), "drives": pool.drives} for pool in args.pools],
            child,
        )
        # Every node gets the same arguments. The nodes need each other to become ready: none waits
        # for another, one gate follows them all.
        command = [
            "server",
            "--address",
            f":{API_PORT}",
            "--console-address",
            f":{CONSOLE_PORT}",
            *(pool.source for pool in args.pools),
        ]
        pools = [
            MinioPool(
                f"{name}-pool-{number}",
                pool,
                args,
                host,
                command=command,
                root_password=self.root_password,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[layout]),
            )
            for number, pool in enumerate(args.pools, start=1)
        ]
        ready = MinioReady(
            f"{name}-ready",
            MinioReadyArgs(
                server=self.server,
                user=ROOT_USER,
                password=self.root_password,
                containers=[node.id for pool in pools for node in pool.containers],
            ),
            child,
        )
        self.provider = minio.Provider(
            f"{name}-minio",
            minio_server=self.server,
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
        host: Host,
        *,
        command: Sequence[str],
        root_password: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:minio:Pool", name, None, opts)

        def node(ordinal: int) -> docker.Container:
            data = host.data_directory(
                f"minio-{ordinal}", pulumi.ResourceOptions(parent=self, protect=cluster.protect)
            )
            return container(
                f"minio-{ordinal}",
                host,
                ContainerArgs(
                    service="minio",
                    ordinal=ordinal,
                    image=cluster.image,
                    memory_mb=cluster.memory_mb,
                    cpus=cluster.cpus,
                    command=command,
                    environment={
                        "MINIO_ROOT_USER_FILE": ROOT_USER_FILE,
                        "MINIO_ROOT_PASSWORD_FILE": ROOT_PASSWORD_FILE,
                        "MC_CONFIG_ENV_FILE": CLIENT_FILE,
                        "MINIO_API_CORS_ALLOW_ORIGIN": ",".join(cluster.cors_origins),
                    },
                    files=[
                        File(path=ROOT_USER_FILE, content=ROOT_USER),
                        File(path=ROOT_PASSWORD_FILE, content=root_password),
                        File(path=CLIENT_FILE, content=_client(root_password)),
                    ],
                    volumes=[data.at("/data")],
                    ports=[
                        Port(internal=API_PORT, external=cluster.api_port),
                        Port(internal=CONSOLE_PORT, external=cluster.console_port),
                    ]
                    if ordinal == 1
                    else [],
                    healthcheck=Healthcheck(command=["curl", "-fsS", "-o", "/dev/null", LIVE]),
                ),
                pulumi.ResourceOptions(parent=self, depends_on=[*data.resources]),
            )

        self.containers = [node(ordinal) for ordinal in args.nodes]
        self.register_outputs({})


def _client(root_password: pulumi.Input[str]) -> pulumi.Output[str]:
    return pulumi.Output.concat(
        f"MC_HOST_local=http://{ROOT_USER}:", root_password, f"@localhost:{API_PORT}\n"
    )
