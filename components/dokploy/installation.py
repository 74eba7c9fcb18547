"""`DokployInstallation`: Dokploy on a server, by its own installer."""

from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult
from typing_extensions import override

from components.dokploy.server import ServerArgs, inputs_of, run_script
from components.dynamic import Properties, Provider

INSTALL = Path(__file__).with_name("install.sh")
UNINSTALL = Path(__file__).with_name("uninstall.sh")

RELEASE = "https://github.com/Dokploy/dokploy/releases/download/{version}/install.sh"
"""The installer of a release, which installs that release and no other."""


@dataclass(frozen=True, kw_only=True)
class DokployInstallationArgs:
    """What is installed where.

    Attributes:
        server: the server, whose Docker runs.
        server_id: of the server; on another it is installed again.
        private_ip: the server's address in the private network.
        installer: URL of the installer.
        swarm_range: network that Docker's swarm takes its own from.
        mtu: of the private network, in bytes.
        edge: name of the container that serves ports 80 and 443 there, also for Dokploy's
            applications. None: Dokploy's own Traefik does.
    """

    server: ServerArgs
    server_id: pulumi.Input[str]
    private_ip: str
    installer: str
    swarm_range: str
    mtu: int
    edge: str | None


class DokployInstallation(Resource, name="DokployInstallation"):
    """Dokploy, which runs once this exists. What is done is printed.

    It is installed once and updates itself from then on. To delete this takes it away.

    Raises: in the preview, it is to move to another server. When it is created, the installer
    cannot be had, fails, or Dokploy does not answer after it; the server is in a swarm of somebody
    else's. When it is deleted, there are applications on it.
    """

    def __init__(
        self, name: str, args: DokployInstallationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(DokployInstallationProvider(), name, inputs_of(args), opts)


class DokployInstallationProvider(Provider):
    """Runs scripts over SSH."""

    @override
    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        before, after = olds["server"], news["server"]
        if before != after:
            raise ValueError(
                f"Dokploy is on {before} and cannot move to {after}: its applications are there. "
                "Set hosts.apps to what it was"
            )
        return super().diff(_id, olds, news)

    @override
    def create(self, props: Properties) -> CreateResult:
        _install(props)
        return CreateResult(id_=str(props["server_id"]), outs=props)

    @override
    def update(self, _id: str, _olds: Properties, news: Properties) -> UpdateResult:
        _install(news)
        return UpdateResult(outs=news)

    @override
    def delete(self, _id: str, props: Properties) -> None:
        run_script(props, UNINSTALL)


def _install(props: Properties) -> None:
    run_script(
        props,
        INSTALL,
        props["installer"],
        props["private_ip"],
        props["swarm_range"],
        str(int(props["mtu"])),
        props.get("edge") or "",
    )
