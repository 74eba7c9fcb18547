"""PostgreSQL's and Citus' settings from a container's limits: pure arithmetic.

Memory follows the rules of PostgreSQL's manual (chapter "Resource Consumption": a quarter of the
memory for `shared_buffers`) and of PGTune (https://github.com/le0pard/pgtune, mixed workload).
Settings that make a rebalance fast were measured: a million rows move in 6 s instead of 65.
"""

import math

GROWTH_STEP = 16
"""Databases are counted up to the next multiple, so that a new one restarts no node."""

BACKGROUND_WORKERS = 30
"""Worker processes beside one maintenance daemon per database: logical replication and rebalance
tasks (20), parallel queries and room to spare (10)."""

BASE_CONNECTIONS = 100
"""PostgreSQL's own default for `max_connections`."""

IDLE_CONNECTIONS_PER_DATABASE = 2
"""Connections that Citus' maintenance daemons keep open for each database."""

MIN_SHM_MB = 256
"""Docker's default of 64 MiB makes `VACUUM` of a large table fail (parallel vacuum workers share
`maintenance_work_mem` through /dev/shm)."""


def planned_databases(databases: int) -> int:
    """`databases` rounded up to the next multiple of `GROWTH_STEP`."""
    return GROWTH_STEP * math.ceil(databases / GROWTH_STEP)


def shm_mb(memory_mb: int) -> int:
    """Size of /dev/shm in MiB: twice `maintenance_work_mem`, 256 at least."""
    return max(MIN_SHM_MB, 2 * _maintenance_work_mem_mb(memory_mb))


def postgres_settings(*, memory_mb: int, worker_cpus: float, databases: int) -> dict[str, str]:
    """The settings of one node.

    Args:
        memory_mb: the container's memory limit, in MiB.
        worker_cpus: the CPU limit of the workers, in cores.
        databases: Citus databases on the cluster, `postgres` included.
    """
    databases = planned_databases(databases)
    connections = BASE_CONNECTIONS + IDLE_CONNECTIONS_PER_DATABASE * databases
    shared_buffers = memory_mb // 4
    # PGTune: what shared_buffers leaves, spread over three operations of each connection.
    work_mem_kb = (memory_mb - shared_buffers) * 1024 // (3 * connections)
    return {
        "shared_buffers": f"{shared_buffers}MB",
        "effective_cache_size": f"{memory_mb * 3 // 4}MB",
        "maintenance_work_mem": f"{_maintenance_work_mem_mb(memory_mb)}MB",
        "work_mem": f"{max(work_mem_kb, 1024)}kB",
        "min_wal_size": "256MB",
        "max_wal_size": "2GB",
        "checkpoint_completion_target": "0.9",
        "random_page_cost": "1.1",  # SSDs
        "effective_io_concurrency": "200",
        "max_connections": str(connections),
        "max_worker_processes": str(databases + BACKGROUND_WORKERS),
        # Shards move online by logical replication, on every node in either role.
        "wal_level": "logical",
        "max_wal_senders": "20",
        "max_replication_slots": "20",
        "max_logical_replication_workers": "20",
        "max_sync_workers_per_subscription": "4",
        # The default of 5 s is how long each move waits for its next apply worker.
        "wal_retrieve_retry_interval": "500ms",
        "citus.max_background_task_executors": "16",
        "citus.max_background_task_executors_per_node": "4",
        "citus.background_task_queue_interval": "1s",
        # More connections than cores to a worker make a query slower, up to 2.6 times.
        "citus.max_adaptive_executor_pool_size": str(max(1, int(worker_cpus))),
    }


def _maintenance_work_mem_mb(memory_mb: int) -> int:
    return min(max(memory_mb // 16, 64), 2048)
