"""`DokployDestination`: a bucket that Dokploy can write backups to."""

from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, Resource, UpdateResult
from typing_extensions import override

from components.dokploy.api import Session
from components.dokploy.server import ServerArgs, inputs_of
from components.dynamic import Properties, Provider

PROVIDER = "Minio"
"""What rclone, which Dokploy copies with, calls MinIO."""
REGION = "us-east-1"
"""MinIO's, unless it is told another."""


@dataclass(frozen=True, kw_only=True)
class DokployDestinationArgs:
    """A bucket, and how Dokploy reaches it.

    Attributes:
        server: where Dokploy is.
        api_key: of Dokploy's owner.
        bucket: its name; also the destination's.
        endpoint: URL of the S3 API.
        access_key: opens the bucket.
        secret_key: of `access_key`.
    """

    server: ServerArgs
    api_key: pulumi.Input[str] = field(repr=False)
    bucket: str
    endpoint: pulumi.Input[str]
    access_key: pulumi.Input[str]
    secret_key: pulumi.Input[str] = field(repr=False)


class DokployDestination(Resource, name="DokployDestination"):
    """A bucket among Dokploy's S3 destinations.

    To delete it also deletes the schedules of backups to it, as Dokploy does itself.

    Raises (when it is created, updated or deleted): Dokploy does not answer or refuses.
    """

    def __init__(
        self, name: str, args: DokployDestinationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            DokployDestinationProvider(),
            name,
            inputs_of(args),
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=["api_key", "secret_key"])
            ),
        )


class DokployDestinationProvider(Provider):
    """Goes by what Dokploy says that it has: names are not unique to it."""

    @override
    def create(self, props: Properties) -> CreateResult:
        register(props)
        return CreateResult(id_=props["bucket"], outs=props)

    @override
    def update(self, _id: str, _olds: Properties, news: Properties) -> UpdateResult:
        register(news)
        return UpdateResult(outs=news)

    @override
    def delete(self, _id: str, props: Properties) -> None:
        api = _session(props)
        for found in _of_bucket(api, props["bucket"]):
            api.post("destination.remove", destinationId=found["destinationId"])


def register(props: Properties) -> None:
    """Makes the destination, or brings the one that is there up to date.

    Args:
        props: those of a `DokployDestinationArgs`.

    Raises:
        DokployError: Dokploy does not answer, or refuses.
    """
    api = _session(props)
    wanted = {
        "name": props["bucket"],
        "provider": PROVIDER,
        "bucket": props["bucket"],
        "region": REGION,
        "endpoint": props["endpoint"],
        "accessKey": props["access_key"],
        "secretAccessKey": props["secret_key"],
        "additionalFlags": [],
    }
    for found in _of_bucket(api, props["bucket"]):
        api.post("destination.update", destinationId=found["destinationId"], **wanted)
        return
    api.post("destination.create", **wanted)


def _session(props: Properties) -> Session:
    return Session(props, {"x-api-key": props["api_key"]})


def _of_bucket(api: Session, bucket: str) -> list[dict[str, Any]]:
    """The destinations with the name and the bucket; at most one, unless somebody made more."""
    return [
        found
        for found in api.get("destination.all")
        if found["name"] == bucket and found["bucket"] == bucket
    ]
