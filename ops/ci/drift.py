"""Compares a stack with what is really there, and hands over a report on what differs."""

import argparse
import sys

from ops.ci.output import hand_over
from ops.preview_report.__main__ import report
from ops.stack import Stack, StackError

OPTIONS = ("--refresh", "--expect-no-changes")
HEAD = (
    "`{stack}` is not as its config says: somebody changed it by hand, or something broke. This is "
    "what the next update would do about it. Once nothing differs, this issue is closed.\n\n"
)


def main() -> int:
    """Hands over the output `report`, empty when nothing differs.

    The exit code is 0 when the comparison could begin.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack")
    stack = Stack(parser.parse_args().stack)
    try:
        text, same = report(stack, OPTIONS)
    except StackError as error:
        print(f"::error::{stack.name} cannot be compared: {error}", file=sys.stderr)
        return 1
    hand_over("report", "" if same else HEAD.format(stack=stack.name) + text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
