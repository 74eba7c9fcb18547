"""Servers that prove who they are by a CA of one's own, whose file is named from the project."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from conftest import PASSWORD
from engine import Plugin, RefusedError

CA = "certificates/ca.crt"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificate of 127.0.0.1, which is its own CA."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "certificates").mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "1", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", folder / "key", "-out", folder / CA],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def s3_with_tls(project: Path, s3_port: int) -> Iterator[int]:
    """The port of something that ends TLS in front of the S3 server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(project / CA, project / "key")

    def carry(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass  # the other side has hung up, or never spoke TLS
        finally:
            target.close()

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except ssl.SSLError:
                continue  # a client that does not trust the certificate
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", s3_port))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=carry, args=pair, daemon=True).start()

    plain = socket.create_server(("127.0.0.1", 0))
    listener = context.wrap_socket(plain, server_side=True)
    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_s3_over_tls(project: Path, s3_with_tls: int) -> None:
    settings = {
        "minioServer": f"127.0.0.1:{s3_with_tls}", "minioSsl": "true", "minioUser": "admin",
        "minioPassword": PASSWORD,
    }  # fmt: skip
    trusting = Plugin("minio", folder=project, **settings, minioCacertFile=CA)
    name, state = trusting.create("S3Bucket", {"bucket": "over-tls"})
    policy = '{"Version":"2012-10-17","Statement":[]}'
    trusting.delete("IamPolicy", *trusting.create("IamPolicy", {"name": "tls", "policy": policy}))
    trusting.delete("S3Bucket", name, state)
    trusting.stop()
    doubting = Plugin("minio", folder=project, **settings)
    with pytest.raises(RefusedError, match="CERTIFICATE_VERIFY_FAILED"):
        doubting.create("S3Bucket", {"bucket": "over-tls"})
    doubting.stop()


def test_postgresql_over_tls(
    project: Path, network: str, sql: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    container = f"{network}-5432"
    for file in (CA, "key"):
        target = f"/var/lib/postgresql/{Path(file).name}"
        subprocess.run(["docker", "cp", project / file, f"{container}:{target}"], check=True)
        subprocess.run(["docker", "exec", container, "chown", "postgres", target], check=True)
    sql.execute("ALTER SYSTEM SET ssl_cert_file = '/var/lib/postgresql/ca.crt'")
    sql.execute("ALTER SYSTEM SET ssl_key_file = '/var/lib/postgresql/key'")
    sql.execute("SELECT pg_reload_conf()")
    settings = {
        "port": str(sql.info.port), "username": "postgres", "password": PASSWORD,
        "sslmode": "verify-full", "sslrootcert": CA,
    }  # fmt: skip
    trusting = Plugin("postgresql", folder=project, host="127.0.0.1", **settings)
    trusting.delete("Role", *trusting.create("Role", {"name": "tls"}))
    trusting.stop()
    other_name = Plugin("postgresql", folder=project, host="localhost", **settings)
    with pytest.raises(RefusedError, match='does not match host name "localhost"'):
        other_name.create("Role", {"name": "tls"})
    other_name.stop()
