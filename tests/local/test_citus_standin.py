"""The stand-in for Citus behaves as Citus does.

The same tests run against the real one: put its image's name in `ARQUITECTURA_CITUS_IMAGE`.
"""

import io
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any, LiteralString, TypeVar

import psycopg
import pytest

IMAGE = os.environ.get("ARQUITECTURA_CITUS_IMAGE", "arquitectura-sandbox/citus:13")
PREFIX = "standin-test"
PASSWORD = "only-for-this-test"
ROLE_PASSWORD = "only-for-this-role"
# `odd` is a node that was set up wrongly: default settings, and the first boot's PGPASSWORD kept.
PORTS = {"c": 20010, "w1": 20011, "w2": 20012, "w3": 20013, "odd": 20014}
SETTINGS = {
    "wal_level": "logical",
    "max_worker_processes": "40",
    "citus.background_task_queue_interval": "500ms",
    "citus.max_background_task_executors": "8",
    "citus.max_background_task_executors_per_node": "4",
}
UNREACHABLE = r"connection to the remote node postgres@\S+ failed with the following error: "


T = TypeVar("T")


def docker(*arguments: str, stdin: bytes | None = None) -> str:
    done = subprocess.run(
        ["docker", *arguments], input=stdin, capture_output=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"docker {arguments[0]} failed: {done.stderr.decode()}")
    return done.stdout.decode().strip()


def host(node: str) -> str:
    return f"{PREFIX}-{node}"


def archive(files: dict[str, tuple[str, int]]) -> bytes:
    """A tar of files with their content and mode, owned by the image's postgres user."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (content, mode) in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.uid, entry.gid = len(content), mode, 999, 999
            tar.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()


def start(node: str) -> None:
    settings = {} if node == "odd" else SETTINGS
    docker(
        "create", "--name", host(node), "--hostname", host(node), "--network", PREFIX,
        "--publish", f"127.0.0.1:{PORTS[node]}:5432", "--shm-size", "256m",
        "--env", "POSTGRES_PASSWORD_FILE=/etc/node/password",
        "--env", "PGPASSFILE=/etc/node/pgpass",
        IMAGE, "postgres", *(part for item in settings.items() for part in ("-c", "=".join(item))),
    )  # fmt: skip
    files = {
        "etc/node/password": (PASSWORD, 0o600),
        "etc/node/pgpass": (f"*:*:*:postgres:{PASSWORD}\n*:*:*:shop:{ROLE_PASSWORD}\n", 0o600),
    }
    if node != "odd":
        files["docker-entrypoint-initdb.d/zz.sh"] = ("unset PGPASSWORD POSTGRES_PASSWORD\n", 0o644)
    docker("cp", "-a", "-", f"{host(node)}:/", stdin=archive(files))
    docker("start", host(node))


def connect(
    node: str, database: str, user: str = "postgres", password: str = PASSWORD
) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(
        host="127.0.0.1",
        port=PORTS[node],
        dbname=database,
        user=user,
        password=password,
        connect_timeout=5,
        autocommit=True,
    )


def wait_for(what: str, probe: Callable[[], T], seconds: float = 30) -> T:
    """Waits until the probe answers something true, and returns that."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
    return answer


def answers(node: str) -> bool:
    try:
        connect(node, "postgres").close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def stopped(node: str) -> Iterator[None]:
    docker("stop", "--time", "10", host(node))
    try:
        yield
    finally:
        docker("start", host(node))
        wait_for(f"{node} back", lambda: answers(node))


@pytest.fixture(scope="module")
def nodes() -> Iterator[None]:
    try:
        docker("image", "inspect", IMAGE)
    except (OSError, RuntimeError):
        pytest.skip(f"no image {IMAGE}: run sandbox/images/build.sh")
    remove()
    docker("network", "create", PREFIX)
    try:
        for node in PORTS:
            start(node)
        for node in PORTS:
            wait_for(f"{node} up", lambda node=node: answers(node), 60)  # type: ignore[misc]
        yield
    finally:
        remove()


def remove() -> None:
    for node in PORTS:
        subprocess.run(["docker", "rm", "-fv", host(node)], capture_output=True, timeout=60)
    subprocess.run(["docker", "network", "rm", PREFIX], capture_output=True, timeout=60)


class Database:
    """A database `name` on the nodes, seen through a session on its coordinator."""

    def __init__(self, name: str, coordinator: str, workers: Sequence[str]) -> None:
        self.name = name
        self.coordinator = coordinator
        self.notices: list[str] = []
        for node in (coordinator, *workers):
            self.create_on(node)
        self.session = self.connect()
        if workers:
            self.run("SELECT citus_set_coordinator_host(%s, 5432)", host(coordinator))
        for worker in workers:
            self.add(worker)

    def create_on(self, node: str, extension: bool = True) -> None:
        with connect(node, "postgres") as session:
            session.execute(f'CREATE DATABASE "{self.name}"'.encode())
        if extension:
            with connect(node, self.name) as session:
                session.execute("CREATE EXTENSION citus")

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        session = connect(self.coordinator, self.name)
        session.add_notice_handler(lambda notice: self.notices.append(notice.message_primary or ""))
        return session

    def rows(self, query: LiteralString, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.session.execute(query, parameters or None).fetchall()

    def one(self, query: LiteralString, *parameters: Any) -> Any:
        (row,) = self.rows(query, *parameters)
        return row[0]

    def run(self, *commands: Any) -> None:
        """Runs one statement with parameters."""
        self.session.execute(commands[0], commands[1:] or None)

    def add(self, worker: str) -> int:
        return int(self.one("SELECT citus_add_node(%s, 5432)", host(worker)))

    def placements(self, *, reference: bool = False) -> dict[str, int]:
        """How many shards each node has, by the node's short name."""
        return {
            name.removeprefix(f"{PREFIX}-"): count
            for name, count in self.rows(
                "SELECT nodename, count(*) FROM citus_shards"
                " WHERE (citus_table_type = 'reference') = %s GROUP BY 1",
                reference,
            )
        }

    def job(self) -> tuple[str, dict[str, Any]]:
        ((state, details),) = self.rows("SELECT state, details FROM citus_rebalance_status()")
        return state, details

    def finish_job(self) -> None:
        wait_for("the rebalance's end", lambda: self.job()[0] == "finished", 90)

    def close(self) -> None:
        self.session.close()
        for node in PORTS:
            try:
                with connect(node, "postgres") as session:
                    session.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)'.encode())
            except psycopg.OperationalError:
                continue


@pytest.fixture
def database(nodes: None, request: pytest.FixtureRequest) -> Iterator[Callable[..., Database]]:
    """Makes databases of this test, called after it, and drops them."""
    made: list[Database] = []

    def make(*workers: str, coordinator: str = "c", name: str = "") -> Database:
        made.append(Database(name or request.node.name, coordinator, workers))
        return made[-1]

    yield make
    for one in made:
        one.close()


Make = Callable[..., Database]


@contextmanager
def refused(message: str) -> Iterator[None]:
    with pytest.raises(psycopg.Error, match=message):
        yield


def test_a_worker_joins(database: Make) -> None:
    shop = database()
    shop.run("SELECT citus_set_coordinator_host(%s)", host("c"))
    with refused(UNREACHABLE + r'FATAL:  database "test_a_worker_joins" does not exist'):
        shop.add("w1")
    shop.create_on("w1", extension=False)
    with refused("failure on connection marked as essential"):
        shop.add("w1")
    assert shop.rows("SELECT * FROM citus_get_active_worker_nodes()") == []
    with connect("w1", shop.name) as worker:
        worker.execute("CREATE EXTENSION citus")
    first = shop.add("w1")
    assert shop.add("w1") == first
    assert shop.rows("SELECT * FROM citus_get_active_worker_nodes()") == [(host("w1"), 5432)]
    assert shop.one("SELECT bool_and(result) FROM citus_check_cluster_node_health()") is True

    with connect("w1", shop.name) as worker:
        known = worker.execute("SELECT nodename FROM pg_dist_node ORDER BY nodeid").fetchall()
        assert known == [(host("c"),), (host("w1"),)]
        assert worker.execute("SELECT citus_is_coordinator()").fetchone() == (False,)
        with refused("operation is not allowed on this node"):
            worker.execute("SELECT citus_add_node('other', 5432)")
    with refused(UNREACHABLE + "could not translate host name"):
        shop.add("nowhere")


def test_nothing_of_an_abandoned_join_stays(database: Make) -> None:
    shop = database("w1")
    shop.create_on("w2")
    with shop.session.transaction(force_rollback=True):
        shop.add("w2")
    assert shop.rows("SELECT * FROM citus_get_active_worker_nodes()") == [(host("w1"), 5432)]
    with connect("w2", shop.name) as worker:
        assert worker.execute("SELECT count(*) FROM pg_dist_node").fetchone() == (0,)


def test_a_first_table_registers_localhost(database: Make) -> None:
    shop = database()
    shop.create_on("w1")
    shop.run("CREATE TABLE t (id int PRIMARY KEY)")
    shop.run("SELECT create_distributed_table('t', 'id')")
    with refused("cannot add a worker node when the coordinator hostname is set to localhost"):
        shop.add("w1")


def test_no_worker_no_shards(database: Make) -> None:
    shop = database()
    shop.run("SELECT citus_set_coordinator_host(%s)", host("c"))
    shop.run("CREATE TABLE t (id int PRIMARY KEY)")
    with refused(r"replication_factor \(1\) exceeds number of worker nodes \(0\)"):
        shop.run("SELECT create_distributed_table('t', 'id')")


def test_two_registrations_at_once_collide(database: Make) -> None:
    one, two = database(name="collide_one"), database(name="collide_two")
    failures: list[str] = []
    for shop in (one, two):
        shop.run("SELECT citus_set_coordinator_host(%s)", host("c"))
        shop.create_on("w1")
    for node in ("c", "w1"):
        with connect(node, "postgres") as session:
            session.execute("CREATE ROLE collider")

    def register_second() -> None:
        try:
            two.add("w1")
        except psycopg.Error as error:
            failures.append(str(error))

    try:
        with one.session.transaction():
            one.add("w1")
            second = Thread(target=register_second)
            second.start()
            second.join(1)
        second.join(30)
        assert "failure on connection marked as essential" in "".join(failures)
        assert "tuple concurrently updated" in two.notices
    finally:
        with connect("c", "postgres") as session, connect("w1", "postgres") as worker:
            session.execute("DROP ROLE collider")
            worker.execute("DROP ROLE IF EXISTS collider")


def verifier(node: str, role: str) -> Any:
    with connect(node, "postgres") as session:
        query = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
        return session.execute(query, [role]).fetchone()


@pytest.fixture
def role(nodes: None) -> Iterator[str]:
    yield "shop"
    for node in PORTS:
        with connect(node, "postgres") as session:
            session.execute("DROP ROLE IF EXISTS shop")


def test_roles_reach_the_workers(role: str, database: Make) -> None:
    shop = database("w1")
    shop.run(f"CREATE ROLE shop LOGIN PASSWORD '{ROLE_PASSWORD}'")
    assert verifier("w1", role) not in (None, (None,))
    assert verifier("w2", role) is None
    shop.create_on("w2")
    shop.add("w2")
    assert verifier("w2", role) == verifier("c", role)
    shop.run("ALTER ROLE shop PASSWORD 'another'")
    assert verifier("w2", role) == verifier("c", role)
    shop.run("DROP ROLE shop")
    assert verifier("w1", role) is verifier("w2", role) is None


def test_a_role_uses_its_own_login(role: str, database: Make) -> None:
    shop = database("w1")
    shop.run(f"CREATE ROLE shop LOGIN PASSWORD '{ROLE_PASSWORD}'")
    shop.run("GRANT CREATE ON SCHEMA public TO shop")
    with connect("w1", shop.name) as worker:
        worker.execute("GRANT CREATE ON SCHEMA public TO shop")
    with connect("c", shop.name, "shop", ROLE_PASSWORD) as session:
        session.execute("CREATE TABLE t (id int PRIMARY KEY)")
        session.execute("SELECT create_distributed_table('t', 'id')")
        session.execute("INSERT INTO t SELECT generate_series(1, 100)")
        assert session.execute("SELECT count(*) FROM t").fetchone() == (100,)
        with refused("permission denied for function citus_add_node"):
            session.execute("SELECT citus_add_node('w2', 5432)")
        with refused("permission denied"):
            session.execute("UPDATE pg_dist_node SET nodename = 'x'")
    shop.run("ALTER ROLE shop PASSWORD 'not-in-the-passfile'")
    with connect("c", shop.name, "shop", "not-in-the-passfile") as session:
        session.execute("CREATE TABLE u (id int PRIMARY KEY)")
        with refused(r'shop@\S+ failed .*password authentication failed for user "shop"'):
            session.execute("SELECT create_distributed_table('u', 'id')")


def test_the_first_boot_prefers_pgpassword(role: str, database: Make) -> None:
    shop = database("w1", coordinator="odd")
    shop.run(f"CREATE ROLE shop LOGIN PASSWORD '{ROLE_PASSWORD}'")
    shop.run("GRANT CREATE ON SCHEMA public TO shop")
    with connect("odd", shop.name, "shop", ROLE_PASSWORD) as session:
        session.execute("CREATE TABLE t (id int PRIMARY KEY)")
        with refused('password authentication failed for user "shop"'):
            session.execute("SELECT create_distributed_table('t', 'id')")
    with stopped("odd"):
        pass
    shop.session = shop.connect()
    with connect("w1", shop.name) as worker:
        worker.execute("GRANT CREATE ON SCHEMA public TO shop")
    with connect("odd", shop.name, "shop", ROLE_PASSWORD) as session:
        session.execute("SELECT create_distributed_table('t', 'id')")


def test_extensions_and_schemas_reach_the_workers(database: Make) -> None:
    shop = database("w1")
    shop.run("CREATE EXTENSION pg_trgm")
    shop.run("CREATE SCHEMA reports")
    count = (
        "SELECT count(*) FROM (SELECT extname FROM pg_extension UNION ALL"
        " SELECT nspname FROM pg_namespace) n (name) WHERE name IN ('pg_trgm', 'reports')"
    )
    shop.create_on("w2")
    shop.add("w2")
    for node in ("w1", "w2"):
        with connect(node, shop.name) as worker:
            assert worker.execute(count.encode()).fetchone() == (2,), node
    shop.run("CREATE DATABASE not_propagated")
    shop.run("DROP DATABASE not_propagated")
    assert "Citus partially supports CREATE DATABASE for distributed databases" in shop.notices


def test_tables_are_placed(database: Make) -> None:
    shop = database("w1", "w2")
    for definition in (
        "orders (id bigint PRIMARY KEY)",
        "lines (id bigint, line int, PRIMARY KEY (id, line))",
        "countries (code text PRIMARY KEY)",
    ):
        shop.run(f"CREATE TABLE {definition}")
    shop.run("SELECT create_distributed_table('orders', 'id')")
    shop.run("SELECT create_distributed_table('lines', 'id', colocate_with => 'orders')")
    shop.run("SELECT create_reference_table('countries')")
    assert shop.placements() == {"w1": 32, "w2": 32}
    assert shop.placements(reference=True) == {"c": 1, "w1": 1, "w2": 1}
    tables = shop.rows(
        "SELECT table_name::text, citus_table_type, distribution_column, shard_count"
        " FROM citus_tables ORDER BY 1"
    )
    assert tables == [
        ("countries", "reference", "<none>", 1),
        ("lines", "distributed", "id", 32),
        ("orders", "distributed", "id", 32),
    ]
    assert shop.one("SELECT count(DISTINCT colocation_id) FROM citus_tables") == 2
    assert shop.one("SELECT min(shardminvalue::int) FROM pg_dist_shard") == -(2**31)
    assert shop.one("SELECT max(shardmaxvalue::int) FROM pg_dist_shard") == 2**31 - 1
    # colocated shards share a node
    assert (
        shop.rows(
            "SELECT a.shardminvalue FROM pg_dist_shard a JOIN pg_dist_placement pa USING (shardid)"
            " JOIN pg_dist_shard b ON b.shardminvalue = a.shardminvalue"
            " JOIN pg_dist_placement pb ON pb.shardid = b.shardid WHERE pa.groupid <> pb.groupid"
        )
        == []
    )

    with refused('table "orders" is already distributed'):
        shop.run("SELECT create_distributed_table('orders', 'id')")
    with refused('column "nope" of relation "other" does not exist'):
        shop.run("CREATE TABLE other (a int PRIMARY KEY, b int)")
        shop.run("SELECT create_distributed_table('other', 'nope')")
    with refused('cannot create constraint on "other"'):
        shop.run("SELECT create_distributed_table('other', 'b')")

    shop.run("DROP TABLE lines")
    shop.run("SELECT undistribute_table('orders')")
    assert shop.placements() == {}


def test_out_and_in_again(database: Make) -> None:
    shop = database("w1", "w2")
    shop.run("CREATE TABLE t (id int PRIMARY KEY)")
    shop.run("CREATE TABLE r (id int PRIMARY KEY)")
    shop.run("SELECT create_distributed_table('t', 'id')")
    shop.run("SELECT create_reference_table('r')")
    shop.run("INSERT INTO t SELECT generate_series(1, 1000)")
    assert shop.one("SELECT citus_rebalance_start()") is None
    assert "No moves available for rebalancing" in shop.notices

    shop.create_on("w3")
    shop.add("w3")
    assert shop.placements() == {"w1": 16, "w2": 16}
    assert len(shop.rows("SELECT * FROM get_rebalance_table_shards_plan()")) == 10
    # the job outlives the session that starts it
    with shop.connect() as starter:
        query = "SELECT citus_rebalance_start(shard_transfer_mode => 'block_writes')"
        started = starter.execute(query).fetchone()
        job = started[0] if started else None
        with refused(f"A rebalance is already running as job {job}"):
            starter.execute("SELECT citus_rebalance_start()")
    assert f"Scheduled 10 moves as job {job}" in shop.notices
    shop.finish_job()
    assert sorted(shop.placements().values()) == [10, 11, 11]
    assert set(shop.placements(reference=True)) == {"c", "w1", "w2", "w3"}
    with refused("no ongoing rebalance that can be stopped"):
        shop.run("SELECT citus_rebalance_stop()")
    shop.run("SELECT citus_rebalance_wait()")
    assert "no ongoing rebalance that can be waited on" in shop.notices

    with refused("cannot remove or disable the node .* contains the only shard placement"):
        shop.run("SELECT citus_remove_node(%s, 5432)", host("w3"))
    with refused("only the 'shouldhaveshards' property can be set using this function"):
        shop.run("SELECT citus_set_node_property(%s, 5432, 'other', false)", host("w3"))
    shop.run("SELECT citus_set_node_property(%s, 5432, 'shouldhaveshards', false)", host("w3"))
    shop.run(
        "SELECT citus_rebalance_start(drain_only => true, shard_transfer_mode => 'block_writes',"
        " parallel_transfer_reference_tables => true, parallel_transfer_colocated_shards => true)"
    )
    shop.finish_job()
    assert shop.placements() == {"w1": 16, "w2": 16}
    shop.run("CALL citus_cleanup_orphaned_resources()")
    shop.run("SELECT citus_remove_node(%s, 5432)", host("w3"))
    with refused(f'node at "{host("w3")}:5432" does not exist'):
        shop.run("SELECT citus_remove_node(%s, 5432)", host("w3"))
    assert shop.one("SELECT count(*) FROM t") == 1000
    with connect("w3", shop.name) as removed:
        assert removed.execute("SELECT count(*) FROM pg_dist_node").fetchone() == (4,)


def test_online_moves_need_a_key(database: Make) -> None:
    shop = database("w1")
    shop.run("CREATE TABLE keyless (id int)")
    shop.run("SELECT create_distributed_table('keyless', 'id')")
    shop.create_on("w2")
    shop.add("w2")
    with refused(
        "cannot use logical replication to transfer shards of the relation keyless since it "
        "doesn't have a REPLICA IDENTITY or PRIMARY KEY"
    ):
        shop.run("SELECT citus_rebalance_start()")
    assert shop.rows("SELECT * FROM citus_rebalance_status()") == []
    shop.run("ALTER TABLE keyless REPLICA IDENTITY FULL")
    shop.run("SET citus.max_adaptive_executor_pool_size = 4")
    assert shop.one("SELECT citus_rebalance_start()") == 1
    shop.run("SELECT citus_rebalance_stop()")
    wait_for("the cancellation", lambda: shop.job()[0] == "cancelled")


def test_online_moves_need_logical_decoding(database: Make) -> None:
    shop = database("odd")
    shop.run("CREATE TABLE t (id int PRIMARY KEY)")
    shop.run("SELECT create_distributed_table('t', 'id')")
    shop.create_on("w1")
    shop.add("w1")
    shop.run("SELECT citus_rebalance_start()")

    def retried() -> dict[str, Any]:
        tasks = shop.job()[1]["tasks"]
        return next((task for task in tasks if task["retried"] > 0), {})

    task = wait_for("a second try", retried)
    assert "logical decoding requires wal_level >= logical" in task["message"]
    assert shop.job()[0] == "running"
    shop.run("SELECT citus_rebalance_stop()")
    wait_for("the cancellation", lambda: shop.job()[0] == "cancelled")


def test_the_last_worker_stays(database: Make) -> None:
    shop = database("w1")
    shop.run("CREATE TABLE t (id int PRIMARY KEY)")
    shop.run("SELECT create_distributed_table('t', 'id')")
    shop.run("SELECT citus_set_node_property(%s, 5432, 'shouldhaveshards', false)", host("w1"))
    with refused(
        r"Shard replication factor \(1\) cannot be greater than number of nodes with "
        r"should_have_shards=true \(0\)"
    ):
        shop.run("SELECT citus_rebalance_start(drain_only => true)")


def test_tenant_schemas(database: Make) -> None:
    shop = database("w1", "w2")
    shop.run("SET citus.enable_schema_based_sharding = on")
    shop.run("CREATE SCHEMA tenant")
    shop.run("CREATE TABLE tenant.a (id int PRIMARY KEY)")
    shop.run("CREATE TABLE tenant.b (id int PRIMARY KEY)")
    assert shop.rows("SELECT schema_name::text FROM citus_schemas") == [("tenant",)]
    ((home, shards),) = shop.placements().items()
    assert shards == 2
    shop.run("SELECT citus_drain_node(%s, 5432, 'block_writes')", host(home))
    assert shop.placements() == {"w2" if home == "w1" else "w1": 2}
    shop.run("DROP SCHEMA tenant CASCADE")
    assert shop.rows("SELECT * FROM citus_schemas") == []
    assert shop.placements() == {}


def test_a_dead_worker(database: Make) -> None:
    shop = database("w1", "w2")
    shop.run("CREATE TABLE t (id int PRIMARY KEY)")
    shop.run("SELECT create_distributed_table('t', 'id')")
    shop.run("CREATE TABLE later (id int PRIMARY KEY)")
    with stopped("w2"):
        for statement in (
            "CREATE ROLE unlucky",
            "CREATE EXTENSION pg_trgm",
            "CREATE INDEX ON t (id)",
            "SELECT create_distributed_table('later', 'id')",
        ):
            with refused(UNREACHABLE):
                shop.run(statement)
        with refused("cannot get the size because of a connection error"):
            shop.run("SELECT citus_rebalance_start()")
        with refused("contains the only shard placement"):
            shop.run("SELECT citus_remove_node(%s, 5432)", host("w2"))
        with refused("contains the only shard placement"):
            shop.run("SELECT citus_disable_node(%s, 5432, true)", host("w2"))
        assert len(shop.rows("SELECT * FROM citus_get_active_worker_nodes()")) == 2
        answer = shop.rows(
            "SELECT nodename, success, result FROM run_command_on_workers('SELECT 1')"
        )
        assert sorted(answer) == [
            (host("w1"), True, "1"),
            (host("w2"), False, f"failed to connect to {host('w2')}:5432"),
        ]
        health = shop.rows(
            "SELECT DISTINCT from_nodename, result FROM citus_check_cluster_node_health()"
            " WHERE to_nodename = %s", host("w2")
        )  # fmt: skip
        assert sorted(health) == [(host("c"), False), (host("w1"), False), (host("w2"), None)]
    shop.run("CREATE EXTENSION pg_trgm")


def test_a_dead_worker_without_shards_can_go(database: Make) -> None:
    shop = database("w1", "w2", "w3")
    shop.run("CREATE TABLE r (id int PRIMARY KEY)")
    shop.run("SELECT create_reference_table('r')")
    with stopped("w3"):
        shop.run("SELECT citus_disable_node(%s, 5432, synchronous => true)", host("w3"))
        assert len(shop.rows("SELECT * FROM citus_get_active_worker_nodes()")) == 2
        shop.run("SELECT citus_remove_node(%s, 5432)", host("w3"))
    assert set(shop.placements(reference=True)) == {"c", "w1", "w2"}


def test_a_node_changes_its_address(database: Make) -> None:
    shop = database("w1")
    address = docker(
        "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", host("w1")
    )
    node = shop.one("SELECT nodeid FROM pg_dist_node WHERE groupid <> 0")
    shop.run("SELECT citus_update_node(%s, %s, 5432)", node, address)
    synced: LiteralString = "SELECT bool_and(metadatasynced) FROM pg_dist_node"
    wait_for("the new address", lambda: shop.one(synced))
    assert shop.rows("SELECT nodename, success FROM run_command_on_workers('SELECT 1')") == [
        (address, True)
    ]


def test_commands_on_workers_report_row_by_row(database: Make) -> None:
    shop = database("w1")
    answer = shop.rows(
        "SELECT success, result FROM run_command_on_workers(%s)", f'CREATE DATABASE "{shop.name}"'
    )
    assert answer == [(False, f'ERROR:  database "{shop.name}" already exists')]


def test_too_few_worker_processes(nodes: None) -> None:
    names = [f"crowd_{number}" for number in range(8)]
    warnings: list[str] = []
    with connect("odd", "postgres") as session:
        for name in names:
            session.execute(f"CREATE DATABASE {name}".encode())
    try:
        for name in names:
            with connect("odd", name) as session:
                session.execute("CREATE EXTENSION citus")
            with connect("odd", name) as session:
                session.add_notice_handler(lambda n: warnings.append(n.message_primary or ""))
                session.execute("SELECT count(*) FROM citus_tables")
        assert "could not start maintenance background worker" in warnings
    finally:
        with connect("odd", "postgres") as session:
            for name in names:
                session.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_settings(database: Make) -> None:
    shop = database()
    with refused('invalid configuration parameter name "citus.no_such_setting"'):
        shop.run("SET citus.no_such_setting = 1")
    with refused("cannot be changed now"):
        shop.run("SET citus.node_conninfo = 'sslmode=disable'")
    with refused("invalid value for parameter"):
        shop.run("ALTER SYSTEM SET citus.node_conninfo = 'password=x'")
    assert shop.one("SHOW ssl") == "on"
    assert shop.one("SHOW citus.node_conninfo") == "sslmode=require"
