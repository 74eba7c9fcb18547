"""A run that is killed half way is completed by the next one."""

import signal
from collections.abc import Iterator

import pytest

from tests.local.database import ROWS, admin, contents, fill, members
from tests.stack import LiveStack, Ports, container_ids, live_stack, real

PORTS = Ports(api=17100, console=17101, postgres=17102)
PROJECTS: dict[str, dict[str, object]] = {"shop": {}}
WORKERS = [f"test-interrupted-citus-worker-{n}" for n in (1, 2, 3)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    directory = tmp_path_factory.mktemp("interrupted")
    with live_stack("test-interrupted", directory, PORTS, projects=PROJECTS) as stack:
        stack.up()
        fill(stack.outputs()["projects"]["shop"]["database_url"])
        if not real("citus"):
            # Moves that take as long as those of real data.
            admin(stack, "ALTER SYSTEM SET citus_standin.move_delay = '200ms'")
            admin(stack, "SELECT pg_reload_conf()")
        yield stack


def kill_while_moving(stack: LiveStack) -> None:
    """Starts an `up` and kills the engine when the first shards of `shop` have moved."""
    run = stack.start("up", "--yes", "--skip-preview", "--stack", stack.name)
    assert run.stdout
    said = ""
    for line in run.stdout:
        said += line
        if "shop: moved " in line:
            run.send_signal(signal.SIGKILL)
            break
    run.stdout.close()
    assert run.wait() == -signal.SIGKILL, said


@pytest.mark.parametrize("workers", [3, 2])
def test_the_next_run_completes_it(stack: LiveStack, workers: int) -> None:
    url = stack.outputs()["projects"]["shop"]["database_url"]
    stack.configure(projects=PROJECTS, citus={"workers": workers})
    kill_while_moving(stack)
    locked = stack.cli("up", "--yes", "--skip-preview", "--stack", stack.name)
    assert "pulumi cancel" in locked.stderr + locked.stdout
    assert stack.cli("cancel", "--yes", "--stack", stack.name).returncode == 0
    stack.up()
    for database in ("postgres", "shop"):
        assert members(stack, database) == WORKERS[:workers]
    assert (WORKERS[2] in container_ids("test-interrupted")) == (workers == 3)
    assert contents(url)[0] == ROWS
    stack.preview(expect_no_changes=True)
