"""`CloudBeaver`: manages the databases in the browser."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_random as random

from components.cloudbeaver.connections import DatabaseConnection, data_sources
from components.container import ContainerArgs, File, Healthcheck, Port, container
from components.hosts.host import Host

PORT = 8978
ADMIN = "administrator"
"""In lower case; `admin` and `user` are CloudBeaver's own, as names of teams."""
WORKSPACE = "/opt/cloudbeaver/workspace"
CONNECTIONS_FILE = "/opt/cloudbeaver/conf/initial-data-sources.conf"
PASSWORD_FILE = "/etc/arquitectura/cloudbeaver-password"
AUTHORITY_FILE = "/etc/arquitectura/ca.crt"

ENTRYPOINT = (
    # It takes the password from the environment only: of its own process, not of the container's
    # description.
    f'export CB_ADMIN_PASSWORD="$(cat {PASSWORD_FILE})"\n'
    # It reads the file at its very first start only; the connections of later projects come with
    # the others.
    f"if [ -d {WORKSPACE}/.metadata ]; then\n"
    f"  cp {CONNECTIONS_FILE} {WORKSPACE}/GlobalConfiguration/.dbeaver/data-sources.json\n"
    "fi\n"
    "exec ./launch-product.sh\n"
)


@dataclass(frozen=True, kw_only=True)
class CloudBeaverArgs:
    """CloudBeaver.

    Attributes:
        image: CloudBeaver 24.2 or later.
        url: where browsers reach it.
        published: port on its host.
        memory_mb: memory limit in MiB.
        cpus: CPU limit in cores.
        server_host: host of the coordinator, as CloudBeaver dials it.
        server_port: likewise.
        connections: the databases. A change replaces the container; what its users have saved
            stays.
        authority: PEM of what the coordinator's certificate is verified with. Without it the
            connection is encrypted and nothing verified.
    """

    image: str
    url: pulumi.Input[str]
    published: int
    memory_mb: int
    cpus: float
    server_host: str
    server_port: int
    connections: Sequence[DatabaseConnection]
    authority: pulumi.Input[str] | None = None


class CloudBeaver(pulumi.ComponentResource):
    """The databases in the browser, without a wizard and without access for strangers.

    Resources: a `random.RandomPassword`, a data directory and a `docker.Container`.

    Attributes:
        url: where browsers reach it.
        admin_password: of the user `administrator`; secret. It counts at the first start: who has
            changed it in the browser keeps theirs.
    """

    url: pulumi.Output[str]
    admin_password: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        args: CloudBeaverArgs,
        host: Host,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:cloudbeaver:CloudBeaver", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.url = pulumi.Output.from_input(args.url)
        self.admin_password = random.RandomPassword(
            f"{name}-admin",
            length=32,
            special=False,
            # It refuses one without any of them.
            min_lower=1,
            min_upper=1,
            min_numeric=1,
            opts=child,
        ).result
        data = host.data_directory(name, child)
        properties = {"sslmode": "require"}
        files = [File(path=PASSWORD_FILE, content=self.admin_password)]
        if args.authority:
            properties = {"sslmode": "verify-full", "sslrootcert": AUTHORITY_FILE}
            files.append(File(path=AUTHORITY_FILE, content=args.authority))
        connections = data_sources(
            args.connections, host=args.server_host, port=args.server_port, properties=properties
        )
        container(
            name,
            host,
            ContainerArgs(
                service=name,
                ordinal=0,
                image=args.image,
                memory_mb=args.memory_mb,
                cpus=args.cpus,
                entrypoint=["bash", "-ec", ENTRYPOINT],
                environment={
                    "CB_SERVER_NAME": "arquitectura",
                    "CB_ADMIN_NAME": ADMIN,
                    "CB_SERVER_URL": args.url,
                    "CLOUDBEAVER_APP_ANONYMOUS_ACCESS_ENABLED": "false",
                    "CLOUDBEAVER_APP_SUPPORTS_CUSTOM_CONNECTIONS": "true",
                    "JAVA_OPTS": "-XX:MaxRAMPercentage=75",
                },
                files=[*files, File(path=CONNECTIONS_FILE, content=connections)],
                volumes=[data.at(WORKSPACE)],
                ports=[Port(internal=PORT, external=args.published)],
                healthcheck=Healthcheck(
                    command=["wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{PORT}/status"],
                    interval="30s",
                    start_period="2m0s",
                ),
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[*data.resources]),
        )
        self.register_outputs({"url": self.url})
