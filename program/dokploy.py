"""Dokploy's view of the platform: the projects' buckets and databases."""

from collections.abc import Mapping

import pulumi

from components.citus.cluster import CitusCluster
from components.project import Project
from config.plan import Plan
from program.site import Site


def make_applications(
    plan: Plan, site: Site, citus: CitusCluster, projects: Mapping[str, Project]
) -> Mapping[str, object]:
    """Lets Dokploy write backups to the projects' buckets; returns what the outputs say of it."""
    dokploy = site.dokploy
    if dokploy is None:
        return {}
    s3 = s3_endpoint(plan, site)
    for project in plan.projects:
        credentials = projects[project.name].credentials
        for bucket in project.buckets:
            dokploy.add_destination(
                bucket.full_name,
                endpoint=s3,
                access_key=credentials.apply(lambda known: str(known["s3_access_key"])),
                secret_key=credentials.apply(lambda known: str(known["s3_secret_key"])),
            )
    coordinator = plan.citus.coordinator
    server = f"{coordinator.address}:{coordinator.port}"
    return {
        "dokploy": dokploy.url,
        "dokploy_admin_email": dokploy.admin_email,
        "dokploy_admin_password": dokploy.admin_password,
        "dokploy_projects": {
            project.name: pulumi.Output.all(
                projects[project.name].credentials,
                {
                    "database_url": citus.url(project.name, project.database, server=server),
                    "s3_endpoint": s3,
                },
            ).apply(lambda known: {**known[0], **known[1]})
            for project in plan.projects
        },
    }


def s3_endpoint(plan: Plan, site: Site) -> pulumi.Output[str]:
    """The URL of S3 for applications on Dokploy.

    The edge's, which balances, where everyone trusts its certificate; else the first node's in the
    private network.
    """
    if plan.hetzner and plan.hetzner.hosts.domain:
        return site.s3.url
    first = plan.minio.nodes[0]
    return pulumi.Output.from_input(f"http://{first.address}:{first.port}")
