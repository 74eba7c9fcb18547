"""`Role`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from standin.postgresql.server import Server, doing, statement
from standin.resource import Property, Resource
from standin.values import Properties

if TYPE_CHECKING:
    from psycopg.sql import Composed

# By property: the option of CREATE ROLE and the column of pg_roles.
_FLAGS = {
    "superuser": ("SUPERUSER", "rolsuper"),
    "createDatabase": ("CREATEDB", "rolcreatedb"),
    "createRole": ("CREATEROLE", "rolcreaterole"),
    "inherit": ("INHERIT", "rolinherit"),
    "login": ("LOGIN", "rolcanlogin"),
    "replication": ("REPLICATION", "rolreplication"),
    "bypassRowLevelSecurity": ("BYPASSRLS", "rolbypassrls"),
}


class Role(Resource[Server]):
    """A role. The password on the server is not compared with the state's."""

    type = "Role"
    autonamed = "name"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property(kind=str),
        "password": Property(kind=str, secret=True),
        "encryptedPassword": Property(kind=bool, default=True, allowed=(True,)),
        "superuser": Property(kind=bool, default=False),
        "createDatabase": Property(kind=bool, default=False),
        "createRole": Property(kind=bool, default=False),
        "inherit": Property(kind=bool, default=True),
        "login": Property(kind=bool, default=False),
        "replication": Property(kind=bool, default=False),
        "bypassRowLevelSecurity": Property(kind=bool, default=False),
        "connectionLimit": Property(kind=int, default=-1),
        "validUntil": Property(kind=str, default="infinity"),
        "skipDropRole": Property(kind=bool, default=False),
        "skipReassignOwned": Property(kind=bool, default=False),
    }

    @override
    def create(self, client: Server, inputs: Properties) -> tuple[str, Properties]:
        """CREATE ROLE."""
        name = inputs["name"]
        with doing(f"creating role {name}"):
            client.run(_options("CREATE ROLE {} WITH", name, inputs, password=True))
        return name, inputs

    @override
    def read(self, client: Server, resource_id: str, state: Properties) -> Properties | None:
        """From pg_roles."""
        columns = ", ".join(column for _, column in _FLAGS.values())
        row = client.row(
            "SELECT rolconnlimit, coalesce(rolvaliduntil::text, 'infinity'), "  # noqa: S608
            f"{columns} FROM pg_roles WHERE rolname = %s",
            [resource_id],
        )
        if row is None:
            return None
        limit, valid_until, *flags = row
        seen = {"name": resource_id, "connectionLimit": limit, "validUntil": valid_until}
        defaults = {"encryptedPassword": True, "skipDropRole": False, "skipReassignOwned": False}
        return {**defaults, **state, **seen, **dict(zip(_FLAGS, flags, strict=True))}

    @override
    def update(
        self, client: Server, resource_id: str, old: Properties, new: Properties
    ) -> Properties:
        """ALTER ROLE; the password is set only when it changed."""
        name = new["name"]
        with doing(f"updating role {resource_id}"):
            if name != old["name"]:
                client.run(statement("ALTER ROLE {} RENAME TO {}", old["name"], name))
            changed = old.get("password") != new.get("password")
            client.run(_options("ALTER ROLE {} WITH", name, new, password=changed))
        return new

    @override
    def delete(self, client: Server, resource_id: str, state: Properties) -> None:
        """REASSIGN OWNED, DROP OWNED, DROP ROLE."""
        name = state.get("name", resource_id)
        if client.row("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]) is None:
            return
        with doing(f"deleting role {name}"):
            if not state.get("skipReassignOwned"):
                client.run(
                    statement("REASSIGN OWNED BY {} TO {}", name, client.user),
                    statement("DROP OWNED BY {}", name),
                )
            if not state.get("skipDropRole"):
                client.run(statement("DROP ROLE {}", name))


def _options(command: str, name: str, inputs: Properties, *, password: bool) -> "Composed":
    words = [command]
    for flag, (word, _) in _FLAGS.items():
        words.append(word if inputs[flag] else f"NO{word}")
    words.append("CONNECTION LIMIT {limit} VALID UNTIL {until}")
    values = {"limit": inputs["connectionLimit"], "until": inputs["validUntil"]}
    if password:
        words.append("PASSWORD {password}")
        values["password"] = inputs.get("password")  # NULL: no login by password
    return statement(" ".join(words), name, **values)
