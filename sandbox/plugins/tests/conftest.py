"""A PostgreSQL and an S3 server in containers of the sandbox's images."""

import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest
from engine import Plugin

S3_IMAGE = "arquitectura-sandbox/minio:seaweedfs"
POSTGRESQL_IMAGE = "arquitectura-sandbox/citus:13"
PASSWORD = "only-for-tests"


def _docker(*args: str) -> str:
    return subprocess.run(["docker", *args], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def network() -> Iterator[str]:
    name = f"plugin-tests-{uuid.uuid4().hex[:8]}"
    _docker("network", "create", name)
    yield name
    _docker("network", "rm", name)


def _server(network: str, image: str, port: int, *args: str) -> Iterator[int]:
    """Runs the image; gives the port on this machine."""
    if subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode:
        pytest.skip(f"the image {image} is missing: run sandbox/images/build.sh")
    name = f"{network}-{port}"
    options, command = args[: args.index("--")], args[args.index("--") + 1 :]
    _docker("run", "-d", "--name", name, "--network", network, "--publish", f"127.0.0.1::{port}",
            "--memory", "512m", *options, image, *command)  # fmt: skip
    try:
        yield int(_docker("port", name, str(port)).split(":")[-1])
    finally:
        _docker("rm", "-f", "-v", name)


def _wait(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            ready()
            return
        except (OSError, psycopg.OperationalError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture(scope="session")
def s3_port(network: str) -> Iterator[int]:
    options = ["-e", "MINIO_ROOT_USER=admin", "-e", f"MINIO_ROOT_PASSWORD={PASSWORD}"]
    for port in _server(network, S3_IMAGE, 9000, *options, "--", "server", "/data/d{1...4}"):
        url = f"http://127.0.0.1:{port}/minio/health/cluster"
        _wait(lambda url=url: urllib.request.urlopen(url, timeout=2))
        yield port


@pytest.fixture(scope="session")
def sql(network: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """A superuser's connection."""
    for port in _server(network, POSTGRESQL_IMAGE, 5432, "-e",
                        f"POSTGRES_PASSWORD={PASSWORD}", "--"):  # fmt: skip
        target = {"host": "127.0.0.1", "port": port, "user": "postgres", "password": PASSWORD}
        _wait(lambda target=target: psycopg.connect(**target).close())
        with psycopg.connect(**target, autocommit=True) as connection:
            yield connection


@pytest.fixture(scope="session")
def minio(s3_port: int) -> Iterator[Plugin]:
    plugin = Plugin("minio", minioServer=f"127.0.0.1:{s3_port}", minioUser="admin",
                    minioPassword=PASSWORD)  # fmt: skip
    yield plugin
    plugin.stop()


@pytest.fixture(scope="session")
def postgresql(sql: "psycopg.Connection[tuple[object, ...]]") -> Iterator[Plugin]:
    plugin = Plugin("postgresql", host="127.0.0.1", port=str(sql.info.port), username="postgres",
                    password=PASSWORD, sslmode="disable")  # fmt: skip
    yield plugin
    plugin.stop()


@pytest.fixture(scope="session")
def nowhere() -> Iterator[dict[str, Plugin]]:
    """Both providers, with no server behind."""
    plugins = {
        "minio": Plugin("minio", minioServer="127.0.0.1:1", minioUser="a", minioPassword="b" * 8),
        "postgresql": Plugin("postgresql", host="127.0.0.1", port="1"),
    }
    yield plugins
    for plugin in plugins.values():
        plugin.stop()
