"""`ServerSize`: the type of a server, which it can change.

The hcloud provider would cut the power of a server to resize it, and leave it off. The state holds
this provider as a reference to this module and class: never move or rename them.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, UpdateResult
from typing_extensions import override

from components.dynamic import Properties, Provider, say
from components.hosts.hetzner_client import (
    HetznerApiError,
    carry_out,
    connect,
    errors_as_sentences,
    takes_connections,
    until,
)

if TYPE_CHECKING:
    from hcloud.servers import BoundServer

POLL_SECONDS = 1.0
SHUTDOWN_SECONDS = 180
"""PostgreSQL and MinIO get two minutes of it at most: systemd kills what does not end."""
CHANGE_SECONDS = 1800
"""Hetzner may have to copy the disk to another machine."""
START_SECONDS = 180

RUNNING, OFF = "running", "off"


@dataclass(frozen=True, kw_only=True)
class ServerSizeArgs:
    """A server and its type.

    Attributes:
        name: for messages, such as `data-1`.
        server_id: the server's.
        server_type: what it is to be. Its disk stays as it is, so that it can become smaller again.
        address: where it takes SSH connections.
        endpoint: URL of the Hetzner Cloud API.
        token: of the Hetzner project.
        found: what the API said of the server when the program began, see `found_as`; None for one
            that was not there. Anything but a running server of the right type is put right, also
            what a run that was killed has left behind.
    """

    name: str
    server_id: pulumi.Input[str]
    server_type: str
    address: pulumi.Input[str]
    endpoint: str
    token: pulumi.Input[str] = field(repr=False)
    found: str | None = None


def found_as(server_type: str, status: str) -> str:
    """How `ServerSizeArgs.found` writes a server's type and status."""
    return f"{server_type} {status}"


class ServerSize(Resource, name="ServerSize"):
    """A server that runs and has the given type, once this exists.

    To change it the server is shut down by its own system, which stops its containers; it is
    started again whatever Hetzner says to the change.

    Raises (when it is created or updated): `HetznerApiError` when the system does not shut down
    within three minutes (the server still runs then), Hetzner refuses the change (it runs again
    with its old type), or it does not start.
    """

    def __init__(
        self, name: str, args: ServerSizeArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(
            ServerSizeProvider(),
            name,
            {**vars(args), "token": pulumi.Output.secret(args.token)},
            pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(additional_secret_outputs=["token"])
            ),
        )


class ServerSizeProvider(Provider):
    """Changes types through the API, always from what the API says of the server."""

    @override
    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        wanted = found_as(news["server_type"], RUNNING)
        return DiffResult(
            changes=any(olds.get(key) != news.get(key) for key in ("server_id", "server_type"))
            or news.get("found") not in (None, wanted)
        )

    @override
    def create(self, props: Properties) -> CreateResult:
        reconcile(props)
        return CreateResult(id_=props["name"], outs=props)

    @override
    def update(self, _id: str, _olds: Properties, news: Properties) -> UpdateResult:
        reconcile(news)
        return UpdateResult(outs=news)


def reconcile(props: Properties) -> None:
    """Makes the server run with its type.

    Args:
        props: the properties of a `ServerSizeArgs`.

    Raises:
        HetznerApiError: see `ServerSize`.
    """
    with errors_as_sentences(props["endpoint"]):
        server = _Server(props)
        if server.type == props["server_type"] and server.status == RUNNING:
            return
        server.settle()
        refusal = None
        if server.type != props["server_type"]:
            if server.status == RUNNING:
                server.shut_down()
            refusal = server.change_type(props["server_type"])
        elif server.status == OFF:
            server.start()
        server.wait_for_ssh(props["address"])
        # Not before: the change may have been carried out although its answer was lost.
        if server.type != props["server_type"]:
            raise HetznerApiError(
                f"{server.name} could not become {props['server_type']} and runs as {server.type} "
                f"again: {refusal}. Choose another server_type, or try again later"
            )


class _Server:
    """A server, with what the API said last of it."""

    def __init__(self, props: Properties) -> None:
        self.name: str = props["name"]
        self._endpoint: str = props["endpoint"]
        self._client = connect(self._endpoint, props["token"])
        self._id = int(props["server_id"])
        self._server: BoundServer = self._client.servers.get_by_id(self._id)

    @property
    def type(self) -> str:
        kind = self._server.server_type
        return str(kind and kind.name)

    @property
    def status(self) -> str:
        return str(self._server.status)

    def settle(self) -> None:
        """Waits for what still goes on, such as actions of a run that was killed."""

        def settled() -> bool:
            if self._client.servers.get_actions(self._server, status=["running"]):
                return False
            self._server.reload()
            return self.status in (RUNNING, OFF)

        if not until(settled, CHANGE_SECONDS, POLL_SECONDS):
            raise HetznerApiError(
                f"{self.name} is {self.status} and does not get ready: look at it in the Hetzner "
                "console"
            )

    def shut_down(self) -> None:
        say(f"{self.name}: shuts down")
        carry_out(self._server.shutdown, SHUTDOWN_SECONDS, POLL_SECONDS)
        if not self._becomes(OFF, SHUTDOWN_SECONDS):
            raise HetznerApiError(
                f"{self.name} does not shut down: it still runs after {SHUTDOWN_SECONDS} s, and "
                "nothing was changed. Its own log says what holds it (journalctl -b). Should it go "
                "off later, the next `pulumi up` starts it"
            )

    def change_type(self, server_type: str) -> HetznerApiError | None:
        """Changes the type of the server, which is off, and starts it, also after a refusal.

        Returns what went wrong with the change.
        """
        from hcloud.server_types import ServerType

        wanted = ServerType(name=server_type)
        say(f"{self.name}: changes {self.type} → {server_type}")
        try:
            with errors_as_sentences(self._endpoint):
                carry_out(
                    lambda: self._server.change_type(wanted, upgrade_disk=False),
                    CHANGE_SECONDS,
                    POLL_SECONDS,
                )
        except HetznerApiError as error:
            return error
        finally:  # also when the run is interrupted
            self.start()
        return None

    def start(self) -> None:
        """Powers it on."""
        say(f"{self.name}: starts")
        try:
            with errors_as_sentences(self._endpoint):
                carry_out(self._server.power_on, START_SECONDS, POLL_SECONDS)
                started = self._becomes(RUNNING, START_SECONDS)
        except HetznerApiError as error:
            raise HetznerApiError(
                f"{self.name} is off and does not start: {error}. The next `pulumi up` tries again"
            ) from None
        if not started:
            raise HetznerApiError(
                f"{self.name} is {self.status} {START_SECONDS} s after it was powered on: look at "
                "it in the Hetzner console. The next `pulumi up` tries again"
            )

    def wait_for_ssh(self, address: str) -> None:
        if not until(lambda: takes_connections(address, POLL_SECONDS), START_SECONDS, POLL_SECONDS):
            raise HetznerApiError(
                f"{self.name} runs as {self.type}, but takes no SSH connection at {address} after "
                f"{START_SECONDS} s: its own console in the Hetzner console shows what it does"
            )

    def _becomes(self, status: str, seconds: float) -> bool:
        def holds() -> bool:
            self._server.reload()
            return self.status == status

        return until(holds, seconds, POLL_SECONDS)
