"""Records `load.json` and `idle.json`."""

import argparse
import json
import math
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from ops.review.measure import QUERIES
from tests.unit.review_week import FOLDER

STEP = 150
"""Seconds between two samples: two in each five minutes, which is what a rate needs."""

DAYS = 8
END = 14
"""The hour of the day at which the week ends, and begins: people work."""
GIB = 1024**3
DATA = ("data-1", "data-2", "data-3", "data-4")
SERVERS = ("main", *DATA)
CORES = 4

Share = Callable[[float], float]
"""What is used, by the hour of the week."""


def office(night: float, day: float) -> Share:
    """More between 8 and 18 o'clock."""
    return lambda hour: day if 8 <= (hour + END) % 24 < 18 else night


@dataclass(frozen=True)
class Used:
    """What is used on a host: of a CPU, of its memory; of its disk, first and last."""

    cpu: Share
    memory: float
    disk: float
    disk_end: float


def load(name: str) -> Used:
    match name:
        case "main":
            return Used(office(0.1, 0.45), 0.5, 0.2, 0.22)
        case "data-2":
            return Used(office(0.3, 0.96), 0.7, 0.6, 0.74)
        case _:
            return Used(office(0.2, 0.6), 0.6, 0.6, 0.73)


def idle(_name: str) -> Used:
    return Used(office(0.01, 0.02), 0.2, 0.02, 0.02)


Point = tuple[str, str, dict[str, str], Callable[[float], float | None]]
"""A series: its metric and kind, labels, and value by the second; None where it has no sample."""


def counter(rate: Share) -> Callable[[float], float]:
    """A counter that grows by `rate` a second; to be read in order."""
    state = {"at": 0.0, "value": 0.0}

    def read(second: float) -> float:
        state["value"] += (second - state["at"]) * rate(second / 3600)
        state["at"] = second
        return state["value"]

    return read


def level(value: float) -> Callable[[float], float]:
    return lambda _: value


def line(first: float, last: float) -> Callable[[float], float]:
    return lambda second: first + (last - first) * second / (DAYS * 86400)


def hourly(share: Share) -> Callable[[float], float]:
    return lambda second: share(second / 3600)


def percent(share: Share) -> Callable[[float], float]:
    return lambda second: 100 * share(second / 3600)


def breathing(value: float, by: float) -> Callable[[float], float]:
    return lambda second: value - by * math.sin(second / 9000)


def series(busy: bool) -> Iterator[Point]:
    """Everything that the review asks for."""
    yield "up", "gauge", {"job": "prometheus", "instance": "prometheus"}, level(1)
    for name in SERVERS:
        used = load(name) if busy else idle(name)
        node = {"job": "node", "instance": name, "host": name}
        host = {"instance": name, "host": name}
        yield "host:cpu_percent:rate5m", "gauge", host, percent(used.cpu)
        for core in range(CORES):
            idle_core = {**node, "cpu": str(core), "mode": "idle"}
            yield "node_cpu_seconds", "counter", idle_core, counter(lambda _: 0.5)
        total = 15.6 * GIB
        yield "node_memory_MemTotal_bytes", "gauge", node, level(total)
        free = breathing(total * (1 - used.memory), 0.05 * total)
        yield "node_memory_MemAvailable_bytes", "gauge", node, free
        size = (98 if name == "main" else 490) * GIB
        disk = {"mountpoint": "/var/lib/docker/volumes"}
        yield "node_filesystem_size_bytes", "gauge", {**node, **disk}, level(size)
        room = line(size * (1 - used.disk), size * (1 - used.disk_end))
        yield "host:filesystem_bytes:free", "gauge", {**host, **disk}, room
        # Not recorded as free: nobody's data.
        yield "node_filesystem_size_bytes", "gauge", {**node, "mountpoint": "/run"}, level(GIB)
    yield from containers(busy)
    yield from minio(busy)
    yield from postgres(busy)
    yield from alerts(busy)


def containers(busy: bool) -> Iterator[Point]:
    cores = {"data-2": office(0.6, 3.5), "main": office(0.1, 1.2)} if busy else {}
    for name, container in (
        ("main", "prod-citus-coordinator"),
        *((name, f"prod-citus-worker-{n}") for n, name in enumerate(DATA, 1)),
        *((name, f"prod-minio-{n}") for n, name in enumerate(DATA, 1)),
    ):
        of = {"job": "cadvisor", "instance": name, "host": name, "name": container}
        light = office(0.02, 0.1)
        rate = light if "minio" in container else cores.get(name, light)
        yield "container_cpu_usage_seconds", "counter", of, counter(rate)
        used = (7.5 if container.endswith("coordinator") else 4) if busy else 0.5
        used = min(used, 2) if "minio" in container else used
        yield "container:memory_bytes:needed", "gauge", of, level(used * GIB)


def minio(busy: bool) -> Iterator[Point]:
    total = 980 * GIB
    first, last = (0.6, 0.73) if busy else (0.02, 0.02)
    yield "minio:capacity_bytes:total", "gauge", {}, level(total)
    free = line(total * (1 - first), total * (1 - last))
    yield "minio:capacity_bytes:free", "gauge", {}, free
    if busy:  # else MinIO has no such series
        for name, night, day in (("PutObject", 1, 12), ("GetObject", 3, 36)):
            yield "minio:requests:rate5m", "gauge", {"name": name}, hourly(office(night, day))
        of = {"job": "minio", "instance": "minio-1", "host": "data-1", "name": "PutObject"}
        yield "minio_api_requests_5xx_errors", "counter", of, counter(lambda _: 0.0004)


def postgres(busy: bool) -> Iterator[Point]:
    for n, host in enumerate(SERVERS):
        role = "worker" if n else "coordinator"
        instance = f"citus-worker-{n}" if n else "citus-coordinator"
        of = {"job": "postgres", "instance": instance, "host": host, "role": role}
        for database, share in (("shop", 1.0), ("postgres", 0.01)):
            labels = {**of, "datname": database}
            size = share * GIB * (20 if busy and n else 0.01)
            yield "pg_database_size_bytes", "gauge", labels, line(size, size * 1.2)
            day = office(30 * share, 250 * share) if busy else office(0.5 * share, 0.5 * share)
            done = {key: labels[key] for key in ("instance", "host", "role", "datname")}
            yield "postgres:transactions:rate5m", "gauge", done, hourly(day)


def alerts(busy: bool) -> Iterator[Point]:
    yield (
        "ALERTS",
        "gauge",
        {"alertname": "Watchdog", "alertstate": "firing", "severity": "info"},
        level(1),
    )
    if busy:
        high = {"alertname": "HostCpuHigh", "alertstate": "firing", "severity": "warning"}
        of = {"job": "node", "instance": "data-2", "host": "data-2"}
        at_work = office(0, 1)
        yield "ALERTS", "gauge", {**high, **of}, lambda s: 1 if at_work(s / 3600) else None


def exposition(busy: bool, end: int) -> Iterator[str]:
    """The week as OpenMetrics, each metric's series together."""
    families: dict[tuple[str, str], list[Point]] = {}
    for point in series(busy):
        families.setdefault(point[:2], []).append(point)
    begin = end - DAYS * 86400
    for (name, kind), points in families.items():
        yield f"# TYPE {name} {kind}\n"
        full = f"{name}_total" if kind == "counter" else name
        for _, _, labels, value in points:
            text = ",".join(f'{key}="{value}"' for key, value in labels.items())
            for second in range(0, DAYS * 86400 + 1, STEP):
                if (number := value(second)) is not None:
                    yield f"{full}{{{text}}} {number:.6g} {begin + second}\n"
    yield "# EOF\n"


def record(image: str, week: str, port: int) -> None:
    """Fills a Prometheus, asks it everything and writes the answers."""
    end = int(time.time()) // 86400 * 86400  # midnight
    end += END * 3600 - (86400 if time.time() < end + END * 3600 else 0)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # Prometheus is another user
        with (Path(folder) / "week.txt").open("w") as file:
            file.writelines(exposition(week == "load", end))
        name = "review-week-recording"
        script = (
            "promtool tsdb create-blocks-from --max-block-duration=192h openmetrics /week/week.txt "
            "/tmp/data && "
            "touch /tmp/empty.yml && exec prometheus --config.file=/tmp/empty.yml "
            "--storage.tsdb.path=/tmp/data --storage.tsdb.retention.time=90d "
            f"--web.listen-address=127.0.0.1:{port}"
        )
        options = ("--detach", "--rm", "--network", "host", "--volume", f"{folder}:/week:ro")
        subprocess.run(
            ["docker", "run", "--name", name, *options, "--entrypoint", "sh", image, "-c", script],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        try:
            Retrying(
                wait=wait_fixed(1),
                stop=stop_after_delay(300),
                retry=retry_if_exception_type(OSError),
            )(urlopen, f"http://127.0.0.1:{port}/-/ready")
            answers = {
                query: json.load(
                    urlopen(
                        f"http://127.0.0.1:{port}/api/v1/query?"
                        + urlencode({"query": query, "time": end})
                    )
                )
                for query in QUERIES.values()
            }
        finally:
            subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)
    (FOLDER / f"{week}.json").write_text(json.dumps(answers, indent=1, sort_keys=True) + "\n")


def main() -> None:
    """Records both weeks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", default="arquitectura-sandbox/prometheus:bookworm")
    parser.add_argument("--port", type=int, default=22400)
    arguments = parser.parse_args()
    for week in ("load", "idle"):
        record(arguments.image, week, arguments.port)


if __name__ == "__main__":
    main()
