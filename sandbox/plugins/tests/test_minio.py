"""The stand-in of the minio provider against the S3 server of the sandbox."""

import json
from itertools import count

import boto3
import pytest
from botocore.exceptions import ClientError
from conftest import PASSWORD
from engine import UNKNOWN, Plugin, RefusedError

_names = (f"bucket-{number}" for number in count())


def client(port: int, key: str = "admin", secret: str = PASSWORD):
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
    )


@pytest.fixture
def bucket(minio: Plugin) -> str:
    return minio.create("S3Bucket", {"bucket": next(_names)})[0]


def allow(*buckets: str) -> str:
    names = [f"arn:aws:s3:::{bucket}" for bucket in buckets]
    resources = [item for name in names for item in (name, f"{name}/*")]
    statement = {"Effect": "Allow", "Action": ["s3:*"], "Resource": resources}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_bucket_life(minio: Plugin) -> None:
    inputs = {"bucket": "life"}
    name, state = minio.create("S3Bucket", inputs)
    assert (name, state["arn"], state["acl"]) == ("life", "arn:aws:s3:::life", "private")
    assert minio.diff("S3Bucket", state, inputs) == {}
    assert minio.read("S3Bucket", name, state) == state
    assert minio.diff("S3Bucket", state, {"bucket": "other"}) == {"bucket": True}
    with pytest.raises(RefusedError, match=r"bucket already exists! \(life\)"):
        minio.create("S3Bucket", inputs)
    minio.delete("S3Bucket", name, state)
    assert minio.read("S3Bucket", name, state) is None
    minio.delete("S3Bucket", name, state)


def test_full_bucket_is_kept(minio: Plugin, s3_port: int, bucket: str) -> None:
    s3 = client(s3_port)
    minio.create(
        "S3BucketVersioning",
        {"bucket": bucket, "versioningConfiguration": {"status": "Enabled"}},
    )
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="a/b")
    with pytest.raises(RefusedError, match="You must delete all versions in the bucket"):
        minio.delete("S3Bucket", bucket, {"bucket": bucket})
    minio.delete("S3Bucket", bucket, {"bucket": bucket, "forceDestroy": True})
    with pytest.raises(ClientError):
        s3.head_bucket(Bucket=bucket)


def test_settings_of_a_bucket(minio: Plugin, s3_port: int, bucket: str) -> None:
    resources = {
        "S3BucketVersioning": {"versioningConfiguration": {"status": "Enabled"}},
        "IlmPolicy": {
            "rules": [
                {"id": "all", "expiration": "90d", "noncurrentVersionExpirationDays": 7},
                {"id": "some", "expiration": "2030-01-31", "filter": "x/", "tags": {"k": "v"}},
            ]
        },
        "S3BucketPolicy": {
            "policy": json.dumps(
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
        },
    }
    for kind, settings in resources.items():
        inputs = {"bucket": bucket, **settings}
        resource_id, state = minio.create(kind, inputs)
        assert minio.diff(kind, state, inputs) == {}, kind
        seen = minio.read(kind, resource_id, state)
        assert seen is not None, kind
        assert minio.diff(kind, seen, inputs) == {}, kind
        assert minio.diff(kind, seen, {**inputs, "bucket": "another"}) == {"bucket": True}
        assert minio.update(kind, resource_id, state, inputs) == state
        imported = minio.read(kind, resource_id)
        assert imported and minio.diff(kind, imported, inputs) == {}, kind
    s3 = client(s3_port)
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rules[0]["Expiration"]["Days"] == 90
    for kind in ("S3BucketPolicy", "IlmPolicy"):
        minio.delete(kind, bucket, {})
        assert minio.read(kind, bucket, {}) is None, kind
    minio.delete("S3BucketVersioning", bucket, {})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"


def test_service_account_opens_its_buckets_only(minio: Plugin, s3_port: int, bucket: str) -> None:
    other, _ = minio.create("S3Bucket", {"bucket": next(_names)})
    inputs = {"targetUser": "admin", "policy": allow(bucket)}
    key, state = minio.create("IamServiceAccount", inputs)
    assert minio.secret == {"secretKey"}
    assert (state["accessKey"], state["status"]) == (key, "on")
    assert minio.diff("IamServiceAccount", state, inputs) == {}
    assert minio.read("IamServiceAccount", key, state) == state
    s3 = client(s3_port, key, state["secretKey"])
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    for call in (
        lambda: s3.list_objects_v2(Bucket=other),
        lambda: s3.put_object(Bucket=other, Key="a", Body=b"x"),
        lambda: s3.create_bucket(Bucket="mine-alone"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()
    wider = {**inputs, "policy": allow(bucket, other)}
    assert minio.diff("IamServiceAccount", state, wider) == {"policy": False}
    state = minio.update("IamServiceAccount", key, state, wider)
    s3.put_object(Bucket=other, Key="a", Body=b"x")
    rotated = minio.update("IamServiceAccount", key, state, {**wider, "updateSecret": True})
    with pytest.raises(ClientError):
        s3.list_objects_v2(Bucket=bucket)
    client(s3_port, key, rotated["secretKey"]).list_objects_v2(Bucket=bucket)
    minio.delete("IamServiceAccount", key, rotated)
    assert minio.read("IamServiceAccount", key, rotated) is None


def test_user_with_a_policy(minio: Plugin, s3_port: int, bucket: str) -> None:
    user, state = minio.create("IamUser", {"name": "worker"})
    policy, _ = minio.create("IamPolicy", {"name": "rw", "policy": allow(bucket)})
    inputs = {"userName": user, "policyName": policy}
    attached, _ = minio.create("IamUserPolicyAttachment", inputs)
    assert minio.read("IamUserPolicyAttachment", attached, inputs) == inputs
    client(s3_port, user, state["secret"]).put_object(Bucket=bucket, Key="u", Body=b"x")
    minio.delete("IamUserPolicyAttachment", attached, inputs)
    minio.delete("IamPolicy", policy, {"name": policy})
    minio.delete("IamUser", user, state)
    assert minio.read("IamUser", user, state) is None


@pytest.mark.parametrize(
    ("kind", "inputs", "message"),
    [
        ("S3Bucket", {"bucket": "no"}, "3 to 63"),
        ("S3Bucket", {"bucket": "name", "quota": 5}, "quota"),
        ("S3Bucket", {"bucket": "name", "acl": "public-read"}, 'only "private"'),
        ("S3BucketVersioning", {"bucket": "name"}, "missing required"),
        ("IlmPolicy", {"bucket": "name", "rules": [{"id": "a", "expiration": "9 days"}]}, "30d"),
        ("IamServiceAccount", {"targetUser": "admin"}, "policy: missing"),
        ("IamGroup", {}, "IamGroup is not supported"),
    ],
)
def test_refusals(minio: Plugin, kind: str, inputs: dict[str, object], message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        minio.check(kind, inputs)


def test_unknown_in_a_list_is_a_change(minio: Plugin) -> None:
    rules = [{"id": "a", "expiration": "9d"}]
    state = {"bucket": "name", "rules": rules}
    unknown = {"bucket": "name", "rules": [{"id": "a", "expiration": UNKNOWN}]}
    assert minio.diff("IlmPolicy", state, unknown) == {"rules": False}


def test_without_a_server(nowhere: dict[str, Plugin]) -> None:
    plugin = nowhere["minio"]
    _, planned = plugin.create("S3Bucket", {"bucket": UNKNOWN}, preview=True)
    assert planned["arn"] == UNKNOWN
    inputs = {"targetUser": "a", "policy": UNKNOWN}
    _, planned = plugin.create("IamServiceAccount", inputs, preview=True)
    assert planned["secretKey"] == UNKNOWN
    with pytest.raises(RefusedError, match=r"127\.0\.0\.1:1"):
        plugin.read("S3Bucket", "name", {"bucket": "name"})
