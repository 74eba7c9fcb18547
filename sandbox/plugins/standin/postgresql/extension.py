"""`Extension`."""

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from standin.postgresql.server import Server, doing, statement
from standin.resource import Property, Resource, StandInError
from standin.values import Properties


class Extension(Resource[Server]):
    """An extension in a database."""

    type = "Extension"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property(kind=str, required=True, replace=True),
        "database": Property(kind=str, computed=True, replace=True),
        "schema": Property(kind=str, computed=True),
        "version": Property(kind=str, computed=True),
        "createCascade": Property(kind=bool, default=False),
        "dropCascade": Property(kind=bool, default=False),
    }

    @override
    def create(self, client: Server, inputs: Properties) -> tuple[str, Properties]:
        """CREATE EXTENSION IF NOT EXISTS."""
        name, database = inputs["name"], inputs.get("database", client.database)
        names, template = [name], "CREATE EXTENSION IF NOT EXISTS {}"
        for prop, word in (("schema", "SCHEMA"), ("version", "VERSION")):
            if prop in inputs:
                template += f" {word} {{}}"
                names.append(inputs[prop])
        if inputs["createCascade"]:
            template += " CASCADE"
        with doing("creating extension"):
            client.run(statement(template, *names), database=database)
        state = _seen(client, name, database)
        return f"{database}.{name}", {**inputs, **(state or {})}

    @override
    def read(self, client: Server, resource_id: str, state: Properties) -> Properties | None:
        """From pg_extension."""
        database, separator, name = resource_id.partition(".")
        if not separator:
            raise StandInError(f"an extension's id is <database>.<name>, not {resource_id}")
        seen = _seen(client, name, database)
        flags = {"createCascade": False, "dropCascade": False}
        return None if seen is None else {**flags, **state, **seen}

    @override
    def update(
        self,
        client: Server,
        resource_id: str,
        old: Properties,
        new: Properties,
    ) -> Properties:
        """ALTER EXTENSION, for schema and version."""
        name, database = old["name"], old["database"]
        with doing("updating extension"):
            for prop, template in (
                ("schema", "ALTER EXTENSION {} SET SCHEMA {}"),
                ("version", "ALTER EXTENSION {} UPDATE TO {}"),
            ):
                if prop in new and new[prop] != old[prop]:
                    client.run(statement(template, name, new[prop]), database=database)
        return {**new, **(_seen(client, name, database) or {})}

    @override
    def delete(self, client: Server, resource_id: str, state: Properties) -> None:
        """DROP EXTENSION."""
        name, database = state["name"], state["database"]
        if _seen(client, name, database) is None:
            return
        how = "CASCADE" if state.get("dropCascade") else "RESTRICT"
        with doing("deleting extension"):
            client.run(statement(f"DROP EXTENSION {{}} {how}", name), database=database)


def _seen(client: Server, name: str, database: str) -> Properties | None:
    exists = client.row("SELECT 1 FROM pg_database WHERE datname = %s", [database])
    row = exists and client.row(
        "SELECT nspname, extversion FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace "
        "WHERE extname = %s",
        [name],
        database,
    )
    if not row:
        return None
    return {"name": name, "database": database, "schema": row[0], "version": row[1]}
