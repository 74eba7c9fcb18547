"""Expressions that several dashboards show.

What alerts compare with their thresholds is a recording rule (`components/monitoring/rules`), and
shown as such: a panel and its alert never disagree. `job` is given for PostgreSQL: the exporter
that asks Citus has some of its metrics, too. Names and labels are those that postgres_exporter
0.11 and 0.20 have in common.
"""

NO_CADVISOR = "containers are measured only where monitoring.cadvisor is on"
NO_EDGE = "only servers have an edge"
NO_ALERT = "no alert may be firing"
NO_BUCKET = "there may be no bucket with objects"
NO_SHARD = "a database may have no distributed table with rows"
IDLE = "what nobody uses has no ratio"

POSTGRES_UP = (
    'min((up{job="postgres"} * on (instance) max by (instance) (pg_up{job="postgres"}))'
    ' or on (instance) (0 * up{job="postgres"}))'
)
"""1 while every node of Citus answers, whether its exporter or it itself is what does not."""

CITUS_COMPLETE = (
    'min(citus_node_active{job="citus"})'
    " * min(citus:workers:members == bool on () group_left () arquitectura:citus_workers:expected)"
)
"""1 while each database has as many workers as the config says, and all of them are in use."""

MINIO_SILENT = '(count(up{job="minio"} == 0) or 0 * count(up{job="minio"}))'
"""How many nodes do not answer."""

MINIO_STATE = (
    "min(minio:set_write_health:min)"
    f" * (1 + ({MINIO_SILENT} + minio:nodes:offline + minio:drives:offline == bool 0))"
    ' or 0 * max(up{job="minio"})'
)
"""0 without a quorum, 1 with one but with a node or drive offline, 2 when all is well."""


def open_transaction(by: str, matchers: str) -> str:
    """Age of the oldest transaction that runs a query, or is left open, in seconds."""
    states = 'state=~"active|idle in transaction.*"'
    return f"max by ({by}) (pg_stat_activity_max_tx_duration{{{matchers},{states}}})"


def database_rate(counter: str, matchers: str) -> str:
    """Increase a second of a counter of `pg_stat_database`, over all nodes."""
    return f"sum by (datname) (rate(pg_stat_database_{counter}{{{matchers}}}[$__rate_interval]))"


def bucket(what: str, matchers: str = "") -> str:
    """A count of MinIO's scanner for each bucket, which every node knows."""
    chosen = f"{{{matchers}}}" if matchers else ""
    return f"max by (bucket) (minio_cluster_usage_buckets_{what}{chosen})"
