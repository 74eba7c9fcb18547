"""The S3 server: its settings, its two APIs and its error messages."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from standin.resource import Property, StandInError
from standin.values import Properties

CONFIG: Final[Mapping[str, Property]] = {
    "minioServer": Property(kind=str, required=True),
    "minioUser": Property(kind=str, required=True),
    "minioPassword": Property(kind=str, required=True, secret=True),
    "minioRegion": Property(kind=str, default="us-east-1"),
    "minioSsl": Property(kind=bool, default=False),
    "minioInsecure": Property(kind=bool, default=False),
    "minioCacertFile": Property(kind=str),
    "minioApiVersion": Property(kind=str, default="v4", allowed=("v4",)),
}


class Server:
    """Clients for S3 and, on the same port, for IAM."""

    def __init__(self, settings: Properties) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self.writing = threading.Lock()
        """Held for a change of users or policies: SeaweedFS writes them all as one document."""

    @property
    def user(self) -> str:
        """The user that the provider works as."""
        return str(self._settings["minioUser"])

    @cached_property
    def s3(self) -> Any:
        """The S3 API."""
        return self._client("s3")

    @cached_property
    def iam(self) -> Any:
        """The API for users, keys and policies."""
        client = self._client("iam")

        # SeaweedFS takes the new key from the caller, a parameter that AWS does not have.
        def choose_key(params: Mapping[str, Any], context: Mapping[str, Any], **_: Any) -> None:
            params["body"].update(context["chosen_key"])

        def keep_key(params: Any, context: Any, **_: Any) -> None:
            context["chosen_key"] = {
                name: params.pop(name)
                for name in ("AccessKeyId", "SecretAccessKey")
                if name in params
            }

        client.meta.events.register("provide-client-params.iam.CreateAccessKey", keep_key)
        client.meta.events.register("before-call.iam.CreateAccessKey", choose_key)
        return client

    def _client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        settings = self._settings
        scheme = "https" if settings["minioSsl"] else "http"
        verify: bool | str = not settings["minioInsecure"]
        if verify and "minioCacertFile" in settings:
            verify = str(settings["minioCacertFile"])
        with self._lock:  # making a client is not safe in several threads at once
            return boto3.session.Session().client(
                service,
                endpoint_url=f"{scheme}://{settings['minioServer']}",
                aws_access_key_id=settings["minioUser"],
                aws_secret_access_key=settings["minioPassword"],
                region_name=settings["minioRegion"],
                verify=verify,
                config=Config(
                    signature_version="s3v4" if service == "s3" else "v4",
                    s3={"addressing_style": "path"},
                    connect_timeout=10,
                    read_timeout=60,
                    retries={"total_max_attempts": 3, "mode": "standard"},
                    max_pool_connections=32,
                    parameter_validation=service == "s3",  # MinIO's keys may be shorter than AWS'
                ),
            )


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Turns what the server refuses, or its absence, into a message that begins with `what`."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        raise StandInError(
            f"{what}: {details.get('Message') or 'refused'} ({details.get('Code', 'no code')})"
        ) from None
    except BotoCoreError as error:
        raise StandInError(f"{what}: {error}") from None


@contextmanager
def unless_gone(*codes: str) -> Iterator[None]:
    """Ignores that something is not there."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code not in codes:
            raise
