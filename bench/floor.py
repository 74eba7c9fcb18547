"""The floor: the same containers and databases by a plain script, with nothing in between."""

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import requests

from components.citus.node import DATA_PATH, FORGET_PASSWORD
from components.citus.tuning import postgres_settings, shm_mb
from tests.stack import docker, remove_from_engine

STACK = "bench-floor"
PORT = 16910
"""The coordinator's on 127.0.0.1; worker n has the n-th after it."""
API_PORT = 16900
MEMORY_MB = 1024
POLL_SECONDS = 0.2

Connection = psycopg.Connection[tuple[object, ...]]


class Floor:
    """A cluster by `docker run` and SQL, with the product's own settings for PostgreSQL.

    Args:
        directory: for the files that are mounted into the containers.
    """

    def __init__(self, directory: Path, citus_image: str, minio_image: str) -> None:
        self._directory, self._citus, self._minio = directory, citus_image, minio_image
        self._password = secrets.token_hex(16)
        for name, text in {
            "pgpass": f"*:*:*:postgres:{self._password}\n",
            "password": self._password,
            "zz.sh": FORGET_PASSWORD,
        }.items():
            file = directory / name
            file.write_text(text)
            file.chmod(0o600)
        (directory / "zz.sh").chmod(0o644)
        docker("run", "--rm", "-v", f"{directory}:/in", self._citus, "chown", "999", "/in/pgpass")

    def up(self, databases: Sequence[str], workers: int = 2) -> None:
        """Starts everything at once, then makes and registers the databases."""
        docker("network", "create", "--label", f"stack={STACK}", STACK)
        with ThreadPoolExecutor() as pool:
            storage = pool.submit(self._start_minio)
            list(pool.map(self.start, range(workers + 1)))
            pairs = [(database, node) for database in databases for node in range(workers + 1)]
            list(pool.map(lambda pair: self.create(*pair), pairs))
            for database in ("postgres", *databases):
                self.register(database, range(1, workers + 1))
            storage.result()

    def start(self, node: int) -> None:
        """Starts a node (0 is the coordinator) and polls until it answers over TCP."""
        settings = postgres_settings(memory_mb=MEMORY_MB, worker_cpus=2, databases=1)
        name = _name(node)
        docker(
            *("run", "--detach", "--name", name, "--hostname", name, "--label", f"stack={STACK}"),
            *("--network", STACK, "--publish", f"127.0.0.1:{PORT + node}:5432"),
            *("--memory", f"{MEMORY_MB}m", "--cpus", "2", "--shm-size", f"{shm_mb(MEMORY_MB)}m"),
            *("--volume", f"{self._directory}/password:/run/password:ro"),
            *("--volume", f"{self._directory}/pgpass:/run/pgpass:ro"),
            *("--volume", f"{self._directory}/zz.sh:/docker-entrypoint-initdb.d/zz.sh:ro"),
            *("--env", f"PGDATA={DATA_PATH}", "--env", "PGPASSFILE=/run/pgpass"),
            *("--env", "POSTGRES_PASSWORD_FILE=/run/password", self._citus, "postgres"),
            *(part for key, value in settings.items() for part in ("-c", f"{key}={value}")),
        )
        while True:
            try:
                self.connect(node=node).close()
                return
            except psycopg.OperationalError:
                time.sleep(POLL_SECONDS)

    def create(self, database: str, node: int) -> None:
        """Makes a database with Citus on a node."""
        with self.connect(node=node) as connection:
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        with self.connect(database, node) as connection:
            connection.execute("CREATE EXTENSION citus")

    def register(self, database: str, workers: Sequence[int]) -> None:
        """Registers workers in a database that they have."""
        with self.connect(database) as connection:
            connection.execute("SELECT citus_set_coordinator_host(%s)", [_name(0)])
            for worker in workers:
                connection.execute("SELECT citus_add_node(%s, 5432)", [_name(worker)])

    def rebalance(self, database: str, *, drain_only: bool = False) -> None:
        """Moves shards with Citus' parallel flags and polls until the job has ended."""
        with self.connect(database) as connection:
            connection.execute(
                "SELECT citus_rebalance_start(drain_only => %s,"
                " parallel_transfer_reference_tables => true,"
                " parallel_transfer_colocated_shards => true)",
                [drain_only],
            )
            while connection.execute(
                "SELECT FROM citus_rebalance_status() WHERE state IN ('scheduled', 'running')"
            ).rowcount:
                time.sleep(POLL_SECONDS)

    def leave(self, database: str, worker: int) -> None:
        """Drains a worker and removes it."""
        with self.connect(database) as connection:
            connection.execute(
                "SELECT citus_set_node_property(%s, 5432, 'shouldhaveshards', false)",
                [_name(worker)],
            )
            self.rebalance(database, drain_only=True)
            connection.execute("CALL citus_cleanup_orphaned_resources()")
            connection.execute("SELECT citus_remove_node(%s, 5432)", [_name(worker)])

    def stop(self, worker: int) -> None:
        """Deletes a worker with its volume."""
        docker("rm", "--force", "--volumes", _name(worker))

    def url(self, database: str, node: int = 0) -> str:
        """A connection URL of the superuser."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{PORT + node}/{database}"

    def connect(self, database: str = "postgres", node: int = 0) -> Connection:
        """A session in which each statement commits by itself."""
        return psycopg.connect(self.url(database, node), autocommit=True, connect_timeout=5)

    def down(self) -> None:
        """Deletes everything."""
        for container in docker("ps", "-aq", "--filter", f"label=stack={STACK}").split():
            docker("rm", "--force", "--volumes", container)
        remove_from_engine(STACK)

    def _start_minio(self) -> None:
        docker(
            *("run", "--detach", "--name", f"{STACK}-minio", "--label", f"stack={STACK}"),
            *("--network", STACK, "--publish", f"127.0.0.1:{API_PORT}:9000", "--memory", "512m"),
            *("--env", "MINIO_ROOT_USER=admin", "--env", f"MINIO_ROOT_PASSWORD={self._password}"),
            *(self._minio, "server", "--address", ":9000", "/data/d{1...4}"),
        )
        while True:
            try:
                url = f"http://127.0.0.1:{API_PORT}/minio/health/cluster"
                if requests.get(url, timeout=5).ok:
                    return
            except requests.RequestException:
                pass
            time.sleep(POLL_SECONDS)


def _name(node: int) -> str:
    return f"{STACK}-worker-{node}" if node else f"{STACK}-coordinator"
