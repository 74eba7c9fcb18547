"""A data platform: settings, then a plan, then its site, then services, then outputs."""

import pulumi

from components.citus.cluster import CitusCluster
from components.minio.cluster import ROOT_USER, MinioCluster
from components.project import Project
from config.plan import make_plan
from program.arguments import citus_args, minio_args, project_args
from program.dokploy import make_applications
from program.monitoring import make_monitoring
from program.site import make_site
from program.stack_config import load_settings

settings = load_settings()
plan = make_plan(settings, pulumi.get_stack())
site = make_site(plan)

citus = CitusCluster("citus", citus_args(plan, site))
storage = MinioCluster("minio", minio_args(plan, site))
projects = {
    project.name: Project(project.name, project_args(project), citus, storage)
    for project in plan.projects
}

pulumi.export("s3_endpoint", storage.endpoint)
pulumi.export("s3_console", storage.console)
pulumi.export("s3_root_user", ROOT_USER)
pulumi.export("s3_root_password", storage.root_password)
pulumi.export("postgres", citus.endpoint)
pulumi.export("projects", {name: project.credentials for name, project in projects.items()})
monitoring = make_monitoring(plan, site, citus, projects)
applications = make_applications(plan, site, citus, projects)
for name, value in {**monitoring, **applications, **site.outputs}.items():
    pulumi.export(name, value)
