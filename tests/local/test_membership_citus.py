"""Membership against a running cluster: one coordinator, three workers, and one set up wrongly.

`ARQUITECTURA_CITUS_IMAGE` chooses the image. The stand-in moves no rows between nodes: what needs
that is marked `real_citus`.
"""

import multiprocessing
import os
import re
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest
from psycopg import sql

from components.citus import rebalance
from components.citus.reconcile import Target, dissolve, members, reconcile
from components.citus.sessions import Address, CitusError, Server, Session, connect

STAND_IN = "arquitectura-sandbox/citus:13"
IMAGE = os.environ.get("ARQUITECTURA_CITUS_IMAGE", STAND_IN)
ODD_NAME = """Odd "name", o'ne"""
OWNER = 'Shop "owner"'
ROWS = 20_000

# What the product sets on every node; `replica` is a node that was forgotten.
SETTINGS = {
    "max_worker_processes": "60",
    "max_connections": "200",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "max_logical_replication_workers": "20",
    "max_sync_workers_per_subscription": "4",
    "wal_retrieve_retry_interval": "500ms",
    "citus.max_background_task_executors": "16",
    "citus.max_background_task_executors_per_node": "4",
    "citus.background_task_queue_interval": "1s",
    "citus.shard_count": "12",
}

real_citus = pytest.mark.skipif(IMAGE == STAND_IN, reason="the stand-in moves no rows")


def docker(*arguments: str, **environment: str) -> str:
    return subprocess.run(
        ["docker", *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    ).stdout.strip()


@dataclass
class Cluster:
    """A running cluster; nodes are called by their container's name."""

    prefix: str
    password: str = field(repr=False)
    port: int = 0
    databases: list[str] = field(default_factory=list)

    def name(self, node: str) -> str:
        return f"{self.prefix}-{node}"

    def address(self, node: str) -> Address:
        return Address(self.name(node), 5432)

    @property
    def server(self) -> Server:
        return Server(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password=self.password,
            sslmode="require",
        )

    def target(
        self,
        database: str,
        *workers: str,
        owner: str | None = None,
        mode: Literal["auto", "block_writes"] = "auto",
    ) -> Target:
        return Target(
            server=self.server,
            database=database,
            owner=owner,
            coordinator=self.address("coordinator"),
            workers=[self.address(worker) for worker in workers],
            databases=self.databases,
            mode=mode,
            patience=120,
        )

    def session(self, database: str = "postgres") -> Session:
        return connect(self.server, database, patience=120)

    def members(self, database: str) -> list[str]:
        found = members(self.server, database) or []
        return [address.host.removeprefix(f"{self.prefix}-") for address in found]

    def psql(self, node: str, database: str, query: str) -> str:
        return docker(
            "exec", self.name(node), "psql", "-U", "postgres", "-d", database, "-Atc", query
        )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if not docker("images", "-q", IMAGE):
        pytest.skip(f"image {IMAGE} is not on this machine")
    running = Cluster(f"member-{secrets.token_hex(3)}", secrets.token_hex(16))
    files = tmp_path_factory.mktemp("citus")
    script = files / "zz.sh"
    script.write_text(
        'printf "*:*:*:*:%s\\n" "$POSTGRES_PASSWORD" > "$PGDATA/pgpass"\n'
        'chmod 600 "$PGDATA/pgpass"\n'
        "unset PGPASSWORD POSTGRES_PASSWORD\n"
    )
    script.chmod(0o644)
    names = ["coordinator", "w1", "w2", "w3", "replica"]
    docker("network", "create", running.prefix)
    try:
        for name in names:
            _start(running, name, script)
        published = docker("port", running.name("coordinator"), "5432")
        running.port = int(published.splitlines()[0].rpartition(":")[2])
        yield running
    finally:
        for name in names:
            subprocess.run(
                ["docker", "rm", "-fv", running.name(name)], check=False, capture_output=True
            )
        docker("network", "rm", running.prefix)


def _start(cluster: Cluster, node: str, script: Path) -> None:
    settings = {**SETTINGS, "wal_level": "replica" if node == "replica" else "logical"}
    if IMAGE == STAND_IN:
        settings["citus_standin.move_delay"] = "300ms"  # else a drain ends before it is killed
    flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    publish = ["-p", "127.0.0.1::5432"] if node == "coordinator" else []
    name = cluster.name(node)
    options = ["--network", cluster.prefix, "--shm-size", "256m", "--no-healthcheck", *publish]
    environment = ["-e", "POSTGRES_PASSWORD", "-e", "PGDATA=/var/lib/postgresql/data"]
    docker(
        *("create", "--name", name, *options, *environment),
        *("-e", "PGPASSFILE=/var/lib/postgresql/data/pgpass", IMAGE, "postgres", *flags),
        POSTGRES_PASSWORD=cluster.password,
    )
    docker("cp", str(script), f"{name}:/docker-entrypoint-initdb.d/zz.sh")
    docker("start", name)


@pytest.fixture
def make(cluster: Cluster) -> Iterator[Callable[..., str]]:
    """Creates databases on the coordinator; afterwards they are gone from all nodes."""
    made: list[str] = []

    def create(name: str | None = None, *, known: bool = True) -> str:
        database = name or f"db_{secrets.token_hex(3)}"
        with cluster.session() as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'").format(
                    sql.Identifier(database)
                )
            )
        made.append(database)
        if known:
            cluster.databases.append(database)
        return database

    yield create
    for database in made:
        _drop(cluster, database)


def _drop(cluster: Cluster, database: str) -> None:
    dissolve(cluster.server, database, [])
    with cluster.session() as admin:
        admin.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
        )
    if database in cluster.databases:
        cluster.databases.remove(database)


@pytest.fixture
def orders(cluster: Cluster, make: Callable[..., str]) -> str:
    """A database on two workers, with a distributed and a reference table."""
    database = make()
    reconcile(cluster.target(database, "w1", "w2"))
    with cluster.session(database) as session:
        _run(
            session,
            "CREATE TABLE orders (id bigint PRIMARY KEY, amount int NOT NULL)",
            "SELECT create_distributed_table('orders', 'id')",
            "CREATE TABLE countries (code int PRIMARY KEY)",
            "SELECT create_reference_table('countries')",
            "INSERT INTO countries SELECT generate_series(1, 50)",
            f"INSERT INTO orders SELECT g, g % 100 FROM generate_series(1, {ROWS}) g",
        )
    return database


def _run(session: Session, *statements: str) -> None:
    for statement in statements:
        session.execute(statement.encode())


def _rows(session: Session, query: str) -> list[tuple[Any, ...]]:
    return session.execute(query.encode()).fetchall()


def _checks(cluster: Cluster, database: str) -> list[tuple[Any, ...]]:
    with cluster.session(database) as session:
        return [
            *_rows(
                session,
                "SELECT count(*), sum(amount), sum(hashint8(id)::bigint) FROM orders"
                f" WHERE id <= {ROWS}",
            ),
            *_rows(session, "SELECT count(*) FROM countries"),
        ]


def _shards(cluster: Cluster, database: str) -> dict[str, int]:
    """Shards of distributed tables by node."""
    with cluster.session(database) as session:
        rows = _rows(
            session,
            "SELECT nodename, count(*) FROM citus_shards WHERE citus_table_type = 'distributed'"
            " GROUP BY 1",
        )
    return {name.removeprefix(f"{cluster.prefix}-"): count for name, count in rows}


def _takes_shards(cluster: Cluster, database: str) -> dict[str, bool]:
    with cluster.session(database) as session:
        rows = _rows(session, "SELECT nodename, shouldhaveshards FROM pg_dist_node WHERE groupid>0")
    return {name.removeprefix(f"{cluster.prefix}-"): takes for name, takes in rows}


def _refuses(target: Target, *words: str) -> None:
    with pytest.raises(CitusError) as caught:
        reconcile(target)
    message = str(caught.value)
    assert message.startswith(f"database {target.database}: ")
    assert "\n" not in message
    for word in words:
        assert word in message


@contextmanager
def _writer(cluster: Cluster, database: str) -> Iterator[list[float]]:
    """Inserts a row every 10 ms; gives the seconds that each took. A failed insert raises."""
    waits: list[float] = []
    failures: list[Exception] = []
    stop = threading.Event()

    def write() -> None:
        with cluster.session(database) as session:
            number = ROWS
            while not stop.wait(0.01):
                number += 1
                started = time.monotonic()
                try:
                    session.execute("INSERT INTO orders VALUES (%s, 1)", [number])
                except psycopg.Error as error:
                    failures.append(error)
                    return
                waits.append(time.monotonic() - started)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield waits
    finally:
        stop.set()
        thread.join()
    assert not failures
    with cluster.session(database) as session:
        assert _rows(session, f"SELECT count(*) FROM orders WHERE id > {ROWS}") == [(len(waits),)]


# -- Joining -----------------------------------------------------------------------------------


def test_a_cluster_from_nothing(cluster: Cluster, make: Callable[..., str]) -> None:
    shop, odd = make(), make(ODD_NAME)
    with cluster.session() as admin:
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                sql.Identifier(OWNER), cluster.password
            )
        )
        admin.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
                sql.Identifier(odd), sql.Identifier(OWNER)
            )
        )
    # Nothing is known to answer yet, and `postgres` itself has no members.
    for database in ("postgres", shop, odd):
        reconcile(cluster.target(database, "w1", "w2", owner=OWNER if database == odd else None))
        assert cluster.members(database) == ["w1", "w2"]
    started = time.monotonic()
    reconcile(cluster.target(odd, "w1", "w2", owner=OWNER))
    print(f"nothing to do: {time.monotonic() - started:.3f} s")
    for worker in ("w1", "w2"):
        assert (
            cluster.psql(
                worker,
                "postgres",
                "SELECT pg_get_userbyid(datdba), datcollate FROM pg_database"
                " WHERE datname LIKE 'Odd%'",
            )
            == f"{OWNER}|C"
        )

    # The owner makes what it likes there, also what Citus repeats on the workers.
    with cluster.session(odd) as session:
        _run(
            session,
            'SET ROLE "Shop ""owner"""',
            "CREATE SCHEMA own",
            "CREATE TABLE own.t (id int PRIMARY KEY)",
            "SELECT create_distributed_table('own.t', 'id')",
        )
    _drop(cluster, odd)
    for worker in ("w1", "w2"):
        assert (
            cluster.psql(
                worker, "postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'Odd%'"
            )
            == "0"
        )
    assert members(cluster.server, odd) is None
    with cluster.session() as admin:
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(OWNER)))


def _run_in_terminal(target: Target) -> None:
    # What runs in a shell's background ignores Ctrl-C; a person's does not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    reconcile(target)


def _in_process(target: Target) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=_run_in_terminal, args=(target,))
    process.start()
    return process


def test_databases_register_at_the_same_time(cluster: Cluster, make: Callable[..., str]) -> None:
    shop, blog = make(), make()
    processes = [
        _in_process(cluster.target(database, "w1", "w2", "w3"))
        for database in (shop, blog, shop, blog)
    ]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert cluster.members(shop) == cluster.members(blog) == ["w1", "w2", "w3"]


def test_a_worker_removed_by_hand_is_found_and_put_back(cluster: Cluster, orders: str) -> None:
    reconcile(cluster.target(orders, "w1", "w2", "w3"))
    with cluster.session(orders) as session:
        session.execute(
            "SELECT citus_set_node_property(%s, 5432, 'shouldhaveshards', false)",
            [cluster.name("w3")],
        )
        rebalance.rebalance(session, orders, drain_only=True, mode="block_writes", purpose="away")
        session.execute("SELECT citus_remove_node(%s, 5432)", [cluster.name("w3")])
    assert cluster.members(orders) == ["w1", "w2"]
    reconcile(cluster.target(orders, "w1", "w2", "w3"))
    assert cluster.members(orders) == ["w1", "w2", "w3"]
    assert _shards(cluster, orders) == {"w1": 4, "w2": 4, "w3": 4}


# -- Growing and shrinking ---------------------------------------------------------------------


def test_rows_survive_growth_and_shrinking_under_writes(
    cluster: Cluster, orders: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = _checks(cluster, orders)
    assert before[0][0] == ROWS
    with _writer(cluster, orders) as waits:
        started = time.monotonic()
        reconcile(cluster.target(orders, "w1", "w2", "w3"))
        grown = time.monotonic()
        assert _shards(cluster, orders) == {"w1": 4, "w2": 4, "w3": 4}
        assert _checks(cluster, orders) == before
        shrinking = time.monotonic()
        reconcile(cluster.target(orders, "w1", "w2"))
        shrunk = time.monotonic()
    assert _shards(cluster, orders) == {"w1": 6, "w2": 6}
    assert _checks(cluster, orders) == before
    assert cluster.members(orders) == ["w1", "w2"]
    shown = capfd.readouterr().out
    # Copies of the reference table are among them.
    assert re.search(rf"^{orders}: moved (\d+) of \1 shards to balance 3 workers$", shown, re.M)
    assert f"{orders}: moved 4 of 4 shards off {cluster.address('w3')}" in shown
    print(
        f"out {grown - started:.1f} s, in {shrunk - shrinking:.1f} s,"
        f" {len(waits)} inserts, longest {max(waits) * 1000:.0f} ms"
    )
    assert max(waits) < 5  # nobody waits for a whole move; `make bench` measures


@pytest.mark.real_citus
@real_citus
def test_shards_are_really_on_the_workers(cluster: Cluster, orders: str) -> None:
    reconcile(cluster.target(orders, "w1", "w2", "w3"))
    with cluster.session(orders) as session:
        on_w3 = _rows(
            session,
            "SELECT result::int FROM run_command_on_shards('orders', 'SELECT count(*) FROM %s') r"
            " JOIN citus_shards s USING (shardid) WHERE s.nodename LIKE '%-w3'",
        )
    assert len(on_w3) == 4
    assert sum(count for (count,) in on_w3) > ROWS // 6


def test_one_worker_replaces_another_in_one_move(cluster: Cluster, orders: str) -> None:
    before = _checks(cluster, orders)
    reconcile(cluster.target(orders, "w1", "w3"))
    assert cluster.members(orders) == ["w1", "w3"]
    assert _shards(cluster, orders) == {"w1": 6, "w3": 6}
    assert _checks(cluster, orders) == before


# -- Interrupted runs --------------------------------------------------------------------------


def _await_job(cluster: Cluster, database: str) -> None:
    with cluster.session(database) as session:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            job = rebalance.latest(session)
            if (
                job
                and job.state not in rebalance.ENDED
                and not _takes_shards(cluster, database)["w3"]
            ):
                return
            time.sleep(0.02)
    pytest.fail("no drain was seen")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_drain_that_was_interrupted_is_completed(
    cluster: Cluster, orders: str, end: signal.Signals
) -> None:
    before = _checks(cluster, orders)
    reconcile(cluster.target(orders, "w1", "w2", "w3"))
    process = _in_process(cluster.target(orders, "w1", "w2"))
    _await_job(cluster, orders)
    assert process.pid is not None
    os.kill(process.pid, end)
    process.join(20)
    assert process.exitcode not in (0, None)
    if end is signal.SIGINT:  # there was time to leave a node that can be used
        assert _takes_shards(cluster, orders) == {"w1": True, "w2": True, "w3": True}
    reconcile(cluster.target(orders, "w1", "w2"))
    assert cluster.members(orders) == ["w1", "w2"]
    assert _shards(cluster, orders) == {"w1": 6, "w2": 6}
    assert _checks(cluster, orders) == before


def test_a_drain_that_was_given_up_leaves_a_full_member(cluster: Cluster, orders: str) -> None:
    with cluster.session(orders) as session:
        session.execute(
            "SELECT citus_set_node_property(%s, 5432, 'shouldhaveshards', false)",
            [cluster.name("w2")],
        )
    reconcile(cluster.target(orders, "w1", "w2"))
    assert _takes_shards(cluster, orders) == {"w1": True, "w2": True}


@pytest.mark.real_citus
@real_citus
def test_a_move_that_only_fails_is_stopped(
    cluster: Cluster, orders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconcile(cluster.target(orders, "w1", "w2", "w3"))
    with cluster.session(orders) as session:
        _run(session, "CALL citus_cleanup_orphaned_resources()")  # w1 and w2 had it
        (shard,) = _rows(
            session,
            "SELECT min(shard_name) FROM citus_shards WHERE nodename LIKE '%-w3'"
            " AND citus_table_type = 'distributed'",
        )[0]
    # A shard's table would be dropped first; its index finds its name taken.
    taken = shard.replace("orders", "orders_pkey")
    for worker in ("w1", "w2"):
        cluster.psql(worker, orders, f"CREATE TABLE {taken} (in_the_way int)")
    monkeypatch.setattr(rebalance, "MAX_RETRIES", 1)
    _refuses(cluster.target(orders, "w1", "w2"), "failed 1 times", "already exists", "was stopped")
    assert _takes_shards(cluster, orders)["w3"]
    with cluster.session(orders) as session:
        job = rebalance.latest(session)
    assert job is not None
    assert job.state == "cancelled"
    for worker in ("w1", "w2"):
        cluster.psql(worker, orders, f"DROP TABLE {taken}")
    reconcile(cluster.target(orders, "w1", "w2"))
    assert cluster.members(orders) == ["w1", "w2"]


# -- Refusals, before anything has changed -----------------------------------------------------


def test_a_table_without_a_key_does_not_move_online(cluster: Cluster, orders: str) -> None:
    with cluster.session(orders) as session:
        _run(
            session,
            'CREATE TABLE "Click log" (id bigint, at timestamptz)',
            """SELECT create_distributed_table('"Click log"', 'id', colocate_with => 'none')""",
        )
    words = ('"Click log"', "REPLICA IDENTITY", "block_writes")
    _refuses(cluster.target(orders, "w1", "w2", "w3"), *words)
    assert cluster.members(orders) == ["w1", "w2"]
    _refuses(cluster.target(orders, "w1"), *words)
    assert _takes_shards(cluster, orders) == {"w1": True, "w2": True}
    reconcile(cluster.target(orders, "w1", mode="block_writes"))
    assert _shards(cluster, orders) == {"w1": 24}
    with cluster.session(orders) as session:
        session.execute('ALTER TABLE "Click log" REPLICA IDENTITY FULL')
    reconcile(cluster.target(orders, "w1", "w2"))
    assert _shards(cluster, orders) == {"w1": 12, "w2": 12}


def test_the_last_worker_does_not_leave_with_shards(cluster: Cluster, orders: str) -> None:
    _refuses(cluster.target(orders), "w1", "w2", "no worker would be left", "12 shards")
    assert _takes_shards(cluster, orders) == {"w1": True, "w2": True}
    with cluster.session(orders) as session:
        _run(session, "DROP TABLE orders")
    reconcile(cluster.target(orders))
    assert cluster.members(orders) == []


def test_a_worker_does_not_leave_while_an_unknown_database_uses_it(
    cluster: Cluster, orders: str, make: Callable[..., str]
) -> None:
    unknown = make("legacy db", known=False)
    reconcile(cluster.target(unknown, "w1", "w2"))
    _refuses(cluster.target(orders, "w1"), str(cluster.address("w2")), unknown, "project")
    assert _takes_shards(cluster, orders) == {"w1": True, "w2": True}
    reconcile(cluster.target(unknown, "w1"))
    reconcile(cluster.target(orders, "w1"))


def test_online_moves_need_logical_wal_everywhere(cluster: Cluster, orders: str) -> None:
    bad = cluster.target(orders, "w1", "w2", "replica")
    _refuses(bad, "wal_level", f"{cluster.address('replica')} (replica)", "block_writes")
    assert cluster.members(orders) == ["w1", "w2"]


def test_a_dead_worker(cluster: Cluster, orders: str) -> None:
    reconcile(cluster.target(orders, "w1", "w2", "w3"))
    docker("kill", cluster.name("w3"))
    try:
        _refuses(cluster.target(orders, "w1", "w2"), "does not answer", "4 shards", "volume")
        assert _takes_shards(cluster, orders)["w3"]
    finally:
        docker("start", cluster.name("w3"))
    reconcile(cluster.target(orders, "w1", "w2"))

    # It comes back, gets copies of reference tables, and dies again without shards of its own.
    reconcile(cluster.target(orders, "w1", "w2", "w3"))
    with cluster.session(orders) as session:
        _run(session, "DROP TABLE orders")
    docker("kill", cluster.name("w3"))
    try:
        reconcile(cluster.target(orders, "w1", "w2"))
        assert cluster.members(orders) == ["w1", "w2"]
        short = replace(cluster.target(orders, "w1", "w2", "w3"), patience=1)
        _refuses(short, str(cluster.address("w3")), "does not answer")
    finally:
        docker("start", cluster.name("w3"))


def test_a_wrong_password_fails_at_once(cluster: Cluster, orders: str) -> None:
    wrong = cluster.target(orders, "w1", "w2")
    wrong = replace(wrong, server=replace(wrong.server, password="wrong"))
    started = time.monotonic()
    _refuses(wrong, "refuses the password of 'postgres'", "ALTER ROLE")
    assert time.monotonic() - started < 5


def test_an_absent_coordinator_is_an_error_and_not_an_absent_database(cluster: Cluster) -> None:
    nobody = replace(cluster.server, port=1)
    with pytest.raises(CitusError, match="does not answer"):
        members(nobody, "shop")
    with pytest.raises(CitusError, match="does not answer"):
        dissolve(nobody, "shop", [])
    assert members(cluster.server, "never made") is None


def test_a_dissolved_database_ends_its_sessions(cluster: Cluster, orders: str) -> None:
    session = cluster.session(orders)
    _run(session, "BEGIN", "INSERT INTO orders VALUES (-1, 1)")  # keeps a worker's session open
    dissolve(cluster.server, orders, [cluster.address("w1")])
    session.close()
    names: Sequence[str] = [
        cluster.psql(worker, "postgres", "SELECT datname FROM pg_database")
        for worker in ("w1", "w2")
    ]
    assert not any(orders in name for name in names)
