"""Projects: each one's database and buckets.

A project's buckets begin with its name, and its database has its name unless the config gives it
another. MinIO's requests are not told apart by bucket: that would be a scrape for each.
"""

from dashboards import promql
from dashboards.panels import Dashboard, Graph, Query, Row, Table, Variable

DATABASE = 'datname!~"postgres|template.*",datname=~"$project"'
POSTGRES = f'job="postgres",{DATABASE}'
BUCKET = 'bucket=~"($project)-.+"'


SIZE = f"max by (datname) (citus:database_bytes:size{{{DATABASE}}})"
TRANSACTIONS = f"sum by (datname) (postgres:transactions:rate5m{{{DATABASE}}})"
CONNECTIONS = (
    f'sum by (datname) (pg_stat_activity_count{{job="postgres",role="coordinator",{DATABASE}}})'
)
GROWTH = f"max by (datname) (delta(citus:database_bytes:size{{{DATABASE}}}[7d]))"

OLD_VERSIONS = " - ".join(
    promql.bucket(f"{what}_count", BUCKET) for what in ("versions", "objects")
)

PROJECTS = Dashboard(
    uid="projects",
    title="Projects",
    help="What does each application use?",
    variables=[
        Variable("project", "Project", 'citus_database_size_bytes{datname!="postgres"}', "datname")
    ],
    rows=[
        Row(
            "Databases",
            [
                Table(
                    title="Databases",
                    help="Growth is that of seven days, or since it is measured.",
                    queries=[
                        Query(SIZE, "Size", "bytes"),
                        Query(GROWTH, "Growth in a week", "bytes"),
                        Query(TRANSACTIONS, "Transactions", "ops"),
                        Query(CONNECTIONS, "Connections"),
                        Query(
                            f"max by (datname) (citus_tables_distributed{{{DATABASE}}})",
                            "Distributed tables",
                        ),
                    ],
                    labels={"datname": "Database"},
                    decimals=1,
                    width=24,
                    sort="Size",
                ),
                Graph(title="Size", queries=[Query(SIZE, "{{datname}}")], unit="bytes"),
                Graph(
                    title="Transactions",
                    help="Over all nodes: one over two workers counts there, too.",
                    queries=[Query(TRANSACTIONS, "{{datname}}")],
                    unit="ops",
                ),
                Graph(
                    title="Connections to the coordinator",
                    queries=[Query(CONNECTIONS, "{{datname}}")],
                ),
                Graph(
                    title="Longest open transaction",
                    queries=[
                        Query(
                            promql.open_transaction("datname", POSTGRES),
                            "{{datname}}",
                        )
                    ],
                    unit="s",
                ),
            ],
        ),
        Row(
            "Buckets",
            [
                Table(
                    title="Buckets",
                    help="As counted by MinIO's scanner, which takes minutes to hours. A project "
                    "whose database has another name shows its buckets under All only.",
                    queries=[
                        Query(
                            promql.bucket("total_bytes", BUCKET),
                            "Data",
                            "bytes",
                            may_be_empty=promql.NO_BUCKET,
                        ),
                        Query(
                            promql.bucket("objects_count", BUCKET),
                            "Objects",
                            may_be_empty=promql.NO_BUCKET,
                        ),
                        Query(
                            promql.bucket("versions_count", BUCKET),
                            "Versions",
                            may_be_empty=promql.NO_BUCKET,
                        ),
                    ],
                    labels={"bucket": "Bucket"},
                    sort="Data",
                ),
                Graph(
                    title="Data",
                    queries=[
                        Query(
                            promql.bucket("total_bytes", BUCKET),
                            "{{bucket}}",
                            may_be_empty=promql.NO_BUCKET,
                        )
                    ],
                    unit="bytes",
                ),
                Graph(
                    title="Objects",
                    queries=[
                        Query(
                            promql.bucket("objects_count", BUCKET),
                            "{{bucket}}",
                            may_be_empty=promql.NO_BUCKET,
                        )
                    ],
                ),
                Graph(
                    title="Old versions",
                    help="They take space until `noncurrent_expire_days`.",
                    queries=[
                        Query(
                            OLD_VERSIONS,
                            "{{bucket}}",
                            may_be_empty=promql.NO_BUCKET,
                        )
                    ],
                ),
            ],
        ),
    ],
)
