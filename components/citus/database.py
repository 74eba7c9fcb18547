"""`CitusDatabase`: a database on every node of a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_postgresql as postgresql

from components.citus.cluster import CitusCluster


@dataclass(frozen=True, kw_only=True)
class CitusDatabaseArgs:
    """A database.

    Attributes:
        database: its name; one of the cluster's `databases`.
        owner: one of the cluster's `roles`.
        extensions: PostgreSQL extensions besides `citus`; Citus creates them on the workers too.
        protect: whether Pulumi refuses to drop it.
    """

    database: str
    owner: str
    extensions: Sequence[str] = ()
    protect: bool = False


class CitusDatabase(pulumi.ComponentResource):
    """A database in which tables can be distributed over the cluster's workers.

    Resources: a `postgresql.Database`, its `Membership`, a `postgresql.Extension` for each
    extension.

    Attributes:
        url: `postgresql://…` with the owner's password; secret.
    """

    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        args: CitusDatabaseArgs,
        cluster: CitusCluster,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:citus:Database", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, provider=cluster.provider, protect=args.protect)
        database = postgresql.Database(
            f"{name}-database",
            name=args.database,
            owner=args.owner,
            opts=pulumi.ResourceOptions.merge(
                child, pulumi.ResourceOptions(depends_on=[*cluster.ready])
            ),
        )
        membership = cluster.join(
            f"{name}-members",
            args.database,
            owner=args.owner,
            depends_on=[database],
            parent=self,
            protect=args.protect,
        )
        for extension in args.extensions:
            postgresql.Extension(
                f"{name}-{extension}",
                name=extension,
                database=database.name,
                opts=pulumi.ResourceOptions.merge(
                    child, pulumi.ResourceOptions(depends_on=[membership])
                ),
            )
        self.url = cluster.url(args.owner, args.database)
        self.register_outputs({"url": self.url})
