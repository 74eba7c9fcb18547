"""`Database`."""

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import override

from standin.postgresql.server import Server, doing, statement
from standin.resource import Property, Resource
from standin.values import Properties

# The server chooses these when a program does not.
_CHOSEN = ("owner", "tablespaceName", "lcCollate", "lcCtype")


class Database(Resource[Server]):
    """A database."""

    type = "Database"
    autonamed = "name"
    properties: ClassVar[Mapping[str, Property]] = {
        "name": Property(kind=str),
        "owner": Property(kind=str, computed=True),
        "template": Property(kind=str, default="template0", replace=True),
        "encoding": Property(kind=str, default="UTF8", replace=True),
        "lcCollate": Property(kind=str, computed=True, replace=True),
        "lcCtype": Property(kind=str, computed=True, replace=True),
        "tablespaceName": Property(kind=str, computed=True),
        "connectionLimit": Property(kind=int, default=-1),
        "allowConnections": Property(kind=bool, default=True),
        "isTemplate": Property(kind=bool, default=False),
        "alterObjectOwnership": Property(kind=bool, default=False, allowed=(False,)),
    }

    @override
    def create(self, client: Server, inputs: Properties) -> tuple[str, Properties]:
        """CREATE DATABASE; the template's locale unless another is given."""
        name = inputs["name"]
        state = {"owner": client.user, "tablespaceName": "pg_default", **inputs}
        locale = {
            option: state[prop]
            for prop, option in (("lcCollate", "LC_COLLATE"), ("lcCtype", "LC_CTYPE"))
            if state.get(prop)
        }
        with doing(f"creating database {name}"):
            client.run(
                statement(
                    "CREATE DATABASE {} OWNER {} TEMPLATE {} TABLESPACE {} ENCODING {encoding} "
                    "CONNECTION LIMIT {limit} ALLOW_CONNECTIONS {allow} IS_TEMPLATE {template} "
                    + " ".join(f"{option} {{{option}}}" for option in locale),
                    name,
                    state["owner"],
                    state["template"],
                    state["tablespaceName"],
                    encoding=state["encoding"],
                    limit=state["connectionLimit"],
                    allow=state["allowConnections"],
                    template=state["isTemplate"],
                    **locale,
                )
            )
        return name, self.read(client, name, state) or state

    @override
    def read(self, client: Server, resource_id: str, state: Properties) -> Properties | None:
        """From pg_database."""
        row = client.row(
            "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, "
            "spcname, datconnlimit, datallowconn, datistemplate FROM pg_database "
            "JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = %s",
            [resource_id],
        )
        if row is None:
            return None
        names = ["owner", "encoding", "lcCollate", "lcCtype", "tablespaceName"]
        names += ["connectionLimit", "allowConnections", "isTemplate"]
        unseen = {"template": "template0", "alterObjectOwnership": False}
        return {**unseen, **state, "name": resource_id, **dict(zip(names, row, strict=True))}

    @override
    def update(
        self, client: Server, resource_id: str, old: Properties, new: Properties
    ) -> Properties:
        """ALTER DATABASE, for what changed."""
        name = new["name"]
        state = {**{prop: old[prop] for prop in _CHOSEN if prop in old}, **new}
        changes = {
            "name": ("ALTER DATABASE {} RENAME TO {}", old["name"]),
            "owner": ("ALTER DATABASE {} OWNER TO {}", name),
            "tablespaceName": ("ALTER DATABASE {} SET TABLESPACE {}", name),
        }
        options = {
            "connectionLimit": "CONNECTION LIMIT",
            "allowConnections": "ALLOW_CONNECTIONS",
            "isTemplate": "IS_TEMPLATE",
        }
        with doing(f"updating database {resource_id}"):
            for prop, (template, current) in changes.items():
                if state[prop] != old.get(prop):
                    client.run(statement(template, current, state[prop]))
            for prop, word in options.items():
                if state[prop] != old.get(prop):
                    client.run(
                        statement(
                            f"ALTER DATABASE {{}} WITH {word} {{value}}", name, value=state[prop]
                        )
                    )
        return state

    @override
    def delete(self, client: Server, resource_id: str, state: Properties) -> None:
        """Keeps sessions out, ends those there are, DROP DATABASE."""
        name = state.get("name", resource_id)
        if client.row("SELECT 1 FROM pg_database WHERE datname = %s", [name]) is None:
            return
        with doing(f"dropping database {name}"):
            client.run(
                statement("ALTER DATABASE {} WITH IS_TEMPLATE false", name),
                statement("ALTER DATABASE {} ALLOW_CONNECTIONS false", name),
                statement(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = {database} AND pid <> pg_backend_pid()",
                    database=name,
                ),
                statement("DROP DATABASE {} WITH (FORCE)", name),
            )
