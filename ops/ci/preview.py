"""Previews the stacks that a pull request touches, and hands over one report."""

import argparse
import json
import subprocess
import sys

from ops.ci.output import hand_over
from ops.ci.stacks import touched
from ops.preview_report.__main__ import report
from ops.stack import REPOSITORY, Stack, StackError

NOTHING = "No stack is touched: nothing but documents and tests changes.\n"


def main() -> int:
    """Hands over the output `report`; the exit code is 0 when every stack could be updated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="the commit that the pull request goes to")
    base = parser.parse_args().base
    stacks = touched(_git("diff", "--name-only", base), _git("ls-files"))
    reports = [_report(Stack(name)) for name in stacks]
    hand_over("report", "\n".join(text for text, _ in reports) or NOTHING)
    return 0 if all(succeeded for _, succeeded in reports) else 1


def _report(stack: Stack) -> tuple[str, bool]:
    try:
        known = json.loads(stack.read("stack", "ls", "--json"))
        if stack.name not in {one["name"].rpartition("/")[2] for one in known}:
            # A config may be there as an example only.
            return f"## `{stack.name}`\n\nIs not in use: the backend has no such stack.\n", True
        return report(stack)
    except StackError as error:
        said = str(error).replace("\n", "\n> ")
        return f"## Preview of `{stack.name}`\n\n> [!CAUTION]\n> {said}\n", False


def _git(*arguments: str) -> list[str]:
    return subprocess.check_output(["git", *arguments], cwd=REPOSITORY, text=True).splitlines()


if __name__ == "__main__":
    sys.exit(main())
