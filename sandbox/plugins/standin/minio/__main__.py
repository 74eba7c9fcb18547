"""Serves the provider. Usage: python -m standin.minio VERSION."""

import sys

from standin.minio.buckets import IlmPolicy, S3Bucket, S3BucketPolicy, S3BucketVersioning
from standin.minio.identities import (
    IamPolicy,
    IamServiceAccount,
    IamUser,
    IamUserPolicyAttachment,
)
from standin.minio.server import CONFIG, Server
from standin.server import Package, serve

serve(
    Package(
        name="minio",
        version=sys.argv[1],
        config=CONFIG,
        connect=Server,
        resources=[
            S3Bucket(),
            S3BucketVersioning(),
            S3BucketPolicy(),
            IlmPolicy(),
            IamUser(),
            IamPolicy(),
            IamUserPolicyAttachment(),
            IamServiceAccount(),
        ],
    )
)
