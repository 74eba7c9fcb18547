"""A model of the part of Dokploy's HTTP API that the program uses: `model.py ADDRESS PORT`.

Written after a recording of v0.30.2; see README.md.
"""

import json
import re
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Body = dict[str, Any]
COOKIE = "better-auth.session_token"
ATTEMPTS, WINDOW = 3, 10.0
"""How often one may sign in or up within so many seconds."""
KEY_USES = 5
"""How often a key with a limit opens something."""
FIELDS = {
    "name", "provider", "accessKey", "bucket", "region", "endpoint", "secretAccessKey",
    "additionalFlags",
}  # fmt: skip
FLAG = re.compile(r"--[a-zA-Z0-9-]+(=[a-zA-Z0-9._:/@-]+)?")


class RefusedError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.body = status, {"message": message, **more}


class Dokploy:
    """What Dokploy knows."""

    def __init__(self) -> None:
        self.owner: Body | None = None
        self.organization: str | None = None
        self.sessions: set[str] = set()
        self.keys: dict[str, int | None] = {}
        self.destinations: dict[str, Body] = {}
        self.attempts: dict[str, list[float]] = {}

    def sign_up(self, body: Body) -> Body:
        """Makes the owner, once."""
        if len(body.get("password", "")) < 8:
            raise RefusedError(400, "Password too short", code="PASSWORD_TOO_SHORT")
        if "@" not in body.get("email", ""):
            message = "[body.email] Invalid email address"
            raise RefusedError(400, message, code="VALIDATION_ERROR")
        if self.owner and self.owner["email"] == body["email"]:
            code = "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL"
            raise RefusedError(422, "User already exists. Use another email.", code=code)
        if self.owner:
            raise RefusedError(400, "Admin is already created")
        self.owner = {key: body[key] for key in ("name", "lastName", "email", "password")}
        self.organization = secrets.token_hex(8)
        return self._session()

    def sign_in(self, body: Body) -> Body:
        """Opens a session of the owner's."""
        owner = self.owner
        if owner is None or any(owner[key] != body.get(key) for key in ("email", "password")):
            message = "Invalid email or password"
            raise RefusedError(401, message, code="INVALID_EMAIL_OR_PASSWORD")
        return self._session()

    def _session(self) -> Body:
        token = secrets.token_hex(16)
        self.sessions.add(token)
        return {"token": token}

    def limit(self, path: str) -> None:
        """Refuses what is tried too often."""
        now = time.monotonic()
        recent = [at for at in self.attempts.get(path, []) if now - at < WINDOW]
        if len(recent) >= ATTEMPTS:
            raise RefusedError(429, "Too many requests. Please try again later.")
        self.attempts[path] = [*recent, now]

    def create_key(self, body: Body) -> Body:
        """Makes a key for the API."""
        name = body.get("name")
        metadata = body.get("metadata")
        if not (isinstance(name, str) and 0 < len(name) <= 32 and isinstance(metadata, dict)):
            raise RefusedError(400, "Input validation failed", code="BAD_REQUEST")
        if self.organization is None or metadata.get("organizationId") != self.organization:
            message = "You are not a member of this organization"
            raise RefusedError(403, message, code="FORBIDDEN")
        key = secrets.token_hex(32)
        self.keys[key] = KEY_USES if body.get("rateLimitEnabled", True) else None
        return {"name": name, "key": key}

    def session(self) -> Body | None:
        """Whose session it is; nothing while the account has no organization yet."""
        if self.organization is None:
            return None
        return {"session": {"activeOrganizationId": self.organization}}

    def may(self, key: str | None, session: str | None) -> bool:
        """Whether a key or else a session opens what needs one."""
        if key is None:
            return session in self.sessions
        left = self.keys.get(key, 0)
        if left is not None:
            self.keys[key] = left - 1
        return left is None or left > 0

    def create_destination(self, body: Body) -> Body:
        """Adds a destination, whatever others have its name."""
        _check(body, FIELDS - {"additionalFlags"})
        made = {
            "additionalFlags": [],
            **{key: body[key] for key in FIELDS if key in body},
            "destinationId": secrets.token_urlsafe(15),
            "organizationId": self.organization,
        }
        self.destinations[made["destinationId"]] = made
        return made

    def update_destination(self, body: Body) -> Body:
        """Changes all of a destination."""
        _check(body, {*FIELDS, "destinationId"} - {"additionalFlags"})
        if body["destinationId"] not in self.destinations:
            raise RefusedError(400, "Destination not found", code="BAD_REQUEST")
        found = self.destinations[body["destinationId"]]
        found.update({"additionalFlags": [], **{key: body[key] for key in FIELDS if key in body}})
        return found

    def remove_destination(self, body: Body) -> Body:
        """Takes a destination away."""
        _check(body, {"destinationId"})
        if body["destinationId"] not in self.destinations:
            raise RefusedError(404, "Destination not found", code="NOT_FOUND")
        return self.destinations.pop(body["destinationId"])


def _check(body: Body, needed: set[str]) -> None:
    flags = body.get("additionalFlags") or []
    if needed - body.keys() or body.get("name") == "" or not all(map(FLAG.fullmatch, flags)):
        raise RefusedError(400, "Input validation failed", code="BAD_REQUEST")


class Handler(BaseHTTPRequestHandler):
    """Answers requests."""

    dokploy: Dokploy
    lock = Lock()
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answers a query."""
        self._answer({})

    def do_POST(self) -> None:
        """Answers a call."""
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Type") != "application/json":
            self._send(415, {"message": "Missing content-type header"})
            return
        try:
            self._answer(json.loads(content))
        except json.JSONDecodeError:
            self._send(400, "Invalid JSON")

    def _answer(self, body: Body) -> None:
        url = urlsplit(self.path)
        if url.path == "/" and not self.dokploy.owner:
            self._send(307, "/register", Location="/register")
            return
        try:
            with self.lock:
                made = self._call(self.command, url.path, {**dict(parse_qsl(url.query)), **body})
            self._send(200, made)
        except RefusedError as refused:
            self._send(refused.status, refused.body)

    def _call(self, method: str, path: str, body: Body) -> Any:
        dokploy = self.dokploy
        if (method, path) == ("GET", "/api/trpc/settings.health"):
            return {"result": {"data": {"json": {"status": "ok"}}}}
        if (method, path) == ("GET", "/"):
            return "the page to log in at"
        if path == "/api/deploy/github":
            raise RefusedError(401, "Missing signature header")
        if path.startswith("/api/deploy/"):
            raise RefusedError(404, "Application Not Found")
        signing: Mapping[str, Callable[[Body], Body]] = {
            "/api/auth/sign-up/email": dokploy.sign_up,
            "/api/auth/sign-in/email": dokploy.sign_in,
        }
        if method == "POST" and path in signing:
            self._check_origin()
            dokploy.limit(path)
            return signing[path](body)
        calls: Mapping[tuple[str, str], Callable[[Body], Any]] = {
            ("POST", "/api/user.createApiKey"): dokploy.create_key,
            ("GET", "/api/user.session"): lambda _: dokploy.session(),
            ("GET", "/api/destination.all"): lambda _: list(dokploy.destinations.values()),
            ("POST", "/api/destination.create"): dokploy.create_destination,
            ("POST", "/api/destination.update"): dokploy.update_destination,
            ("POST", "/api/destination.remove"): dokploy.remove_destination,
        }
        if not dokploy.may(self.headers.get("x-api-key"), self._cookie()):
            raise RefusedError(401, "Unauthorized")
        if (method, path) not in calls:
            raise RefusedError(404, "Not found", code="NOT_FOUND")
        return calls[method, path](body)

    def _check_origin(self) -> None:
        origin = self.headers.get("Origin")
        if origin is None and self.headers.get("Cookie"):
            raise RefusedError(403, "Missing or null Origin", code="MISSING_OR_NULL_ORIGIN")
        if origin not in (None, f"http://{self.headers.get('Host')}"):
            raise RefusedError(403, "Invalid origin", code="INVALID_ORIGIN")

    def _cookie(self) -> str | None:
        found = re.search(rf"{re.escape(COOKIE)}=([0-9a-f]+)", self.headers.get("Cookie") or "")
        return found and found[1]

    def _send(self, status: int, body: Any, **headers: str) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        if isinstance(body, dict) and "token" in body:
            cookie = f"{COOKIE}={body['token']}; Max-Age=259200; Path=/; HttpOnly; SameSite=Lax"
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Says nothing: a path may hold a secret."""


def serve(address: str, port: int, dokploy: Dokploy) -> ThreadingHTTPServer:
    """A server that answers for a Dokploy once it is started."""
    handler = type("Of", (Handler,), {"dokploy": dokploy})
    return ThreadingHTTPServer((address, port), handler)


if __name__ == "__main__":
    with serve(sys.argv[1], int(sys.argv[2]), Dokploy()) as server:
        server.serve_forever()
