"""`MinioReady`: waits until the cluster takes writes, so that what comes after can use it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi.dynamic import CreateResult, Resource, UpdateResult
from typing_extensions import override

from components.dynamic import Properties, Provider
from components.minio.connection import ServerArgs, connect, http_client

OK = 200

PROBE = "arquitectura.ready"
"""A bucket that exists for a moment. No project's bucket has a dot in its name."""


@dataclass(frozen=True, kw_only=True)
class MinioReadyArgs:
    """What to wait for.

    Attributes:
        server: the cluster.
        containers: ids of the nodes; waits again when one is replaced.
        timeout: seconds to wait at most.
    """

    server: ServerArgs
    containers: Sequence[pulumi.Input[str]]
    timeout: int = 120


class MinioReady(Resource, name="MinioReady"):
    """A gate: it exists once the cluster says that it is healthy, and took a new bucket.

    Alone, MinIO's `/minio/health/cluster` answers 200 up to 15 s before writes succeed, when
    several nodes have restarted; and a write may succeed while the nodes that hold an older object
    are not back.

    Raises (when it is created or updated): that could not be done within `timeout` seconds.
    """

    def __init__(
        self, name: str, args: MinioReadyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            MinioReadyProvider(),
            name,
            {
                **vars(args.server),
                "containers": list(args.containers),
                "timeout": args.timeout,
            },
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=["password"])
            ),
        )


class MinioReadyProvider(Provider):
    """Probes through the S3 API."""

    @override
    def create(self, props: Properties) -> CreateResult:
        _wait(props)
        return CreateResult(id_=props["server"], outs=props)

    @override
    def update(self, _id: str, _olds: Properties, news: Properties) -> UpdateResult:
        _wait(news)
        return UpdateResult(outs=news)


def _wait(props: Properties) -> None:
    from minio.error import MinioException
    from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed
    from urllib3.exceptions import HTTPError

    server = connect(props, retries=False)  # its own take seconds

    http = http_client(props, retries=False)
    health = f"{'https' if props['tls'] else 'http'}://{props['server']}/minio/health/cluster"

    def probe() -> None:
        status = http.request("GET", health).status
        if status != OK:
            raise HTTPError(f"{health} answers {status}")
        if not server.bucket_exists(PROBE):  # else a killed run has left it
            server.make_bucket(PROBE)
        server.remove_bucket(PROBE)

    try:
        Retrying(
            wait=wait_fixed(0.2),
            stop=stop_after_delay(int(props["timeout"])),
            retry=retry_if_exception_type((MinioException, HTTPError)),
        )(probe)
    except RetryError as error:
        raise TimeoutError(
            f"MinIO at {props['server']} takes no writes after {int(props['timeout'])} s: "
            f"{error.last_attempt.exception()}. The logs of its containers say why (docker logs)"
        ) from None
