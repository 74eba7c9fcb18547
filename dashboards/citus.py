"""Citus: nodes, shards and their balance, load, and what queries wait for."""

from dashboards import promql
from dashboards.panels import (
    GREEN,
    RED,
    Bars,
    Dashboard,
    Graph,
    Query,
    Row,
    Stat,
    Table,
    Timeline,
    Variable,
    threshold,
)

CHOSEN = 'datname=~"$database"'
POSTGRES = f'job="postgres",datname!~"template.*",{CHOSEN}'

NO_STANDBY = "there may be no standby, and exporter 0.11 does not measure its lag"

CITUS = Dashboard(
    uid="citus",
    title="Citus",
    help="Are all nodes there, are the shards spread evenly, and what do queries wait for?",
    variables=[Variable("database", "Database", "citus_node_active", "datname")],
    rows=[
        Row(
            "Nodes",
            [
                Stat(
                    title="Workers in use",
                    help="Of the chosen databases, in the one that has fewest.",
                    queries=[
                        Query(
                            f'min(sum by (datname) (citus_node_active{{role="worker",{CHOSEN}}}))'
                        )
                    ],
                ),
                Stat(
                    title="Workers in the config",
                    help="`citus.workers`",
                    queries=[Query("arquitectura:citus_workers:expected")],
                ),
                Stat(
                    title="Databases",
                    queries=[Query(f"count(count by (datname) (citus_node_active{{{CHOSEN}}}))")],
                ),
                Stat(
                    title="Distributed tables",
                    queries=[Query(f"sum(citus_tables_distributed{{{CHOSEN}}})")],
                ),
                Stat(
                    title="Reference tables",
                    help="Small tables of which each worker has a copy.",
                    queries=[Query(f"sum(citus_tables_reference{{{CHOSEN}}})")],
                ),
                Stat(
                    title="Size",
                    help="With the shards on the workers.",
                    queries=[Query(f"sum(citus:database_bytes:size{{{CHOSEN}}})")],
                    unit="bytes",
                ),
                Timeline(
                    title="Who answered",
                    help="Red while a node or its exporter does not answer.",
                    queries=[
                        Query(
                            'max by (instance) (pg_up{job="postgres"})'
                            ' or on (instance) (0 * up{job="postgres"})',
                            "{{instance}}",
                        )
                    ],
                    texts={0: ("does not answer", RED), 1: ("answers", GREEN)},
                ),
                Table(
                    title="Members of each database",
                    help="A node that holds no shards is the coordinator, or is being emptied.",
                    queries=[
                        Query(f"max by (datname, node) (citus_node_{what}{{{CHOSEN}}})", heading)
                        for what, heading in (("active", "In use"), ("has_shards", "Holds shards"))
                    ],
                    labels={"datname": "Database", "node": "Node"},
                ),
            ],
        ),
        Row(
            "Shards",
            [
                Bars(
                    title="Bytes on each node",
                    queries=[
                        Query(f"sum by (node) (citus_node_shard_bytes{{{CHOSEN}}})", "{{node}}")
                    ],
                    unit="bytes",
                    width=8,
                ),
                Graph(
                    title="Bytes on each node",
                    queries=[
                        Query(f"sum by (node) (citus_node_shard_bytes{{{CHOSEN}}})", "{{node}}")
                    ],
                    unit="bytes",
                    stacked=True,
                    width=8,
                ),
                Graph(
                    title="Shards on each node",
                    queries=[
                        Query(f"sum by (node) (citus_node_shard_count{{{CHOSEN}}})", "{{node}}")
                    ],
                    width=8,
                ),
                Graph(
                    title="Imbalance",
                    help="Shards on the fullest node, in multiples of the average: 1 is even.",
                    queries=[
                        Query(
                            f"citus:shard_bytes:imbalance_ratio{{{CHOSEN}}}",
                            "{{datname}}",
                            may_be_empty=promql.NO_SHARD,
                        )
                    ],
                    limit=threshold("shard_imbalance_ratio"),
                    minimum=1,
                ),
                Table(
                    title="Largest tables that are not distributed",
                    help="Rows by the last ANALYZE. From a million on, a table is worth "
                    "`create_distributed_table`.",
                    queries=[
                        Query(
                            "topk(10, max by (datname, table) "
                            f"(citus_largest_local_table_rows{{{CHOSEN}}}))",
                            "Rows",
                            may_be_empty="a database may have no table, or distributed ones only",
                        )
                    ],
                    labels={"datname": "Database", "table": "Table"},
                    sort="Rows",
                ),
            ],
        ),
        Row(
            "Load",
            [
                Graph(
                    title="Connections, of what each node takes",
                    help="More memory for the node gives more; a pool in the application needs "
                    "fewer.",
                    queries=[Query("postgres:connections_percent:used", "{{instance}}")],
                    limit=threshold("connections_percent"),
                    unit="percent",
                    maximum=100,
                ),
                Graph(
                    title="Connections by state",
                    help="`idle in transaction` holds locks and does nothing: the application "
                    "forgot to commit.",
                    queries=[
                        Query(f"sum by (state) (pg_stat_activity_count{{{POSTGRES}}})", "{{state}}")
                    ],
                    stacked=True,
                ),
                Graph(
                    title="Transactions, by node",
                    queries=[
                        Query(
                            f"sum by (instance) (postgres:transactions:rate5m{{{CHOSEN}}})",
                            "{{instance}}",
                        )
                    ],
                    unit="ops",
                    width=8,
                ),
                Graph(
                    title="Transactions, by database",
                    help="Over all nodes: one over two workers counts there, too.",
                    queries=[
                        Query(
                            f"sum by (datname) (postgres:transactions:rate5m{{{CHOSEN}}})",
                            "{{datname}}",
                        )
                    ],
                    unit="ops",
                    width=8,
                ),
                Graph(
                    title="Rolled back",
                    queries=[
                        Query(
                            promql.database_rate("xact_rollback", POSTGRES),
                            "{{datname}}",
                        )
                    ],
                    unit="ops",
                    width=8,
                ),
                Graph(
                    title="Found in the cache",
                    help="Blocks that were in PostgreSQL's memory. Below 99 % for long: more "
                    "`memory_mb` for the node.",
                    queries=[
                        Query(
                            "postgres:cache_hit_percent:rate5m",
                            "{{instance}}",
                            may_be_empty=promql.IDLE,
                        )
                    ],
                    unit="percent",
                    minimum=None,
                    maximum=100,
                    width=8,
                ),
                Graph(
                    title="Rows read",
                    queries=[
                        Query(
                            promql.database_rate("tup_returned", POSTGRES),
                            "{{datname}}",
                        )
                    ],
                    unit="ops",
                    width=8,
                ),
                Graph(
                    title="Rows written",
                    queries=[
                        Query(
                            " + ".join(
                                promql.database_rate(f"tup_{what}", POSTGRES)
                                for what in ("inserted", "updated", "deleted")
                            ),
                            "{{datname}}",
                        )
                    ],
                    unit="ops",
                    width=8,
                ),
            ],
        ),
        Row(
            "Slow queries and what they wait for",
            [
                Graph(
                    title="Longest open transaction",
                    help="`active`: a slow query. `idle in transaction`: nobody ends it, and "
                    "VACUUM waits for it.",
                    queries=[
                        Query(
                            promql.open_transaction("instance, state", POSTGRES),
                            "{{instance}} {{state}}",
                        )
                    ],
                    unit="s",
                ),
                Graph(
                    title="Locks",
                    help="`accessexclusivelock` keeps everybody out of a table: ALTER TABLE, "
                    "VACUUM FULL and the like.",
                    queries=[Query(f"sum by (mode) (pg_locks_count{{{POSTGRES}}})", "{{mode}}")],
                ),
                Graph(
                    title="Sorted on disk",
                    help="Temporary files of queries that did not fit into `work_mem`: more "
                    "`memory_mb` for the node.",
                    queries=[
                        Query(
                            promql.database_rate("temp_bytes", POSTGRES),
                            "{{datname}}",
                        )
                    ],
                    unit="Bps",
                    width=8,
                ),
                Graph(
                    title="Deadlocks",
                    queries=[
                        Query(
                            f"sum by (datname) (increase(pg_stat_database_deadlocks{{{POSTGRES}}}"
                            "[$__rate_interval]))",
                            "{{datname}}",
                        )
                    ],
                    width=8,
                ),
                Graph(
                    title="Lag of standbys",
                    queries=[
                        Query(
                            "postgres:replication_lag_seconds:max",
                            "{{instance}}",
                            may_be_empty=NO_STANDBY,
                        )
                    ],
                    limit=threshold("replication_lag_seconds"),
                    unit="s",
                    width=8,
                ),
            ],
        ),
    ],
)
