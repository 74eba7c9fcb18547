"""`BucketContents`: what a bucket holds, so that it can be deleted with the bucket."""

from dataclasses import dataclass

import pulumi
from pulumi.dynamic import CreateResult, Resource, UpdateResult
from typing_extensions import override

from components.dynamic import Properties, Provider
from components.minio.connection import ServerArgs, connect


@dataclass(frozen=True, kw_only=True)
class BucketContentsArgs:
    """Whose contents, and how to reach them.

    Attributes:
        bucket: name of the bucket.
        server: the cluster.
    """

    bucket: str
    server: ServerArgs


class BucketContents(Resource, name="BucketContents"):
    """Stands for a bucket's objects.

    To create it does nothing; to delete it deletes every object, with all versions. MinIO refuses
    to delete a bucket that is not empty, and the provider's own `force_destroy` crashes with many
    objects.

    Raises (when it is deleted): MinIO does not answer, or keeps an object, as under a lock.
    """

    def __init__(
        self, name: str, args: BucketContentsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            BucketContentsProvider(),
            name,
            {"bucket": args.bucket, **vars(args.server)},
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=["password"])
            ),
        )


class BucketContentsProvider(Provider):
    """Deletes through the S3 API."""

    @override
    def create(self, props: Properties) -> CreateResult:
        return CreateResult(id_=props["bucket"], outs=props)

    @override
    def update(self, _id: str, _olds: Properties, news: Properties) -> UpdateResult:
        return UpdateResult(outs=news)

    @override
    def delete(self, _id: str, props: Properties) -> None:
        from minio.deleteobjects import DeleteObject

        bucket = props["bucket"]
        server = connect(props)
        if not server.bucket_exists(bucket):
            return
        versions = server.list_objects(bucket, recursive=True, include_version=True)
        refused = list(
            server.remove_objects(
                bucket, (DeleteObject(str(v.object_name), v.version_id) for v in versions)
            )
        )
        if refused:
            raise RuntimeError(
                f"bucket {bucket} keeps {len(refused)} objects, the first is {refused[0].name}: "
                f"{refused[0].message}"
            )
