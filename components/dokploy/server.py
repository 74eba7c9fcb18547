"""How the providers of this package reach the server that Dokploy is on."""

import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.dynamic import Properties
from components.hosts.ssh import USER

SSH_FAILED = 255


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


def ssh(props: Properties, *more: str) -> list[str]:
    """The command that logs in to the server of a `ServerArgs`.

    Args:
        more: options before the server's name.
    """
    return ["ssh", *props["ssh_options"], *more, f"{USER}@{props['address']}"]


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
                with suppress(BrokenPipeError):  # nobody may be reading it any more
                    print(f"{server}: {line.rstrip()}", flush=True)
        if running.returncode:
            errors.seek(0)
            why = errors.read().strip()
            if running.returncode == SSH_FAILED:
                why = f"SSH failed ({why}); the next `pulumi up` goes on"
            raise DokployError(f"Dokploy on {server}: {why}")
