"""The advice as text for a terminal: pure."""

from collections.abc import Iterator, Sequence

from config.distribution import MANY_ROWS, Advice, Candidate, Table

MIB = 1024**2
UNKNOWN_SIZE = 64 * MIB
"""Bytes from which a table that was never analyzed may have too many rows."""


def page(project: str, tables: Sequence[Table], advice: Sequence[Advice]) -> str:
    """The text.

    Args:
        project: whose database it is.
        tables: all of them.
        advice: for those that are large.
    """
    return "\n".join((*_head(project, tables, advice), *_body(advice))) + "\n"


def _head(project: str, tables: Sequence[Table], advice: Sequence[Advice]) -> Iterator[str]:
    if advice:
        yield (
            f"{project}: {_counted(len(advice), 'table')} with {MANY_ROWS:,} rows or more on the "
            "coordinator alone."
        )
        yield "Try the statements on a copy of the database first: each locks its table."
    else:
        yield f"{project}: nothing to distribute, no table of {MANY_ROWS:,} rows is local."
        local = [table for table in tables if table.kind == "local" and table.rows is not None]
        if local:
            yield f"The largest is {_described(max(local, key=lambda table: table.rows or 0))}."
    for table in tables:
        if table.kind == "local" and table.rows is None and table.size >= UNKNOWN_SIZE:
            yield f"{table.name}, {_size(table)}, was never counted: ANALYZE {table.name};"


def _body(advice: Sequence[Advice]) -> Iterator[str]:
    shown: dict[str, str] = {}
    for one in advice:
        yield ""
        if one.table.name in shown:
            leader = shown[one.table.name]
            yield f"{_described(one.table)}: lies with {leader}, in the statements above"
            continue
        yield _described(one.table)
        if not one.candidates:
            yield (
                "  no column of a key has enough values: put the tenant's or customer's id into "
                "the primary key"
            )
            continue
        best, *others = one.candidates
        shown.update(dict.fromkeys(best.covers, one.table.name))
        yield from _best(best)
        for other in others:
            obstacles = f", {_counted(len(other.obstacles), 'obstacle')}" if other.obstacles else ""
            yield f"  or by {_reason(other)}{obstacles}"


def _best(candidate: Candidate) -> Iterator[str]:
    yield f"  by {_reason(candidate)}"
    if candidate.obstacles:
        yield "  in the way:"
        for obstacle in candidate.obstacles:
            yield f"    -- {obstacle.what}"
            if obstacle.statement:
                yield f"    {obstacle.statement}"
        yield "  then:"
    yield from (f"    {statement}" for statement in candidate.statements)


def _reason(candidate: Candidate) -> str:
    parts = [
        f"{len(candidate.tables)} tables have it ({', '.join(candidate.tables)})"
        if len(candidate.tables) > 1
        else "no other table has it",
        f"{'' if candidate.in_primary_key else 'not '}in the primary key",
        "values not counted yet: ANALYZE"
        if candidate.distinct is None
        else f"about {candidate.distinct:,.0f} values",
    ]
    return f"{candidate.column}: {'; '.join(parts)}"


def _described(table: Table) -> str:
    return f"{table.name}, about {table.rows or 0:,.0f} rows, {_size(table)}"


def _size(table: Table) -> str:
    return f"{table.size / MIB:,.0f} MiB"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
