"""A stack's hosts as the Makefile's targets reach them: this machine, or servers through SSH."""

import os
import shlex
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from components.hosts.ssh import SSH_FAILED
from config.plan import LOCAL, Plan
from ops.stack import REPOSITORY

READ_SECONDS = 60
"""How long a command that is only to be read may take."""

CONTAINER_FORMAT = "{{.Names}}\t{{.State}}\t{{.Status}}"


class HostError(Exception):
    """A host does not answer, or a command on it failed. The text says why, and what to do."""


@dataclass(frozen=True)
class Container:
    """A container as its engine describes it, such as `running` and `Up 2 hours (healthy)`."""

    name: str
    state: str
    status: str


@dataclass(frozen=True)
class Host:
    """A machine with a Docker engine.

    Attributes:
        name: its name within the stack.
        ssh_config: file for `ssh -F` that knows it. None: it is this machine.
    """

    name: str
    ssh_config: Path | None = None

    def command(self, *arguments: str, terminal: bool = False) -> tuple[str, ...]:
        """What to run here so that `arguments` run there, on a terminal if wanted."""
        if self.ssh_config is None:
            return arguments
        options = ("-t",) if terminal else ()
        return ("ssh", "-F", str(self.ssh_config), *options, self.name, shlex.join(arguments))

    def read(self, *arguments: str) -> str:
        """Runs a command there; what it prints.

        Raises:
            HostError: the host does not answer, or the command fails; with what was said.
        """
        try:
            result = subprocess.run(
                self.command(*arguments),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=READ_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise HostError(f"{error.filename} is not installed") from None
        except subprocess.TimeoutExpired:
            raise HostError(f"{self.name} has not answered within {READ_SECONDS} s") from None
        if result.returncode != 0:
            said = (result.stderr or result.stdout).strip()
            if self.ssh_config and result.returncode == SSH_FAILED:
                raise HostError(f"{self.name} does not answer: {said}")
            raise HostError(said)
        return result.stdout

    def become(self, *arguments: str, terminal: bool = False) -> NoReturn:
        """Puts a command there in the place of this process, with its input and output.

        Raises:
            HostError: what runs it is not installed.
        """
        command = self.command(*arguments, terminal=terminal)
        try:
            os.execvp(command[0], command)  # noqa: S606 - the user's own command
        except FileNotFoundError:
            raise HostError(f"{command[0]} is not installed") from None

    def containers(self, stack: str) -> Sequence[Container]:
        """A stack's containers there, running or not.

        Raises:
            HostError: the host or its engine does not answer.
        """
        label = ("--filter", f"label=stack={stack}")
        lines = self.read("docker", "ps", "--all", *label, "--format", CONTAINER_FORMAT)
        return [Container(*line.split("\t")) for line in lines.splitlines()]


def hosts_of(plan: Plan) -> Sequence[Host]:
    """The hosts of a stack, the first one first.

    Raises:
        HostError: the file that knows the servers is missing.
    """
    if plan.hetzner is None:
        return [Host(LOCAL)]
    config = ssh_config(plan)
    return [Host(server.name, config) for server in plan.hetzner.servers]


def ssh_config(plan: Plan) -> Path:
    """The file for `ssh -F` that knows a stack's servers.

    Raises:
        HostError: it is missing.
    """
    file = REPOSITORY / ".arquitectura" / plan.stack / "ssh_config"
    if not file.exists():
        raise HostError(
            f"{file.relative_to(REPOSITORY)} is not there, which has the servers' keys: pulumi "
            f"preview --stack {plan.stack} writes it"
        )
    return file


def containers_by_host(
    hosts: Sequence[Host], stack: str
) -> dict[str, Sequence[Container] | HostError]:
    """The containers of each host by its name, or why it does not say; asked all at once."""

    def ask(host: Host) -> Sequence[Container] | HostError:
        try:
            return host.containers(stack)
        except HostError as error:
            return error

    with ThreadPoolExecutor() as pool:
        return dict(zip([host.name for host in hosts], pool.map(ask, hosts), strict=True))
