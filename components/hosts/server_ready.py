"""`ServerReady`: waits until a server has booted and its Docker runs."""

import os
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi.dynamic import CreateResult, Resource, UpdateResult
from typing_extensions import override

from components.dynamic import Properties, Provider
from components.hosts.cloud_init import LOG_LINES, READY
from components.hosts.ssh import SSH_FAILED, USER, ssh_command

UNREACHABLE_AFTER = 110
"""Seconds without an answer after which a server is given up; one more attempt may take 10."""

INTERVAL = 1
"""Seconds between two looks."""

LOG_UNITS = tuple(
    f"--unit={unit}"
    for unit in ("cloud-*", "docker*", "containerd*", "arquitectura-*", "var-lib-docker-volumes.*")
)

NO_SUCH_COMMAND = 127


class ServerError(Exception):
    """The server will not be ready. The text says what to do."""


@dataclass(frozen=True, kw_only=True)
class ServerReadyArgs:
    """What to wait for.

    Attributes:
        name: the server's, in messages.
        address: that SSH dials.
        ssh_options: all options that `ssh` needs.
        server_id: waits again for another server.
        server_type: waits again when the server was resized.
        private_ip: its address in the private network.
        volume_size: what its volume must have, in GB; the file system grows to it. None: it has no
            volume.
        timeout: seconds to wait at most.
    """

    name: str
    address: pulumi.Input[str]
    ssh_options: pulumi.Input[Sequence[str]]
    server_id: pulumi.Input[str]
    server_type: str
    private_ip: str
    volume_size: pulumi.Input[int] | None
    timeout: int = 600


class ServerReady(Resource, name="ServerReady"):
    """A gate: it exists once the server can be used.

    That is: cloud-init is done, the private address is there, the volume is mounted and its file
    system as large as it, Docker answers, and the containers that it may have are healthy. What it
    waits for is printed.

    Raises (when it is created or updated): cloud-init failed, which shows its log; the server's
    host key or the login was refused; it did not answer for two minutes, or was not ready within
    `timeout` seconds.
    """

    def __init__(
        self, name: str, args: ServerReadyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(ServerReadyProvider(), name, dict(vars(args)), opts)


class ServerReadyProvider(Provider):
    """Asks the server over SSH."""

    @override
    def create(self, props: Properties) -> CreateResult:
        _wait(props)
        return CreateResult(id_=str(props["server_id"]), outs=props)

    @override
    def update(self, _id: str, _olds: Properties, news: Properties) -> UpdateResult:
        _wait(news)
        return UpdateResult(outs=news)


class _Waiting(Exception):  # noqa: N818
    """Not yet. The text says what for."""


def _wait(props: Properties) -> None:
    from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

    server = _Server(props)
    try:
        Retrying(
            wait=wait_fixed(INTERVAL),
            stop=stop_after_delay(int(props["timeout"])),
            retry=retry_if_exception_type(_Waiting),
        )(server.look)
    except RetryError as error:
        raise ServerError(
            f"{server}: after {int(props['timeout'])} s it still waits for "
            f"{error.last_attempt.exception()}. The end of its log:\n{server.log()}"
        ) from None


class _Server:
    """A server that is waited for."""

    def __init__(self, props: Properties) -> None:
        self._name = props["name"]
        self._address = props["address"]
        self._ssh = ssh_command(self._address, props["ssh_options"])
        size = props.get("volume_size")
        self._program = [READY, *([str(int(size))] if size else [])]
        self._said: str | None = None
        self._answered = time.monotonic()

    def __str__(self) -> str:
        return f"{self._name} ({self._address})"

    def look(self) -> None:
        """Returns when it is ready.

        Raises:
            _Waiting: it is not yet.
            ServerError: it will not be.
        """
        asked = self._run(self._program)
        if asked.returncode == SSH_FAILED:
            self._check_refusal(asked.stderr.strip())
            if time.monotonic() - self._answered > UNREACHABLE_AFTER:
                raise ServerError(
                    f"{self} does not answer on port 22 ({_last_line(asked.stderr)}): see that it "
                    "is on, and that arquitectura:hosts.admin_cidrs has the address that you come "
                    "from"
                )
            self._say("SSH")
            raise _Waiting(f"SSH ({_last_line(asked.stderr)})")
        self._answered = time.monotonic()
        match asked.returncode:
            case os.EX_OK:
                return
            case os.EX_TEMPFAIL:
                waits_for = asked.stdout.strip()
            case os.EX_SOFTWARE:
                raise ServerError(
                    f"{self}: cloud-init failed. What it said, and the end of "
                    f"/var/log/cloud-init-output.log:\n{asked.stdout.strip()}"
                )
            case code if code == NO_SUCH_COMMAND:
                waits_for = "cloud-init"  # it has not written the program yet
            case code:
                raise ServerError(
                    f"{self}: {READY} failed with {code}: {(asked.stderr or asked.stdout).strip()}"
                )
        self._say(waits_for)
        raise _Waiting(waits_for)

    def log(self) -> str:
        """The end of its log, or the command that shows it."""
        command = ["journalctl", "--boot", "--no-pager", "--lines", str(LOG_LINES), *LOG_UNITS]
        asked = self._run(command)
        return asked.stdout.strip() or (
            f"it could not be had ({_last_line(asked.stderr)}). To see it: "
            f"{shlex.join([*self._ssh, shlex.join(command)])}"
        )

    def _check_refusal(self, error: str) -> None:
        """Raises what no waiting will change."""
        if "Host key verification failed" in error:
            raise ServerError(
                f"{self} has another SSH host key than the one that it was made with: another "
                "machine answers at this address, or the server was installed anew by hand. Look "
                "into the Hetzner console whether the address is this server's; one that was "
                "installed anew must be replaced: pulumi up --replace URN (pulumi stack "
                f"--show-urns lists them). ssh says: {error}"
            )
        if "Permission denied" in error:
            raise ServerError(
                f"{self} refuses the login of {USER}: none of the keys that were offered is one "
                "of arquitectura:hosts.ssh_keys. Load the private key into the agent (ssh-add "
                "FILE), or name its file: pulumi config set --path "
                f"'arquitectura:hosts.ssh_identity_file' FILE. ssh says: {error}"
            )

    def _say(self, waits_for: str) -> None:
        if waits_for != self._said:
            print(f"{self._name}: waits for {waits_for}", flush=True)
            self._said = waits_for

    def _run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(
                [*self._ssh, shlex.join(command)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        except FileNotFoundError:
            raise ServerError(
                "there is no 'ssh' command on this machine: install an OpenSSH client"
            ) from None
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, SSH_FAILED, "", "no answer within 60 s")


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2] or "it says nothing"
