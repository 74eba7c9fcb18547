"""`make status`, `psql`, `mc` and `logs` as a user types them, and the SQL of the docs."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from ops.stack import REPOSITORY
from tests.local.database import fill
from tests.local.test_monitoring import eventually
from tests.markdown import Block, blocks
from tests.stack import LiveStack, Ports, container_ids, docker, live_stack, real

NAME = "test-hand"
PORTS = Ports(api=22320, console=22321, postgres=22322)
MONITORING = {
    "enabled": True,
    "interval": 2,
    "port": 22323,
    "alertmanager_port": 22324,
    # Nobody is to be told that the machine is busy with tests.
    "thresholds": {"cpu_percent": 100, "memory_percent": 100, "disk_free_percent": 1},
}
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
SQL = [block for page in PAGES for block in blocks(page) if block.language == "sql"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    directory = tmp_path_factory.mktemp("hand")
    sections = {
        "projects": {"shop": {"buckets": {"uploads": {}}}, "odd": {"database": 'Odd "Data"'}},
        "monitoring": MONITORING,
    }
    with live_stack(NAME, directory, PORTS, **sections) as stack:
        (directory / "Makefile").symlink_to(REPOSITORY / "Makefile")
        # The commands look for the config where they are: a link would lead them elsewhere.
        shutil.copytree(REPOSITORY / "ops", directory / "ops")
        stack.up()
        fill(stack.outputs()["projects"]["shop"]["database_url"])
        yield stack


def make(stack: LiveStack, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments, f"STACK={NAME}"],
        cwd=stack.directory,
        env={**os.environ, **stack.environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def started(stack: LiveStack, *arguments: str) -> subprocess.Popen[str]:
    """One that goes on; what it says can be read line by line."""
    return subprocess.Popen(
        ["make", *arguments, f"STACK={NAME}"],
        cwd=stack.directory,
        env={**os.environ, **stack.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# -- make status -------------------------------------------------------------------------------


def test_everything_is_up(stack: LiveStack) -> None:
    def up() -> str:
        shown = make(stack, "status")
        return shown.stdout if shown.returncode == 0 else ""

    page = eventually(up, within=60)  # exporters become healthy
    assert "Everything is up." in page
    assert "citus-worker-1  " in page
    assert "shop 17" in page or "shop 16" in page  # 32 shards and a copy of a reference table
    assert 'Odd "Data" 0' in page
    assert "  none\n" in page.partition("Alerts\n")[2]


@pytest.mark.skipif(not real("minio"), reason="the stand-in has no admin API, which knows drives")
def test_drives_are_counted(stack: LiveStack) -> None:
    assert "pool 1  1 node, 4 of 4 drives work" in make(stack, "status").stdout


@pytest.mark.skipif(real("minio"), reason="the real MinIO knows its drives")
def test_a_stand_in_says_why_it_knows_no_drives(stack: LiveStack) -> None:
    page = make(stack, "status").stdout
    assert "pool 1  1 node of 4 drives" in page
    assert "SeaweedFS stands in for MinIO here, without its admin API" in page


def test_what_is_down_is_named_and_makes_it_fail(stack: LiveStack) -> None:
    worker, storage = stack.container("citus-worker-2"), stack.container("minio-1")
    docker("stop", worker, storage)
    try:
        shown = make(stack, "status")
    finally:
        docker("start", worker, storage)
    assert shown.returncode != 0
    assert "DOWN  citus-worker-2 is exited" in shown.stdout
    assert "DOWN  minio-1 is exited" in shown.stdout
    assert "no node of MinIO runs: test-hand-minio-1 is exited" in shown.stdout
    # The coordinator still knows what lies where.
    assert "citus-worker-2  " in shown.stdout


def test_a_coordinator_that_is_away_is_said_in_words(stack: LiveStack) -> None:
    coordinator = stack.container("citus-coordinator")
    docker("stop", coordinator)
    try:
        shown = make(stack, "status")
    finally:
        docker("start", coordinator)
    assert shown.returncode != 0
    assert "DOWN  citus-coordinator is exited" in shown.stdout
    assert "DOWN  Citus does not say what its workers have" in shown.stdout
    eventually(lambda: make(stack, "psql", stdin="SELECT 1").returncode == 0, within=30)


# -- make psql ---------------------------------------------------------------------------------


def test_psql_is_the_projects_owner(stack: LiveStack) -> None:
    asked = make(stack, "psql", "PROJECT=shop", stdin="SELECT current_user, count(*) FROM events;")
    assert asked.returncode == 0, asked.stderr
    assert "shop         | 100000" in asked.stdout


def test_without_a_project_it_is_the_superuser(stack: LiveStack) -> None:
    asked = make(stack, "psql", stdin="SELECT current_user, current_database();")
    assert "postgres     | postgres" in asked.stdout


def test_a_database_of_another_name_is_found(stack: LiveStack) -> None:
    asked = make(stack, "psql", "PROJECT=odd", stdin="SELECT current_database();")
    assert 'Odd "Data"' in asked.stdout


def test_a_project_that_is_none(stack: LiveStack) -> None:
    asked = make(stack, "psql", "PROJECT=blog")
    assert asked.returncode != 0
    assert f"blog is no project of stack {NAME}, which has odd, shop" in asked.stderr


@pytest.mark.parametrize("block", SQL, ids=str)
def test_the_sql_of_the_docs_runs(stack: LiveStack, block: Block) -> None:
    asked = make(stack, "psql", "PROJECT=odd", stdin=f"\\set ON_ERROR_STOP on\n{block.text}")
    assert asked.returncode == 0, asked.stderr


# -- make mc, make logs ------------------------------------------------------------------------


@pytest.mark.skipif(not real("minio"), reason="the stand-in has no `mc` but for health checks")
def test_mc_administers(stack: LiveStack) -> None:
    assert "4 drives online" in make(stack, "mc", "CMD=admin info local").stdout
    assert make(stack, "mc", "CMD=mb local/scratch").returncode == 0
    assert "scratch" in make(stack, "mc", "CMD=ls local").stdout
    assert make(stack, "mc", "CMD=admin user list local --json").returncode == 0
    assert make(stack, "mc", "CMD=pipe local/scratch/a", stdin="hello").returncode == 0
    assert "hello" in make(stack, "mc", "CMD=cat local/scratch/a").stdout
    assert make(stack, "mc", "CMD=rb --force local/scratch").returncode == 0


@pytest.mark.skipif(real("minio"), reason="the real MinIO does not refuse")
def test_the_stand_in_refuses_with_the_reason(stack: LiveStack) -> None:
    refused = make(stack, "mc", "CMD=admin info local")
    assert refused.returncode != 0
    assert "mc admin info local: SeaweedFS stands in for MinIO here" in refused.stderr


def test_mc_asks_what_is_wanted(stack: LiveStack) -> None:
    asked = make(stack, "mc")
    assert asked.returncode != 0
    assert 'make mc CMD="admin info local"' in asked.stderr


def test_the_root_password_can_be_seen_nowhere(stack: LiveStack) -> None:
    password = stack.outputs()["s3_root_password"]
    container = stack.container("minio-1")
    with started(stack, "mc", "CMD=ping local --interval 1") as running:
        said = running.stdout.readline() if running.stdout else ""
        seen = subprocess.check_output(["ps", "axwwe"], text=True)
        running.terminate()
    assert said
    assert password not in seen + docker("inspect", container) + said


def test_logs_follow_a_container(stack: LiveStack) -> None:
    with started(stack, "logs", "SERVICE=citus-coordinator") as running:
        assert running.stdout
        make(stack, "psql", stdin="SELECT no_such_function();")
        found = next(line for line in running.stdout if "no_such_function" in line)
        running.terminate()
    assert "does not exist" in found


def test_a_container_that_is_none(stack: LiveStack) -> None:
    asked = make(stack, "logs", "SERVICE=citus-worker-9")
    assert asked.returncode != 0
    assert "there is no citus-worker-9: the stack has " in asked.stderr
    assert "citus-worker-2" in asked.stderr


def test_the_commands_leave_no_process(stack: LiveStack) -> None:
    container = container_ids(NAME)[stack.container("citus-coordinator")]
    assert "psql" not in docker("top", container)
