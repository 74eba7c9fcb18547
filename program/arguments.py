"""The plan as the components' arguments."""

from components.citus.cluster import CitusClusterArgs, NodeLimits, RoleArgs
from components.minio.bucket import BucketArgs
from components.minio.cluster import MinioClusterArgs, MinioPoolArgs
from components.project import ProjectArgs
from config.plan import NodePlan, Plan, ProjectPlan


def citus_args(plan: Plan) -> CitusClusterArgs:
    """The cluster, with a role and a database for each project."""
    return CitusClusterArgs(
        image=plan.images.citus,
        helper_image=plan.images.busybox,
        workers=len(plan.citus.workers),
        coordinator_limits=_limits(plan.citus.coordinator),
        worker_limits=_limits(plan.citus.workers[0]),
        port=plan.citus.port,
        roles={
            project.name: RoleArgs(
                password_version=project.credentials_version, protect=project.protect
            )
            for project in plan.projects
        },
        databases=[project.database for project in plan.projects],
        rebalance=plan.citus.rebalance,
        protect=plan.protect,
    )


def minio_args(plan: Plan) -> MinioClusterArgs:
    """The cluster over its pools."""
    node = plan.minio.pools[0].nodes[0]
    return MinioClusterArgs(
        image=plan.images.minio,
        pools=[
            MinioPoolArgs(
                nodes=[node.ordinal for node in pool.nodes],
                drives=pool.drives,
                source=pool.source,
            )
            for pool in plan.minio.pools
        ],
        memory_mb=node.memory_mb,
        cpus=node.cpus,
        api_port=plan.minio.api_port,
        console_port=plan.minio.console_port,
        cors_origins=plan.minio.cors_origins,
        protect=plan.protect,
    )


def project_args(project: ProjectPlan) -> ProjectArgs:
    """A project, with its role named after it."""
    return ProjectArgs(
        database=project.database,
        role=project.name,
        extensions=project.extensions,
        buckets={
            bucket.name: BucketArgs(
                bucket=bucket.full_name,
                versioning=bucket.versioning,
                expire_days=bucket.expire_days,
                noncurrent_expire_days=bucket.noncurrent_expire_days,
                quota_bytes=bucket.quota_bytes,
                public_read=bucket.public_read,
                protect=project.protect,
            )
            for bucket in project.buckets
        },
        credentials_version=project.credentials_version,
        protect=project.protect,
    )


def _limits(node: NodePlan) -> NodeLimits:
    return NodeLimits(memory_mb=node.memory_mb, cpus=node.cpus)
