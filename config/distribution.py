"""Which tables to distribute, and by which column: pure, from what a database's catalog says.

A good column is one that many tables have, in their keys: what belongs to one tenant or customer
then lies on one worker, with the keys and joins that need it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

MANY_ROWS = 1_000_000
"""Below that, one node is fast enough, and a distributed table only costs."""

SHARDS = 32
"""Citus' default. A column with fewer values leaves shards empty."""

COMMON_SHARE = 0.2
"""A value that more of the rows have makes one shard, and its worker, a large one."""

CANDIDATES = 3
"""How many columns are named for a table, at most."""

UNSUITABLE = ("boolean", "date", "time", "json", "double precision", "real", "numeric")
"""What types begin with whose values are too few, or are asked for in ranges."""

TENANT_NAMES = ("tenant", "customer", "account", "company", "organization", "org", "user")

Kind = Literal["local", "reference", "distributed", "schema"]
"""How Citus holds a table: on the coordinator alone, a copy on each node, spread over the workers,
or as a whole on one of them."""

Place = tuple[str, str]
"""A table and a column of it."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column.

    Attributes:
        quoted: its name as SQL needs it.
        distinct: number of different values; None before the first ANALYZE.
        nulls: share of the rows without a value.
        common: share of the rows with the most common value.
    """

    name: str
    quoted: str
    type: str
    distinct: float | None = None
    nulls: float = 0
    common: float = 0


@dataclass(frozen=True, kw_only=True)
class Key:
    """A primary key, or another unique constraint or index."""

    name: str
    columns: Sequence[str]
    primary: bool = False


@dataclass(frozen=True, kw_only=True)
class ForeignKey:
    """A foreign key: `columns` refer, in this order, to the columns `referenced` of `table`.

    Attributes:
        actions: SQL that follows the columns, such as ` ON DELETE CASCADE`.
    """

    name: str
    columns: Sequence[str]
    table: str
    referenced: Sequence[str]
    actions: str = ""

    @property
    def pairs(self) -> Collection[tuple[str, str]]:
        """Each column with the one that it refers to."""
        return tuple(zip(self.columns, self.referenced, strict=True))


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        name: as SQL needs it.
        rows: about how many; None before the first ANALYZE.
        size: with its indexes, in bytes.
        distribution_column: of a distributed table.
    """

    name: str
    kind: Kind = "local"
    rows: float | None
    size: int
    columns: Mapping[str, Column]
    keys: Sequence[Key] = ()
    foreign_keys: Sequence[ForeignKey] = ()
    distribution_column: str | None = None

    @property
    def is_large(self) -> bool:
        """Whether one node may no longer do."""
        return (self.rows or 0) >= MANY_ROWS

    @property
    def primary_key(self) -> Key | None:
        """The primary key, if it has one."""
        return next((key for key in self.keys if key.primary), None)

    @property
    def key_columns(self) -> Collection[str]:
        """Columns that are part of a key or refer to one."""
        own = [name for key in self.keys for name in key.columns]
        foreign = [name for key in self.foreign_keys for name in key.columns]
        return list(dict.fromkeys([*own, *foreign]))


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """What Citus would refuse, or what would go badly.

    Attributes:
        what: a sentence.
        statement: SQL that mends it, where there is one.
        afterwards: SQL that makes good what that has cost, once all is distributed.
    """

    what: str
    statement: str = ""
    afterwards: str = ""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A column to distribute a table by.

    Attributes:
        column: its name.
        tables: those that have it, with the table itself.
        in_primary_key: whether it is in the table's.
        distinct: number of different values; None when unknown.
        statements: SQL to run, in this order, once nothing is in the way.
        covers: tables that the statements distribute.
        obstacles: what is in the way.
    """

    column: str
    tables: Sequence[str]
    in_primary_key: bool
    distinct: float | None
    statements: Sequence[str]
    covers: Sequence[str]
    obstacles: Sequence[Obstacle]


@dataclass(frozen=True, kw_only=True)
class Advice:
    """A large table on the coordinator alone, and the columns to distribute it by, best first."""

    table: Table
    candidates: Sequence[Candidate]


def advise(tables: Collection[Table]) -> Sequence[Advice]:
    """Advice for each large table that is not distributed, the largest first."""
    by_name = {table.name: table for table in tables}
    same = _same_columns(by_name)
    large = (table for table in tables if table.kind == "local" and table.is_large)
    return [
        Advice(table=table, candidates=_candidates(table, by_name, same))
        for table in sorted(large, key=lambda table: (-(table.rows or 0), table.name))
    ]


def _same_columns(tables: Mapping[str, Table]) -> Callable[[Place], Mapping[str, str]]:
    """Finds for a place the tables that hold the same thing, each with its column.

    A foreign key says that two columns hold the same; so does a name that key columns of the same
    type share, unless each of them is a whole key, which may be of anything.
    """
    group: dict[Place, list[Place]] = {}

    def join(one: Place, other: Place) -> None:
        first, second = (group.setdefault(place, [place]) for place in (one, other))
        if first is not second:
            first += second
            group.update(dict.fromkeys(second, first))

    named: dict[tuple[str, str], list[Place]] = {}
    for table in tables.values():
        for foreign in table.foreign_keys:
            for column, referenced in foreign.pairs:
                join((table.name, column), (foreign.table, referenced))
        for name in table.key_columns:
            named.setdefault((name, table.columns[name].type), []).append((table.name, name))
    for (name, _), places in named.items():
        if name != "id" and not all(_is_whole_key(tables[table], name) for table, _ in places):
            for place in places[1:]:
                join(places[0], place)

    def same(place: Place) -> Mapping[str, str]:
        # One column counts where a table has several, such as a seller and a buyer.
        return {**dict(sorted(group.get(place, ()), reverse=True)), place[0]: place[1]}

    return same


def _is_whole_key(table: Table, column: str) -> bool:
    return any(list(key.columns) == [column] for key in table.keys)


def _candidates(
    table: Table, tables: Mapping[str, Table], same: Callable[[Place], Mapping[str, str]]
) -> Sequence[Candidate]:
    found = [
        _candidate(table, name, tables, same((table.name, name)))
        for name in table.key_columns
        if _is_suitable(table.columns[name])
    ]
    return sorted(found, key=_rank)[:CANDIDATES]


def _is_suitable(column: Column) -> bool:
    enough = column.distinct is None or column.distinct >= SHARDS
    return enough and not column.type.startswith(UNSUITABLE)


def _rank(candidate: Candidate) -> tuple[object, ...]:
    """Best first: what most tables have; a name only decides between equals."""
    return (
        -len(candidate.tables),
        not candidate.in_primary_key,
        not candidate.column.startswith(TENANT_NAMES),
        -(candidate.distinct or 0),
        candidate.column,
    )


def _candidate(
    table: Table, column: str, tables: Mapping[str, Table], columns: Mapping[str, str]
) -> Candidate:
    """A column, with the tables that go with it: `columns` has each table's."""
    family = {
        name: own
        for name, own in columns.items()
        if name in tables and (tables[name].kind == "local" or _has(tables[name], own))
    }
    local = [name for name in family if tables[name].kind == "local"]
    ordered = _referenced_first(local, tables, lambda name: _preference(tables[name], family[name]))
    anchor = next((name for name in sorted(family) if name not in local), ordered[0])
    references = _new_references(ordered, tables, family)
    # Foreign keys first: while one is there, the key that it refers to cannot be dropped.
    obstacles = [
        *(one for name in ordered for one in _foreign_keys(tables[name], family, tables)),
        *(one for name in ordered for one in _keys(tables[name], family[name])),
        *(one for name in ordered for one in _values(tables[name], family, tables[anchor])),
    ]
    primary = table.primary_key
    return Candidate(
        column=column,
        tables=sorted(family),
        in_primary_key=primary is not None and column in primary.columns,
        distinct=table.columns[column].distinct,
        statements=[
            *(f"SELECT create_reference_table({_text(name)});" for name in references),
            *(_distribute(name, family[name], anchor) for name in ordered),
            *(obstacle.afterwards for obstacle in obstacles if obstacle.afterwards),
        ],
        covers=ordered,
        obstacles=obstacles,
    )


def _has(table: Table, column: str) -> bool:
    """Whether it is distributed by this column."""
    return table.kind == "distributed" and table.distribution_column == column


def _preference(table: Table, column: str) -> tuple[object, ...]:
    """The table whose whole key the column is comes first, then the largest."""
    return (not _is_whole_key(table, column), -(table.rows or 0), table.name)


def _referenced_first(
    names: Collection[str],
    tables: Mapping[str, Table],
    preference: Callable[[str], tuple[object, ...]],
) -> Sequence[str]:
    """The tables by preference, but each after those of them that it refers to."""
    ordered: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in names and name not in seen:
            seen.add(name)
            for foreign in tables[name].foreign_keys:
                visit(foreign.table)
            ordered.append(name)

    for name in sorted(names, key=preference):
        visit(name)
    return ordered


def _new_references(
    names: Collection[str], tables: Mapping[str, Table], family: Mapping[str, str]
) -> Sequence[str]:
    """Local tables that others refer to, and that are small enough for a copy on every node."""
    targets = {foreign.table for name in names for foreign in tables[name].foreign_keys}
    return sorted(
        name
        for name in targets - family.keys()
        if _may_be_everywhere(tables.get(name)) and tables[name].kind == "local"
    )


def _foreign_keys(
    table: Table, family: Mapping[str, str], tables: Mapping[str, Table]
) -> Iterator[Obstacle]:
    """Foreign keys that Citus cannot keep.

    Those to a table that lies with it need the column, and none may be there while only one of the
    two is distributed.
    """
    column = family[table.name]
    for foreign in table.foreign_keys:
        if foreign.table in family:
            target = tables[foreign.table]
            has_column = (column, family[foreign.table]) in foreign.pairs
            if not has_column or (target.kind == "local" and target is not table):
                why = "goes while one is distributed" if has_column else f"lacks {column}"
                yield Obstacle(
                    what=f"{table.name}: the foreign key {foreign.name} to {foreign.table} {why}, "
                    f"and is made again{'' if has_column else ' with it'}",
                    statement=_drop(table, foreign),
                    afterwards=_again(
                        table, foreign, target, {} if has_column else {column: family[target.name]}
                    ),
                )
        elif not _may_be_everywhere(tables.get(foreign.table)):
            yield Obstacle(
                what=f"{table.name}: the foreign key {foreign.name} is to {foreign.table}, which "
                "would not lie with it: go without",
                statement=_drop(table, foreign),
            )
    for other in tables.values():
        for foreign in other.foreign_keys:
            if foreign.table == table.name and other.name not in family:
                yield Obstacle(
                    what=f"{other.name} refers to {table.name} and lacks {column}: give it the "
                    "column and distribute it too, or go without the foreign key",
                    statement=_drop(other, foreign),
                )


def _may_be_everywhere(table: Table | None) -> bool:
    """Whether it is a reference table, or may become one."""
    return table is not None and (
        table.kind == "reference" or (table.kind == "local" and not table.is_large)
    )


def _again(table: Table, foreign: ForeignKey, target: Table, more: Mapping[str, str]) -> str:
    """SQL that adds a foreign key again, with `more` columns and what they refer to before it."""
    own = [*more, *foreign.columns]
    other = [*more.values(), *foreign.referenced]
    return (
        f"ALTER TABLE {table.name} ADD FOREIGN KEY ({_listed(table, own)}) "
        f"REFERENCES {target.name} ({_listed(target, other)}){foreign.actions};"
    )


def _keys(table: Table, name: str) -> Iterator[Obstacle]:
    """Keys without the column: Citus checks a key within a shard only."""
    if table.primary_key is None:
        yield Obstacle(
            what=f"{table.name} has no primary key, and its shards cannot move while they are "
            f"written: add one that has {name}"
        )
    for key in table.keys:
        if name in key.columns:
            continue
        listed = ", ".join(key.columns)
        if key.primary:
            own = _listed(table, [name, *key.columns])
            yield Obstacle(
                what=f"{table.name}: the primary key ({listed}) lacks {name}",
                statement=f"ALTER TABLE {table.name} DROP CONSTRAINT {_name(key.name)}, "
                f"ADD PRIMARY KEY ({own});",
            )
        else:
            yield Obstacle(
                what=f"{table.name}: {key.name} keeps ({listed}) unique and lacks {name}: add the "
                "column to it, or drop it"
            )


def _values(table: Table, family: Mapping[str, str], anchor: Table) -> Iterator[Obstacle]:
    """What the column's values make impossible, or uneven."""
    column, wanted = table.columns[family[table.name]], anchor.columns[family[anchor.name]]
    if column.type != wanted.type:
        yield Obstacle(
            what=f"{table.name}: {column.name} is {column.type}, and {wanted.name} of "
            f"{anchor.name} is {wanted.type}",
            statement=f"ALTER TABLE {table.name} ALTER {column.quoted} TYPE {wanted.type};",
        )
    if column.nulls:
        yield Obstacle(
            what=f"{table.name}: {column.name} is null in {column.nulls:.1%} of the rows, and must "
            "have a value in each"
        )
    if column.common > COMMON_SHARE:
        yield Obstacle(
            what=f"{table.name}: one value of {column.name} has {column.common:.0%} of the rows, "
            "which stay on one worker"
        )


def _distribute(name: str, column: str, anchor: str) -> str:
    together = "" if name == anchor else f", colocate_with => {_text(anchor)}"
    return f"SELECT create_distributed_table({_text(name)}, {_text(column)}{together});"


def _drop(table: Table, foreign: ForeignKey) -> str:
    return f"ALTER TABLE {table.name} DROP CONSTRAINT {_name(foreign.name)};"


def _listed(table: Table, columns: Sequence[str]) -> str:
    return ", ".join(table.columns[name].quoted for name in columns)


def _text(value: str) -> str:
    """A literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    """An identifier of SQL, with the quotes that some need and none minds."""
    return '"' + value.replace('"', '""') + '"'
