"""Which stacks a change touches: pure."""

import re
from collections.abc import Collection, Iterable

LOCAL = "dev"
"""Everyone's own, on everyone's own machine."""

_CONFIG = re.compile(r"Pulumi\.([^/]+)\.yaml")
_PROGRAM = re.compile(
    r"(Pulumi\.yaml|__main__\.py|requirements\.txt|(components|config|policies|program)/.*"
    r"|docs/dashboards/.*)"
)


def stacks(files: Iterable[str]) -> list[str]:
    """The stacks that have a config among the files of the repository's top level."""
    found = {match[1] for file in files if (match := _CONFIG.fullmatch(file))}
    return sorted(found - {LOCAL})


def touched(changed: Collection[str], files: Iterable[str]) -> list[str]:
    """The stacks to preview: all when the program changes, else those whose config does.

    Args:
        changed: paths of what changes, from the repository's top level.
        files: paths of all files after the change.
    """
    existing = stacks(files)
    if any(_PROGRAM.fullmatch(file) for file in changed):
        return existing
    return [stack for stack in existing if stack in stacks(changed)]
