"""`Placement`: remembers where the data lies, and refuses to leave it behind."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult
from typing_extensions import override

from components.dynamic import Properties, Provider


@dataclass(frozen=True, kw_only=True)
class PlacementArgs:
    """Where the data lies.

    Attributes:
        location: of all servers.
        nodes: the server of each node that has data.
        volumes: size of each server's volume in GB; 0 where data lies on its own disk.
    """

    location: str
    nodes: Mapping[str, str]
    volumes: Mapping[str, int]


class Placement(Resource, name="Placement"):
    """Which node stands on which server.

    Nodes come and go, but none moves: on another server it would start without its data. The
    servers depend on it, so a refusal comes before any of them is touched; it comes in the preview
    already.
    """

    def __init__(
        self, name: str, args: PlacementArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(PlacementProvider(), name, vars(args), opts)


class PlacementProvider(Provider):
    """Compares the placement with the one before."""

    @override
    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        check_move(olds, news)
        return super().diff(_id, olds, news)

    @override
    def create(self, props: Properties) -> CreateResult:
        return CreateResult(id_="placement", outs=props)

    @override
    def update(self, _id: str, _olds: Properties, news: Properties) -> UpdateResult:
        return UpdateResult(outs=news)


def check_move(old: Properties, new: Properties) -> None:
    """Refuses every change that would leave data behind.

    Raises:
        ValueError: another location, a node on another server, a smaller volume, or data that would
            have to move between a server's disk and a volume.
    """
    if old["location"] != new["location"]:
        raise ValueError(
            f"hosts.location is {old['location']} and cannot become {new['location']}: volumes do "
            "not move. Set it back; for another place start a stack there and copy the data"
        )
    for node, server in new["nodes"].items():
        before = old["nodes"].get(node, server)
        if before != server:
            raise ValueError(
                f"{node} stands on {before} and cannot move to {server}, where its data is not. "
                "hosts.main.citus_workers and hosts.main.minio_nodes say how many nodes stand on "
                "main: set them to what they were"
            )
    for server, size in new["volumes"].items():
        before = int(old["volumes"].get(server, size))
        if size < before or (size > 0 and before == 0):
            was = f"a volume of {before} GB" if before else "its data on its own disk"
            raise ValueError(
                f"{server} has {was}, and volume_gb cannot become {int(size) or 'empty'}: a volume "
                "only grows. Set it back"
            )
