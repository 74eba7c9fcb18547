"""How the providers of this package reach the server that Dokploy is on."""

import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pulumi

from components.dynamic import Properties, say
from components.hosts.ssh import SSH_FAILED, ssh_command


class DokployError(Exception):
    """Dokploy is not as it should be. The text says what to do."""


@dataclass(frozen=True, kw_only=True)
class ServerArgs:
    """The server.

    Attributes:
        server: its name, in messages.
        address: that SSH dials.
        ssh_options: all options that `ssh` needs.
    """

    server: str
    address: pulumi.Input[str]
    ssh_options: pulumi.Input[Sequence[str]]


class _OnServer(Protocol):
    """The arguments of a resource of this package."""

    @property
    def server(self) -> ServerArgs:
        """Where Dokploy is."""


def inputs_of(args: _OnServer) -> dict[str, object]:
    """The inputs of a resource: its arguments, with those of its server among them."""
    return {**vars(args), **vars(args.server)}


def ssh(props: Properties, *more: str) -> list[str]:
    """The command that logs in to the server of a `ServerArgs`.

    Args:
        more: options before the server's name.
    """
    return ssh_command(props["address"], props["ssh_options"], *more)


def run_script(props: Properties, script: Path, *arguments: str) -> None:
    """Runs a shell script on the server and prints what it says as progress.

    Args:
        props: with those of a `ServerArgs`.
        script: a file of this machine.
        arguments: none of them secret, since processes can be listed.

    Raises:
        DokployError: it failed, with its standard error, or SSH did.
    """
    server = props["server"]
    with script.open() as program, tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(
            [*ssh(props), shlex.join(["sh", "-s", "--", *arguments])],
            stdin=program,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as running:
            assert running.stdout
            for line in running.stdout:
                say(f"{server}: {line.rstrip()}")
        if running.returncode:
            errors.seek(0)
            why = errors.read().strip()
            if running.returncode == SSH_FAILED:
                why = f"SSH failed ({why}); the next `pulumi up` goes on"
            raise DokployError(f"Dokploy on {server}: {why}")
