"""Dokploy for tests: the sandbox's installer, where a server can fetch it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from ops.stack import REPOSITORY
from tests.cloud.servers import PUSH, REGISTRY_HERE

SANDBOX = REPOSITORY / "sandbox" / "dokploy"
IMAGE = "arquitectura-sandbox/dokploy:model"
BUSYBOX = "arquitectura-sandbox/busybox:1"
BREAKS = (
    "#!/bin/sh\ndocker swarm init --advertise-addr $ADVERTISE_ADDR\necho no space left\nexit 1\n"
)
"""An installer that fails half-way."""


@dataclass
class Installer:
    """An installer that is served.

    Attributes:
        url: where.
        text: what is served.
        fetched: how often it was.
    """

    text: str
    url: str = ""
    fetched: int = field(default=0)


@contextmanager
def installer(address: str, registry: str) -> Iterator[Installer]:
    """Serves the sandbox's installer.

    Args:
        address: of this machine, as the servers see it.
        registry: `host:port` that the servers get images from.
    """
    subprocess.run([SANDBOX / "build.sh"], check=True)
    subprocess.run([sys.executable, PUSH, REGISTRY_HERE, IMAGE], check=True)
    text = (SANDBOX / "install.sh").read_text()
    for mark, image in (("@IMAGE@", IMAGE), ("@BUSYBOX@", BUSYBOX)):
        text = text.replace(mark, f"{registry}/{image}")
    served = Installer(text)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.fetched += 1
            content = served.text.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer((address, 0), Handler) as server:
        served.url = f"http://{address}:{server.server_port}/install.sh"
        Thread(target=server.serve_forever, daemon=True).start()
        yield served
        server.shutdown()
