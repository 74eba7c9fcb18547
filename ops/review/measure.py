"""Measures a week: expressions for Prometheus, and what their answers mean.

The recorded series are those that alerts compare with their thresholds
(`components/monitoring/rules`).
A metric counts in its own unit, so that a limit that was raised since is compared with what was
used, and not with a share of the old one.
"""

from collections.abc import Callable, Mapping, Sequence

from config.week import (
    AlertWeek,
    ContainerWeek,
    DatabaseWeek,
    DiskWeek,
    HostWeek,
    StorageWeek,
    Use,
    Week,
)
from ops.review.prometheus import Sample

Ask = Callable[[str], Sequence[Sample]]

DAYS = 7
STEP_MINUTES = 1
"""How often a week is looked at. A stack of some minutes is in the review, too."""
RATE_MINUTES = 5
"""Peaks of what is counted are averages over so long."""

SECONDS_PER_DAY = 86400


def _over(function: str, expression: str) -> str:
    """Something of an expression's values, one every minute of the week."""
    return f"{function}({expression})[{DAYS}d:{STEP_MINUTES}m])"


def _busy(expression: str) -> str:
    return _over("quantile_over_time(0.99, ", expression)


def _worst(expression: str) -> str:
    return _over("max_over_time(", expression)


def _mean(expression: str) -> str:
    return _over("avg_over_time(", expression)


def _growth(expression: str) -> str:
    """A day, as the slope of a line through the week: one that jumps for a moment is none."""
    return _over("deriv(", expression) + f" * {SECONDS_PER_DAY}"


_SCRAPED = 'timestamp(up{job="prometheus"})'
_CPU = (
    "max by (host) (host:cpu_percent:rate5m) / 100 "
    '* count by (host) (node_cpu_seconds_total{job="node",mode="idle"})'
)
_MEMORY = (
    'max by (host) (node_memory_MemTotal_bytes{job="node"} - '
    'node_memory_MemAvailable_bytes{job="node"})'
)
_DISK = 'max by (host, mountpoint) (node_filesystem_size_bytes{job="node"})'
_DISK_FREE = 'max by (host, mountpoint) (host:filesystem_bytes:free{mountpoint!~"/boot.*"})'
_DISK_USED = f"{_DISK} - {_DISK_FREE}"
_CONTAINER_CPU = (
    'sum by (name) (rate(container_cpu_usage_seconds_total{job="cadvisor",name!=""}'
    f"[{RATE_MINUTES}m]))"
)
_CONTAINER_MEMORY = "max by (name) (container:memory_bytes:needed)"
_STORAGE = "minio:capacity_bytes:total"
_STORAGE_USED = "minio:capacity_bytes:total - minio:capacity_bytes:free"
# MinIO has no series of what never happened.
_REQUESTS = f"sum(minio:requests:rate5m) or 0 * {_STORAGE}"
_DATABASE = 'sum by (datname) (pg_database_size_bytes{job="postgres"})'
_TRANSACTIONS = 'sum by (datname) (postgres:transactions:rate5m{role="coordinator"})'
_ALERTS = 'ALERTS{alertstate="firing",alertname!="Watchdog"}'
_OF_ALERT = "alertname, severity, host, instance, name, datname, node"

QUERIES: Mapping[str, str] = {
    "seconds": f"time() - min({_over('min_over_time(', _SCRAPED)})",
    "cores": 'count by (host) (node_cpu_seconds_total{job="node",mode="idle"})',
    "cpu busy": _busy(_CPU),
    "cpu worst": _worst(_CPU),
    "memory size": 'max by (host) (node_memory_MemTotal_bytes{job="node"})',
    "memory busy": _busy(_MEMORY),
    "memory worst": _worst(_MEMORY),
    "disk size": f"{_DISK} and {_DISK_FREE}",
    "disk used": _DISK_USED,
    "disk growth": _growth(_DISK_USED),
    "container cpu busy": _busy(_CONTAINER_CPU),
    "container cpu worst": _worst(_CONTAINER_CPU),
    "container memory busy": _busy(_CONTAINER_MEMORY),
    "container memory worst": _worst(_CONTAINER_MEMORY),
    "storage size": _STORAGE,
    "storage used": _STORAGE_USED,
    "storage growth": _growth(_STORAGE_USED),
    "requests": _mean(_REQUESTS),
    "most requests": _worst(_REQUESTS),
    "errors": (
        f'sum(increase(minio_api_requests_5xx_errors_total{{job="minio"}}[{DAYS}d])) '
        f"or 0 * {_STORAGE}"
    ),
    "database size": _DATABASE,
    "database growth": _growth(_DATABASE),
    "transactions": _mean(_TRANSACTIONS),
    "most transactions": _worst(_TRANSACTIONS),
    "alert minutes": f"sum by ({_OF_ALERT}) (count_over_time({_ALERTS}[{DAYS}d:{STEP_MINUTES}m]))",
    "alerts now": f"max by ({_OF_ALERT}) ({_ALERTS})",
}
"""What is asked, by what it is."""

MAY_BE_EMPTY: Mapping[str, str] = {
    **dict.fromkeys(("alert minutes", "alerts now"), "no alert fires, or fired"),
    **dict.fromkeys((name for name in QUERIES if "container" in name), "cAdvisor is switched off"),
    **dict.fromkeys((name for name in QUERIES if "growth" in name), "measured for two minutes"),
}
"""The queries that a monitored stack may have no answer to, and when."""


class _Answers:
    """The answers to all queries."""

    def __init__(self, ask: Ask) -> None:
        self._samples = {name: ask(expression) for name, expression in QUERIES.items()}

    def of(self, name: str) -> Sequence[Sample]:
        return self._samples[name]

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The values by some labels."""
        return {
            tuple(sample.labels.get(label, "") for label in labels): sample.value
            for sample in self.of(name)
        }

    def uses(self, what: str, label: str) -> dict[tuple[str, ...], Use]:
        """How much was used, by a label."""
        busy, worst = self.by(f"{what} busy", label), self.by(f"{what} worst", label)
        return {key: Use(busy=busy[key], worst=worst[key]) for key in busy.keys() & worst.keys()}

    def single(self, name: str) -> float | None:
        """The only value, if there is one."""
        return next((sample.value for sample in self.of(name)), None)


def measure(ask: Ask) -> Week:
    """The last seven days.

    Args:
        ask: gives the instant vector of an expression.
    """
    answers = _Answers(ask)
    return Week(
        days=min(DAYS, (answers.single("seconds") or 0) / SECONDS_PER_DAY),
        hosts=_hosts(answers),
        containers=_containers(answers),
        storage=_storage(answers),
        databases=_databases(answers),
        alerts=_alerts(answers),
    )


def _hosts(answers: _Answers) -> Sequence[HostWeek]:
    """The hosts that are measured now; one that left has no cores any more."""
    cores, sizes = answers.by("cores", "host"), answers.by("memory size", "host")
    cpu, memory = answers.uses("cpu", "host"), answers.uses("memory", "host")
    disks = _disks(answers)
    return [
        HostWeek(
            name=host[0],
            cores=cores[host],
            cpu=cpu[host],
            memory_size=sizes[host],
            memory=memory[host],
            disks=disks.get(host[0], []),
        )
        for host in sorted(cores.keys() & sizes.keys() & cpu.keys() & memory.keys())
    ]


def _disks(answers: _Answers) -> Mapping[str, list[DiskWeek]]:
    used = answers.by("disk used", "host", "mountpoint")
    growth = answers.by("disk growth", "host", "mountpoint")
    disks: dict[str, list[DiskWeek]] = {}
    for (host, mountpoint), size in sorted(answers.by("disk size", "host", "mountpoint").items()):
        key = (host, mountpoint)
        if size > 0 and key in used:
            disks.setdefault(host, []).append(
                DiskWeek(
                    mountpoint=mountpoint, size=size, used=used[key], growth=growth.get(key, 0)
                )
            )
    return disks


def _containers(answers: _Answers) -> Sequence[ContainerWeek]:
    cpu, memory = answers.uses("container cpu", "name"), answers.uses("container memory", "name")
    return [
        ContainerWeek(name=name[0], cpu=cpu[name], memory=memory[name])
        for name in sorted(cpu.keys() & memory.keys())
    ]


def _storage(answers: _Answers) -> StorageWeek | None:
    size = answers.single("storage size")
    if not size:
        return None
    return StorageWeek(
        size=size,
        used=answers.single("storage used") or 0,
        growth=answers.single("storage growth") or 0,
        requests=answers.single("requests") or 0,
        most_requests=answers.single("most requests") or 0,
        errors=answers.single("errors") or 0,
    )


def _databases(answers: _Answers) -> Sequence[DatabaseWeek]:
    growth = answers.by("database growth", "datname")
    mean, most = answers.by("transactions", "datname"), answers.by("most transactions", "datname")
    return [
        DatabaseWeek(
            name=name[0],
            size=size,
            growth=growth.get(name, 0),
            transactions=mean.get(name, 0),
            most_transactions=most.get(name, 0),
        )
        for name, size in sorted(answers.by("database size", "datname").items())
    ]


def _alerts(answers: _Answers) -> Sequence[AlertWeek]:
    """Those that fired, the longest first."""
    now = {frozenset(sample.labels.items()) for sample in answers.of("alerts now")}
    alerts = [
        AlertWeek(
            name=sample.labels["alertname"],
            severity=sample.labels.get("severity", ""),
            subject=_subject(sample.labels),
            minutes=sample.value,
            firing=frozenset(sample.labels.items()) in now,
        )
        for sample in answers.of("alert minutes")
    ]
    return sorted(alerts, key=lambda alert: (-alert.minutes, alert.name, alert.subject))


def _subject(labels: Mapping[str, str]) -> str:
    """What an alert is about, from the smallest to the largest, without saying it twice."""
    parts = [labels.get(key) for key in ("name", "datname", "node", "instance", "host")]
    return ", ".join(dict.fromkeys(part for part in parts if part))
