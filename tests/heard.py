"""An ear, and a hand, between a program and an API."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import requests

STATUS = {"server_error": 500, "rate_limit_exceeded": 429}
"""Of an error, by its code in Hetzner's API."""


@dataclass(kw_only=True)
class Heard:
    """An API of Hetzner Cloud, and what it was asked for.

    Attributes:
        behind: URL of the API itself.
        endpoint: URL that passes requests on and remembers them.
        asked: method and path of each request.
        fails_after: what matches it is the last request that is passed on, while this is set.
        error: code of what comes then.
    """

    behind: str
    endpoint: str = ""
    asked: list[str] = field(default_factory=list)
    fails_after: str | None = None
    error: str = "server_error"

    @contextmanager
    def failing_after(self, request: str, error: str = "server_error") -> Iterator[None]:
        """Answers `out of order` to whatever comes after a request that matches."""
        self.asked.clear()
        self.fails_after, self.error = request, error
        try:
            yield
        finally:
            self.fails_after = None

    def answer(self, request: str, **more: Any) -> tuple[int, str, bytes]:
        """Status, type and body of the answer to a request such as `GET /v1/servers`."""
        method, path = request.split()
        failing = self.fails_after and any(re.match(self.fails_after, one) for one in self.asked)
        self.asked.append(request)
        if failing:
            error = {"error": {"code": self.error, "message": "out of order", "details": {}}}
            return STATUS[self.error], "application/json", json.dumps(error).encode()
        url = self.behind.removesuffix("/v1") + path
        answer = requests.request(method, url, timeout=30, **more)
        return answer.status_code, answer.headers.get("Content-Type", "text/plain"), answer.content


@contextmanager
def listening(api: Heard) -> Iterator[None]:
    """Gives the API its `endpoint`."""

    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            status, content_type, body = api.answer(
                f"{self.command} {self.path}",
                headers={
                    name: self.headers[name]
                    for name in ("Authorization", "Content-Type")
                    if name in self.headers
                },
                data=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            )
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = pass_on  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.endpoint = f"http://127.0.0.1:{server.server_port}/v1"
        Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()
