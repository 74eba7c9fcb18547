"""Buckets and their settings."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

from typing_extensions import override

from standin.minio.server import Server, doing, unless_gone
from standin.resource import Overwritten, Property, Resource, StandInError, json_document
from standin.values import UNKNOWN, Properties

_BUCKET = Property(kind=str, required=True, replace=True)
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class S3Bucket(Resource[Server]):
    """A bucket, private."""

    type = "S3Bucket"
    autonamed = "bucket"
    outputs: ClassVar[Mapping[str, bool]] = {"arn": False, "bucketDomainName": False}
    properties: ClassVar[Mapping[str, Property]] = {
        "bucket": Property(kind=str, replace=True),
        "acl": Property(kind=str, default="private", allowed=("private",)),
        "forceDestroy": Property(kind=bool, default=False),
        "objectLocking": Property(kind=bool, default=False, replace=True),
        "quota": Property(kind=float),
    }

    @override
    def validate(self, inputs: Properties) -> dict[str, str]:
        """Quotas need MinIO's admin API; names follow S3's rules."""
        if inputs.get("quota"):
            return {"quota": "the S3 server behind this stand-in has no quotas: leave it out"}
        name = inputs["bucket"]
        if name is not UNKNOWN and not _NAME.fullmatch(name):
            return {
                "bucket": f"{name!r}: 3 to 63 of a-z, 0-9, '.' and '-', ending in none of these"
            }
        return {}

    @override
    def create(self, client: Server, inputs: Properties) -> tuple[str, Properties]:
        """CreateBucket."""
        name = inputs["bucket"]
        taken = f"bucket already exists! ({name})"
        with doing(f"unable to create bucket ({name})"):
            if _exists(client, name):
                raise StandInError(taken)
            client.s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=inputs["objectLocking"])
        return name, {**inputs, **_names(client, name)}

    @override
    def read(self, client: Server, resource_id: str, state: Properties) -> Properties | None:
        """HeadBucket; raises when the server does not answer."""
        with doing(f"unable to read bucket ({resource_id})"):
            if not _exists(client, resource_id):
                return None
        defaults = {"acl": "private", "forceDestroy": False, "objectLocking": False}
        return {**defaults, **state, "bucket": resource_id, **_names(client, resource_id)}

    @override
    def update(
        self,
        client: Server,
        resource_id: str,
        old: Properties,
        new: Properties,
    ) -> Properties:
        """Only `forceDestroy` can change, which lives in the state alone."""
        return {**new, **_names(client, resource_id)}

    @override
    def delete(self, client: Server, resource_id: str, state: Properties) -> None:
        """DeleteBucket; with `forceDestroy`, all versions of all objects first."""
        from botocore.exceptions import ClientError

        with doing(f"[FATAL] unable to remove bucket ({resource_id})"), unless_gone("NoSuchBucket"):
            if state.get("forceDestroy"):
                _empty(client, resource_id)
            try:
                client.s3.delete_bucket(Bucket=resource_id)
            except ClientError as error:
                if error.response["Error"]["Code"] != "BucketNotEmpty":
                    raise
                raise StandInError(
                    f"[FATAL] unable to remove bucket ({resource_id}): The bucket you tried to "
                    "delete is not empty. You must delete all versions in the bucket."
                ) from None


def _exists(client: Server, bucket: str) -> bool:
    with unless_gone("404", "NoSuchBucket"):
        client.s3.head_bucket(Bucket=bucket)
        return True
    return False


def _names(client: Server, bucket: str) -> Properties:
    endpoint = client.s3.meta.endpoint_url
    return {"arn": f"arn:aws:s3:::{bucket}", "bucketDomainName": f"{endpoint}/minio/{bucket}"}


def _empty(client: Server, bucket: str) -> None:
    for page in client.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if not entries:
            continue
        objects = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
        result = client.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        for error in result.get("Errors", []):
            raise StandInError(f"{bucket}/{error['Key']}: {error.get('Message', 'not deleted')}")
    for page in client.s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            client.s3.abort_multipart_upload(
                Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
            )


class S3BucketVersioning(Overwritten[Server]):
    """Whether a bucket keeps old versions."""

    type = "S3BucketVersioning"
    properties: ClassVar[Mapping[str, Property]] = {
        "bucket": _BUCKET,
        "versioningConfiguration": Property(kind=dict, required=True),
    }

    @override
    def validate(self, inputs: Properties) -> dict[str, str]:
        """Only a status, on or off."""
        configuration = inputs["versioningConfiguration"]
        if configuration is UNKNOWN:
            return {}
        if set(configuration) - {"status"}:
            return {"versioningConfiguration": "the stand-in supports only status"}
        if configuration.get("status") not in ("Enabled", "Suspended", UNKNOWN):
            return {"versioningConfiguration": "status must be Enabled or Suspended"}
        return {}

    @override
    def create(self, client: Server, inputs: Properties) -> tuple[str, Properties]:
        """PutBucketVersioning."""
        bucket = inputs["bucket"]
        with doing(f"error putting bucket versioning configuration: {bucket}"):
            client.s3.put_bucket_versioning(
                Bucket=bucket,
                VersioningConfiguration={"Status": inputs["versioningConfiguration"]["status"]},
            )
        return bucket, inputs

    @override
    def read(self, client: Server, resource_id: str, state: Properties) -> Properties | None:
        """GetBucketVersioning."""
        with (
            doing(f"error reading bucket versioning configuration: {resource_id}"),
            unless_gone("NoSuchBucket"),
        ):
            status = client.s3.get_bucket_versioning(Bucket=resource_id).get("Status")
            if status:
                configuration = {"status": status}
                return {**state, "bucket": resource_id, "versioningConfiguration": configuration}
        return None

    @override
    def delete(self, client: Server, resource_id: str, state: Properties) -> None:
        """Suspends it: S3 cannot take it back."""
        with (
            doing(f"error suspending bucket versioning: {resource_id}"),
            unless_gone("NoSuchBucket"),
        ):
            client.s3.put_bucket_versioning(
                Bucket=resource_id, VersioningConfiguration={"Status": "Suspended"}
            )


class S3BucketPolicy(Overwritten[Server]):
    """A bucket's policy."""

    type = "S3BucketPolicy"
    properties: ClassVar[Mapping[str, Property]] = {
        "bucket": _BUCKET,
        "policy": Property(kind=str, required=True, canonical=json_document),
    }

    @override
    def create(self, client: Server, inputs: Properties) -> tuple[str, Properties]:
        """PutBucketPolicy."""
        with doing(f"error putting bucket policy: {inputs['bucket']}"):
            client.s3.put_bucket_policy(Bucket=inputs["bucket"], Policy=inputs["policy"])
        return inputs["bucket"], inputs

    @override
    def read(self, client: Server, resource_id: str, state: Properties) -> Properties | None:
        """GetBucketPolicy; keeps the state's text of an equal document."""
        with (
            doing(f"error reading bucket policy: {resource_id}"),
            unless_gone("NoSuchBucketPolicy", "NoSuchBucket"),
        ):
            policy = client.s3.get_bucket_policy(Bucket=resource_id)["Policy"]
            if json_document(policy) == json_document(state.get("policy")):
                policy = state["policy"]
            return {"bucket": resource_id, "policy": policy}
        return None

    @override
    def delete(self, client: Server, resource_id: str, state: Properties) -> None:
        """DeleteBucketPolicy."""
        with doing(f"error deleting bucket policy: {resource_id}"), unless_gone("NoSuchBucket"):
            client.s3.delete_bucket_policy(Bucket=resource_id)


_RULE = {"id", "expiration", "filter", "noncurrentVersionExpirationDays", "status", "tags"}


class IlmPolicy(Overwritten[Server]):
    """A bucket's whole lifecycle."""

    type = "IlmPolicy"
    properties: ClassVar[Mapping[str, Property]] = {
        "bucket": _BUCKET,
        "rules": Property(
            kind=list, required=True, canonical=lambda rules: [_complete(rule) for rule in rules]
        ),
    }

    @override
    def validate(self, inputs: Properties) -> dict[str, str]:
        """Rules of MinIO's provider: each needs an id and something that expires."""
        for rule in inputs["rules"] if inputs["rules"] is not UNKNOWN else []:
            if rule is UNKNOWN or UNKNOWN in rule.values():
                continue
            if unsupported := sorted(set(rule) - _RULE):
                return {"rules": f"the stand-in does not support {unsupported[0]}"}
            if not rule.get("expiration") and not rule.get("noncurrentVersionExpirationDays"):
                return {"rules": f"rule {rule['id']} expires nothing"}
            if rule.get("expiration") and _expiration(rule["expiration"]) is None:
                return {
                    "rules": f"rule {rule['id']}: expiration {rule['expiration']!r} is none of "
                    "'30d', '2030-01-31' and 'DeleteMarker'"
                }
        return {}

    @override
    def create(self, client: Server, inputs: Properties) -> tuple[str, Properties]:
        """PutBucketLifecycleConfiguration."""
        rules = [_to_s3(rule) for rule in inputs["rules"]]
        with doing(f"creating bucket lifecycle failed: {inputs['bucket']}"):
            client.s3.put_bucket_lifecycle_configuration(
                Bucket=inputs["bucket"], LifecycleConfiguration={"Rules": rules}
            )
        return inputs["bucket"], inputs

    @override
    def read(self, client: Server, resource_id: str, state: Properties) -> Properties | None:
        """GetBucketLifecycleConfiguration; keeps the state's form of equal rules."""
        with (
            doing(f"reading lifecycle configuration failed: {resource_id}"),
            unless_gone("NoSuchLifecycleConfiguration", "NoSuchBucket"),
        ):
            answer = client.s3.get_bucket_lifecycle_configuration(Bucket=resource_id)
            rules = [_from_s3(rule) for rule in answer["Rules"]]
            known = state.get("rules", [])
            if [_complete(rule) for rule in rules] == [_complete(rule) for rule in known]:
                rules = known
            return {"bucket": resource_id, "rules": rules}
        return None

    @override
    def delete(self, client: Server, resource_id: str, state: Properties) -> None:
        """DeleteBucketLifecycle."""
        with doing(f"deleting lifecycle failed: {resource_id}"), unless_gone("NoSuchBucket"):
            client.s3.delete_bucket_lifecycle(Bucket=resource_id)


def _complete(rule: Any) -> Any:
    if rule is UNKNOWN:
        return rule
    return {"status": "Enabled", **{name: item for name, item in rule.items() if item}}


def _expiration(text: str) -> Properties | None:
    if text == "DeleteMarker":
        return {"ExpiredObjectDeleteMarker": True}
    if re.fullmatch(r"[1-9]\d*d", text):
        return {"Days": int(text[:-1])}
    try:
        return {"Date": date.fromisoformat(text).isoformat()}
    except ValueError:
        return None


def _to_s3(rule: Properties) -> Properties:
    prefix = rule.get("filter", "")
    tags = [{"Key": key, "Value": value} for key, value in sorted(rule.get("tags", {}).items())]
    s3_filter: Properties = {"Prefix": prefix}
    if tags:
        s3_filter = {"And": {"Prefix": prefix, "Tags": tags}}
    result = {
        "ID": rule["id"],
        "Status": rule.get("status") or "Enabled",
        "Filter": s3_filter,
    }
    if rule.get("expiration"):
        result["Expiration"] = _expiration(rule["expiration"])
    if days := rule.get("noncurrentVersionExpirationDays"):
        result["NoncurrentVersionExpiration"] = {"NoncurrentDays": days}
    return result


def _from_s3(rule: Properties) -> Properties:
    scope = rule.get("Filter", {})
    scope = scope.get("And", scope)
    expiration = rule.get("Expiration", {})
    text = None
    if "Days" in expiration:
        text = f"{expiration['Days']}d"
    elif "Date" in expiration:
        text = expiration["Date"].date().isoformat()
    elif expiration.get("ExpiredObjectDeleteMarker"):
        text = "DeleteMarker"
    tags = scope.get("Tags", [scope["Tag"]] if "Tag" in scope else [])
    found = {
        "id": rule["ID"],
        "status": rule["Status"],
        "filter": scope.get("Prefix"),
        "tags": {tag["Key"]: tag["Value"] for tag in tags},
        "expiration": text,
        "noncurrentVersionExpirationDays": rule.get("NoncurrentVersionExpiration", {}).get(
            "NoncurrentDays"
        ),
    }
    return {name: value for name, value in found.items() if value}
