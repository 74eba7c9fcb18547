"""PostgreSQL's settings follow the limits of its container."""

from hypothesis import given
from hypothesis import strategies as st

from components.citus.tuning import planned_databases, postgres_settings, shm_mb

MEMORY = st.integers(256, 256 * 1024)
CPUS = st.floats(0.1, 64)
DATABASES = st.integers(1, 200)


def _mb(value: str) -> float:
    number = float(value.removesuffix("MB").removesuffix("kB"))
    return number / 1024 if value.endswith("kB") else number


@given(memory=MEMORY, cpus=CPUS, databases=DATABASES)
def test_memory_stays_below_the_limit(memory: int, cpus: float, databases: int) -> None:
    settings = postgres_settings(memory_mb=memory, worker_cpus=cpus, databases=databases)
    assert _mb(settings["shared_buffers"]) + _mb(settings["maintenance_work_mem"]) < memory
    assert _mb(settings["effective_cache_size"]) < memory
    assert _mb(settings["work_mem"]) >= 1


@given(memory=MEMORY)
def test_parallel_vacuum_fits_into_shared_memory(memory: int) -> None:
    settings = postgres_settings(memory_mb=memory, worker_cpus=1, databases=1)
    assert shm_mb(memory) >= max(256, 2 * _mb(settings["maintenance_work_mem"]))


@given(databases=DATABASES)
def test_every_database_has_its_worker_process(databases: int) -> None:
    settings = postgres_settings(memory_mb=1024, worker_cpus=1, databases=databases)
    assert int(settings["max_worker_processes"]) >= databases + 30


@given(databases=DATABASES)
def test_a_new_database_restarts_no_node_within_a_step(databases: int) -> None:
    step = planned_databases(databases)
    assert databases <= step < databases + 16
    assert postgres_settings(
        memory_mb=1024, worker_cpus=1, databases=databases
    ) == postgres_settings(memory_mb=1024, worker_cpus=1, databases=step)


def test_online_rebalancing_is_possible_and_fast() -> None:
    settings = postgres_settings(memory_mb=1024, worker_cpus=2, databases=1)
    assert settings["wal_level"] == "logical"
    assert settings["wal_retrieve_retry_interval"] == "500ms"
    assert settings["citus.max_background_task_executors"] == "16"
    assert settings["citus.max_background_task_executors_per_node"] == "4"
    assert settings["citus.background_task_queue_interval"] == "1s"


def test_the_executor_uses_as_many_connections_as_cores() -> None:
    def pool(cpus: float) -> str:
        return postgres_settings(memory_mb=1024, worker_cpus=cpus, databases=1)[
            "citus.max_adaptive_executor_pool_size"
        ]

    assert (pool(0.5), pool(2), pool(3.9)) == ("1", "2", "3")
