"""`Bucket`: a bucket with its versioning, lifecycle and policy."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_minio as minio

from components.minio.cluster import MinioCluster
from components.minio.contents import BucketContents, BucketContentsArgs


@dataclass(frozen=True, kw_only=True)
class BucketArgs:
    """A bucket.

    Attributes:
        bucket: full name, 3 to 63 characters.
        versioning: whether old versions are kept.
        expire_days: days after which objects are deleted.
        noncurrent_expire_days: days after which replaced versions are deleted.
        quota_bytes: size above which writes are refused.
        public_read: whether anyone may read the objects.
        protect: whether Pulumi refuses to delete it.
    """

    bucket: str
    versioning: bool = False
    expire_days: int | None = None
    noncurrent_expire_days: int | None = None
    quota_bytes: int | None = None
    public_read: bool = False
    protect: bool = False


class Bucket(pulumi.ComponentResource):
    """A bucket.

    Resources: a `minio.S3Bucket`, where asked for its `S3BucketVersioning`, `IlmPolicy` and
    `S3BucketPolicy`, one after the other (MinIO loses one of two settings of a bucket that are
    written at the same time), and its `BucketContents`.

    Attributes:
        contents: depend on it to be deleted before the objects are.
    """

    contents: BucketContents

    def __init__(
        self,
        name: str,
        args: BucketArgs,
        cluster: MinioCluster,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:minio:Bucket", name, None, opts)
        bucket = minio.S3Bucket(
            name,
            bucket=args.bucket,
            quota=args.quota_bytes,
            opts=pulumi.ResourceOptions(
                parent=self, provider=cluster.provider, protect=args.protect
            ),
        )
        last: pulumi.Resource = bucket

        def after() -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions(parent=self, provider=cluster.provider, depends_on=[last])

        if args.versioning:
            last = minio.S3BucketVersioning(
                f"{name}-versioning",
                bucket=bucket.bucket,
                versioning_configuration=minio.S3BucketVersioningVersioningConfigurationArgs(
                    status="Enabled"
                ),
                opts=after(),
            )
        if args.expire_days or args.noncurrent_expire_days:
            last = minio.IlmPolicy(
                f"{name}-lifecycle",
                bucket=bucket.bucket,
                rules=[
                    minio.IlmPolicyRuleArgs(
                        id="expire",
                        expiration=f"{args.expire_days}d" if args.expire_days else None,
                        noncurrent_version_expiration_days=args.noncurrent_expire_days,
                    )
                ],
                # The provider swallows errors of an update: a new policy is written instead.
                opts=pulumi.ResourceOptions.merge(
                    after(),
                    pulumi.ResourceOptions(replace_on_changes=["*"], delete_before_replace=True),
                ),
            )
        if args.public_read:
            last = minio.S3BucketPolicy(
                f"{name}-policy",
                bucket=bucket.bucket,
                policy=_public_read(args.bucket),
                opts=after(),
            )
        self.contents = BucketContents(
            f"{name}-contents",
            BucketContentsArgs(bucket=args.bucket, server=cluster.server),
            pulumi.ResourceOptions(parent=self, depends_on=[last], protect=args.protect),
        )
        self.register_outputs({})


def _public_read(bucket: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": ["*"]},
                    "Action": ["s3:GetObject"],
                    "Resource": [f"arn:aws:s3:::{bucket}/*"],
                }
            ],
        }
    )
