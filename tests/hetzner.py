"""Hetzner Cloud APIs of the tests' own. Nothing is behind them: no server can be logged in to."""

import fcntl
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from ops.stack import REPOSITORY

if TYPE_CHECKING:
    from hcloud.servers import BoundServer

START = REPOSITORY / "sandbox" / "hetzner" / "start.sh"


class HetznerApi:
    """An API that runs."""

    def __init__(self, endpoint: str, token: str) -> None:
        from hcloud import Client

        self.endpoint = endpoint
        self.token = token
        self.client = Client(token, api_endpoint=endpoint, poll_interval=0.02)

    def make_server(self, name: str, server_type: str, *, stack: str = "prod") -> "BoundServer":
        """A server that runs."""
        from hcloud.images import Image
        from hcloud.locations import Location
        from hcloud.server_types import ServerType

        made = self.client.servers.create(
            name=name,
            server_type=ServerType(name=server_type),
            image=Image(name="debian-12"),
            location=Location(name="fsn1"),
            labels={"stack": stack},
        )
        for action in [made.action, *made.next_actions]:
            action.wait_until_finished()
        made.server.reload()
        return made.server


@contextmanager
def hetzner_api(*options: str) -> Iterator[HetznerApi]:
    """Starts one, with options of `python -m cloud`, on a port that is free."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        # The first start installs what the server needs.
        with (Path(tempfile.gettempdir()) / "arquitectura-tests-hetzner.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            started = subprocess.run(
                [START, "--backend", "memory", *options],
                env={
                    **os.environ,
                    "HETZNER_SANDBOX_STATE": str(state),
                    "HETZNER_SANDBOX_PORT": str(port),
                },
                capture_output=True,
                text=True,
                check=False,
            )
        assert started.returncode == 0, started.stderr
        process = int((state / "pid").read_text())
        try:
            yield HetznerApi(f"http://127.0.0.1:{port}/v1", (state / "token").read_text())
        finally:
            os.kill(process, signal.SIGTERM)
            Retrying(wait=wait_fixed(0.02), stop=stop_after_delay(20), retry=retry_if_result(bool))(
                _is_open, port
            )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _is_open(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
