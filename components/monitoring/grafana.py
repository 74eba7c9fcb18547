"""Grafana: what it is provisioned with, and its container."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
import yaml

from components.container import File
from components.monitoring.service import Running, ServiceArgs, run_service

PORT = 3000
ADMIN = "admin"
DATA = "/var/lib/grafana"
PROVISIONING = "/etc/grafana/provisioning"
DASHBOARDS = "/etc/grafana/dashboards"
PASSWORD_FILE = "/etc/arquitectura/grafana-password"

HOME = "home.json"
"""The dashboard that is seen first."""


@dataclass(frozen=True, kw_only=True)
class GrafanaArgs:
    """Grafana.

    Attributes:
        service: its container.
        url: where browsers reach it.
        admin_password: of the user `admin`; secret.
        prometheus: URL of Prometheus, as Grafana dials it.
        alertmanager: likewise of Alertmanager.
        interval: seconds between two measurements.
        dashboards: text of each dashboard, by its file's name; `own/…` for the user's. A change
            replaces the container.
    """

    service: ServiceArgs
    url: pulumi.Input[str]
    admin_password: pulumi.Input[str]
    prometheus: str
    alertmanager: str
    interval: int
    dashboards: Mapping[str, str]


def data_sources(prometheus: str, alertmanager: str, interval: int) -> str:
    """Provisioned data sources: dashboards name them by `uid`."""
    return yaml.safe_dump(
        {
            "apiVersion": 1,
            "datasources": [
                {
                    "name": "Prometheus",
                    "uid": "prometheus",
                    "type": "prometheus",
                    "access": "proxy",
                    "url": prometheus,
                    "isDefault": True,
                    "editable": False,
                    "jsonData": {
                        "httpMethod": "POST",
                        "timeInterval": f"{interval}s",
                        "manageAlerts": True,
                    },
                },
                {
                    "name": "Alertmanager",
                    "uid": "alertmanager",
                    "type": "alertmanager",
                    "access": "proxy",
                    "url": alertmanager,
                    "editable": False,
                    "jsonData": {
                        "implementation": "prometheus",
                        "handleGrafanaManagedAlerts": False,
                    },
                },
            ],
        },
        sort_keys=False,
    )


def dashboard_providers() -> str:
    """Where Grafana finds dashboards: they are read from files, and not changed in the browser."""
    return yaml.safe_dump(
        {
            "apiVersion": 1,
            "providers": [
                {
                    "name": "arquitectura",
                    "type": "file",
                    "allowUiUpdates": False,
                    "disableDeletion": True,
                    "options": {"path": DASHBOARDS, "foldersFromFilesStructure": True},
                }
            ],
        },
        sort_keys=False,
    )


def grafana(args: GrafanaArgs, opts: pulumi.ResourceOptions) -> docker.Container:
    """Makes Grafana and the directory of what its users change."""
    data = args.service.host.data_directory(args.service.name, opts)
    files = {
        PASSWORD_FILE: args.admin_password,
        f"{PROVISIONING}/datasources/arquitectura.yaml": data_sources(
            args.prometheus, args.alertmanager, args.interval
        ),
        f"{PROVISIONING}/dashboards/arquitectura.yaml": dashboard_providers(),
        **{f"{DASHBOARDS}/{name}": text for name, text in sorted(args.dashboards.items())},
    }
    environment = {
        "GF_SECURITY_ADMIN_USER": ADMIN,
        "GF_SECURITY_ADMIN_PASSWORD__FILE": PASSWORD_FILE,
        "GF_SERVER_ROOT_URL": args.url,
        "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
    }
    if HOME in args.dashboards:
        environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] = f"{DASHBOARDS}/{HOME}"
    return run_service(
        args.service,
        Running(
            entrypoint="/run.sh",
            port=PORT,
            health_path="/api/health",
            environment=environment,
            files=[File(path=path, content=content) for path, content in files.items()],
            volumes=[data.at(DATA)],
            start_period="1m0s",
        ),
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[*data.resources])),
    )
