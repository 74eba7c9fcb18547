"""`DokployGate`: refuses to give Dokploy up while applications are on it."""

from dataclasses import dataclass

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult
from typing_extensions import override

from components.dokploy.installation import UNINSTALL
from components.dokploy.server import ServerArgs, run_script
from components.dynamic import Properties, Provider


@dataclass(frozen=True, kw_only=True)
class DokployGateArgs:
    """Where Dokploy is.

    Attributes:
        server: its server. None: there is no Dokploy.
    """

    server: ServerArgs | None


class DokployGate(Resource, name="DokployGate"):
    """A gate for what serves Dokploy and its applications.

    A stack deletes last. Without this the edge would have left the applications, and the owner's
    password be gone, by the time at which the installation refuses to be deleted.

    Raises (when it is updated): Dokploy is to go, and there are applications on it.
    """

    def __init__(
        self, name: str, args: DokployGateArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        absent = dict.fromkeys(ServerArgs.__dataclass_fields__)
        super().__init__(
            DokployGateProvider(), name, dict(vars(args.server)) if args.server else absent, opts
        )


class DokployGateProvider(Provider):
    """Asks the server over SSH, and only when Dokploy is to go."""

    @override
    def create(self, props: Properties) -> CreateResult:
        return CreateResult(id_="dokploy", outs=props)

    @override
    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        return DiffResult(
            changes=any(olds.get(key) != news.get(key) for key in ServerArgs.__dataclass_fields__)
        )

    @override
    def update(self, _id: str, olds: Properties, news: Properties) -> UpdateResult:
        if olds.get("server") and not news.get("server"):
            run_script(olds, UNINSTALL, "check")
        return UpdateResult(outs=news)
