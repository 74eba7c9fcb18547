"""MinIO on four nodes."""

from collections.abc import Iterator

import pytest
import requests

from tests.local.storage import client, presigned, put
from tests.stack import LiveStack, Ports, container_ids, live_stack

PORTS = Ports(api=17200, console=17201, postgres=17202)
NODES = [f"test-storage-minio-{n}" for n in (1, 2, 3, 4)]
FOUR = {"pools": [{"nodes": 4}]}
PROJECTS = {"shop": {"buckets": {"uploads": {"versioning": True}}}}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    directory = tmp_path_factory.mktemp("storage")
    with live_stack(
        "test-storage", directory, PORTS, projects=PROJECTS, minio=FOUR, citus={"workers": 1}
    ) as stack:
        stack.up()
        yield stack


def test_four_nodes_are_one_storage(stack: LiveStack) -> None:
    assert container_ids("test-storage").keys() >= set(NODES)
    shop = stack.outputs()["projects"]["shop"]
    s3, bucket = client(shop), shop["buckets"]["uploads"]
    assert put(presigned(s3, "put_object", bucket, "a"), b"x" * 1024**2) == 200
    answer = requests.get(presigned(s3, "get_object", bucket, "a"), timeout=30)
    assert answer.content == b"x" * 1024**2


def test_other_limits_are_taken_on_and_objects_stay(stack: LiveStack) -> None:
    before = container_ids("test-storage")
    stack.configure(
        projects=PROJECTS,
        minio={**FOUR, "cors_origins": ["https://shop.example"]},
        citus={"workers": 1},
    )
    stack.up()
    after = container_ids("test-storage")
    assert {name for name in after if after[name] != before[name]} == set(NODES)
    shop = stack.outputs()["projects"]["shop"]
    body = client(shop).get_object(Bucket=shop["buckets"]["uploads"], Key="a")["Body"]
    assert len(body.read()) == 1024**2
    stack.preview(expect_no_changes=True)
