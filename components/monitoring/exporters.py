"""The exporters: what measures hosts, containers, PostgreSQL and Citus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pulumi
import pulumi_docker as docker

from components.container import File
from components.monitoring.service import CONFIG, Running, ServiceArgs, run_service

NODE_EXPORTER_PORT = 9100
CADVISOR_PORT = 8080
POSTGRES_EXPORTER_PORT = 9187

HOST = "/host"
PASSWORD_FILE = f"{CONFIG}/password"
AUTHORITY_FILE = f"{CONFIG}/ca.crt"
QUERIES_FILE = f"{CONFIG}/citus_queries.yml"

QUERIES = (Path(__file__).parent / "citus_queries.yml").read_text()


@dataclass(frozen=True, kw_only=True)
class PostgresExporterArgs:
    """An exporter of a PostgreSQL server.

    Attributes:
        service: its container.
        server: `host:port`, as the exporter dials it.
        role: logs in as this role.
        password: of the role; secret.
        sslmode: libpq's.
        authority: PEM of what the server's certificate is verified with, if it is.
    """

    service: ServiceArgs
    server: str
    role: str
    password: pulumi.Input[str]
    sslmode: str
    authority: pulumi.Input[str] | None = None


def node_exporter(
    args: ServiceArgs, opts: pulumi.ResourceOptions, *, on_server: bool
) -> docker.Container:
    """Measures a host: CPUs, memory, disks, network.

    On a server it is on the host's network, to see its traffic, and listens on the private address.
    On a laptop it is on Docker's, where Prometheus reaches it, and sees its own traffic only.
    """
    listen = f"{args.host.address}:{args.published}" if on_server else f":{NODE_EXPORTER_PORT}"
    return run_service(
        args,
        Running(
            entrypoint="/bin/node_exporter",
            command=[
                f"--web.listen-address={listen}",
                f"--path.procfs={HOST}/proc",
                f"--path.sysfs={HOST}/sys",
                f"--path.rootfs={HOST}",
                # Not what containers mount; but the volume at /var/lib/docker/volumes.
                "--collector.filesystem.mount-points-exclude="
                "^/(dev|proc|run|sys|var/lib/docker/(containers|overlay2|rootfs)/.+)($|/)",
                # Debian's has them on.
                "--no-collector.systemd",
                "--no-collector.textfile",
                "--collector.netclass.ignored-devices=^(veth.*|br-.*|docker0|lo)$",
                "--collector.netdev.device-exclude=^(veth.*|br-.*|docker0|lo)$",
            ],
            port=NODE_EXPORTER_PORT,
            health_path="/",
            volumes=[
                docker.ContainerVolumeArgs(host_path="/", container_path=HOST, read_only=True)
            ],
            host_network=on_server,
            # /var/lib/docker lets root's group through only, and the volume is below it.
            groups=["0"],
        ),
        opts,
    )


def cadvisor(args: ServiceArgs, opts: pulumi.ResourceOptions) -> docker.Container:
    """Measures a host's containers against their limits."""
    folders = {"/": "/rootfs", "/var/run": "/var/run", "/sys": "/sys"}
    engine = "/var/lib/docker"
    return run_service(
        args,
        Running(
            entrypoint="/usr/bin/cadvisor",
            command=[
                "-logtostderr",
                "--docker_only=true",
                "--housekeeping_interval=15s",
                # Labels of containers make metrics large; the name says all.
                "--store_container_labels=false",
                # What no rule or dashboard shows, and what costs the most.
                "--disable_metrics=advtcp,cpu_topology,cpuset,hugetlb,memory_numa,percpu,process,"
                "referenced_memory,resctrl,sched,tcp,udp",
            ],
            port=CADVISOR_PORT,
            health_path="/healthz",
            volumes=[
                docker.ContainerVolumeArgs(host_path=path, container_path=inside, read_only=True)
                for path, inside in {**folders, engine: engine}.items()
            ],
        ),
        opts,
    )


def postgres_exporter(args: PostgresExporterArgs, opts: pulumi.ResourceOptions) -> docker.Container:
    """Measures a PostgreSQL server."""
    return _postgres_exporter(args, {}, [], opts)


def citus_exporter(
    args: PostgresExporterArgs, opts: pulumi.ResourceOptions, *, except_for: Sequence[str] = ()
) -> docker.Container:
    """Asks every database of a coordinator what Citus knows of it, but for some.

    It finds the databases by itself, so that a new one replaces nothing. Its options are given by
    the environment, where a version that lacks one does not mind.
    """
    return _postgres_exporter(
        args,
        {
            "PG_EXPORTER_AUTO_DISCOVER_DATABASES": "true",
            "PG_EXPORTER_DISABLE_DEFAULT_METRICS": "true",
            "PG_EXPORTER_DISABLE_SETTINGS_METRICS": "true",
            "PG_EXPORTER_EXTEND_QUERY_PATH": QUERIES_FILE,
            **({"PG_EXPORTER_EXCLUDE_DATABASES": ",".join(except_for)} if except_for else {}),
        },
        [File(path=QUERIES_FILE, content=QUERIES)],
        opts,
    )


def _postgres_exporter(
    args: PostgresExporterArgs,
    environment: Mapping[str, str],
    files: Sequence[File],
    opts: pulumi.ResourceOptions,
) -> docker.Container:
    parameters = {"sslmode": args.sslmode, "application_name": args.service.name}
    if args.authority:
        parameters["sslrootcert"] = AUTHORITY_FILE
        files = [*files, File(path=AUTHORITY_FILE, content=args.authority)]
    return run_service(
        args.service,
        Running(
            entrypoint="/bin/postgres_exporter",
            port=POSTGRES_EXPORTER_PORT,
            health_path="/",
            environment={
                "DATA_SOURCE_URI": f"{args.server}/postgres?{urlencode(parameters, safe='/')}",
                "DATA_SOURCE_USER": args.role,
                "DATA_SOURCE_PASS_FILE": PASSWORD_FILE,
                **environment,
            },
            files=[File(path=PASSWORD_FILE, content=args.password), *files],
        ),
        opts,
    )
