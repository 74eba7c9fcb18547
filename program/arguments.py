"""The plan as the components' arguments."""

from components.citus.cluster import CitusClusterArgs, MemberArgs, RoleArgs
from components.minio.bucket import BucketArgs
from components.minio.cluster import MinioClusterArgs, MinioNodeArgs, MinioPoolArgs
from components.project import ProjectArgs
from config.plan import NodePlan, Plan, ProjectPlan
from program.site import Site


def citus_args(plan: Plan, site: Site) -> CitusClusterArgs:
    """The cluster, with a role and a database for each project."""

    def member(node: NodePlan) -> MemberArgs:
        return MemberArgs(
            ordinal=node.ordinal,
            host=site.hosts[node.host],
            address=node.address,
            port=node.port,
            published=node.published,
            memory_mb=node.memory_mb,
            cpus=node.cpus,
        )

    return CitusClusterArgs(
        image=plan.images.citus,
        helper_image=plan.images.busybox,
        coordinator=member(plan.citus.coordinator),
        workers=[member(worker) for worker in plan.citus.workers],
        access=site.postgres,
        roles={
            project.name: RoleArgs(
                password_version=project.credentials_version, protect=project.protect
            )
            for project in plan.projects
        },
        databases=[project.database for project in plan.projects],
        rebalance=plan.citus.rebalance,
        authority=site.authority,
        rolling=plan.hetzner is not None,
        monitored=plan.monitoring is not None,
        protect=plan.protect,
    )


def minio_args(plan: Plan, site: Site) -> MinioClusterArgs:
    """The cluster over its pools."""
    local = plan.hetzner is None

    def node(node: NodePlan) -> MinioNodeArgs:
        first = local and node.ordinal == 1
        return MinioNodeArgs(
            ordinal=node.ordinal,
            host=site.hosts[node.host],
            address=None if local else node.address,
            api_port=plan.minio.api_port if first else None,
            console_port=plan.minio.console_port if first else None,
        )

    first = plan.minio.nodes[0]
    return MinioClusterArgs(
        image=plan.images.minio,
        pools=[
            MinioPoolArgs(
                nodes=[node(one) for one in pool.nodes], drives=pool.drives, source=pool.source
            )
            for pool in plan.minio.pools
        ],
        memory_mb=first.memory_mb,
        cpus=first.cpus,
        access=site.s3,
        console=site.console,
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
