"""How the dynamic providers of this package log in to a MinIO cluster."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components.dynamic import Properties

if TYPE_CHECKING:
    from minio import Minio
    from urllib3 import PoolManager


@dataclass(frozen=True, kw_only=True)
class ServerArgs:
    """The S3 API, and who logs in.

    Attributes:
        server: `host:port`.
        tls: whether it speaks TLS.
        ca_file: certificates that its own is verified with. None: the system's.
        user: may do everything.
        password: of `user`.
    """

    server: pulumi.Input[str]
    tls: bool
    ca_file: pulumi.Input[str] | None
    user: str
    password: pulumi.Input[str]


def connect(props: Properties, *, retries: bool = True) -> "Minio":
    """A client for the properties of a `ServerArgs`. Without `retries` it fails soon, too."""
    from minio import Minio

    return Minio(
        props["server"],
        props["user"],
        props["password"],
        secure=bool(props["tls"]),
        http_client=http_client(props, retries=retries),
    )


def http_client(props: Properties, *, retries: bool) -> "PoolManager":
    """What requests to a server are sent with."""
    from urllib3 import PoolManager, Retry, Timeout

    # As the S3 client's own default.
    again = Retry(total=5, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])
    return PoolManager(
        retries=again if retries else False,
        timeout=Timeout(300 if retries else 10),
        ca_certs=props.get("ca_file"),
    )
