"""`MonitoringStack`: what measures a stack, keeps what was measured, alerts and shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_random as random

from components.citus.cluster import MONITORING, CitusCluster
from components.monitoring import alertmanager_container, prometheus
from components.monitoring.alertmanager_container import AlertmanagerArgs, alertmanager
from components.monitoring.exporters import (
    PostgresExporterArgs,
    cadvisor,
    citus_exporter,
    node_exporter,
    postgres_exporter,
)
from components.monitoring.grafana import GrafanaArgs, grafana
from components.monitoring.prometheus import PrometheusArgs
from components.monitoring.service import ServiceArgs
from components.monitoring.targets import Target, target_files, write_targets

RULES = Path(__file__).parent / "rules"


@dataclass(frozen=True, kw_only=True)
class ServerExporterArgs:
    """An exporter of a Citus node, which it dials at `server`, its `host:port`."""

    service: ServiceArgs
    server: str


@dataclass(frozen=True, kw_only=True)
class DashboardArgs:
    """Grafana.

    Attributes:
        service: its container.
        url: where browsers reach it.
        dashboards: text of each dashboard, by its file's name.
    """

    service: ServiceArgs
    url: pulumi.Input[str]
    dashboards: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """The monitoring of a stack.

    Attributes:
        helper_image: busybox, to write files into volumes.
        on_servers: whether hosts are servers with addresses of their own.
        prometheus: its container.
        alertmanager: its container.
        node_exporters: one for each host.
        cadvisors: likewise.
        postgres_exporters: one for each Citus node.
        citus_exporter: asks the coordinator about every database.
        databases_left_out: names of databases that it does not ask.
        grafana: None: there are no dashboards.
        jobs: the kinds of targets.
        targets: what Prometheus asks.
        interval: seconds between two measurements.
        retention_days: how long they are kept.
        retention_gb: the disk space that they may take, in GB.
        thresholds: text of the rules that hold the thresholds.
        alerting: text of `alertmanager.yml`.
        alerting_files: text of the files that it names, by their paths; secret.
        authority: PEM of what the Citus nodes' certificates are verified with, if they are.
        joined: whatever joins workers to databases: what makes roles comes after it.
    """

    helper_image: str
    on_servers: bool
    prometheus: ServiceArgs
    alertmanager: ServiceArgs
    node_exporters: Sequence[ServiceArgs]
    cadvisors: Sequence[ServiceArgs]
    postgres_exporters: Sequence[ServerExporterArgs]
    citus_exporter: ServerExporterArgs
    grafana: DashboardArgs | None
    jobs: Sequence[str]
    targets: Sequence[Target]
    interval: int
    retention_days: int
    retention_gb: int
    thresholds: str
    alerting: pulumi.Input[str]
    alerting_files: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    authority: pulumi.Input[str] | None = None
    joined: Sequence[pulumi.Resource] = ()
    databases_left_out: Sequence[str] = ()


class MonitoringStack(pulumi.ComponentResource):
    """Prometheus with its exporters, Alertmanager and Grafana.

    Resources: a `MonitoringRole`, a directory with the targets and a one-shot container that writes
    them, a `docker.Container` for each exporter, and for Prometheus, Alertmanager and Grafana each
    a data directory and a `docker.Container`; with Grafana a `random.RandomPassword`.

    Attributes:
        prometheus: URL of Prometheus, as this machine or the other hosts dial it.
        alertmanager: likewise of Alertmanager.
        grafana: URL of Grafana; None without it.
        grafana_password: password of its user `admin`; secret.
    """

    prometheus: str
    alertmanager: str
    grafana: pulumi.Input[str] | None = None
    grafana_password: pulumi.Output[str] | None = None

    def __init__(
        self,
        name: str,
        args: MonitoringArgs,
        citus: CitusCluster,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:monitoring:Stack", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._args = args
        host, prefix = args.prometheus.host, args.prometheus.host.prefix
        self._measure(name, citus, child)

        self.prometheus = _url(args.prometheus)
        self.alertmanager = _url(args.alertmanager)
        dialed = f"{prefix}{args.alertmanager.name}:{alertmanager_container.PORT}"
        alertmanager(
            AlertmanagerArgs(
                service=args.alertmanager,
                configuration=args.alerting,
                files=args.alerting_files,
            ),
            child,
        )
        prometheus.prometheus(
            PrometheusArgs(
                service=args.prometheus,
                stack=host.stack,
                jobs=args.jobs,
                interval=args.interval,
                retention_days=args.retention_days,
                retention_gb=args.retention_gb,
                targets=write_targets(
                    f"{name}-targets",
                    host,
                    image=args.helper_image,
                    files=target_files(args.jobs, args.targets),
                    opts=child,
                ),
                rules={
                    **{file.name: file.read_text() for file in RULES.glob("*.yaml")},
                    "thresholds.yaml": args.thresholds,
                },
                alertmanager=dialed,
            ),
            child,
        )
        if args.grafana:
            self.grafana = args.grafana.url
            self.grafana_password = random.RandomPassword(
                f"{name}-grafana-admin", length=32, special=False, opts=child
            ).result
            grafana(
                GrafanaArgs(
                    service=args.grafana.service,
                    url=args.grafana.url,
                    admin_password=self.grafana_password,
                    prometheus=f"http://{prefix}{args.prometheus.name}:{prometheus.PORT}",
                    alertmanager=f"http://{dialed}",
                    interval=args.interval,
                    dashboards=args.grafana.dashboards,
                ),
                child,
            )
        self.register_outputs({"prometheus": self.prometheus, "alertmanager": self.alertmanager})

    def _measure(self, name: str, citus: CitusCluster, child: pulumi.ResourceOptions) -> None:
        args = self._args
        for service in args.node_exporters:
            node_exporter(service, child, on_server=args.on_servers)
        for service in args.cadvisors:
            cadvisor(service, child)
        role = citus.monitor(f"{name}-role", parent=self, depends_on=args.joined)
        after_role = pulumi.ResourceOptions(parent=self, depends_on=[role])

        def server(exporter: ServerExporterArgs) -> PostgresExporterArgs:
            return PostgresExporterArgs(
                service=exporter.service,
                server=exporter.server,
                role=MONITORING,
                password=citus.monitoring_password,
                sslmode=citus.sslmode,
                authority=args.authority,
            )

        for exporter in args.postgres_exporters:
            postgres_exporter(server(exporter), after_role)
        citus_exporter(server(args.citus_exporter), after_role, except_for=args.databases_left_out)


def _url(service: ServiceArgs) -> str:
    return f"http://{service.host.address}:{service.published}"
