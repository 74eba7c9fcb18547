"""A MinIO and a Citus cluster on this machine's Docker, with limits and ports of one's own."""

import pulumi

from components.access import Access
from components.citus.cluster import CitusCluster, CitusClusterArgs, MemberArgs, RoleArgs
from components.hosts.engine import find_engine
from components.hosts.local import LOCALHOST, LocalHost
from components.minio.bucket import BucketArgs
from components.minio.cluster import MinioCluster, MinioClusterArgs, MinioNodeArgs, MinioPoolArgs
from components.project import Project, ProjectArgs

config = pulumi.Config()
api_port = config.get_int("api_port") or 19000
console_port = config.get_int("console_port") or 19001
postgres_port = config.get_int("postgres_port") or 15432

stack = pulumi.get_stack()
host = LocalHost("docker", engine=find_engine(), stack=stack, prefix=f"{stack}-")


def member(ordinal: int, published: int | None = None) -> MemberArgs:
    """A node: 0 is the coordinator, the others are workers."""
    return MemberArgs(ordinal=ordinal, host=host, memory_mb=512, cpus=1, published=published)


citus = CitusCluster(
    "citus",
    CitusClusterArgs(
        image=config.get("citus_image") or "docker.io/citusdata/citus:13.2.0",
        helper_image=config.get("busybox_image") or "docker.io/library/busybox:1.37.0",
        coordinator=member(0, postgres_port),
        workers=[member(1), member(2)],
        access=Access(host=LOCALHOST, port=postgres_port),
        roles={"app": RoleArgs()},
        databases=["app"],
    ),
)
storage = MinioCluster(
    "minio",
    MinioClusterArgs(
        image=config.get("minio_image") or "docker.io/pgsty/silo:RELEASE.2026-09-16T00-00-00Z",
        pools=[
            MinioPoolArgs(
                nodes=[
                    MinioNodeArgs(
                        ordinal=1, host=host, api_port=api_port, console_port=console_port
                    )
                ],
                drives=4,
                source="/data/d{1...4}",
            )
        ],
        memory_mb=512,
        cpus=1,
        access=Access(host=LOCALHOST, port=api_port),
        console=f"http://{LOCALHOST}:{console_port}",
    ),
)
app = Project(
    "app",
    ProjectArgs(database="app", role="app", buckets={"files": BucketArgs(bucket="app-files")}),
    citus,
    storage,
)
pulumi.export("app", app.credentials)
