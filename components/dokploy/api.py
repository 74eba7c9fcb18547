"""Dokploy's HTTP API, through SSH: it need not be reachable from anywhere."""

import json
import socket
import subprocess
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from typing_extensions import override

from components.dokploy.server import DokployError, ssh
from components.dynamic import Properties

PORT = 3000
TIMEOUT = 60
"""Seconds that an answer may take."""

KEY_NAME = "arquitectura"


class RefusedError(DokployError):
    """Dokploy answers, and refuses. The text is Dokploy's own."""


class Session:
    """Calls of the API with one credential.

    Attributes:
        headers: what proves who asks.
    """

    def __init__(self, props: Properties, headers: Mapping[str, str] | None = None) -> None:
        self._props = props
        self.headers = dict(headers or {})

    def get(self, call: str, **query: str) -> Any:
        """What a query such as `destination.all` answers."""
        return self._ask("GET", f"/api/{call}" + (f"?{urlencode(query)}" if query else ""))

    def post(self, call: str, **body: object) -> Any:
        """What a call such as `destination.create` or `auth/sign-in/email` answers.

        A cookie that comes with the answer is part of the session from then on.
        """
        return self._ask("POST", f"/api/{call}", body)

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """The decoded answer.

        Raises:
            RefusedError: a status of 400 or above.
            DokployError: no answer.
        """
        server = self._props["server"]
        connection = _Connection(ssh(self._props, "-W", f"127.0.0.1:{PORT}"))
        try:
            connection.request(
                method,
                path,
                body=None if body is None else json.dumps(body),
                headers={**self.headers, "Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            raise DokployError(
                f"Dokploy on {server} does not answer ({connection.why() or error}): see that the "
                "server is on, and what `docker service ps dokploy` says there"
            ) from None
        finally:
            connection.close()
        cookies = SimpleCookie()
        for header in answer.headers.get_all("Set-Cookie", []):
            cookies.load(header)
        if cookies:
            self.headers["Cookie"] = "; ".join(f"{n}={c.coded_value}" for n, c in cookies.items())
        decoded = _decoded(content)
        if answer.status >= 400:
            said = decoded.get("message") if isinstance(decoded, Mapping) else None
            call = path.partition("?")[0].removeprefix("/api/")
            raise RefusedError(
                f"Dokploy on {server} refuses {call}: {said or f'status {answer.status}'}"
            )
        return decoded


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content or b"null")
    except ValueError:
        return None


class _Connection(HTTPConnection):
    """A connection that SSH makes at the server's end; no port is opened here."""

    def __init__(self, command: Sequence[str]) -> None:
        super().__init__("127.0.0.1", PORT, timeout=TIMEOUT)
        self._command = command
        self._process: subprocess.Popen[str] | None = None

    @override
    def connect(self) -> None:
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(self.timeout)
        with theirs:
            self._process = subprocess.Popen(
                self._command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.PIPE,
                text=True,
            )

    @override
    def close(self) -> None:
        super().close()
        if self._process:
            self._process.terminate()
            self._process.communicate()

    def why(self) -> str:
        """What SSH says, when it has failed."""
        if self._process is None or self._process.poll() in (None, 0):
            return ""
        assert self._process.stderr
        return self._process.stderr.read().strip()
