"""`Project`: what one application gets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_minio as minio

from components.citus.cluster import CitusCluster
from components.citus.database import CitusDatabase, CitusDatabaseArgs
from components.minio.bucket import Bucket, BucketArgs
from components.minio.cluster import ROOT_USER, MinioCluster

ACTIONS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersion",
    "s3:Get*",
    "s3:List*",
    "s3:PutObject",
    "s3:PutObjectTagging",
)
"""What an application may do. A bucket's settings are the config's: a key that leaks must not make
it public."""


@dataclass(frozen=True, kw_only=True)
class ProjectArgs:
    """A project.

    Attributes:
        database: name of its database, one of the cluster's.
        role: owner of the database, one of the cluster's.
        extensions: PostgreSQL extensions besides `citus`.
        buckets: its buckets, by the name the application knows.
        credentials_version: another number gives another S3 key.
        protect: whether Pulumi refuses to delete its data.
    """

    database: str
    role: str
    extensions: Sequence[str] = ()
    buckets: Mapping[str, BucketArgs] = field(default_factory=dict)
    credentials_version: int = 1
    protect: bool = False


class Project(pulumi.ComponentResource):
    """A database, its buckets, and keys that open these and nothing else.

    Resources: a `CitusDatabase`, a `Bucket` for each bucket and, with buckets, a
    `minio.IamServiceAccount`.

    Attributes:
        credentials: `database_url`, `s3_endpoint`, `s3_access_key`, `s3_secret_key` and `buckets`
            (full names by name); secret.
    """

    credentials: pulumi.Output[dict[str, object]]

    def __init__(
        self,
        name: str,
        args: ProjectArgs,
        citus: CitusCluster,
        storage: MinioCluster,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:index:Project", name, None, opts)
        database = CitusDatabase(
            name,
            CitusDatabaseArgs(
                database=args.database,
                owner=args.role,
                extensions=args.extensions,
                protect=args.protect,
            ),
            citus,
            pulumi.ResourceOptions(parent=self),
        )
        buckets = [
            Bucket(f"{name}-{bucket}", bucket_args, storage, pulumi.ResourceOptions(parent=self))
            for bucket, bucket_args in args.buckets.items()
        ]
        full_names = {bucket: options.bucket for bucket, options in args.buckets.items()}
        credentials: dict[str, pulumi.Input[object]] = {
            "database_url": database.url,
            "s3_endpoint": storage.endpoint,
            "buckets": full_names,
        }
        if full_names:
            key = minio.IamServiceAccount(
                f"{name}-key",
                target_user=ROOT_USER,
                policy=_access_to(sorted(full_names.values())),
                opts=pulumi.ResourceOptions(
                    parent=self,
                    provider=storage.provider,
                    replacement_trigger=args.credentials_version,
                    # Deleted first, so that nobody writes while a bucket is emptied.
                    depends_on=[bucket.contents for bucket in buckets],
                ),
            )
            credentials |= {"s3_access_key": key.access_key, "s3_secret_key": key.secret_key}
        self.credentials = pulumi.Output.secret(pulumi.Output.all(**credentials))
        self.register_outputs({"credentials": self.credentials})


def _access_to(buckets: Sequence[str]) -> str:
    """A policy that allows everything with objects, and only a look at the buckets' settings."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": list(ACTIONS),
                    "Resource": [
                        resource
                        for bucket in buckets
                        for resource in (f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*")
                    ],
                }
            ],
        }
    )
