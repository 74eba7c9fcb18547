"""Decides what measures what: pure, from a stack's nodes to its exporters and Prometheus' targets.

A target's labels are `instance`, its name within the stack, and `host`, that of its host.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from config.settings import Images, MonitoringSettings

if TYPE_CHECKING:
    from config.plan import NodePlan

PROMETHEUS_PORT = 9090
ALERTMANAGER_PORT = 9093
NODE_EXPORTER_PORT = 9100
CADVISOR_PORT = 9101
EDGE_METRICS_PORT = 9102
CITUS_EXPORTER_PORT = 9186
POSTGRES_EXPORTER_PORT = 9187
"""The coordinator's; a worker's is this plus its number."""
GRAFANA_PORT = 3001
"""On a server. Dokploy takes Grafana's usual 3000."""

CADVISOR_INSIDE = 8080
GRAFANA_INSIDE = 3000
"""The ports that the programs themselves listen on, where it is not the one above."""

JOBS = (
    "node",
    "cadvisor",
    "postgres",
    "citus",
    "minio",
    "traefik",
    "prometheus",
    "alertmanager",
)
"""Every kind of target, whether a stack has one or not."""


@dataclass(frozen=True, kw_only=True)
class ServicePlan:
    """A container that measures, keeps or shows metrics.

    Attributes:
        kind: what it is, such as `node-exporter`.
        name: its name within the stack.
        host: name of the host it stands on.
        published: the port on its host; None where only containers on its host dial it.
        node: the Citus node that it measures.
        memory_mb: memory limit in MiB.
        cpus: CPU limit in cores.
    """

    kind: str
    name: str
    host: str
    image: str
    published: int | None
    memory_mb: int
    cpus: float
    node: "NodePlan | None" = None


@dataclass(frozen=True, kw_only=True)
class TargetPlan:
    """What Prometheus asks: its job, `host:port`, and the labels of all that it answers."""

    job: str
    address: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MonitoringPlan:
    """What measures a stack.

    Attributes:
        host: name of the host with Prometheus, Alertmanager and Grafana.
        services: every container of it.
        targets: what Prometheus asks.
        settings: the config, for what needs no planning.
    """

    host: str
    services: tuple[ServicePlan, ...]
    targets: tuple[TargetPlan, ...]
    settings: MonitoringSettings

    def of_kind(self, kind: str) -> tuple[ServicePlan, ...]:
        """The services of one kind."""
        return tuple(service for service in self.services if service.kind == kind)


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where a stack is monitored.

    Attributes:
        prefix: before the name of every container.
        hosts: addresses of the hosts by their names, the one for Prometheus first. None as address:
            containers dial each other by name, and ports are for this machine only.
        edge: whether Traefik runs on the first host.
    """

    prefix: str
    hosts: Mapping[str, str | None]
    edge: bool

    @property
    def main(self) -> str:
        """The host for Prometheus."""
        return next(iter(self.hosts))

    @property
    def on_servers(self) -> bool:
        """Whether hosts reach each other by address."""
        return self.hosts[self.main] is not None

    def published(self, port: int) -> int | None:
        """The port, where it is dialed from other hosts."""
        return port if self.on_servers else None

    def dial(self, name: str, host: str, published: int, inside: int) -> str:
        """How Prometheus reaches a container: over its host, or on the Docker network."""
        address = self.hosts[host]
        return f"{address}:{published}" if address else f"{self.prefix}{name}:{inside}"


def plan_monitoring(
    settings: MonitoringSettings,
    images: Images,
    around: Surroundings,
    *,
    citus: Sequence["NodePlan"],
    minio: Sequence["NodePlan"],
) -> MonitoringPlan:
    """The plan for a stack with these nodes, the coordinator first."""
    measuring = list(_measuring(settings, images, around, citus))
    return MonitoringPlan(
        host=around.main,
        services=(*_keeping(settings, images, around), *(service for service, _ in measuring)),
        targets=(
            *(target for _, target in measuring),
            *_measured_by_themselves(around, minio),
        ),
        settings=settings,
    )


def _keeping(
    settings: MonitoringSettings, images: Images, around: Surroundings
) -> Iterator[ServicePlan]:
    servers = around.on_servers
    yield ServicePlan(
        kind="prometheus",
        name="prometheus",
        host=around.main,
        image=images.prometheus,
        published=PROMETHEUS_PORT if servers else settings.port,
        memory_mb=settings.memory_mb,
        cpus=1,
    )
    yield ServicePlan(
        kind="alertmanager",
        name="alertmanager",
        host=around.main,
        image=images.alertmanager,
        published=ALERTMANAGER_PORT if servers else settings.alertmanager_port,
        memory_mb=128,
        cpus=0.5,
    )
    if settings.grafana.enabled:
        yield ServicePlan(
            kind="grafana",
            name="grafana",
            host=around.main,
            image=images.grafana,
            published=GRAFANA_PORT if servers else settings.grafana.port,
            memory_mb=512,
            cpus=1,
        )


def _measuring(
    settings: MonitoringSettings,
    images: Images,
    around: Surroundings,
    citus: Sequence["NodePlan"],
) -> Iterator[tuple[ServicePlan, TargetPlan]]:
    for host in around.hosts:
        name = f"node-exporter-{host}"
        yield (
            ServicePlan(
                kind="node-exporter",
                name=name,
                host=host,
                image=images.node_exporter,
                published=around.published(NODE_EXPORTER_PORT),
                memory_mb=64,
                cpus=0.5,
            ),
            TargetPlan(
                job="node",
                address=around.dial(name, host, NODE_EXPORTER_PORT, NODE_EXPORTER_PORT),
                labels={"instance": host, "host": host},
            ),
        )
        if settings.cadvisor:
            name = f"cadvisor-{host}"
            yield (
                ServicePlan(
                    kind="cadvisor",
                    name=name,
                    host=host,
                    image=images.cadvisor,
                    published=around.published(CADVISOR_PORT),
                    memory_mb=256,
                    cpus=0.5,
                ),
                TargetPlan(
                    job="cadvisor",
                    address=around.dial(name, host, CADVISOR_PORT, CADVISOR_INSIDE),
                    labels={"instance": host, "host": host},
                ),
            )
    for node in citus:
        instance = node.name.removeprefix(around.prefix)
        name = f"postgres-exporter-{instance}"
        port = POSTGRES_EXPORTER_PORT + node.ordinal
        yield (
            _postgres_exporter("postgres-exporter", name, port, node, images, around),
            TargetPlan(
                job="postgres",
                address=around.dial(name, node.host, port, POSTGRES_EXPORTER_PORT),
                labels={
                    "instance": instance,
                    "host": node.host,
                    "role": "worker" if node.ordinal else "coordinator",
                },
            ),
        )
    coordinator = citus[0]
    name = "citus-exporter"
    yield (
        _postgres_exporter(name, name, CITUS_EXPORTER_PORT, coordinator, images, around),
        TargetPlan(
            job="citus",
            address=around.dial(
                name, coordinator.host, CITUS_EXPORTER_PORT, POSTGRES_EXPORTER_PORT
            ),
            labels={
                "instance": coordinator.name.removeprefix(around.prefix),
                "host": coordinator.host,
            },
        ),
    )


def _postgres_exporter(
    kind: str, name: str, port: int, node: "NodePlan", images: Images, around: Surroundings
) -> ServicePlan:
    return ServicePlan(
        kind=kind,
        name=name,
        host=node.host,
        image=images.postgres_exporter,
        published=around.published(port),
        memory_mb=64,
        cpus=0.5,
        node=node,
    )


def _measured_by_themselves(
    around: Surroundings, minio: Sequence["NodePlan"]
) -> Iterator[TargetPlan]:
    for node in minio:
        yield TargetPlan(
            job="minio",
            address=f"{node.address}:{node.port}",
            labels={"instance": node.name.removeprefix(around.prefix), "host": node.host},
        )
    main = around.main
    if around.edge:
        yield TargetPlan(
            job="traefik",
            address=f"{around.hosts[main]}:{EDGE_METRICS_PORT}",
            labels={"instance": "edge", "host": main},
        )
    # On one Docker network whatever the host.
    for name, port in (("prometheus", PROMETHEUS_PORT), ("alertmanager", ALERTMANAGER_PORT)):
        yield TargetPlan(
            job=name,
            address=f"{around.prefix}{name}:{port}",
            labels={"instance": name, "host": main},
        )
