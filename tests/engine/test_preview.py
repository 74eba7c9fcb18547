"""What the real engine would make of the configs, on an empty state."""

from collections.abc import Callable

import pytest

from ops.sandbox import sandbox_settings
from tests.committed import committed, git
from tests.engine.conftest import previewed
from tests.stack import LiveStack

Make = Callable[..., LiveStack]

DEV = {
    "docker:index/container:Container": 5,
    "docker:index/network:Network": 1,
    "docker:index/remoteImage:RemoteImage": 3,
    "docker:index/volume:Volume": 5,
    "minio:index/iamServiceAccount:IamServiceAccount": 1,
    "minio:index/ilmPolicy:IlmPolicy": 1,
    "minio:index/s3Bucket:S3Bucket": 1,
    "minio:index/s3BucketVersioning:S3BucketVersioning": 1,
    "postgresql:index/database:Database": 1,
    "postgresql:index/role:Role": 1,
    "pulumi-python:dynamic:BucketContents": 1,
    "pulumi-python:dynamic:MinioReady": 1,
    "pulumi-python:dynamic:Membership": 2,
    "pulumi-python:dynamic:PoolLayout": 1,
    "random:index/randomPassword:RandomPassword": 3,
}


def test_dev_as_it_is_committed(stack: Make) -> None:
    assert previewed(stack(**committed("dev"))) == DEV


def test_a_distributed_minio(stack: Make) -> None:
    four = previewed(stack(**{**committed("dev"), "minio": {"pools": [{"nodes": 4}]}}))
    assert four == {
        **DEV,
        "docker:index/container:Container": 8,
        "docker:index/volume:Volume": 8,
    }


def test_a_grown_minio(stack: Make) -> None:
    pools = [{"nodes": 1}, {"nodes": 4}]
    grown = previewed(stack(**{**committed("dev"), "minio": {"pools": pools}}))
    assert grown["docker:index/container:Container"] == 9


@pytest.mark.parametrize("file", git("ls-files", "Pulumi.*.yaml").split())
def test_no_committed_config_holds_a_sandbox_value(file: str) -> None:
    text = git("show", f"HEAD:{file}")
    assert not any(str(value) in text for value in sandbox_settings().values() if value)
    assert "disable-default-providers" in text
