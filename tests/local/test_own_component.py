"""The example of a program of one's own, brought up from the wheel and taken down."""

from pathlib import Path

from tests.local.database import ask
from tests.local.storage import client, presigned, put
from tests.own_component import own_component
from tests.stack import Ports, on_engine, remove_from_engine

PORTS = Ports(api=17700, console=17701, postgres=17702)


def test_a_program_of_ones_own(tmp_path: Path) -> None:
    stack = own_component("test-own-life", tmp_path, PORTS)
    try:
        stack.up()
        app = stack.outputs()["app"]
        url = app["database_url"]
        assert ask(url, "SELECT count(*) FROM citus_get_active_worker_nodes()") == 2
        assert put(presigned(client(app), "put_object", app["buckets"]["files"], "a"), b"x") == 200
        stack.preview(expect_no_changes=True)
        stack.automation.destroy()
        assert not any(on_engine(stack.name).values())
    finally:
        remove_from_engine(stack.name)
