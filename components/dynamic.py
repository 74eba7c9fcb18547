"""What this program's dynamic providers have in common."""

import sys
from contextlib import suppress
from typing import Any

from pulumi.dynamic import DiffResult, ResourceProvider
from typing_extensions import override

Properties = dict[str, Any]
"""A resource's inputs or outputs, by property."""


def say(text: str) -> None:
    """Prints a line of progress. Nobody may be reading it any more: the work still goes on."""
    with suppress(BrokenPipeError):
        print(text, flush=True)


class Provider(ResourceProvider):
    """A stateless provider.

    The state holds its import name (module and class), never its code: a resource made today is
    deleted by tomorrow's version, and moving the module breaks existing stacks.
    """

    serialize_as_secret_always = False

    def configure(self, _req: object) -> None:
        """Runs once in the provider's own process: errors there are one line, not a traceback.

        In the program's process the same setting would hang `up` when a resource fails.
        """
        sys.tracebacklimit = 0

    @override
    def diff(self, _id: str, olds: Properties, news: Properties) -> DiffResult:
        """Any other input is a change."""
        return DiffResult(changes=any(olds.get(key) != value for key, value in news.items()))
