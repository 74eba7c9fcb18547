"""What the tests ask of S3, as an application with its project's key."""

from collections.abc import Mapping
from typing import Any

import boto3
import requests
from botocore.client import Config
from botocore.exceptions import ClientError


def client(credentials: Mapping[str, Any], ca: str | None = None) -> Any:
    """An S3 client as an application would make it.

    Args:
        credentials: the project's.
        ca: file of the certificates that the server's is verified with. None: the system's.
    """
    return boto3.client(
        "s3",
        endpoint_url=credentials["s3_endpoint"],
        aws_access_key_id=credentials["s3_access_key"],
        aws_secret_access_key=credentials["s3_secret_key"],
        region_name="us-east-1",
        verify=ca,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            retries={"max_attempts": 1},
        ),
    )


def presigned(s3: Any, operation: str, bucket: str, key: str) -> str:
    """A URL for one operation on one object."""
    return str(
        s3.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key}, ExpiresIn=300)
    )


def put(url: str, body: bytes, ca: str | None = None) -> int:
    """Uploads as a browser would; the HTTP status."""
    return requests.put(url, data=body, timeout=30, verify=ca).status_code


def refusal(operation: Any, **arguments: Any) -> str:
    """The error code of an S3 call that must be refused."""
    try:
        operation(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    raise AssertionError("the call was allowed")
