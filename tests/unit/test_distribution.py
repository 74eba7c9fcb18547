"""Which tables the advice names, by which column, and what it says is in the way."""

from collections.abc import Sequence
from typing import Any

import pytest

from config.distribution import (
    MANY_ROWS,
    Advice,
    Candidate,
    Column,
    ForeignKey,
    Key,
    Kind,
    Table,
    advise,
)
from ops.citus_advice.__main__ import citus_advice
from ops.citus_advice.page import UNKNOWN_SIZE, page
from ops.stack import StackError

LARGE = 2 * MANY_ROWS


def column(
    name: str,
    kind: str = "bigint",
    distinct: float | None = 5000,
    *,
    nulls: float = 0,
    common: float = 0,
) -> Column:
    return Column(name=name, quoted=name, type=kind, distinct=distinct, nulls=nulls, common=common)


def foreign(name: str, columns: str, table: str, referenced: str) -> ForeignKey:
    return ForeignKey(
        name=name, columns=columns.split(), table=table, referenced=referenced.split()
    )


def table(
    name: str,
    *columns: Column,
    key: str = "",
    rows: float | None = 100,
    foreign_keys: Sequence[ForeignKey] = (),
    unique: Sequence[Key] = (),
    kind: Kind = "local",
    by: str | None = None,
) -> Table:
    primary = [Key(name=f"{name}_pkey", columns=key.split(), primary=True)] if key else []
    return Table(
        name=name,
        kind=kind,
        rows=rows,
        size=int(rows or 0) * 100,
        columns={one.name: one for one in columns},
        keys=[*primary, *unique],
        foreign_keys=foreign_keys,
        distribution_column=by,
    )


TENANTS = table("tenants", column("id"), key="id")
TO_TENANTS = foreign("to_tenants", "tenant_id", "tenants", "id")
ORDERS = table(
    "orders",
    column("tenant_id"),
    column("id", distinct=LARGE),
    key="tenant_id id",
    rows=LARGE,
    foreign_keys=[TO_TENANTS],
)
LINES = table(
    "lines",
    column("tenant_id"),
    column("order_id"),
    column("line", distinct=3),
    key="tenant_id order_id line",
    rows=1000,
    foreign_keys=[foreign("to_orders", "tenant_id order_id", "orders", "tenant_id id")],
)


def best(*tables: Table) -> Candidate:
    """The first column for the largest table."""
    return advise(tables)[0].candidates[0]


def mended(candidate: Candidate) -> list[str]:
    return [obstacle.statement for obstacle in candidate.obstacles]


def test_only_large_local_tables_are_named() -> None:
    def rows(name: str, rows: float | None, kind: Kind = "local") -> Table:
        return table(name, column("id"), key="id", rows=rows, kind=kind)

    advice = advise(
        [
            rows("just", MANY_ROWS),
            rows("below", MANY_ROWS - 1),
            rows("uncounted", None),
            rows("larger", LARGE),
            rows("spread", LARGE, "distributed"),
            rows("everywhere", LARGE, "reference"),
            rows("tenant.whole", LARGE, "schema"),
        ]
    )
    assert [one.table.name for one in advice] == ["larger", "just"]


def test_what_belongs_to_a_tenant_goes_to_one_worker() -> None:
    candidate = best(LINES, ORDERS, TENANTS)
    assert (candidate.column, candidate.tables) == ("tenant_id", ["lines", "orders", "tenants"])
    assert candidate.statements == [
        "SELECT create_distributed_table('tenants', 'id');",
        "SELECT create_distributed_table('orders', 'tenant_id', colocate_with => 'tenants');",
        "SELECT create_distributed_table('lines', 'tenant_id', colocate_with => 'tenants');",
        # Citus refuses a foreign key between a table that is distributed and one that is not yet.
        "ALTER TABLE orders ADD FOREIGN KEY (tenant_id) REFERENCES tenants (id);",
        "ALTER TABLE lines ADD FOREIGN KEY (tenant_id, order_id) "
        "REFERENCES orders (tenant_id, id);",
    ]
    assert mended(candidate) == [
        'ALTER TABLE orders DROP CONSTRAINT "to_tenants";',
        'ALTER TABLE lines DROP CONSTRAINT "to_orders";',
    ]


def test_a_column_of_more_tables_comes_before_one_of_the_primary_key() -> None:
    orders = table(
        "orders",
        column("id", distinct=LARGE),
        column("shop"),
        key="id",
        rows=LARGE,
        foreign_keys=[foreign("to_shops", "shop", "shops", "id")],
    )
    shops = table("shops", column("id"), key="id")
    (advice,) = advise([orders, shops])
    assert [one.column for one in advice.candidates] == ["shop", "id"]


def test_a_name_decides_between_equals_only() -> None:
    def events(*columns: Column) -> str:
        names = " ".join(one.name for one in columns)
        return best(table("events", *columns, key=names, rows=LARGE)).column

    assert events(column("device"), column("tenant_id", distinct=100)) == "tenant_id"
    assert events(column("device"), column("sensor", distinct=100)) == "device"


def test_a_shared_name_does_where_there_is_no_foreign_key() -> None:
    visits = table("visits", column("site_id"), column("n"), key="site_id n", rows=LARGE)
    goals = table("goals", column("site_id"), column("goal"), key="site_id goal")
    codes = [table(name, column("code"), key="code", rows=LARGE) for name in ("one", "other")]
    assert best(visits, goals).tables == ["goals", "visits"]
    assert best(*codes).tables == ["one"]


@pytest.mark.parametrize("kind", ["boolean", "date", "timestamp with time zone", "numeric(10,2)"])
def test_some_types_are_no_good(kind: str) -> None:
    (advice,) = advise([table("events", column("at", kind), key="at", rows=LARGE)])
    assert advice.candidates == []


def test_few_values_are_no_good_and_unknown_ones_may_be() -> None:
    few, unknown = (
        table("events", column("country", distinct=distinct), key="country", rows=LARGE)
        for distinct in (31, None)
    )
    assert advise([few])[0].candidates == []
    assert best(unknown).distinct is None


def test_what_is_distributed_already_leads() -> None:
    tenants = table("tenants", column("id"), key="id", kind="distributed", by="id")
    assert best(ORDERS, tenants).statements == [
        "SELECT create_distributed_table('orders', 'tenant_id', colocate_with => 'tenants');"
    ]
    otherwise = table("tenants", column("id"), column("x"), key="id", kind="distributed", by="x")
    candidate = best(ORDERS, otherwise)
    assert candidate.tables == ["orders"]
    assert "would not lie with it" in candidate.obstacles[0].what


def test_small_tables_that_others_refer_to_are_copied_and_large_ones_are_not() -> None:
    orders = table(
        "orders",
        column("id", distinct=LARGE),
        column("product", distinct=10),
        key="id",
        rows=LARGE,
        foreign_keys=[foreign("to_products", "product", "products", "id")],
    )
    products = table("products", column("id", distinct=10), key="id")
    small, large = (
        best(orders, products),
        best(orders, table("products", column("id"), key="id", rows=MANY_ROWS)),
    )
    assert small.statements[0] == "SELECT create_reference_table('products');"
    assert small.obstacles == []
    assert mended(large) == ['ALTER TABLE orders DROP CONSTRAINT "to_products";']


def test_keys_without_the_column_are_in_the_way() -> None:
    orders = table(
        "orders",
        column("id", distinct=LARGE),
        column("tenant_id"),
        column("number"),
        key="id",
        rows=LARGE,
        foreign_keys=[TO_TENANTS],
        unique=[Key(name="orders_number_key", columns=["number"])],
    )
    lines = table(
        "lines",
        column("id"),
        column("tenant_id"),
        column("order_id"),
        key="id",
        foreign_keys=[TO_TENANTS, foreign("to_orders", "order_id", "orders", "id")],
    )
    candidate = best(orders, lines, TENANTS)
    # The foreign key goes before the key that it refers to, and comes back at the end.
    assert mended(candidate) == [
        'ALTER TABLE orders DROP CONSTRAINT "to_tenants";',
        'ALTER TABLE lines DROP CONSTRAINT "to_tenants";',
        'ALTER TABLE lines DROP CONSTRAINT "to_orders";',
        'ALTER TABLE orders DROP CONSTRAINT "orders_pkey", ADD PRIMARY KEY (tenant_id, id);',
        "",
        'ALTER TABLE lines DROP CONSTRAINT "lines_pkey", ADD PRIMARY KEY (tenant_id, id);',
    ]
    assert "keeps (number) unique and lacks tenant_id" in candidate.obstacles[4].what
    assert candidate.statements[-1] == (
        "ALTER TABLE lines ADD FOREIGN KEY (tenant_id, order_id) REFERENCES orders (tenant_id, id);"
    )


def test_a_table_that_refers_to_it_without_the_column_is_in_the_way() -> None:
    notes = table(
        "notes",
        column("id"),
        column("tenant", "text"),
        column("order_id"),
        key="id",
        foreign_keys=[
            foreign("to_orders", "tenant order_id", "orders", "code id"),
        ],
    )
    orders = table(
        "orders", column("tenant_id"), column("id"), column("code"), key="tenant_id", rows=LARGE
    )
    candidate = best(orders, notes)
    assert candidate.column == "tenant_id"
    assert mended(candidate) == ['ALTER TABLE notes DROP CONSTRAINT "to_orders";']


def test_values_that_are_missing_uneven_or_of_another_type_are_in_the_way() -> None:
    orders = table(
        "orders",
        column("tenant_id", "integer", nulls=0.031, common=0.4),
        rows=LARGE,
        foreign_keys=[TO_TENANTS],
    )
    candidate = best(orders, TENANTS)
    said = [obstacle.what for obstacle in candidate.obstacles]
    assert "the foreign key to_tenants to tenants goes" in said[0]
    assert "has no primary key" in said[1]
    assert said[2:] == [
        "orders: tenant_id is integer, and id of tenants is bigint",
        "orders: tenant_id is null in 3.1% of the rows, and must have a value in each",
        "orders: one value of tenant_id has 40% of the rows, which stay on one worker",
    ]
    assert mended(candidate)[2] == "ALTER TABLE orders ALTER tenant_id TYPE bigint;"


def test_tables_that_refer_to_each_other_have_an_order_too() -> None:
    def one(name: str, other: str, rows: float) -> Table:
        to_other = foreign(f"{name}_to_{other}", "org id", other, "org id")
        columns = (column("org"), column("id"))
        return table(name, *columns, key="org id", rows=rows, foreign_keys=[to_other])

    candidate = best(one("users", "teams", LARGE), one("teams", "users", 10))
    assert sorted(candidate.covers) == ["teams", "users"]
    leader = candidate.covers[0]
    assert f"colocate_with => '{leader}'" in candidate.statements[1]


def test_names_are_quoted() -> None:
    odd = table('"It\'s"', column("id", distinct=LARGE), key="id", rows=LARGE)
    assert best(odd).statements == ["SELECT create_distributed_table('\"It''s\"', 'id');"]


# -- The page ------------------------------------------------------------------------------------


def shown(*tables: Table) -> str:
    advice: Sequence[Advice] = advise(tables)
    return page("shop", tables, advice)


def test_the_page_tells_tables_of_one_family_once() -> None:
    lines = table(
        "lines", *LINES.columns.values(), key="tenant_id order_id line", rows=3 * LARGE,
        foreign_keys=LINES.foreign_keys,
    )  # fmt: skip
    text = shown(lines, ORDERS, TENANTS)
    assert text.startswith("shop: 2 tables with 1,000,000 rows or more on the coordinator alone.\n")
    assert text.count("create_distributed_table('orders', 'tenant_id'") == 1
    assert "orders, about 2,000,000 rows, 191 MiB: lies with lines, in the statements above" in text


def test_the_page_says_that_there_is_nothing_to_do() -> None:
    text = shown(TENANTS, table("uncounted", column("id"), key="id", rows=None))
    assert text == (
        "shop: nothing to distribute, no table of 1,000,000 rows is local.\n"
        "The largest is tenants, about 100 rows, 0 MiB.\n"
    )


def test_the_page_names_what_was_never_counted() -> None:
    uncounted = Table(name="t", rows=None, size=UNKNOWN_SIZE, columns={})
    assert "t, 64 MiB, was never counted: ANALYZE t;" in shown(uncounted)


def test_the_page_says_when_no_column_will_do() -> None:
    text = shown(table("events", column("at", "date"), key="at", rows=LARGE))
    assert "no column of a key has enough values" in text


def test_a_project_that_is_not_there_is_told_with_those_that_are() -> None:
    outputs: dict[str, Any] = {"projects": {"shop": {}, "blog": {}}}
    with pytest.raises(
        StackError, match=r"no project shpo\. Say PROJECT=<name>, one of: blog, shop"
    ):
        citus_advice(outputs, "shpo")
    with pytest.raises(StackError, match="of which project"):
        citus_advice(outputs, "")
