"""What a database's catalog says of its tables."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, LiteralString

import psycopg
from psycopg.rows import namedtuple_row

from config.distribution import Column, ForeignKey, Key, Table

NAME = "citus-advice"
"""Of the session. To one of this name Citus shows shards, which have the numbers of those local
tables that it manages, because they refer to a reference table."""

# `data` is where a table's rows are on the coordinator.
_USER_TABLES: LiteralString = """
WITH citus AS (
    SELECT table_name::oid AS relation, distribution_column,
        CASE WHEN citus_table_type = 'distributed' AND distribution_column = '<none>' THEN 'schema'
            ELSE citus_table_type END AS kind
    FROM citus_tables
), shards AS (
    SELECT table_name::oid AS relation, to_regclass(shard_name)::oid AS shard FROM citus_shards
), tables AS (
    SELECT c.oid AS relation, coalesce(kind, 'local') AS kind, distribution_column,
        coalesce((SELECT shard FROM shards WHERE shards.relation = c.oid AND kind = 'local'),
            c.oid) AS data
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN citus ON citus.relation = c.oid
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
        AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND c.oid NOT IN (SELECT shard FROM shards WHERE shard IS NOT NULL)
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
            AND d.objid = c.oid AND d.deptype = 'e')
)
"""
_TABLES: LiteralString = """
SELECT relation::regclass::text AS table, kind, distribution_column,
    nullif(d.reltuples, -1) AS rows,
    CASE d.relkind WHEN 'p' THEN
        (SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_partition_tree(d.oid))
        ELSE pg_total_relation_size(d.oid) END AS size
FROM tables JOIN pg_class d ON d.oid = data
ORDER BY 1
"""
_COLUMNS: LiteralString = """
SELECT relation::regclass::text AS table, a.attname AS name, quote_ident(a.attname) AS quoted,
    format_type(atttypid, atttypmod) AS type,
    CASE WHEN n_distinct < 0 THEN -n_distinct * d.reltuples ELSE n_distinct END AS distinct,
    coalesce(null_frac, 0) AS nulls, coalesce(most_common_freqs[1], 0) AS common
FROM tables JOIN pg_class d ON d.oid = data
    JOIN pg_attribute a ON attrelid = relation AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_stats s ON schemaname = d.relnamespace::regnamespace::name
        AND tablename = d.relname AND s.attname = a.attname AND s.inherited = (d.relkind = 'p')
ORDER BY 1, attnum
"""
_KEYS: LiteralString = """
SELECT relation::regclass::text AS table, i.relname AS name, indisprimary AS primary,
    ARRAY(SELECT attname::text FROM unnest(indkey) WITH ORDINALITY k(number, place)
          JOIN pg_attribute ON attrelid = relation AND attnum = number
          WHERE place <= indnkeyatts ORDER BY place) AS columns
FROM tables JOIN pg_index ON indrelid = relation JOIN pg_class i ON i.oid = indexrelid
WHERE indisunique
ORDER BY 1, 2
"""
_FOREIGN_KEYS: LiteralString = r"""
SELECT relation::regclass::text AS table, conname AS name, confrelid::regclass::text AS referenced,
    substring(pg_get_constraintdef(oid) FROM '\) REFERENCES [^(]*\([^)]*\)(.*)') AS actions,
    ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY k(number, place)
          JOIN pg_attribute ON attrelid = conrelid AND attnum = number ORDER BY place) AS columns,
    ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY k(number, place)
          JOIN pg_attribute ON attrelid = confrelid AND attnum = number ORDER BY place) AS others
FROM tables JOIN pg_constraint ON conrelid = relation
WHERE contype = 'f' AND conparentid = 0
ORDER BY 1, 2
"""


def read_tables(url: str, authority: str | None) -> Sequence[Table]:
    """The tables that the user of `url` has made.

    Args:
        url: of the database, as an application uses it.
        authority: file of the certificate that the server's is verified with. None: libpq's own.

    Raises:
        psycopg.Error: it does not answer, or not as Citus does.
    """
    options = f"-c citus.show_shards_for_app_name_prefixes={NAME}"
    with psycopg.connect(
        url, connect_timeout=10, application_name=NAME, options=options, sslrootcert=authority
    ) as connection:
        columns, keys, foreign_keys = (
            _by_table(_rows(connection, query)) for query in (_COLUMNS, _KEYS, _FOREIGN_KEYS)
        )
        return [
            Table(
                name=row.table,
                kind=row.kind,
                rows=row.rows,
                size=row.size,
                distribution_column=row.distribution_column,
                columns={one.name: _column(one) for one in columns[row.table]},
                keys=[
                    Key(name=one.name, columns=one.columns, primary=one.primary)
                    for one in keys.get(row.table, ())
                ],
                foreign_keys=[
                    ForeignKey(
                        name=one.name,
                        columns=one.columns,
                        table=one.referenced,
                        referenced=one.others,
                        actions=one.actions or "",
                    )
                    for one in foreign_keys.get(row.table, ())
                ],
            )
            for row in _rows(connection, _TABLES)
        ]


def _column(row: Any) -> Column:
    return Column(
        name=row.name,
        quoted=row.quoted,
        type=row.type,
        distinct=row.distinct,
        nulls=row.nulls,
        common=row.common,
    )


def _rows(connection: psycopg.Connection[Any], query: LiteralString) -> Sequence[Any]:
    return connection.cursor(row_factory=namedtuple_row).execute(_USER_TABLES + query).fetchall()


def _by_table(rows: Iterable[Any]) -> Mapping[str, Sequence[Any]]:
    """The rows by their first value; they come in its order."""
    return {table: list(own) for table, own in groupby(rows, key=lambda row: row.table)}
