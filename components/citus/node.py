"""One Citus node: a PostgreSQL container with its data directory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.authority import Certificate
from components.citus.tuning import postgres_settings, shm_mb
from components.container import ContainerArgs, File, Healthcheck, Port, container
from components.hosts.host import DataDirectory, Host

DATA_PATH = "/var/lib/postgresql/data"
SECRETS_PATH = "/run/arquitectura"
PASSFILE = f"{SECRETS_PATH}/pgpass"
PASSWORD_FILE = "/etc/arquitectura/postgres-password"
ACCESS_FILE = "/etc/arquitectura/pg_hba.conf"
GIVEN_TLS_PATH = "/etc/arquitectura/tls"
TLS_PATH = "/var/lib/postgresql/tls"

# The image's entrypoint puts the superuser's password into the server's environment: as PGPASSWORD
# on the first boot, where it would beat PGPASSFILE for every role, and as POSTGRES_PASSWORD on all.
# The first script is sourced before the server starts; the second takes the file away once there is
# a database to start.
FORGET_PASSWORD = "unset PGPASSWORD POSTGRES_PASSWORD\n"
ENTRYPOINT = (
    'if [ -s "$PGDATA/PG_VERSION" ]; then unset POSTGRES_PASSWORD_FILE; fi\n'
    # PostgreSQL wants its key for itself, and what Docker puts into a container is root's.
    f"if [ -d {GIVEN_TLS_PATH} ]; then\n"
    f"  install -d -m 700 -o postgres -g postgres {TLS_PATH}\n"
    f"  install -m 600 -o postgres -g postgres {GIVEN_TLS_PATH}/* {TLS_PATH}\n"
    "fi\n"
    'exec docker-entrypoint.sh "$@"\n'
)

# As the image's own, but with TLS only.
ACCESS = """\
local   all all              trust
host    all all 127.0.0.1/32 trust
host    all all ::1/128      trust
hostssl all all all          scram-sha-256
"""


@dataclass(frozen=True, kw_only=True)
class NodeTls:
    """What a node proves itself with, and whom it trusts; both as PEM."""

    certificate: Certificate
    authority: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class CitusNodeArgs:
    """One node.

    Attributes:
        service: `citus-coordinator` or `citus-worker`.
        ordinal: 0 for the coordinator, else the worker's number.
        memory_mb: memory limit in MiB; PostgreSQL's memory settings follow it.
        cpus: CPU limit in cores.
        worker_cpus: CPU limit of the cluster's workers, in cores.
        databases: databases that the cluster has, `postgres` included.
        password: the superuser's password, read when the data directory is made.
        secrets: holds the PGPASSFILE.
        port: published port on the host, if any.
        tls: with it the node takes TLS only, and verifies the other nodes; without it Citus
            encrypts and verifies nothing.
        rolling: whether what depends on the node waits until it is healthy.
    """

    service: str
    ordinal: int
    image: str
    memory_mb: int
    cpus: float
    worker_cpus: float
    databases: int
    password: pulumi.Input[str]
    secrets: DataDirectory
    port: int | None = None
    tls: NodeTls | None = None
    rolling: bool = False


class CitusNode(pulumi.ComponentResource):
    """A PostgreSQL server with Citus, tuned to its container's limits.

    Resources: one data directory, one `docker.Container`.
    """

    container: docker.Container

    def __init__(
        self,
        name: str,
        args: CitusNodeArgs,
        host: Host,
        *,
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:citus:Node", name, None, opts)
        data = host.data_directory(name, pulumi.ResourceOptions(parent=self, protect=protect))
        settings = postgres_settings(
            memory_mb=args.memory_mb, worker_cpus=args.worker_cpus, databases=args.databases
        )
        self.container = container(
            name,
            host,
            ContainerArgs(
                service=args.service,
                ordinal=args.ordinal,
                image=args.image,
                memory_mb=args.memory_mb,
                cpus=args.cpus,
                shm_mb=shm_mb(args.memory_mb),
                entrypoint=["bash", "-c", ENTRYPOINT, "entrypoint"],
                command=["postgres", *_flags(settings | _tls_settings(args.tls))],
                environment={
                    "PGDATA": DATA_PATH,
                    "PGPASSFILE": PASSFILE,
                    "POSTGRES_PASSWORD_FILE": PASSWORD_FILE,
                },
                files=[
                    File(path=PASSWORD_FILE, content=args.password),
                    # Last in the order of names, and not executable, so that it is sourced.
                    File(path="/docker-entrypoint-initdb.d/zz.sh", content=FORGET_PASSWORD),
                    *_tls_files(args.tls),
                ],
                volumes=[data.at(DATA_PATH), args.secrets.at(SECRETS_PATH, read_only=True)],
                ports=[Port(internal=5432, external=args.port)] if args.port else [],
                # Over TCP: while the data directory is made, a server listens on the socket only.
                healthcheck=Healthcheck(
                    command=["pg_isready", "-q", "-h", "127.0.0.1"],
                    interval="5s" if args.rolling else "10s",
                ),
                wait=args.rolling,
                stop_signal="SIGINT",  # "fast": open transactions are rolled back
                stop_timeout=60,
            ),
            pulumi.ResourceOptions(
                parent=self, depends_on=[*data.resources, *args.secrets.resources]
            ),
        )
        self.register_outputs({})


def _tls_settings(tls: NodeTls | None) -> dict[str, str]:
    if tls is None:
        return {}
    return {
        "ssl": "on",
        "ssl_cert_file": f"{TLS_PATH}/server.crt",
        "ssl_key_file": f"{TLS_PATH}/server.key",
        "hba_file": ACCESS_FILE,
        "citus.node_conninfo": f"sslmode=verify-full sslrootcert={TLS_PATH}/ca.crt",
    }


def _tls_files(tls: NodeTls | None) -> Iterator[File]:
    if tls is None:
        return
    yield File(path=ACCESS_FILE, content=ACCESS)
    yield File(path=f"{GIVEN_TLS_PATH}/ca.crt", content=tls.authority)
    yield File(path=f"{GIVEN_TLS_PATH}/server.crt", content=tls.certificate.certificate)
    yield File(path=f"{GIVEN_TLS_PATH}/server.key", content=tls.certificate.key)


def _flags(settings: dict[str, str]) -> Sequence[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
