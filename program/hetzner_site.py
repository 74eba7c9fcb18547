"""Servers of Hetzner Cloud as a stack's site, once they are known to be had."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pulumi
import pulumi_hcloud as hcloud

from components.access import HTTPS_PORT, Access
from components.authority import CertificateAuthority
from components.dokploy.dokploy import (
    HEALTH_PATH,
    WEBHOOK_PATHS,
    Dokploy,
    DokployArgs,
    server_args,
)
from components.dokploy.gate import DokployGate, DokployGateArgs
from components.dokploy.installation import RELEASE
from components.edge.edge import (
    DOKPLOY,
    HTTP_PORT,
    Certificate,
    Edge,
    EdgeArgs,
    HttpRoute,
    TcpRoute,
)
from components.edge.names import NamesReady, NamesReadyArgs
from components.hosts.hetzner import HetznerServer, HetznerServerArgs
from components.hosts.hetzner_cloud import HetznerCloud, HetznerCloudArgs
from components.hosts.placement import PlacementArgs
from components.hosts.server_size import found_as
from components.hosts.ssh import ssh_config_entry
from components.minio.cluster import METRICS_PATHS, READ_PATH
from config.cost import Cost, cost_report, monthly_cost, present_cost
from config.monitoring import EDGE_METRICS_PORT, GRAFANA_PORT
from config.offer import Offer, offer_problems, offer_warnings
from config.plan import (
    APPS,
    CLOUDBEAVER_PORT,
    CONSOLE_PORT,
    DOKPLOY_PORT,
    EDGE_CPUS,
    EDGE_MEMORY_MB,
    MAIN,
    POSTGRES_PORT,
    DokployPlan,
    HetznerPlan,
    Plan,
    ServerPlan,
)
from config.problems import ConfigError
from config.settings import SWARM_RANGE
from program.hetzner_api import HetznerApiError, read_offer, read_prices, unreachable
from program.site import Site

BOOT_SECONDS = 60
"""How long a server that runs may take no SSH connection before it counts as unreachable."""

EDGE = "edge"

RECORD_TTL = 300
"""Seconds that others may keep a DNS record, or that there is none."""


def hetzner_site(plan: Plan, hetzner: HetznerPlan) -> Site:
    """Checks the plan against what Hetzner offers, says what it costs, and makes the servers.

    Raises:
        pulumi.RunError: the API refuses or does not answer, the plan cannot be had, or a server of
            the stack does not answer; nothing has been registered yet.
    """
    hosts = hetzner.hosts
    token = hosts.token.get_secret_value()
    try:
        offer = read_offer(hosts.endpoint, token, plan.stack)
        prices = read_prices(hosts.endpoint, token)
        problems = list(offer_problems(plan, offer))
        if problems:
            raise ConfigError(problems)
    except (HetznerApiError, ConfigError) as error:
        raise pulumi.RunError(str(error)) from None
    # A preview needs no SSH; an update that cannot reach a server would end half-way.
    planned = [server.full_name for server in hetzner.servers]
    if not pulumi.runtime.is_dry_run() and (
        silent := unreachable(offer.servers, BOOT_SECONDS, starts=planned)
    ):
        raise pulumi.RunError("\n  ".join(["nothing was changed:", *silent]))
    for warning in offer_warnings(plan, offer):
        pulumi.log.warn(warning)
    cost = monthly_cost(hetzner.servers, hetzner.location, prices)
    now = present_cost(offer.servers, hetzner.location, prices) if offer.servers else None
    pulumi.log.info(cost_report(cost, hetzner.budget_eur, now))

    cloud = HetznerCloud("hetzner", _cloud_args(plan, hetzner, offer, token))
    servers: dict[str, HetznerServer] = {}
    before: HetznerServer | None = None
    for server in hetzner.servers:
        before = servers[server.name] = HetznerServer(
            server.name,
            HetznerServerArgs(
                full_name=server.full_name,
                prefix=plan.prefix,
                server_type=server.server_type,
                found=_found(server, offer),
                private_ip=server.private_ip,
                volume_gb=server.volume_gb,
                group=server.group,
                public=server.name in (MAIN, APPS),
                protect=plan.protect and server.holds_data,
                registry=hosts.registry,
                identity_file=hosts.ssh_identity_file,
                after=before,
            ),
            cloud,
        )
    return _entrance(plan, hetzner, cloud, servers, cost)


def _found(server: ServerPlan, offer: Offer) -> str | None:
    existing = offer.server(server.full_name)
    return found_as(existing.type, existing.status) if existing else None


def _cloud_args(plan: Plan, hetzner: HetznerPlan, offer: Offer, token: str) -> HetznerCloudArgs:
    hosts = hetzner.hosts
    existing = {key.name: str(key.id) for key in offer.ssh_keys}
    return HetznerCloudArgs(
        stack=plan.stack,
        endpoint=hosts.endpoint,
        token=pulumi.Output.secret(token),
        location=hosts.location,
        network_zone=offer.locations[hosts.location],
        network_cidr=hetzner.network_cidr,
        subnet_cidr=hetzner.subnet_cidr,
        admin_cidrs=hosts.admin_cidrs,
        public_ports=[HTTP_PORT, HTTPS_PORT],
        admin_ports=[POSTGRES_PORT],
        key_ids=[existing[key] for key in hosts.ssh_keys if key in existing],
        public_keys=[key for key in hosts.ssh_keys if key not in existing],
        groups=max(server.group or 0 for server in hetzner.servers),
        placement=PlacementArgs(
            location=hosts.location,
            nodes=plan.placement,
            volumes={server.name: server.volume_gb or 0 for server in hetzner.servers},
        ),
    )


def _entrance(
    plan: Plan,
    hetzner: HetznerPlan,
    cloud: HetznerCloud,
    servers: dict[str, HetznerServer],
    cost: Cost,
) -> Site:
    """The way in: certificates, names, the edge."""
    hosts, main = hetzner.hosts, servers[MAIN]
    files = Path(".arquitectura") / plan.stack
    authority = CertificateAuthority("ca", common_name=f"arquitectura {plan.stack}")
    ca_file = authority.certificate.apply(lambda pem: _write(files / "ca.crt", pem))
    pulumi.Output.all(
        *(
            pulumi.Output.all(
                server.name, server.public_ip, server.host_key, hosts.ssh_identity_file
            )
            for server in servers.values()
        )
    ).apply(
        lambda known: _write(
            files / "ssh_config", "\n".join(ssh_config_entry(*entry) for entry in known)
        )
    )

    domain: pulumi.Output[str] = (
        pulumi.Output.from_input(hosts.domain)
        if hosts.domain
        else main.public_ip.apply(lambda ip: f"{ip.replace('.', '-')}.{hosts.domain_suffix}")
    )
    names = {service: pulumi.Output.concat(service, ".", domain) for service in services(plan)}
    s3_name = names["s3"]
    certificate: Certificate | None = None
    if hosts.domain is None:
        issued = authority.issue(
            "edge-tls",
            names=[domain, pulumi.Output.concat("*.", domain)],
            addresses=[main.public_ip],
            parent=main,
        )
        certificate = Certificate(certificate=issued.certificate, key=issued.key)
    dokploy = _dokploy(plan, plan.dokploy, servers, names) if plan.dokploy else None
    # Also without Dokploy: it may have been there until now.
    gate = DokployGate(
        "dokploy-gate",
        DokployGateArgs(server=server_args(servers[plan.dokploy.server]) if plan.dokploy else None),
    )
    before: list[pulumi.Resource] = [gate, *([dokploy.ready] if dokploy else [])]
    if hosts.domain:
        before += _names(services(plan), hetzner, cloud, main)
    edge = Edge(
        EDGE,
        EdgeArgs(
            image=plan.images.traefik,
            helper_image=plan.images.busybox,
            address=main.public_ip,
            memory_mb=EDGE_MEMORY_MB,
            cpus=EDGE_CPUS,
            http=[
                HttpRoute(
                    name="s3",
                    hosts=[s3_name] if hosts.domain else [s3_name, main.public_ip],
                    servers=[f"http://{node.address}:{node.port}" for node in plan.minio.nodes],
                    health_path=READ_PATH,
                    hidden=METRICS_PATHS,
                ),
                HttpRoute(
                    name="console",
                    hosts=[names["console"]],
                    servers=[f"http://{node.address}:{CONSOLE_PORT}" for node in plan.minio.nodes],
                    health_path="/",
                    admins_only=True,
                    sticky=True,
                ),
                *_console_routes(plan, names),
            ],
            tcp=[
                TcpRoute(
                    name="postgres",
                    port=POSTGRES_PORT,
                    server=f"{plan.citus.coordinator.address}:{plan.citus.coordinator.port}",
                )
            ],
            admin_cidrs=hosts.admin_cidrs,
            certificate=certificate,
            acme_email=hosts.acme_email,
            applications=DOKPLOY if plan.dokploy and plan.dokploy.beside_edge else None,
            metrics_port=EDGE_METRICS_PORT if plan.monitoring else None,
        ),
        main,
        pulumi.ResourceOptions(depends_on=before),
    )
    return Site(
        hosts=servers,
        s3=Access(
            host=s3_name if hosts.domain else main.public_ip,
            port=HTTPS_PORT,
            tls=True,
            ca_file=None if hosts.domain else ca_file,
            ready=edge.ready,
        ),
        postgres=Access(
            host=main.public_ip,
            alias=f"db.{hosts.domain}" if hosts.domain else None,
            port=POSTGRES_PORT,
            tls=True,
            ca_file=ca_file,
            ready=edge.ready,
        ),
        console=_https(names["console"]),
        grafana=_https(names.get("grafana")),
        cloudbeaver=_https(names.get("cloudbeaver")),
        dokploy=dokploy,
        authority=authority,
        outputs={
            "ca_certificate": authority.certificate,
            "monthly_cost": {
                "currency": cost.currency,
                "total": f"{cost.total:.2f}",
                "lines": {
                    f"{line.count} × {line.what}": f"{line.total:.2f}" for line in cost.lines
                },
                "unknown": list(cost.unknown),
            },
            "servers": {name: server.public_ip for name, server in servers.items()},
        },
    )


def _dokploy(
    plan: Plan,
    dokploy: DokployPlan,
    servers: Mapping[str, HetznerServer],
    names: Mapping[str, pulumi.Output[str]],
) -> Dokploy:
    settings = dokploy.settings
    return Dokploy(
        "dokploy",
        DokployArgs(
            url=_https(names["dokploy"]),
            installer=settings.installer or RELEASE.format(version=settings.version),
            admin_email=settings.admin_email,
            swarm_range=SWARM_RANGE,
            edge=f"{plan.prefix}{EDGE}" if dokploy.beside_edge else None,
            protect=plan.protect,
        ),
        servers[dokploy.server],
    )


def services(plan: Plan) -> Sequence[str]:
    """What has a name below the domain."""
    return ("s3", "console", "db", *(console.name for console in _consoles(plan)))


@dataclass(frozen=True)
class _Console:
    """What administrators see in the browser, and beginnings of paths for everyone."""

    name: str
    address: str
    port: int
    health_path: str
    webhooks: Sequence[str] = ()


def _consoles(plan: Plan) -> Iterator[_Console]:
    main = plan.citus.coordinator.address
    if plan.monitoring and plan.monitoring.settings.grafana.enabled:
        yield _Console("grafana", main, GRAFANA_PORT, "/api/health")
    if plan.cloudbeaver:
        yield _Console("cloudbeaver", main, CLOUDBEAVER_PORT, "/status")
    if plan.dokploy:
        # Who pushes code is told from outside; each call has a secret in its path, or is signed.
        yield _Console("dokploy", plan.dokploy.address, DOKPLOY_PORT, HEALTH_PATH, WEBHOOK_PATHS)


def _console_routes(plan: Plan, names: Mapping[str, pulumi.Output[str]]) -> Iterator[HttpRoute]:
    for console in _consoles(plan):
        route = HttpRoute(
            name=console.name,
            hosts=[names[console.name]],
            servers=[f"http://{console.address}:{console.port}"],
            health_path=console.health_path,
            admins_only=True,
        )
        yield route
        if console.webhooks:
            name = f"{console.name}-webhooks"
            yield replace(route, name=name, paths=console.webhooks, admins_only=False)


def _https(name: pulumi.Output[str] | None) -> pulumi.Input[str]:
    return pulumi.Output.concat("https://", name) if name else ""


def _names(
    services: Sequence[str], hetzner: HetznerPlan, cloud: HetznerCloud, main: HetznerServer
) -> list[pulumi.Resource]:
    """The services' names below the domain: made in its zone, or else only waited for."""
    hosts = hetzner.hosts
    domain, zone = hosts.domain or "", hosts.dns_zone
    records = [
        hcloud.ZoneRrset(
            f"dns-{service}",
            zone=zone,
            name=f"{service}.{domain}".removesuffix(f".{zone}"),
            type="A",
            ttl=RECORD_TTL,
            records=[hcloud.ZoneRrsetRecordArgs(value=main.public_ip)],
            labels=cloud.labels,
            opts=pulumi.ResourceOptions(parent=main, provider=cloud.provider),
        )
        for service in services
        if zone
    ]
    ready = NamesReady(
        "names-ready",
        NamesReadyArgs(
            names=[f"{service}.{domain}" for service in services],
            address=main.public_ip,
            timeout=RECORD_TTL if records else 10,
        ),
        pulumi.ResourceOptions(parent=main, depends_on=records),
    )
    return [ready]


def _write(file: Path, text: str) -> str:
    """Writes what a provider reads, and gives the path that its config holds."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists() or file.read_text() != text:
        file.write_text(text)
    return str(file)
