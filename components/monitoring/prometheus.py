"""Prometheus: its configuration, and its container."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker
import yaml

from components.container import File
from components.hosts.host import DataDirectory
from components.minio.cluster import METRICS_PATH
from components.monitoring.service import CONFIG, Running, ServiceArgs, run_service
from components.monitoring.targets import PATH as TARGETS

PORT = 9090
DATA = "/prometheus"
"""In the official image a folder of the user that Prometheus runs as."""
CONFIG_FILE = f"{CONFIG}/prometheus.yml"
RULES = f"{CONFIG}/rules"

TIMEOUT_SECONDS = 10

PATHS = {"minio": METRICS_PATH}
"""Where a job has its metrics, if not at `/metrics`."""

KEPT: Mapping[str, tuple[Sequence[str], str]] = {
    # The exporter of PostgreSQL that asks Citus says much of PostgreSQL, too.
    "citus": (["__name__"], "citus_.+|pg_exporter_.+"),
    # Of the engine's cgroups those that are containers.
    "cadvisor": (["__name__", "name"], "container_.+;.+|(machine|cadvisor)_.*"),
}
"""What is kept of a job's metrics: labels, and what these must be, joined by `;`."""


@dataclass(frozen=True, kw_only=True)
class PrometheusArgs:
    """Prometheus.

    Attributes:
        service: its container.
        stack: value of the label `stack` on what it tells others.
        jobs: the kinds of targets; each has a file in `targets`.
        interval: seconds between two measurements.
        retention_days: how long they are kept.
        retention_gb: the disk space that they may take, in GB.
        targets: holds the files of targets.
        rules: text of each file of rules, by its name. A change replaces the container; the data
            stays.
        alertmanager: `host:port` that alerts are sent to.
    """

    service: ServiceArgs
    stack: str
    jobs: Sequence[str]
    interval: int
    retention_days: int
    retention_gb: int
    targets: DataDirectory
    rules: Mapping[str, str]
    alertmanager: str


def configuration(args: PrometheusArgs) -> str:
    """`prometheus.yml`: nothing in it changes when the stack grows."""
    return yaml.safe_dump(
        {
            "global": {
                "scrape_interval": f"{args.interval}s",
                "scrape_timeout": f"{min(args.interval, TIMEOUT_SECONDS)}s",
                "evaluation_interval": f"{args.interval}s",
                "external_labels": {"stack": args.stack},
            },
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [args.alertmanager]}]}],
            },
            "rule_files": [f"{RULES}/*.yaml"],
            "scrape_configs": [dict(_scrape(job)) for job in args.jobs],
        },
        sort_keys=False,
    )


def _scrape(job: str) -> Iterator[tuple[str, Any]]:
    yield "job_name", job
    if job in PATHS:
        yield "metrics_path", PATHS[job]
    # The file is watched; the interval is for file systems that cannot tell.
    yield "file_sd_configs", [{"files": [f"{TARGETS}/{job}.json"], "refresh_interval": "1m"}]
    if job in KEPT:
        labels, regex = KEPT[job]
        yield (
            "metric_relabel_configs",
            [{"source_labels": list(labels), "regex": regex, "action": "keep"}],
        )


def prometheus(args: PrometheusArgs, opts: pulumi.ResourceOptions) -> docker.Container:
    """Makes Prometheus and the directory of its data."""
    data = args.service.host.data_directory(args.service.name, opts)
    return run_service(
        args.service,
        Running(
            entrypoint="/bin/prometheus",
            command=[
                f"--config.file={CONFIG_FILE}",
                f"--storage.tsdb.path={DATA}",
                f"--storage.tsdb.retention.time={args.retention_days}d",
                f"--storage.tsdb.retention.size={args.retention_gb}GB",
            ],
            port=PORT,
            health_path="/-/ready",
            files=[
                File(path=CONFIG_FILE, content=configuration(args)),
                *(
                    File(path=f"{RULES}/{name}", content=text)
                    for name, text in sorted(args.rules.items())
                ),
            ],
            volumes=[data.at(DATA), args.targets.at(TARGETS, read_only=True)],
            start_period="1m0s",  # it reads its log of the last hours first
        ),
        pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(depends_on=[*data.resources, *args.targets.resources])
        ),
    )
