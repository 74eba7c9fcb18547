"""`Grant`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final

from typing_extensions import override

from standin.postgresql.server import Server, doing
from standin.resource import Overwritten, Property
from standin.values import UNKNOWN, Properties

if TYPE_CHECKING:
    from psycopg.sql import Composable, Composed

_PRIVILEGES: Final = {
    "database": {"CREATE", "CONNECT", "TEMPORARY"},
    "schema": {"CREATE", "USAGE"},
    "table": {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"},
    "sequence": {"USAGE", "SELECT", "UPDATE"},
}

# The access lists of the objects that a grant covers.
_LISTS: Final = {
    "database": "SELECT datacl, datdba, 'd' FROM pg_database WHERE datname = current_database()",
    "schema": "SELECT nspacl, nspowner, 'n' FROM pg_namespace WHERE nspname = %(schema)s",
    "table": "SELECT relacl, relowner, 'r' FROM pg_class WHERE relkind IN ('r', 'v', 'm', 'f', 'p')"
    " AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)"
    " AND (%(objects)s::text[] = '{}' OR relname = ANY (%(objects)s))",
    "sequence": "SELECT relacl, relowner, 's' FROM pg_class WHERE relkind = 'S'"
    " AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %(schema)s)"
    " AND (%(objects)s::text[] = '{}' OR relname = ANY (%(objects)s))",
}


class Grant(Overwritten[Server]):
    """The privileges of one role on objects of one type."""

    type = "Grant"
    properties: ClassVar[Mapping[str, Property]] = {
        "database": Property(kind=str, required=True, replace=True),
        "role": Property(kind=str, required=True, replace=True),
        "objectType": Property(kind=str, required=True, replace=True, allowed=tuple(_PRIVILEGES)),
        "privileges": Property(kind=list, required=True, canonical=sorted),
        "schema": Property(kind=str, replace=True),
        "objects": Property(kind=list, replace=True, canonical=sorted),
        "withGrantOption": Property(kind=bool, default=False, replace=True),
    }

    @override
    def validate(self, inputs: Properties) -> dict[str, str]:
        """A privilege that the type of object does not have; a schema that is missing."""
        kind = inputs["objectType"]
        if kind is UNKNOWN:
            return {}
        if kind != "database" and "schema" not in inputs:
            return {"schema": "required unless objectType is database"}
        given = inputs["privileges"]
        if given is UNKNOWN or UNKNOWN in given:
            return {}
        wrong = sorted(set(given) - _PRIVILEGES[kind] - {"ALL"})
        allowed = ", ".join(sorted(_PRIVILEGES[kind]))
        return {"privileges": f"{wrong[0]} is none of {kind}: {allowed}"} if wrong else {}

    @override
    def create(self, client: Server, inputs: Properties) -> tuple[str, Properties]:
        """REVOKE ALL, then GRANT."""
        with doing("granting privileges"):
            client.run(_revoke(inputs), *_grant(inputs), database=inputs["database"])
        parts = ("role", "database", "schema", "objectType")
        return "_".join(inputs[part] for part in parts if part in inputs), inputs

    @override
    def read(self, client: Server, resource_id: str, state: Properties) -> Properties | None:
        """From the access lists; a privilege counts when the role has it on every object."""
        database, role = state["database"], state["role"]
        known = client.row(
            "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s) AND "
            "(%s = 'public' OR EXISTS (SELECT FROM pg_roles WHERE rolname = %s))",
            [database, role, role],
        )
        if known != (True,):
            return None
        kind = state["objectType"]
        row = client.row(
            "WITH lists (list, owner, kind) AS ("  # noqa: S608
            + _LISTS[kind]
            + ") SELECT array_agg(privilege ORDER BY privilege) FROM ("
            "SELECT privilege_type AS privilege FROM lists, "
            'aclexplode(coalesce(list, acldefault(kind::"char", owner))) '
            "WHERE grantee = CASE WHEN %(role)s = 'public' THEN 0 ELSE to_regrole(quote_ident("
            "%(role)s))::oid END GROUP BY privilege_type "
            "HAVING count(*) = (SELECT count(*) FROM lists)) held",
            {"schema": state.get("schema"), "objects": state.get("objects", []), "role": role},
            database,
        )
        held = (row and row[0]) or []
        if state["privileges"] == ["ALL"] and set(held) >= _PRIVILEGES[kind]:
            return state
        return {**state, "privileges": held}

    @override
    def delete(self, client: Server, resource_id: str, state: Properties) -> None:
        """REVOKE ALL."""
        if self.read(client, resource_id, state) is not None:
            with doing("revoking privileges"):
                client.run(_revoke(state), database=state["database"])


def _revoke(inputs: Properties) -> "Composed":
    from psycopg import sql

    return sql.SQL("REVOKE ALL PRIVILEGES ON {} FROM {}").format(_objects(inputs), _role(inputs))


def _grant(inputs: Properties) -> "list[Composed]":
    from psycopg import sql

    if not inputs["privileges"]:
        return []
    words = sql.SQL(", ").join(sql.SQL(word) for word in inputs["privileges"])
    ending = sql.SQL(" WITH GRANT OPTION" if inputs["withGrantOption"] else "")
    return [
        sql.SQL("GRANT {} ON {} TO {}{}").format(words, _objects(inputs), _role(inputs), ending)
    ]


def _role(inputs: Properties) -> "Composable":
    from psycopg import sql

    return sql.SQL("PUBLIC") if inputs["role"] == "public" else sql.Identifier(inputs["role"])


def _objects(inputs: Properties) -> "Composable":
    from psycopg import sql

    kind, schema = inputs["objectType"], inputs.get("schema", "")
    if kind == "database":
        return sql.SQL("DATABASE {}").format(sql.Identifier(inputs["database"]))
    if kind == "schema":
        return sql.SQL("SCHEMA {}").format(sql.Identifier(schema))
    word = sql.SQL(kind.upper())
    if inputs.get("objects"):
        names = sql.SQL(", ").join([sql.Identifier(schema, name) for name in inputs["objects"]])
        return sql.SQL("{} {}").format(word, names)
    return sql.SQL("ALL {}S IN SCHEMA {}").format(word, sql.Identifier(schema))
