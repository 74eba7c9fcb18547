"""The stand-in of the postgresql provider against a PostgreSQL server."""

import psycopg
import pytest
from engine import UNKNOWN, Plugin, RefusedError

Sql = psycopg.Connection[tuple[object, ...]]


def login(sql: Sql, role: str, password: str, database: str = "postgres") -> None:
    psycopg.connect(
        host="127.0.0.1", port=sql.info.port, user=role, password=password, dbname=database
    ).close()


def test_role_life(postgresql: Plugin, sql: Sql) -> None:
    inputs = {"name": 'sh"op', "login": True, "password": "first", "connectionLimit": 7}
    name, state = postgresql.create("Role", inputs)
    assert postgresql.secret == {"password"}
    login(sql, name, "first")
    assert postgresql.diff("Role", state, inputs) == {}
    assert postgresql.read("Role", name, state) == state
    with pytest.raises(RefusedError) as caught:
        postgresql.create("Role", inputs)
    assert str(caught.value) == (
        f'error creating role {name}: pq: role "{name}" already exists (42710)'
    )
    changed = {**inputs, "password": "second", "createDatabase": True}
    assert postgresql.diff("Role", state, changed) == {"password": False, "createDatabase": False}
    state = postgresql.update("Role", name, state, changed)
    login(sql, name, "second")
    with pytest.raises(psycopg.OperationalError):
        login(sql, name, "first")
    sql.execute('CREATE TABLE left_behind (); ALTER TABLE left_behind OWNER TO "sh""op"')
    postgresql.delete("Role", name, state)
    assert postgresql.read("Role", name, state) is None
    row = sql.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'left_behind'").fetchone()
    assert row == ("postgres",)
    postgresql.delete("Role", name, state)


def test_database_life(postgresql: Plugin, sql: Sql) -> None:
    sql.execute("CREATE ROLE keeper LOGIN PASSWORD 'keeper'")
    inputs = {"name": "my shop", "owner": "keeper"}
    name, state = postgresql.create("Database", inputs)
    assert (state["encoding"], state["template"]) == ("UTF8", "template0")
    template = "SELECT datcollate FROM pg_database WHERE datname = 'template0'"
    assert sql.execute(template).fetchone() == (state["lcCollate"],)
    assert postgresql.diff("Database", state, inputs) == {}
    assert postgresql.read("Database", name, state) == state
    assert postgresql.diff("Database", state, {**inputs, "encoding": "LATIN1"}) == {
        "encoding": True
    }
    other, other_state = postgresql.create("Database", {"name": "other", "lcCollate": "C"})
    assert other_state["lcCollate"] == "C"
    postgresql.delete("Database", other, other_state)
    changed = {**inputs, "owner": "postgres", "connectionLimit": 3}
    assert postgresql.diff("Database", state, changed) == {"owner": False, "connectionLimit": False}
    state = postgresql.update("Database", name, state, changed)
    assert state["owner"] == "postgres"

    extension = {"name": "hstore", "database": name}
    extension_id, extension_state = postgresql.create("Extension", extension)
    assert extension_id == "my shop.hstore"
    assert postgresql.diff("Extension", extension_state, extension) == {}
    assert postgresql.read("Extension", extension_id, extension_state) == extension_state
    postgresql.delete("Extension", extension_id, extension_state)
    assert postgresql.read("Extension", extension_id, extension_state) is None

    session = psycopg.connect(
        host="127.0.0.1", port=sql.info.port, user="postgres", password=sql.info.password,
        dbname=name,
    )  # fmt: skip
    postgresql.delete("Database", name, state)
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    assert postgresql.read("Database", name, state) is None
    assert postgresql.read("Extension", extension_id, extension_state) is None
    postgresql.delete("Database", name, state)
    sql.execute("DROP ROLE keeper")


@pytest.mark.parametrize(
    ("kind", "inputs", "message"),
    [
        ("Role", {"name": "x", "roles": ["y"]}, "does not support roles"),
        ("Role", {"name": "x", "login": "yes"}, "expected bool"),
        ("Schema", {"name": "x"}, "Schema is not supported"),
    ],
)
def test_refusals(postgresql: Plugin, kind: str, inputs: dict[str, object], message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        postgresql.check(kind, inputs)


def test_without_a_server(nowhere: dict[str, Plugin]) -> None:
    plugin = nowhere["postgresql"]
    _, planned = plugin.create("Database", {"name": UNKNOWN, "owner": UNKNOWN}, preview=True)
    assert planned["name"] == UNKNOWN
    with pytest.raises(RefusedError) as caught:
        plugin.read("Role", "shop", {"name": "shop"})
    assert str(caught.value) == (
        "error connecting to PostgreSQL server 127.0.0.1 (scheme: postgres): "
        "dial tcp 127.0.0.1:1: connect: connection refused"
    )


@pytest.mark.parametrize(
    ("inputs", "query"),
    [
        (
            {"objectType": "table", "schema": "public", "privileges": ["SELECT", "INSERT"]},
            "SELECT has_table_privilege('reader', 'given', 'INSERT')",
        ),
        (
            {"objectType": "schema", "schema": "public", "privileges": ["CREATE"]},
            "SELECT has_schema_privilege('reader', 'public', 'CREATE')",
        ),
        (
            {"objectType": "database", "privileges": ["CREATE"]},
            "SELECT has_database_privilege('reader', 'postgres', 'CREATE')",
        ),
    ],
)
def test_grant_life(postgresql: Plugin, sql: Sql, inputs: dict[str, object], query: str) -> None:
    sql.execute("CREATE ROLE reader; CREATE TABLE given ()")
    try:
        inputs = {"role": "reader", "database": "postgres", **inputs}
        grant, state = postgresql.create("Grant", inputs)
        assert sql.execute(query).fetchone() == (True,)
        seen = postgresql.read("Grant", grant, state)
        assert seen is not None
        assert postgresql.diff("Grant", seen, inputs) == {}
        assert postgresql.diff("Grant", seen, {**inputs, "role": "postgres"}) == {"role": True}
        postgresql.delete("Grant", grant, state)
        assert sql.execute(query).fetchone() == (False,)
    finally:
        sql.execute("DROP TABLE given; DROP OWNED BY reader; DROP ROLE reader")
