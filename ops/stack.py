"""A stack through the Pulumi CLI, as the Makefile's targets use it."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent

POLICIES = REPOSITORY / "policies"
"""The policy pack."""

PASSPHRASES = {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"}

NOT_LOGGED_IN = ("requires logging in", "must be set for login")
"""What the CLI says when it was never told where its state is."""


class StackError(Exception):
    """A command of the CLI failed. The text is what it said."""


@dataclass(frozen=True)
class Stack:
    """One stack of this program."""

    name: str

    def environment(self) -> Mapping[str, str]:
        """The environment for the CLI.

        `dev` holds nothing worth a passphrase and may go without; any other stack needs one.

        Raises:
            StackError: no passphrase is set for a stack that needs one.
        """
        environment = dict(os.environ)
        given = PASSPHRASES & environment.keys()
        if self.name == "dev" and not given:
            environment["PULUMI_CONFIG_PASSPHRASE"] = ""
        elif self.name != "dev" and not any(environment.get(key) for key in given):
            raise StackError(
                f"stack {self.name} keeps secrets: set PULUMI_CONFIG_PASSPHRASE or "
                "PULUMI_CONFIG_PASSPHRASE_FILE to the passphrase that encrypts them"
            )
        return environment

    def read(self, *arguments: str, secret: str | None = None) -> str:
        """Runs the CLI and returns what it prints.

        Args:
            arguments: its arguments.
            secret: what it reads from its standard input, where nobody else sees it.

        Raises:
            StackError: it failed.
        """
        result = subprocess.run(
            ["pulumi", "--non-interactive", *arguments],
            cwd=REPOSITORY,
            env=self.environment(),
            input=secret,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise StackError((result.stderr or result.stdout).strip())
        return result.stdout

    def run(self, *arguments: str) -> None:
        """Runs the CLI on this stack, with its progress on the terminal.

        Raises:
            StackError: it failed; it has said why.
        """
        result = subprocess.run(
            ["pulumi", *arguments, "--stack", self.name],
            cwd=REPOSITORY,
            env=self.environment(),
            check=False,
        )
        if result.returncode != 0:
            raise StackError(
                f"pulumi {arguments[0]} --stack {self.name} failed, see above. If it says that the "
                f"stack is locked, by a run that was killed: pulumi cancel --stack {self.name}"
            )

    def select(self) -> None:
        """Selects the stack and creates it if need be; logs in to a local backend if to none."""
        self.environment()  # a missing passphrase is said first
        if "PULUMI_BACKEND_URL" not in os.environ and not self._logged_in():
            print("up: not logged in to a Pulumi backend: its state goes to ~/.pulumi")
            self.read("login", "--local")
        self.read("stack", "select", "--create", self.name)

    def _logged_in(self) -> bool:
        """Whether a backend is chosen; one that does not answer is one, and an error."""
        try:
            self.read("whoami")
        except StackError as error:
            if any(words in str(error) for words in NOT_LOGGED_IN):
                return False
            raise
        return True

    def outputs(self, *, show_secrets: bool = False) -> Mapping[str, Any]:
        """The outputs; secrets are `[secret]` unless they are asked for."""
        options = ("--show-secrets",) if show_secrets else ()
        outputs: Mapping[str, Any] = json.loads(
            self.read("stack", "output", "--json", "--stack", self.name, *options)
        )
        return outputs

    def config(self) -> Mapping[str, Any]:
        """The decoded objects of the stack's config by key, secrets among them."""
        # Without them the CLI hides every object that holds one.
        values = json.loads(self.read("config", "--json", "--show-secrets", "--stack", self.name))
        return {key: value.get("objectValue", value.get("value")) for key, value in values.items()}
