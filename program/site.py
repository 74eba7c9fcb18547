"""`Site`: where a stack's services stand, and how they are reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi

from components.access import Access
from components.authority import CertificateAuthority
from components.hosts.host import Host
from config.plan import Plan

if TYPE_CHECKING:
    from components.dokploy.dokploy import Dokploy


@dataclass(frozen=True, kw_only=True)
class Site:
    """The hosts of a stack by their planned names, and the way in.

    Attributes:
        s3: reaches the S3 API.
        postgres: reaches the coordinator.
        console: URL of MinIO's console.
        grafana: URL of Grafana, where it runs.
        cloudbeaver: URL of CloudBeaver, where it runs.
        dokploy: what deploys applications, where it runs.
        authority: certifies what the nodes of a service say to each other between hosts.
        outputs: what else the stack's outputs say.
    """

    hosts: Mapping[str, Host]
    s3: Access
    postgres: Access
    console: pulumi.Input[str]
    grafana: pulumi.Input[str] = ""
    cloudbeaver: pulumi.Input[str] = ""
    dokploy: "Dokploy | None" = None
    authority: CertificateAuthority | None = None
    outputs: Mapping[str, object] = field(default_factory=dict)


def make_site(plan: Plan) -> Site:
    """The site that the plan asks for. Raises `pulumi.RunError` when it is not to be had."""
    # Each brings SDKs that take a third of a second to import, and only one is used.
    if plan.hetzner:
        from program.hetzner_site import hetzner_site

        return hetzner_site(plan, plan.hetzner)
    from program.local_site import local_site

    return local_site(plan)
