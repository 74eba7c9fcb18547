"""Dokploy's HTTP API, through SSH: it need not be reachable from anywhere."""

import json
import socket
import subprocess
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from http.cookies import SimpleCookie
from typing import Any

from typing_extensions import override

from components.dokploy.server import DokployError, ssh
from components.dynamic import Properties
from components.hosts.ssh import SSH_FAILED

PORT = 3000
TIMEOUT = 180
"""Seconds that an answer may take. For the first account Dokploy asks several places on the
internet for its own address, and waits a minute for those that do not answer."""

UNAUTHORIZED, BUSY = 401, 429
BUSY_SECONDS = 60
"""How long it may refuse to be asked so often: it takes three attempts to log in, each ten
seconds."""
BUSY_PAUSE = 3

SSH_ENDS_SECONDS = 5
"""How long SSH may take to end with its connection."""


class RefusedError(DokployError):
    """Dokploy answers, and refuses. The text is Dokploy's own."""


class _BusyError(RefusedError):
    """It has been asked too often."""


class Session:
    """Calls of the API with one credential.

    Attributes:
        headers: what proves who asks.
    """

    def __init__(self, props: Properties, headers: Mapping[str, str] | None = None) -> None:
        self._props = props
        self.headers = dict(headers or {})

    def get(self, call: str) -> Any:
        """What a query such as `destination.all` answers."""
        return self._ask("GET", call)

    def post(self, call: str, **body: object) -> Any:
        """What a call such as `destination.create` or `auth/sign-in/email` answers.

        A cookie that comes with the answer is part of the session from then on.
        """
        return self._ask("POST", call, body)

    def _ask(self, method: str, call: str, body: Mapping[str, object] | None = None) -> Any:
        """The decoded answer.

        Raises:
            RefusedError: a status of 400 or above.
            DokployError: no answer.
        """
        from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

        again = Retrying(
            wait=wait_fixed(BUSY_PAUSE),
            stop=stop_after_delay(BUSY_SECONDS),
            retry=retry_if_exception_type(_BusyError),
            reraise=True,
        )
        return again(self._ask_once, method, call, body)

    def _ask_once(self, method: str, call: str, body: Mapping[str, object] | None) -> Any:
        server = self._props["server"]
        connection = _Connection(ssh(self._props, "-W", f"127.0.0.1:{PORT}"))
        try:
            connection.request(
                method,
                f"/api/{call}",
                body=None if body is None else json.dumps(body),
                headers={
                    **self.headers,
                    "Content-Type": "application/json",
                    "Connection": "close",  # and with it SSH ends
                },
            )
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            why = connection.end() or error
            raise DokployError(
                f"Dokploy on {server} does not answer ({why}): see that the server is on, and what "
                "`docker service ps dokploy` says there"
            ) from None
        finally:
            connection.end()
        cookies = SimpleCookie()
        for header in answer.headers.get_all("Set-Cookie", []):
            cookies.load(header)
        if cookies:
            self.headers["Cookie"] = "; ".join(f"{n}={c.coded_value}" for n, c in cookies.items())
        decoded = _decoded(content)
        if answer.status >= 400:
            said = decoded.get("message") if isinstance(decoded, Mapping) else None
            refusal = _BusyError if answer.status == BUSY else RefusedError
            why = (said or f"status {answer.status}").rstrip(".")
            if answer.status == UNAUTHORIZED:
                why += ", which it also says while its database is down"
            raise refusal(f"Dokploy on {server} refuses {call}: {why}")
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

    def end(self) -> str:
        """Ends it; what SSH says, if it has failed."""
        self.close()
        process, self._process = self._process, None
        if process is None:
            return ""
        try:
            said = process.communicate(timeout=SSH_ENDS_SECONDS)[1]
        except subprocess.TimeoutExpired:
            process.terminate()
            said = process.communicate()[1]
        return said.strip() if process.returncode == SSH_FAILED else ""
