"""The first page: is everything fine, and what do I scale next."""

from dashboards import promql
from dashboards.minio import STATE
from dashboards.panels import (
    GREEN,
    ORANGE,
    RED,
    Bars,
    Dashboard,
    Graph,
    Note,
    Query,
    Row,
    Stat,
    Table,
    Timeline,
    threshold,
)

STATES = {0: ("not fine", RED), 1: ("fine", GREEN)}
FIRING = 'ALERTS{alertstate="firing",alertname!="Watchdog"}'

DISK = "(100 - arquitectura:threshold:disk_free_percent)"
NEXT = """\
Make what is there larger first; add more of it when the largest is not enough.

| What is near 100 % | Set |
|---|---|
| memory or CPU of a container | `citus.worker.memory_mb`, `minio.cpus` and the like |
| CPU or memory of a server | `hosts.main.server_type`, `hosts.data.server_type` |
| … of the largest server | `citus.workers` + 1, or another entry in `minio.pools` |
| a disk | `hosts.main.volume_gb`, `hosts.data.volume_gb` |
| connections | `citus.coordinator.memory_mb`; in the application, a pool |
| S3 storage | `hosts.data.volume_gb`, or another entry in `minio.pools` |
| balance | nothing: see whether a table is distributed by a poor key |

`make review` looks at the whole week and writes the command.
"""


def _tile(
    title: str, expr: str, what: str, may_be_empty: str | None = None, absent: str = "no answer"
) -> Stat:
    return Stat(
        title=title,
        help=what,
        queries=[Query(expr, may_be_empty=may_be_empty)],
        width=3,
        texts=STATES,
        steps=[(0, RED), (1, GREEN)],
        filled=True,
        absent=absent,
    )


def _firing(title: str, severity: str, colour: str) -> Stat:
    count = f'count(ALERTS{{alertstate="firing",severity="{severity}"}}) or vector(0)'
    return Stat(title=title, queries=[Query(count)], width=3, steps=[(1, colour)], filled=True)


def _share(expr: str, limit: str, legend: str, may_be_empty: str | None = None) -> Query:
    """The largest value of an expression, in per cent of the threshold for it."""
    return Query(
        f"topk(1, 100 * ({expr}) / on () group_left () {limit})",
        legend,
        may_be_empty=may_be_empty,
    )


HOME = Dashboard(
    uid="home",
    title="Home",
    help="Is everything fine, and what do I scale next?",
    rows=[
        Row(
            "Is everything fine?",
            [
                _firing("Critical alerts", "critical", RED),
                _firing("Warnings", "warning", ORANGE),
                _tile("Hosts", 'min(up{job="node"})', "Whether every host answers."),
                _tile("PostgreSQL", promql.POSTGRES_UP, "Whether every node of Citus answers."),
                _tile(
                    "Citus",
                    promql.CITUS_COMPLETE,
                    "Whether every database has all workers that the config asks for, and "
                    "Citus uses them.",
                ),
                STATE,
                _tile(
                    "Edge",
                    'min(up{job="traefik"})',
                    "Whether what takes requests from outside answers.",
                    may_be_empty=promql.NO_EDGE,
                    absent="none here",
                ),
                _tile(
                    "Monitoring",
                    'min(up{job=~"prometheus|alertmanager|cadvisor|citus"})',
                    "Whether what measures and alerts answers itself.",
                ),
                Table(
                    title="Firing alerts",
                    help="docs/alerts.md says of each what it means and what to do.",
                    queries=[
                        Query(
                            f"max by (severity, alertname, host, instance) ({FIRING})",
                            "Firing",
                            may_be_empty=promql.NO_ALERT,
                        )
                    ],
                    labels={
                        "severity": "Severity",
                        "alertname": "Alert",
                        "host": "Host",
                        "instance": "Of",
                    },
                    values=False,
                ),
                Timeline(
                    title="Who answered",
                    help="Each kind of target; red while one of them did not answer.",
                    queries=[Query("job:targets:up == bool job:targets:count", "{{job}}")],
                    texts={0: ("one does not answer", RED), 1: ("all answer", GREEN)},
                ),
            ],
        ),
        Row(
            "What do I scale next?",
            [
                Bars(
                    title="Closest to its threshold",
                    help="The fullest of each kind in the last hour; at 100 % its alert fires.",
                    queries=[
                        _share(
                            "avg_over_time(host:cpu_percent:rate5m[1h])",
                            "arquitectura:threshold:cpu_percent",
                            "CPU of {{host}}",
                        ),
                        _share(
                            "avg_over_time(host:memory_percent:used[1h])",
                            "arquitectura:threshold:memory_percent",
                            "Memory of {{host}}",
                        ),
                        _share(
                            "100 - host:filesystem_percent:free",
                            DISK,
                            "Disk {{mountpoint}} of {{host}}",
                        ),
                        _share(
                            "avg_over_time(container:cpu_percent:rate5m[1h])",
                            "arquitectura:threshold:cpu_percent",
                            "CPU of container {{name}}",
                            promql.NO_CADVISOR,
                        ),
                        _share(
                            "avg_over_time(container:memory_percent:needed[1h])",
                            "arquitectura:threshold:memory_percent",
                            "Memory of container {{name}}",
                            promql.NO_CADVISOR,
                        ),
                        _share(
                            "postgres:connections_percent:used",
                            "arquitectura:threshold:connections_percent",
                            "Connections of {{instance}}",
                        ),
                        _share(
                            "minio:storage_percent:used",
                            "arquitectura:threshold:storage_percent",
                            "S3 storage",
                        ),
                        _share(
                            "citus:shard_bytes:imbalance_ratio - 1",
                            "(arquitectura:threshold:shard_imbalance_ratio - 1)",
                            "Balance of {{datname}}",
                            promql.NO_SHARD,
                        ),
                    ],
                    unit="percent",
                    decimals=0,
                    maximum=100,
                    steps=[(80, ORANGE), (100, RED)],
                    height=10,
                ),
                Note(title="What to set", text=NEXT, height=10),
                Graph(
                    title="CPU",
                    queries=[Query("host:cpu_percent:rate5m", "{{host}}")],
                    limit=threshold("cpu_percent"),
                    unit="percent",
                    maximum=100,
                    width=8,
                ),
                Graph(
                    title="Memory",
                    queries=[Query("host:memory_percent:used", "{{host}}")],
                    limit=threshold("memory_percent"),
                    unit="percent",
                    maximum=100,
                    width=8,
                ),
                Graph(
                    title="Connections",
                    queries=[Query("postgres:connections_percent:used", "{{instance}}")],
                    limit=threshold("connections_percent"),
                    unit="percent",
                    maximum=100,
                    width=8,
                ),
            ],
        ),
        Row(
            "How much is going on?",
            [
                Graph(
                    title="Requests to S3",
                    queries=[Query("sum(minio:requests:rate5m)", "requests")],
                    unit="reqps",
                    width=8,
                ),
                Graph(
                    title="S3 storage",
                    queries=[Query("minio:storage_percent:used", "used")],
                    limit=threshold("storage_percent"),
                    unit="percent",
                    maximum=100,
                    width=8,
                ),
                Graph(
                    title="Transactions",
                    queries=[
                        Query("sum by (instance) (postgres:transactions:rate5m)", "{{instance}}")
                    ],
                    unit="ops",
                    width=8,
                ),
            ],
        ),
    ],
)
