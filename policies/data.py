"""What holds data is protected where the stack is."""

from collections.abc import Iterator

from config.plan import Plan
from policies.registered import Registered

SERVERS = (
    "hcloud:index/primaryIp:PrimaryIp",
    "hcloud:index/server:Server",
    "hcloud:index/volume:Volume",
)
"""A server, its data and its address, all with its full name."""

COORDINATOR = "citus-coordinator"


def data_is_protected(resource: Registered, plan: Plan) -> Iterator[str]:
    """Pulumi refuses to delete data, until someone has said in the config that it may go.

    Not the workers' data: a worker leaves by the config, once it has been drained.
    """
    if not must_be_protected(resource, plan):
        return
    if not resource.protect:
        yield (
            f"{resource.name} holds data and `pulumi destroy` would delete it: give it "
            "protect=True in its resource options"
        )
    if resource.type in SERVERS and not resource.properties.get("deleteProtection"):
        yield f"{resource.name} holds data and can be deleted at Hetzner: set delete_protection"


def must_be_protected(resource: Registered, plan: Plan) -> bool:
    """Whether the plan wants a resource protected; False for what holds no data."""
    kind, properties = resource.type, resource.properties
    projects = plan.projects
    match kind:
        case "docker:index/volume:Volume":
            minio = "arquitectura:minio:Pool$" in resource.urn
            return plan.protect and (minio or resource.name == COORDINATOR)
        case kind if kind in SERVERS:
            servers = plan.hetzner.servers if plan.hetzner else ()
            drained = {server.full_name for server in servers if not server.holds_data}
            return plan.protect and properties["name"] not in drained
        case "pulumi-python:dynamic:DokployInstallation":
            return plan.protect
        case "minio:index/s3Bucket:S3Bucket" | "pulumi-python:dynamic:BucketContents":
            name = properties["bucket"]
            owners = [p for p in projects if name in {bucket.full_name for bucket in p.buckets}]
        case "postgresql:index/database:Database":
            owners = [p for p in projects if p.database == properties["name"]]
        case "postgresql:index/role:Role":
            owners = [p for p in projects if p.name == properties["name"]]
        case "pulumi-python:dynamic:Membership":
            if properties["database"] == "postgres":
                return False
            owners = [p for p in projects if p.database == properties["database"]]
        case _:
            return False
    return any(project.protect for project in owners) if owners else plan.protect
