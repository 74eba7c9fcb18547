"""The monitoring and CloudBeaver from the plan."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pulumi

from components.citus.cluster import CitusCluster
from components.cloudbeaver.cloudbeaver import CloudBeaver, CloudBeaverArgs
from components.cloudbeaver.connections import DatabaseConnection
from components.monitoring.service import ServiceArgs
from components.monitoring.stack import (
    DashboardArgs,
    MonitoringArgs,
    MonitoringStack,
    ServerExporterArgs,
)
from components.monitoring.targets import Target
from components.monitoring.thresholds import threshold_rules
from components.project import Project
from config.monitoring import JOBS, MonitoringPlan, ServicePlan
from config.plan import CLOUDBEAVER_CPUS, CLOUDBEAVER_PORT, LOCAL, MAIN, Plan
from config.settings import MonitoringSettings
from program.alerting import alerting
from program.site import Site

DASHBOARDS = Path(__file__).resolve().parent.parent / "docs" / "dashboards"
"""The platform's own, as `make dashboards` writes them."""


def make_monitoring(
    plan: Plan, site: Site, citus: CitusCluster, projects: Mapping[str, Project]
) -> Mapping[str, object]:
    """Makes what the config asks for; returns what the stack's outputs say of it."""
    outputs: dict[str, object] = {}
    if plan.monitoring:
        args = monitoring_args(plan, plan.monitoring, site, list(projects.values()))
        made = MonitoringStack("monitoring", args, citus)
        outputs |= {"prometheus": made.prometheus, "alertmanager": made.alertmanager}
        if made.grafana:
            outputs |= {"grafana": made.grafana, "grafana_admin_password": made.grafana_password}
    if plan.cloudbeaver:
        main = site.hosts[LOCAL if plan.hetzner is None else MAIN]
        shown = CloudBeaver("cloudbeaver", cloudbeaver_args(plan, site), main)
        outputs |= {
            "cloudbeaver": shown.url,
            "cloudbeaver_admin_password": shown.admin_password,
        }
    return outputs


def monitoring_args(
    plan: Plan, monitoring: MonitoringPlan, site: Site, joined: list[Project]
) -> MonitoringArgs:
    """The monitoring, with its exporters on every host."""
    settings = monitoring.settings

    def service(planned: ServicePlan) -> ServiceArgs:
        return ServiceArgs(
            kind=planned.kind,
            name=planned.name,
            host=site.hosts[planned.host],
            image=planned.image,
            published=planned.published,
            memory_mb=planned.memory_mb,
            cpus=planned.cpus,
        )

    def services(kind: str) -> list[ServiceArgs]:
        return [service(planned) for planned in monitoring.of_kind(kind)]

    def servers(kind: str) -> list[ServerExporterArgs]:
        return [
            ServerExporterArgs(
                service=service(planned), server=f"{planned.node.address}:{planned.node.port}"
            )
            for planned in monitoring.of_kind(kind)
            if planned.node
        ]

    (prometheus,) = services("prometheus")
    (alertmanager,) = services("alertmanager")
    (citus_exporter,) = servers("citus-exporter")
    configuration, files = alerting(settings.alerts, interval=settings.interval)
    return MonitoringArgs(
        helper_image=plan.images.busybox,
        on_servers=plan.hetzner is not None,
        prometheus=prometheus,
        alertmanager=alertmanager,
        node_exporters=services("node-exporter"),
        cadvisors=services("cadvisor"),
        postgres_exporters=servers("postgres-exporter"),
        citus_exporter=citus_exporter,
        grafana=next(
            (
                DashboardArgs(
                    service=grafana, url=site.grafana, dashboards=dict(_dashboards(settings))
                )
                for grafana in services("grafana")
            ),
            None,
        ),
        jobs=JOBS,
        targets=[
            Target(job=target.job, address=target.address, labels=target.labels)
            for target in monitoring.targets
        ],
        interval=settings.interval,
        retention_days=settings.retention_days,
        retention_gb=settings.retention_gb,
        thresholds=threshold_rules(settings.thresholds.model_dump()),
        alerting=configuration,
        alerting_files=files,
        authority=site.authority.certificate if site.authority else None,
        joined=joined,
        # The exporter takes a space for the end of the name, and then fails as a whole.
        databases_left_out=[p.database for p in plan.projects if " " in p.database],
    )


def _dashboards(settings: MonitoringSettings) -> Iterator[tuple[str, str]]:
    """The platform's dashboards and the user's, by the names that Grafana's folders get.

    Raises:
        pulumi.RunError: there is no such folder.
    """
    for file in sorted(DASHBOARDS.glob("*.json")):
        yield file.name, file.read_text()
    own = settings.grafana.dashboards
    if own is None:
        return
    if not Path(own).is_dir():
        raise pulumi.RunError(
            f"arquitectura:monitoring.grafana.dashboards: {own!r} is no folder in {Path.cwd()}"
        )
    for file in sorted(Path(own).glob("*.json")):
        yield f"own/{file.name}", file.read_text()


def cloudbeaver_args(plan: Plan, site: Site) -> CloudBeaverArgs:
    """CloudBeaver with a connection to each project's database."""
    cloudbeaver, coordinator = plan.cloudbeaver, plan.citus.coordinator
    assert cloudbeaver
    return CloudBeaverArgs(
        image=plan.images.cloudbeaver,
        url=site.cloudbeaver,
        published=CLOUDBEAVER_PORT if plan.hetzner else cloudbeaver.port,
        memory_mb=cloudbeaver.memory_mb,
        cpus=CLOUDBEAVER_CPUS,
        server_host=coordinator.address,
        server_port=coordinator.port,
        connections=[
            DatabaseConnection(name=project.name, database=project.database, role=project.name)
            for project in plan.projects
        ],
        authority=site.authority.certificate if site.authority else None,
    )
