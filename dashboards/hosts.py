"""Hosts, their containers, and the edge."""

from dashboards import promql
from dashboards.panels import (
    ORANGE,
    Dashboard,
    Graph,
    Limit,
    Query,
    Row,
    Stat,
    Table,
    Variable,
    threshold,
)

HOST = 'host=~"$host"'
CONTAINERS = f'name!="",{HOST}'

FREE = f"host:filesystem_bytes:free{{{HOST}}}"
TIME_LEFT = f"min by (host, mountpoint) ({FREE} / clamp_min(-deriv({FREE}[6h]), 1))"
"""Seconds until a file system is full if it goes on as in the last six hours."""


def _rate(metric: str, matchers: str = HOST, by: str = "host") -> str:
    return f"sum by ({by}) (rate({metric}{{{matchers}}}[$__rate_interval]))"


HOSTS = Dashboard(
    uid="hosts",
    title="Hosts",
    help="How busy and how full are the hosts and the containers on them?",
    variables=[Variable("host", "Host", 'up{job="node"}', "host")],
    rows=[
        Row(
            "Now",
            [
                Table(
                    title="Hosts",
                    queries=[
                        Query(
                            f"max by (host) (host:cpu_percent:rate5m{{{HOST}}})", "CPU", "percent"
                        ),
                        Query(
                            f"max by (host) (host:memory_percent:used{{{HOST}}})",
                            "Memory",
                            "percent",
                        ),
                        Query(
                            f"max by (host) (100 - host:filesystem_percent:free{{{HOST}}})",
                            "Fullest disk",
                            "percent",
                        ),
                        Query(
                            f'count by (host) (node_cpu_seconds_total{{mode="idle",{HOST}}})',
                            "CPUs",
                        ),
                        Query(
                            f"max by (host) (node_memory_MemTotal_bytes{{{HOST}}})",
                            "Installed memory",
                            "bytes",
                        ),
                        Query(f"max by (host) (node_load15{{{HOST}}})", "Load of 15 minutes"),
                        Query(
                            "max by (host) "
                            f"(node_time_seconds{{{HOST}}} - node_boot_time_seconds{{{HOST}}})",
                            "Running for",
                            "dtdurations",
                        ),
                    ],
                    labels={"host": "Host"},
                    decimals=1,
                    width=24,
                    sort="CPU",
                )
            ],
        ),
        Row(
            "CPU and memory",
            [
                Graph(
                    title="CPU",
                    help="Above the line for long: a larger server type.",
                    queries=[Query(f"host:cpu_percent:rate5m{{{HOST}}}", "{{host}}")],
                    limit=threshold("cpu_percent"),
                    unit="percent",
                    maximum=100,
                ),
                Graph(
                    title="Memory",
                    help="Without what the kernel gives back at once.",
                    queries=[Query(f"host:memory_percent:used{{{HOST}}}", "{{host}}")],
                    limit=threshold("memory_percent"),
                    unit="percent",
                    maximum=100,
                ),
                Graph(
                    title="What the CPUs do",
                    help="`steal` is what other customers of the same machine took: a dedicated "
                    "server type has none. `iowait` is waiting for disks.",
                    queries=[
                        Query(
                            "100 * avg by (mode) (rate(node_cpu_seconds_total"
                            f'{{mode!="idle",{HOST}}}[$__rate_interval]))',
                            "{{mode}}",
                        )
                    ],
                    unit="percent",
                    stacked=True,
                    width=8,
                ),
                Graph(
                    title="Load per CPU",
                    help="Processes that run or wait for a CPU or disk. Above 1 some wait.",
                    queries=[
                        Query(
                            f"max by (host) (node_load5{{{HOST}}}) / count by (host) "
                            f'(node_cpu_seconds_total{{mode="idle",{HOST}}})',
                            "{{host}}",
                        )
                    ],
                    width=8,
                ),
                Graph(
                    title="Waiting for memory",
                    help="Share of time in which something stood still for lack of memory.",
                    queries=[
                        Query(
                            f"100 * {_rate('node_pressure_memory_waiting_seconds_total')}",
                            "{{host}}",
                            may_be_empty="a kernel may be built without pressure information",
                        )
                    ],
                    unit="percent",
                    width=8,
                ),
            ],
        ),
        Row(
            "Disks",
            [
                Graph(
                    title="Space used",
                    queries=[
                        Query(
                            f"100 - host:filesystem_percent:free{{{HOST}}}",
                            "{{host}} {{mountpoint}}",
                        )
                    ],
                    limit=Limit("100 - arquitectura:threshold:disk_free_percent"),
                    unit="percent",
                    maximum=100,
                    width=10,
                ),
                Table(
                    title="Full in",
                    help="If it goes on as in the last six hours. Years mean that it hardly grows.",
                    queries=[Query(TIME_LEFT, "Full in", "dtdurations")],
                    labels={"host": "Host", "mountpoint": "File system"},
                    width=6,
                ),
                Graph(
                    title="Busy",
                    help="Share of time with requests under way. SSDs do more at 100 % still.",
                    queries=[
                        Query(
                            "100 * max by (host, device) (rate(node_disk_io_time_seconds_total"
                            f"{{{HOST}}}[$__rate_interval]))",
                            "{{host}} {{device}}",
                        )
                    ],
                    unit="percent",
                    width=8,
                ),
                Graph(
                    title="Read",
                    queries=[Query(_rate("node_disk_read_bytes_total"), "{{host}}")],
                    unit="Bps",
                ),
                Graph(
                    title="Written",
                    queries=[Query(_rate("node_disk_written_bytes_total"), "{{host}}")],
                    unit="Bps",
                ),
            ],
        ),
        Row(
            "Network",
            [
                Graph(
                    title="Received",
                    queries=[Query(f"host:network_receive_bytes:rate5m{{{HOST}}}", "{{host}}")],
                    unit="Bps",
                ),
                Graph(
                    title="Sent",
                    queries=[Query(f"host:network_transmit_bytes:rate5m{{{HOST}}}", "{{host}}")],
                    unit="Bps",
                ),
            ],
        ),
        Row(
            "Containers",
            [
                Graph(
                    title="CPU, of the container's limit",
                    queries=[
                        Query(
                            f"container:cpu_percent:rate5m{{{HOST}}}",
                            "{{name}}",
                            may_be_empty=promql.NO_CADVISOR,
                        )
                    ],
                    limit=threshold("cpu_percent"),
                    unit="percent",
                ),
                Graph(
                    title="Memory, of the container's limit",
                    help="Without the page cache that the kernel gives back: at 100 % the "
                    "container is killed.",
                    queries=[
                        Query(
                            f"container:memory_percent:needed{{{HOST}}}",
                            "{{name}}",
                            may_be_empty=promql.NO_CADVISOR,
                        )
                    ],
                    limit=threshold("memory_percent"),
                    unit="percent",
                ),
                Table(
                    title="Restarts in the time shown",
                    queries=[
                        Query(
                            "sum by (host, name) (changes(container:start_time_seconds:max"
                            f"{{{HOST}}}[$__range])) > 0",
                            "Restarts",
                            may_be_empty="no container may have restarted",
                        )
                    ],
                    labels={"host": "Host", "name": "Container"},
                    sort="Restarts",
                ),
                Stat(
                    title="Killed for lack of memory, in the time shown",
                    help="Processes over all containers. Give the container more `memory_mb`.",
                    queries=[
                        Query(
                            f"sum(increase(container_oom_events_total{{{CONTAINERS}}}[$__range]))",
                            may_be_empty=promql.NO_CADVISOR,
                        )
                    ],
                    steps=[(1, ORANGE)],
                    decimals=0,
                    width=12,
                    height=8,
                ),
            ],
        ),
        Row(
            "Edge",
            [
                Graph(
                    title="Requests from outside, by service",
                    queries=[
                        Query("edge:requests:rate5m", "{{service}}", may_be_empty=promql.NO_EDGE)
                    ],
                    unit="reqps",
                    stacked=True,
                    width=8,
                ),
                Graph(
                    title="Errors of services",
                    queries=[
                        Query(
                            "edge:errors_percent:rate5m",
                            "{{service}}",
                            may_be_empty=promql.NO_EDGE,
                        )
                    ],
                    limit=threshold("error_percent"),
                    unit="percent",
                    width=8,
                ),
                Graph(
                    title="Days until certificates expire",
                    help="They are renewed 30 days before. Below the line something keeps them "
                    "from it.",
                    queries=[
                        Query(
                            "edge:certificate_seconds:left / 86400",
                            "{{cn}}",
                            may_be_empty=promql.NO_EDGE,
                        )
                    ],
                    limit=threshold("certificate_days"),
                    unit="d",
                    width=8,
                ),
            ],
        ),
    ],
)
