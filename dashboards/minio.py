"""MinIO: requests, errors, latency, storage, buckets and drives.

What the cluster knows, every node tells: the largest value is taken. What a node counts is added
up. See `promql` for why so much falls back to zero.
"""

from dashboards import promql
from dashboards.panels import (
    GREEN,
    ORANGE,
    RED,
    Bars,
    Dashboard,
    Graph,
    Query,
    Row,
    Stat,
    Table,
    threshold,
)

ONE_NODE = "a single node speaks with no other"
ZERO = "MinIO leaves out what is zero, and there may be none"
NO_REQUEST = "there may have been no request"

CLIENT_ERRORS = (
    "100 * (sum(rate(minio_api_requests_4xx_errors_total[$__rate_interval])) or vector(0))"
    " / (sum(rate(minio_api_requests_total[$__rate_interval])) > 0)"
)


def _latency(quantile: float) -> Query:
    buckets = "sum by (le) (rate(minio_api_requests_ttfb_seconds_distribution[$__rate_interval]))"
    return Query(
        f"histogram_quantile({quantile}, {buckets})",
        f"{quantile:.0%} within",
        may_be_empty=NO_REQUEST,
    )


STATE = Stat(
    title="MinIO",
    help="Degraded: files are read and written, but a node or drive is missing. "
    "Down: without it files cannot be written.",
    queries=[Query(promql.MINIO_STATE)],
    width=3,
    texts={0: ("down", RED), 1: ("degraded", ORANGE), 2: ("fine", GREEN)},
    steps=[(0, RED), (1, ORANGE), (2, GREEN)],
    filled=True,
    absent="no answer",
)
"""The tile that tells whether MinIO is fine; on the home page, too."""

MINIO = Dashboard(
    uid="minio",
    title="MinIO",
    help="Is every node and drive there, how many requests fail, and how full is it?",
    rows=[
        Row(
            "Now",
            [
                STATE,
                Stat(
                    title="Nodes that do not answer",
                    queries=[Query(promql.MINIO_SILENT)],
                    steps=[(1, RED)],
                    width=3,
                ),
                Stat(
                    title="Drives offline",
                    queries=[Query("minio:drives:offline")],
                    steps=[(1, RED)],
                    width=3,
                ),
                Stat(
                    title="Used",
                    help="Of the usable space: what is left after parity.",
                    queries=[Query("minio:storage_percent:used")],
                    limit=threshold("storage_percent"),
                    unit="percent",
                    decimals=1,
                    width=3,
                ),
                Stat(
                    title="Free",
                    queries=[Query("minio:capacity_bytes:free")],
                    unit="bytes",
                    width=3,
                ),
                Stat(
                    title="Data",
                    help="Of objects, as counted by the scanner, which takes minutes to hours.",
                    queries=[Query("minio:objects_bytes:size")],
                    unit="bytes",
                    width=3,
                ),
                Stat(
                    title="Objects",
                    queries=[Query("max(minio_cluster_usage_objects_count) or vector(0)")],
                    width=3,
                ),
                Stat(
                    title="Buckets",
                    queries=[Query("max(minio_cluster_usage_objects_buckets_count) or vector(0)")],
                    width=3,
                ),
            ],
        ),
        Row(
            "Requests",
            [
                Graph(
                    title="Requests, by API",
                    queries=[Query("minio:requests:rate5m", "{{name}}")],
                    unit="reqps",
                    stacked=True,
                ),
                Graph(
                    title="Errors",
                    help="5xx are MinIO's own; 4xx those of the one who asks, such as a missing "
                    "object or a wrong key.",
                    queries=[
                        Query("minio:errors_percent:rate5m", "5xx", may_be_empty=NO_REQUEST),
                        Query(CLIENT_ERRORS, "4xx", may_be_empty=NO_REQUEST),
                    ],
                    limit=threshold("error_percent"),
                    unit="percent",
                ),
                Graph(
                    title="Time to the first byte",
                    help="Zero buckets of the histogram are left out, which makes slow requests "
                    "look faster than they are when none is fast.",
                    queries=[
                        _latency(0.5),
                        _latency(0.95),
                        _latency(0.99),
                    ],
                    unit="s",
                    width=8,
                ),
                Graph(
                    title="Traffic",
                    queries=[
                        Query("minio:received_bytes:rate5m", "received"),
                        Query("minio:sent_bytes:rate5m", "sent"),
                    ],
                    unit="Bps",
                    width=8,
                ),
                Graph(
                    title="Requests, by node",
                    help="Uneven where a client knows one node only.",
                    queries=[
                        Query(
                            "sum by (instance) (rate(minio_api_requests_total[$__rate_interval]))",
                            "{{instance}}",
                        )
                    ],
                    unit="reqps",
                    width=8,
                ),
            ],
        ),
        Row(
            "Storage",
            [
                Graph(
                    title="Space used",
                    help="Above the line: a larger volume, or another entry in `minio.pools`.",
                    queries=[Query("minio:storage_percent:used", "used")],
                    limit=threshold("storage_percent"),
                    unit="percent",
                    maximum=100,
                    width=8,
                ),
                Graph(
                    title="Data",
                    queries=[Query("minio:objects_bytes:size", "objects")],
                    unit="bytes",
                    width=8,
                ),
                Stat(
                    title="Growth in a day",
                    help="In the last 24 hours, or since it is measured.",
                    queries=[Query("delta(minio:objects_bytes:size[1d])")],
                    unit="bytes",
                    height=8,
                ),
                Stat(
                    title="Counted",
                    help="How long ago the scanner counted objects.",
                    queries=[
                        Query(
                            "min(minio_cluster_usage_objects_since_last_update_seconds)"
                            " or vector(0)"
                        )
                    ],
                    unit="dtdurations",
                    height=8,
                ),
            ],
        ),
        Row(
            "Buckets",
            [
                Table(
                    title="Buckets",
                    queries=[
                        Query(
                            promql.bucket("total_bytes"),
                            "Data",
                            "bytes",
                            may_be_empty=promql.NO_BUCKET,
                        ),
                        Query(
                            promql.bucket("objects_count"), "Objects", may_be_empty=promql.NO_BUCKET
                        ),
                        Query(
                            promql.bucket("versions_count"),
                            "Versions",
                            may_be_empty=promql.NO_BUCKET,
                        ),
                    ],
                    labels={"bucket": "Bucket"},
                    sort="Data",
                ),
                Graph(
                    title="Data, by bucket",
                    queries=[
                        Query(
                            f"topk(10, {promql.bucket('total_bytes')})",
                            "{{bucket}}",
                            may_be_empty=promql.NO_BUCKET,
                        )
                    ],
                    unit="bytes",
                    stacked=True,
                ),
            ],
        ),
        Row(
            "Drives and nodes",
            [
                Bars(
                    title="Space used, by drive",
                    queries=[
                        Query(
                            "100 * max by (server, drive) (minio_system_drive_used_bytes)"
                            " / max by (server, drive) (minio_system_drive_total_bytes)",
                            "{{server}} {{drive}}",
                        )
                    ],
                    limit=threshold("storage_percent"),
                    unit="percent",
                    decimals=1,
                    maximum=100,
                    width=8,
                ),
                Graph(
                    title="Latency of drives",
                    help="Of the slowest kind of call. One drive far above the others is about to "
                    "fail.",
                    queries=[
                        Query(
                            "max by (server, drive) (minio_system_drive_api_latency_micros)",
                            "{{server}} {{drive}}",
                        )
                    ],
                    unit="µs",
                    width=8,
                ),
                Graph(
                    title="Errors of drives",
                    queries=[
                        Query(
                            "sum by (server, drive) "
                            "(increase(minio_system_drive_io_errors_total[$__rate_interval]))",
                            "{{server}} {{drive}}",
                            may_be_empty=ZERO,
                        )
                    ],
                    width=8,
                ),
                Graph(
                    title="Memory of nodes",
                    queries=[
                        Query(
                            "max by (instance) (minio_system_process_resident_memory_bytes)",
                            "{{instance}}",
                        )
                    ],
                    unit="bytes",
                    width=8,
                ),
                Graph(
                    title="CPU of nodes",
                    help="In cores.",
                    queries=[
                        Query(
                            "sum by (instance) "
                            "(rate(minio_system_process_cpu_total_seconds[$__rate_interval]))",
                            "{{instance}}",
                        )
                    ],
                    width=8,
                ),
                Graph(
                    title="Errors between nodes",
                    queries=[
                        Query(
                            "sum by (instance) (increase"
                            "(minio_system_network_internode_errors_total[$__rate_interval]))",
                            "{{instance}}",
                            may_be_empty=ONE_NODE,
                        )
                    ],
                    width=8,
                ),
            ],
        ),
    ],
)
