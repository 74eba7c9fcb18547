"""Asks a stack's Prometheus: directly on this machine, through SSH where it is on a server.

The libraries for its HTTP API bring data frames and plots; one request is all that is needed here.
"""

import math
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from config.plan import MAIN, Plan
from ops.hosts import ssh_config

LOCALHOST = "127.0.0.1"

TIMEOUT = Timeout(connect=10, read=150)
"""Seconds. Prometheus itself gives a query up after two minutes."""

LOGIN_SECONDS = 30
"""How long the login to a server may take."""


class PrometheusError(Exception):
    """Prometheus could not be asked. The text says why, and what to do."""


@dataclass(frozen=True)
class Sample:
    """A value and what it is of."""

    labels: Mapping[str, str]
    value: float


class Prometheus:
    """The HTTP API of a Prometheus.

    Args:
        url: of its root.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = PoolManager(timeout=TIMEOUT, retries=False)

    def ask(self, expression: str) -> Sequence[Sample]:
        """The instant vector that an expression gives now, without what is not a number.

        Raises:
            PrometheusError: it does not answer, or refuses the expression.
        """
        try:
            response = self._pool.request(
                "GET", f"{self._url}/api/v1/query", fields={"query": expression}
            )
            answer: dict[str, Any] = response.json()
        except (HTTPError, ValueError) as error:
            raise PrometheusError(
                f"Prometheus does not answer at {self._url} ({error}): is the stack up, with "
                "monitoring.enabled?"
            ) from None
        if answer.get("status") != "success":
            raise PrometheusError(f"Prometheus refuses {expression}: {answer.get('error')}")
        samples = (
            Sample(result["metric"], float(result["value"][1]))
            for result in answer["data"]["result"]
        )
        return [sample for sample in samples if not math.isnan(sample.value)]


@contextmanager
def prometheus_of(plan: Plan) -> Iterator[Prometheus]:
    """A stack's Prometheus, reached on the port that it has on its host.

    Raises:
        HostError: the file that knows the server is missing.
        PrometheusError: the stack is not monitored, or the login to the server fails.
    """
    if plan.monitoring is None:
        raise PrometheusError(
            f"{plan.stack} is not monitored: pulumi config set --stack {plan.stack} --path "
            "'arquitectura:monitoring.enabled' true, then pulumi up"
        )
    (service,) = plan.monitoring.of_kind("prometheus")
    if plan.hetzner is None:
        yield Prometheus(f"http://{LOCALHOST}:{service.published}")
        return
    address = next(server.private_ip for server in plan.hetzner.servers if server.name == MAIN)
    with tunnel(ssh_config(plan), MAIN, f"{address}:{service.published}") as port:
        yield Prometheus(f"http://{LOCALHOST}:{port}")


@contextmanager
def tunnel(config: Path, server: str, target: str) -> Iterator[int]:
    """A port of this machine that leads to an address which a server reaches.

    Args:
        config: file for `ssh -F` that knows the server.
        server: its name there.
        target: `host:port`.

    Raises:
        PrometheusError: the login fails; the text has what `ssh` says.
    """
    port = _free_port()
    forward = f"{LOCALHOST}:{port}:{target}"
    options = ("-N", "-o", "ExitOnForwardFailure=yes", "-L", forward)
    with tempfile.TemporaryFile("w+") as said:
        ssh = subprocess.Popen(
            ["ssh", "-F", str(config), *options, server],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        try:
            _wait(ssh, port)
            if ssh.poll() is not None:
                said.seek(0)
                raise PrometheusError(f"ssh to {server} fails: {said.read().strip()}")
            yield port
        finally:
            ssh.terminate()
            ssh.wait()


def _free_port() -> int:
    with socket.create_server((LOCALHOST, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _wait(ssh: subprocess.Popen[bytes], port: int) -> None:
    """Waits until the port takes connections, or `ssh` has ended."""

    def decided() -> bool:
        if ssh.poll() is not None:
            return True
        with socket.socket() as probe:
            return probe.connect_ex((LOCALHOST, port)) == 0

    try:
        Retrying(
            wait=wait_fixed(0.1),
            stop=stop_after_delay(LOGIN_SECONDS),
            retry=retry_if_result(lambda done: not done),
        )(decided)
    except RetryError:
        raise PrometheusError(f"ssh has not logged in within {LOGIN_SECONDS} s") from None
