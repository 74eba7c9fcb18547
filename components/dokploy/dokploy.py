"""`Dokploy`: deploys applications on a server of the stack."""

from dataclasses import dataclass

import pulumi
import pulumi_random as random

from components.dokploy.account import DokployAccount, DokployAccountArgs
from components.dokploy.destination import DokployDestination, DokployDestinationArgs
from components.dokploy.installation import DokployInstallation, DokployInstallationArgs
from components.dokploy.server import ServerArgs
from components.hosts.cloud_init import MTU
from components.hosts.hetzner import HetznerServer

HEALTH_PATH = "/api/trpc/settings.health"
"""Answers with 200 once Dokploy can be used."""

WEBHOOK_PATHS = ("/api/deploy",)
"""Beginnings of the paths where it is told of new code."""


@dataclass(frozen=True, kw_only=True)
class DokployArgs:
    """Dokploy.

    Attributes:
        url: where browsers reach it.
        installer: URL of its installer.
        admin_email: how its owner logs in at first.
        swarm_range: network that Docker's swarm takes its own from.
        edge: name of the container that serves its applications. None: its own Traefik does.
        protect: whether Pulumi refuses to delete it.
    """

    url: pulumi.Input[str]
    installer: str
    admin_email: str
    swarm_range: str
    edge: str | None
    protect: bool = False


class Dokploy(pulumi.ComponentResource):
    """Dokploy with an owner, so that nobody else can become it.

    Resources: a `random.RandomPassword`, a `DokployInstallation`, a `DokployAccount`, and a
    `DokployDestination` for each bucket that is added.

    Attributes:
        url: where browsers reach it.
        admin_email: how its owner logs in.
        admin_password: likewise; secret. Both count at first: who has changed them on Dokploy's
            page keeps theirs.
        ready: depend on it to find Dokploy running and owned.
    """

    url: pulumi.Output[str]
    admin_email: str
    admin_password: pulumi.Output[str]
    ready: pulumi.Resource

    def __init__(
        self,
        name: str,
        args: DokployArgs,
        host: HetznerServer,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:dokploy:Dokploy", name, None, opts)
        self.url = pulumi.Output.from_input(args.url)
        self.admin_email = args.admin_email
        password = random.RandomPassword(
            f"{name}-admin",
            length=32,
            special=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.admin_password = password.result
        self._server = server_args(host)
        self._installation = DokployInstallation(
            f"{name}-installation",
            DokployInstallationArgs(
                server=self._server,
                server_id=host.server.id,
                private_ip=host.address,
                installer=args.installer,
                swarm_range=args.swarm_range,
                mtu=MTU,
                edge=args.edge,
            ),
            # Not deleted with its server: what is on it keeps both.
            # Deleted before the password, which is of use for as long as this refuses to go.
            pulumi.ResourceOptions(
                parent=self, depends_on=[host.ready, password], protect=args.protect
            ),
        )
        self._account = self.ready = DokployAccount(
            f"{name}-account",
            DokployAccountArgs(
                server=self._server,
                server_id=host.server.id,
                email=args.admin_email,
                password=self.admin_password,
            ),
            pulumi.ResourceOptions(
                parent=self, depends_on=[self._installation], deleted_with=self._installation
            ),
        )
        self.register_outputs({"url": self.url})

    def add_destination(
        self,
        bucket: str,
        *,
        endpoint: pulumi.Input[str],
        access_key: pulumi.Input[str],
        secret_key: pulumi.Input[str],
    ) -> None:
        """Lets Dokploy write backups to a bucket; see `DokployDestinationArgs`."""
        DokployDestination(
            f"{bucket}-destination",
            DokployDestinationArgs(
                server=self._server,
                api_key=self._account.api_key,
                bucket=bucket,
                endpoint=endpoint,
                access_key=access_key,
                secret_key=secret_key,
            ),
            pulumi.ResourceOptions(parent=self, deleted_with=self._installation),
        )


def server_args(host: HetznerServer) -> ServerArgs:
    """How the providers of this package reach a server."""
    return ServerArgs(server=host.name, address=host.public_ip, ssh_options=host.ssh_options)
