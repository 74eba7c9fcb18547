"""Runs the API server: `python -m cloud --help`."""

import argparse
import logging
import os
import secrets
from ipaddress import IPv4Network
from pathlib import Path

import uvicorn

from cloud.api import application
from cloud.backends.base import Backend, Stopped
from cloud.backends.memory import MemoryBackend
from cloud.catalog import sell_out
from cloud.project import Project
from cloud.store import Store


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="cloud",
        description="A Hetzner Cloud API on 127.0.0.1. Its token: the file `token` in --state.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8450)
    parser.add_argument("--state", type=Path, required=True, help="folder for state and volumes")
    parser.add_argument("--backend", choices=("docker", "memory"), default="docker")
    parser.add_argument(
        "--name", default="hetzner", help="prefix of the containers, networks and volumes"
    )
    parser.add_argument(
        "--public-range",
        type=IPv4Network,
        default=IPv4Network("172.31.203.0/24"),
        help="the servers' public addresses; a private range, since what else is there would be "
        "out of reach for this machine",
    )
    parser.add_argument(
        "--action-seconds", type=float, default=0.2, help="how long an action takes at least"
    )
    parser.add_argument("--requests-per-hour", type=int, default=1_000_000, help="the rate limit")
    parser.add_argument(
        "--sold-out",
        action="append",
        default=[],
        metavar="TYPE@LOCATION",
        help="a server type that cannot be had in a location, such as cx33@fsn1",
    )
    options = parser.parse_args()
    for item in options.sold_out:
        try:
            sell_out(*item.split("@"))
        except (TypeError, ValueError) as error:
            parser.error(f"--sold-out {item}: {error}")
    return options


def _token(path: Path) -> str:
    """The project's token, made at the first start. Nobody else may read it."""
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text().strip()


def main() -> None:
    """Serves until it is told to end; servers go on running."""
    options = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    options.state.mkdir(parents=True, exist_ok=True, mode=0o700)

    def backend(stopped: Stopped) -> Backend:
        if options.backend == "memory":
            return MemoryBackend(stopped)
        from cloud.backends.docker import DockerBackend

        return DockerBackend(options.name, options.public_range, options.state, stopped)

    store = Store(options.state / "state.json")
    project = Project(store, backend, options.public_range, options.action_seconds)
    app = application(project, _token(options.state / "token"), options.requests_per_hour)
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")


main()
