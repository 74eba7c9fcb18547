"""The edge with real Traefik: before an S3 server, before servers that say what reached them, and
before a PostgreSQL that has its own certificate."""

import hashlib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pulumi
import pytest
import requests
from botocore.client import Config
from pulumi import automation as auto
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from components.authority import CertificateAuthority
from components.edge.edge import Certificate, Edge, EdgeArgs, HttpRoute, TcpRoute
from components.hosts.engine import find_engine
from components.hosts.local import LocalHost
from config.settings import Images
from ops.sandbox import sandbox_settings
from ops.up import in_sandbox
from tests.stack import IMAGES, PASSPHRASE, container_ids, docker, inspect, remove_from_engine

STACK = "test-edge"
ADDRESS = "127.21.3.4"
"""On loopback, of these tests' own: the edge's ports are fixed."""
PASSWORD = "only-for-tests"
BUCKET = "uploads"
MEMORY_MB = 256
KEYS = (
    "plain",
    "a b+c",
    "umlaut ä",
    "100%",
    "50%25",
    "a%2Fb",
    "q?x=1",
    "hash#tag",
    "semi;colon",
    "back\\slash",
    "~tilde!*'()",
    "&=@:,$",
)
RAW_PATHS = (
    "/bucket/a//b",
    "/bucket/a/../b",
    "/bucket/./a",
    "/bucket/a%2Fb%25%3B%5C%3F%23",
    "//bucket/a",
)
SAY = r"""
read -r request
while read -r line && [ "$line" != "$(printf '\r')" ]; do
    case $line in [Hh]ost:*) host=$line ;; esac
done
body="$(hostname) $request $host"
printf 'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' "${#body}" "$body"
"""
"""An HTTP server in shell: it answers with its name, the request line and the host."""

until_served = retry(
    retry=retry_if_exception_type((AssertionError, OSError, requests.RequestException)),
    stop=stop_after_delay(30),
    wait=wait_fixed(0.3),
    reraise=True,
)


def image(service: str) -> str:
    settings = sandbox_settings() if in_sandbox() else {}
    default = settings.get(f"images.{service}", getattr(Images(), service))
    return IMAGES.get(service) or str(default)


def echo(name: str) -> str:
    return f"http://{STACK}-{name}:8000"


ARGS = EdgeArgs(
    image=image("traefik"),
    helper_image=image("busybox"),
    address=ADDRESS,
    http=[
        HttpRoute(
            name="s3",
            hosts=["s3.test", ADDRESS],
            servers=[f"http://{STACK}-s3:9000"],
            health_path="/minio/health/live",
        ),
        HttpRoute(
            name="echo",
            hosts=["echo.test"],
            servers=[echo("echo-1"), echo("echo-2")],
            health_path="/",
        ),
        HttpRoute(
            name="admin",
            hosts=["admin.test"],
            servers=[echo("echo-1")],
            health_path=None,
            admins_only=True,
        ),
    ],
    tcp=[TcpRoute(name="postgres", port=5432, server=f"{STACK}-postgres:5432")],
    admin_cidrs=["192.0.2.1/32"],
    certificate=None,
    acme_email="replaced@shop.example",
    memory_mb=MEMORY_MB,
)


@dataclass
class Site:
    """A running edge.

    Attributes:
        args: what the next `up` makes; the certificate is the own CA's.
        ca: file of the CA's certificate.
    """

    directory: Path
    args: EdgeArgs = ARGS
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def ca(self) -> Path:
        return self.directory / "ca.crt"

    def program(self) -> None:
        host = LocalHost("local", engine=find_engine(), stack=STACK, prefix=f"{STACK}-")
        authority = CertificateAuthority("ca", common_name=STACK)
        names = ["s3.test", "echo.test", "admin.test"]
        own = authority.issue("edge-tls", names=names, addresses=[ADDRESS], parent=host)
        server = authority.issue("postgres-tls", addresses=[ADDRESS], parent=host)
        certificate = Certificate(certificate=own.certificate, key=own.key)
        Edge("edge", replace(self.args, certificate=certificate, acme_email=None), host)
        pulumi.export("ca", authority.certificate)
        pulumi.export("certificate", server.certificate)
        pulumi.export("key", server.key)

    def up(self) -> None:
        workspace = auto.LocalWorkspaceOptions(
            work_dir=str(self.directory),
            env_vars={
                "PULUMI_BACKEND_URL": f"file://{self.directory}",
                "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            },
        )
        stack = auto.create_or_select_stack(
            STACK, project_name=STACK, program=self.program, opts=workspace
        )
        self.outputs = {name: output.value for name, output in stack.up().outputs.items()}
        self.ca.write_text(self.outputs["ca"])

    def get(self, host: str, path: str = "/") -> tuple[int, str]:
        """Asks for a path as it is written; the status and what the server says."""
        context = ssl.create_default_context(cafile=str(self.ca))
        connection = HTTPSConnection(ADDRESS, context=context, timeout=20)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def start(name: str, service: str, *arguments: str, command: tuple[str, ...]) -> None:
    """Starts a server behind the edge."""
    docker(
        "run", "--detach", "--name", f"{STACK}-{name}", "--hostname", name, "--label",
        f"stack={STACK}", "--network", f"{STACK}-arquitectura", "--memory", "512m",
        *arguments, image(service), *command,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("edge"))
    try:
        site.up()
        for name in ("echo-1", "echo-2"):
            serve = ("nc", "-ll", "-p", "8000", "-e", "sh", "-c", SAY)
            start(name, "busybox", command=serve)
        credentials = ("-e", "MINIO_ROOT_USER=admin", "-e", f"MINIO_ROOT_PASSWORD={PASSWORD}")
        start("s3", "minio", *credentials, command=("server", "--address", ":9000", "/data"))
        _start_postgres(site)
        yield site
    finally:
        remove_from_engine(STACK)


def _start_postgres(site: Site) -> None:
    files = site.directory / "postgres"
    files.mkdir()
    for name in ("certificate", "key"):
        (files / name).write_text(site.outputs[name])
    setup = (
        "install -o postgres -m 600 /in/certificate /in/key /tmp && exec docker-entrypoint.sh "
        "postgres -c ssl=on -c ssl_cert_file=/tmp/certificate -c ssl_key_file=/tmp/key"
    )
    start(
        "postgres", "citus", "-e", f"POSTGRES_PASSWORD={PASSWORD}", "-v", f"{files}:/in:ro",
        "--entrypoint", "sh", command=("-c", setup),
    )  # fmt: skip


@pytest.fixture(scope="module")
def s3(site: Site) -> Any:
    client = boto3.client(
        "s3",
        endpoint_url=f"https://{ADDRESS}",
        aws_access_key_id="admin",
        aws_secret_access_key=PASSWORD,
        region_name="us-east-1",
        verify=str(site.ca),
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )

    @retry(stop=stop_after_delay(60), wait=wait_fixed(0.5), reraise=True)
    def make_bucket() -> None:
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=BUCKET)

    make_bucket()
    return client


Send = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def presigned(site: Site, s3: Any) -> Send:
    """Sends a presigned request as a browser would."""

    def send(method: str, key: str, body: Any = None) -> requests.Response:
        operation = f"{method.lower()}_object"
        url = s3.generate_presigned_url(operation, Params={"Bucket": BUCKET, "Key": key})
        return requests.request(method, url, data=body, verify=str(site.ca), timeout=120)

    return send


def connect(ca: str) -> psycopg.Connection[Any]:
    """Logs in to PostgreSQL, if its certificate is of that CA."""
    return psycopg.connect(
        host=ADDRESS, user="postgres", password=PASSWORD, sslmode="verify-full", sslrootcert=ca
    )


@retry(
    retry=retry_if_exception_type(psycopg.OperationalError),
    stop=stop_after_delay(60),
    wait=wait_fixed(0.5),
    reraise=True,
)
def connected(site: Site) -> psycopg.Connection[Any]:
    """A session, as soon as the server takes one."""
    return connect(str(site.ca))


@pytest.mark.parametrize("key", KEYS)
def test_presigned_requests_pass_whatever_the_key(s3: Any, presigned: Send, key: str) -> None:
    assert presigned("PUT", key, b"content").status_code == 200
    assert presigned("GET", key).content == b"content"
    assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == 7


@pytest.mark.parametrize("path", RAW_PATHS)
def test_a_path_reaches_the_server_as_it_was_sent(site: Site, path: str) -> None:
    said = until_served(lambda: _served(site.get("echo.test", path)))()
    assert f" GET {path} HTTP/1.1" in said
    assert "echo.test" in said.lower().partition("host:")[2]


def test_a_semicolon_in_a_query_stays_one(site: Site) -> None:
    said = until_served(lambda: _served(site.get("echo.test", "/a?b=c;d&e=%3B")))()
    assert " GET /a?b=c%3Bd&e=%3B HTTP/1.1" in said


def _served(answer: tuple[int, str]) -> str:
    status, said = answer
    assert status == 200, said
    return said


def test_metadata_and_multipart_uploads_pass(s3: Any) -> None:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts", Metadata={"a_b": "c" * 1500})
    place = {"Bucket": BUCKET, "Key": "parts", "UploadId": upload["UploadId"]}
    parts = [
        {
            "PartNumber": n,
            "ETag": s3.upload_part(**place, PartNumber=n, Body=bytes([n]) * 5 * 1024**2)["ETag"],
        }
        for n in (1, 2)
    ]
    s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    found = s3.get_object(Bucket=BUCKET, Key="parts")
    # Servers in Go capitalise the names.
    assert {name.lower(): value for name, value in found["Metadata"].items()} == {"a_b": "c" * 1500}
    assert found["Body"].read() == b"\1" * 5 * 1024**2 + b"\2" * 5 * 1024**2


@dataclass
class Generated:
    """A file that is nowhere: a number of MiB, with a pause after each."""

    mib: int
    seconds_each: float = 0
    sent: int = 0

    def __len__(self) -> int:
        return self.mib * 1024**2

    def read(self, _size: int = -1) -> bytes:
        if self.sent == self.mib:
            return b""
        if self.seconds_each:
            # The slowness of the client is what is tested.
            time.sleep(self.seconds_each)
        self.sent += 1
        return bytes([self.sent % 256]) * 1024**2


def test_an_upload_is_streamed(presigned: Send) -> None:
    assert presigned("PUT", "large", Generated(200)).status_code == 200
    digest = hashlib.sha256()
    for n in range(1, 201):
        digest.update(bytes([n % 256]) * 1024**2)
    assert hashlib.sha256(presigned("GET", "large").content).digest() == digest.digest()
    edge = inspect(f"{STACK}-edge")
    assert edge["HostConfig"]["Memory"] == MEMORY_MB * 1024**2
    assert not edge["State"]["OOMKilled"]
    assert edge["RestartCount"] == 0


def test_uploads_and_sessions_may_last_longer_than_a_minute(site: Site, presigned: Send) -> None:
    with connected(site) as session:
        assert presigned("PUT", "slow", Generated(11, seconds_each=6.2)).status_code == 200
        assert session.execute("select 1").fetchone() == (1,)


def test_a_dead_server_leaves_and_comes_back(site: Site) -> None:
    def answered(count: int) -> set[str]:
        return {_served(site.get("echo.test")).split()[0] for _ in range(count)}

    @until_served
    def answers_come_from(*servers: str) -> None:
        assert answered(6) == set(servers)

    answers_come_from("echo-1", "echo-2")
    docker("kill", f"{STACK}-echo-2")
    # No request fails meanwhile: those that find the server gone go to the other.
    assert answered(20) == {"echo-1"}
    answers_come_from("echo-1")
    docker("start", f"{STACK}-echo-2")
    answers_come_from("echo-1", "echo-2")


def test_other_hosts_are_not_found(site: Site) -> None:
    assert site.get("other.test")[0] == 404


def test_http_leads_to_https(site: Site) -> None:
    answer = requests.get(
        f"http://{ADDRESS}/a?b=c", headers={"Host": "s3.test"}, allow_redirects=False, timeout=10
    )
    assert answer.status_code in (301, 308)
    assert answer.headers["Location"] == "https://s3.test/a?b=c"


def test_postgresql_shows_its_own_certificate(site: Site) -> None:
    with connected(site) as session:
        encrypted = session.execute("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
        assert encrypted.fetchone() == (True,)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        connect("system")


def test_other_routes_need_no_new_container(site: Site) -> None:
    """Last: it changes what is served."""
    before = container_ids(STACK)[f"{STACK}-edge"]
    assert site.get("admin.test")[0] == 403
    console = replace(ARGS.http[2], hosts=["admin.test", "more.test"])
    site.args = replace(ARGS, http=[*ARGS.http[:2], console], admin_cidrs=["0.0.0.0/0"])
    site.up()

    @until_served
    def is_served(host: str) -> None:
        assert site.get(host)[0] == 200

    is_served("more.test")
    is_served("admin.test")
    assert container_ids(STACK)[f"{STACK}-edge"] == before


def test_nothing_secret_is_in_the_containers_arguments() -> None:
    assert "PRIVATE KEY" not in str(inspect(f"{STACK}-edge"))
