"""`Edge`: Traefik, the only process on a public address."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.access import HTTPS_PORT
from components.container import (
    ContainerArgs,
    File,
    Healthcheck,
    OneShotArgs,
    Port,
    container,
    written_directory,
)
from components.edge.routes import WEBSECURE, HttpRoute, TcpRoute, dynamic_configuration
from components.hosts.host import DataDirectory, Host

__all__ = ["Certificate", "Edge", "EdgeArgs", "HttpRoute", "TcpRoute"]

WEB = "web"
"""Entry point of plain HTTP, which sends everyone to HTTPS."""
HTTP_PORT = 80
PING_PORT = 8080
"""Inside of the container only."""
METRICS_PORT = 8082
METRICS = "metrics"
"""Entry point of the metrics, published on the host's private address."""

ROUTES = "/etc/traefik/routes"
ACME = "/var/lib/acme"
RESOLVER = "letsencrypt"
"""What applications of Dokploy call it, too."""
DOCKER_SOCKET = "/var/run/docker.sock"

WRITE = (
    # Written beside and renamed, from a name that Traefik does not look at: it never reads half a
    # file.
    "install -m 600 /in/routes.yml /out/.routes\nmv /out/.routes /out/routes.yml\n"
)

ENCODED_CHARACTERS = (
    "BackSlash",
    "Hash",
    "NullCharacter",
    "Percent",
    "QuestionMark",
    "Semicolon",
    "Slash",
)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """The certificate of all HTTP routes.

    Attributes:
        certificate: PEM, with its chain.
        key: PEM of its private key; secret.
    """

    certificate: pulumi.Input[str]
    key: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class Applications:
    """Applications on this host that another program deploys, with routes of their own.

    Attributes:
        network: Docker network that they are on.
        routes: folder on the host where the program writes routes. Those of containers are read
            from their labels, through Docker's socket.
    """

    network: str
    routes: str


DOKPLOY = Applications(network="dokploy-network", routes="/etc/dokploy/traefik/dynamic")
"""Dokploy's, which would otherwise run a Traefik of its own."""


@dataclass(frozen=True, kw_only=True)
class EdgeArgs:
    """What is served, and as whom.

    Attributes:
        image: Traefik 3.7 or later.
        helper_image: has a shell and `install`; writes the routes.
        address: the address that ports are published on: 80, 443, and those of the TCP routes.
        http: routes by host name. Another name is answered with 404.
        tcp: routes by port.
        admin_cidrs: the administrators' addresses, for routes that are theirs only.
        certificate: of all HTTP routes. None: Let's Encrypt certifies every host name of the HTTP
            routes, as soon as the name leads here.
        acme_email: address for notices of Let's Encrypt, if any.
        applications: what else is served on the same ports. Let's Encrypt certifies their names.
        metrics_port: port of the metrics on the host's own address. None: there are none.
        memory_mb: memory limit in MiB.
        cpus: CPU limit in cores.
    """

    image: str
    helper_image: str
    address: pulumi.Input[str]
    http: Sequence[HttpRoute]
    tcp: Sequence[TcpRoute]
    admin_cidrs: Sequence[str]
    certificate: Certificate | None
    acme_email: str | None
    applications: Applications | None = None
    metrics_port: int | None = None
    memory_mb: int = 256
    cpus: float = 2.0

    @property
    def acme(self) -> bool:
        """Whether anything is certified by Let's Encrypt."""
        return self.certificate is None or self.applications is not None


class Edge(pulumi.ComponentResource):
    """The way in from outside.

    Resources: a data directory with the routes and a one-shot container that writes them, where
    Let's Encrypt is asked a data directory for what it has issued, and a `docker.Container`.

    Attributes:
        ready: what must exist before the routes are served.
    """

    ready: Sequence[pulumi.Resource]

    def __init__(
        self,
        name: str,
        args: EdgeArgs,
        host: Host,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:edge:Edge", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        applications = args.applications
        # Traefik watches one folder. Under another name, since a volume does not become another.
        routes = _write_routes(
            f"{name}-shared-routes" if applications else f"{name}-routes", args, host, child
        )
        directories, volumes = [routes], [routes.at(ROUTES, read_only=True)]
        if applications:
            volumes.append(
                docker.ContainerVolumeArgs(
                    host_path=DOCKER_SOCKET, container_path=DOCKER_SOCKET, read_only=True
                )
            )
        if args.acme:
            acme = host.data_directory(f"{name}-acme", child)
            directories.append(acme)
            volumes.append(acme.at(ACME))
        before = [resource for directory in directories for resource in directory.resources]
        published = [HTTP_PORT, HTTPS_PORT, *(route.port for route in args.tcp)]
        traefik = container(
            name,
            host,
            ContainerArgs(
                service="edge",
                ordinal=0,
                image=args.image,
                memory_mb=args.memory_mb,
                cpus=args.cpus,
                command=static_configuration(args),
                networks=[applications.network] if applications else [],
                volumes=volumes,
                ports=[
                    *(Port(internal=port, external=port, ip=args.address) for port in published),
                    *_metrics_port(args.metrics_port),
                ],
                healthcheck=Healthcheck(
                    command=["traefik", "healthcheck", "--ping=true"], interval="5s"
                ),
                wait=True,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=before),
        )
        self.ready = [*before, traefik]
        self.register_outputs({})


def _metrics_port(port: int | None) -> Iterator[Port]:
    if port:
        yield Port(internal=METRICS_PORT, external=port)


def static_configuration(args: EdgeArgs) -> list[str]:
    """Traefik's arguments: what takes a restart to change."""
    entry_points = {
        "traefik": {"address": f"127.0.0.1:{PING_PORT}"},
        WEB: {
            "address": f":{HTTP_PORT}",
            "http.redirections.entryPoint.to": WEBSECURE,
            # An application may have a route without TLS; the default goes before every route.
            "http.redirections.entryPoint.priority": "1",
        },
        WEBSECURE: {
            "address": f":{HTTPS_PORT}",
            "http.tls": "true",
            # An upload may take as long as it likes; the default cuts it off after a minute.
            "transport.respondingTimeouts.readTimeout": "0",
            # A key of S3 may hold anything, and is part of what the client has signed.
            "http.sanitizePath": "false",
            "http.encodeQuerySemicolons": "true",  # else they become `&`
            **{
                f"http.encodedCharacters.allowEncoded{character}": "true"
                for character in ENCODED_CHARACTERS
            },
        },
        **{
            route.name: {
                "address": f":{route.port}",
                # A session of a database may be idle for days.
                "transport.respondingTimeouts.readTimeout": "0",
            }
            for route in args.tcp
        },
    }
    metrics = args.metrics_port is not None
    if metrics:
        entry_points[METRICS] = {"address": f":{METRICS_PORT}"}
    if args.certificate is None:
        entry_points[WEBSECURE]["http.tls.certResolver"] = RESOLVER
    return [
        *(
            f"--entryPoints.{entry_point}.{key}={value}"
            for entry_point, settings in entry_points.items()
            for key, value in settings.items()
        ),
        f"--providers.file.directory={ROUTES}",
        *(_labels(args.applications) if args.applications else []),
        # Within one private network a server that is there takes a connection at once.
        "--serversTransport.forwardingTimeouts.dialTimeout=2s",
        # Below the 30 s after which MinIO closes an idle connection: it is not reused at the
        # moment it goes.
        "--serversTransport.forwardingTimeouts.idleConnTimeout=20s",
        "--ping=true",
        "--log.level=INFO",
        "--log.noColor=true",
        "--global.checkNewVersion=false",
        "--global.sendAnonymousUsage=false",
        *([f"--metrics.prometheus.entryPoint={METRICS}"] if metrics else []),
        *(_acme(args.acme_email) if args.acme else []),
    ]


def _labels(applications: Applications) -> list[str]:
    """Reads the labels of containers, and of the swarm's services, that ask to be served."""
    return [
        f"--providers.{provider}.{key}={value}"
        for provider in ("docker", "swarm")
        for key, value in (("exposedByDefault", "false"), ("network", applications.network))
    ]


def _acme(email: str | None) -> list[str]:
    settings = {
        "storage": f"{ACME}/acme.json",  # made by Traefik, readable by nobody else
        "keyType": "EC256",
        "httpChallenge.entryPoint": WEB,
        **({"email": email} if email else {}),
    }
    return [
        f"--certificatesResolvers.{RESOLVER}.acme.{key}={value}" for key, value in settings.items()
    ]


def _write_routes(
    name: str, args: EdgeArgs, host: Host, opts: pulumi.ResourceOptions
) -> DataDirectory:
    """Keeps the routes in a directory that Traefik watches, so that others restart nothing."""
    own = args.certificate
    text = pulumi.Output.all(
        hosts={route.name: list(route.hosts) for route in args.http},
        certificate=[own.certificate, own.key] if own else None,
    ).apply(
        lambda known: dynamic_configuration(
            args.http,
            args.tcp,
            hosts=known["hosts"],
            admin_cidrs=args.admin_cidrs,
            certificate=known["certificate"],
        )
    )
    return written_directory(
        name,
        host,
        OneShotArgs(
            service=name,
            image=args.helper_image,
            script=WRITE,
            files=[File(path="/in/routes.yml", content=text)],
        ),
        opts,
        folder=args.applications.routes if args.applications else None,
    )
