"""`PoolLayout`: remembers a cluster's pools, and refuses to change one that holds data."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult
from typing_extensions import override

from components.dynamic import Properties, Provider

Layout = Sequence[Mapping[str, Any]]
"""The pools, oldest first, each `{"nodes": …, "drives": …}`."""


class PoolLayout(Resource, name="PoolLayout"):
    """The layout of a MinIO cluster's pools, which only grows at its end.

    The nodes depend on it, so a refusal comes before any of them is touched; it comes in the
    preview already.
    """

    def __init__(
        self, name: str, pools: Layout, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(PoolLayoutProvider(), name, {"pools": pools}, opts)


class PoolLayoutProvider(Provider):
    """Compares the layout with the one before."""

    @override
    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        check_growth(olds["pools"], news["pools"])
        return DiffResult(changes=olds["pools"] != news["pools"])

    @override
    def create(self, props: Properties) -> CreateResult:
        return CreateResult(id_="pools", outs=props)

    @override
    def update(self, _id: str, _olds: Properties, news: Properties) -> UpdateResult:
        return UpdateResult(outs=news)


def check_growth(old: Layout, new: Layout) -> None:
    """Refuses every change of the pools but new ones at the end.

    Raises:
        ValueError: a pool was changed or removed: MinIO could not read its drives any more.
    """
    for index, before in enumerate(old):
        after = new[index] if index < len(new) else None
        if after != before:
            change = f"changed to {_describe(after)}" if after else "removed"
            raise ValueError(
                f"minio.pools[{index}] has {_describe(before)} and cannot be {change}: its objects "
                "would be lost. Leave it as it is and add a pool at the end of the list."
            )


def _describe(pool: Mapping[str, Any]) -> str:
    return f"{pool['nodes']:g} nodes of {pool['drives']:g} drives"
