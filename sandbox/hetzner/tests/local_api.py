"""API servers of their own for the tests, each started by `start.sh`."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hcloud import Client, constant_backoff_function

START = Path(__file__).parents[1] / "start.sh"


class Api:
    """A server that runs."""

    def __init__(self, state: Path, port: int, *options: str) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self.state = state
        started = subprocess.run(
            [START, *options],
            env={
                **os.environ,
                "HETZNER_SANDBOX_STATE": str(state),
                "HETZNER_SANDBOX_PORT": str(port),
            },
            capture_output=True,
            text=True,
        )
        assert started.returncode == 0, started.stderr
        self.token = (state / "token").read_text()

    def client(self, token: str | None = None) -> Client:
        return Client(
            token or self.token,
            api_endpoint=self.url,
            poll_interval=constant_backoff_function(0.02),
        )

    def stop(self) -> None:
        process = int((self.state / "pid").read_text())
        os.kill(process, signal.SIGTERM)
        wait(lambda: not Path(f"/proc/{process}").exists(), 20)


def wait(condition: object, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


@contextmanager
def api(state: Path, port: int, *options: str) -> Iterator[Api]:
    server = Api(state, port, *options)
    try:
        yield server
    finally:
        server.stop()
