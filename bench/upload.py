"""(d) A presigned PUT of 1 GiB with MinIO at 512 MB, against one with 8 GB."""

import tempfile
from functools import partial
from pathlib import Path

import requests

from bench.measure import alternate, report, timed
from bench.stacks import projects, stack, up
from tests.local.storage import client, presigned
from tests.stack import docker, inspect

GOAL = 1.3
GIB = 1024**3


def measure() -> None:
    """Measures the same node under both limits."""
    with (
        stack("upload", projects=projects(1), minio={"memory_mb": 512}) as live,
        tempfile.TemporaryDirectory() as directory,
    ):
        up(live)
        (project,) = live.outputs()["projects"].values()
        node = live.container("minio-1")
        file = Path(directory) / "large"
        with file.open("wb") as empty:
            empty.truncate(GIB)

        def upload(memory: str) -> float:
            docker("update", "--memory", memory, "--memory-swap", memory, node)
            url = presigned(client(project), "put_object", project["buckets"]["uploads"], "large")
            with file.open("rb") as body:
                return timed(lambda: requests.put(url, data=body, timeout=300).raise_for_status())

        times = alternate({"ours": partial(upload, "512m"), "free": partial(upload, "8g")})
        report("(d) presigned PUT of 1 GiB at 512 MB", times["ours"], times["free"], GOAL)
        killed = inspect(node)["State"]["OOMKilled"]
        print(f"  killed for memory: {killed}", flush=True)
