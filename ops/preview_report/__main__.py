"""`make preview-report`: what an update would do to a stack, as Markdown for its reviewers."""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence

from ops.preview_report.page import page
from ops.preview_report.preview import read_preview
from ops.stack import POLICIES, REPOSITORY, Stack, StackError

COMMAND = ("preview", "--json", "--policy-pack", str(POLICIES))
STREAMED: Mapping[str, str] = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
"""With it `--json` is an event a line, among them what the policies say."""


def main() -> int:
    """Prints the report; the exit code is 0 when an update could follow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack")
    stack = Stack(parser.parse_args().stack)
    try:
        text, succeeded = report(stack)
    except StackError as error:
        print(f"preview-report: {error}", file=sys.stderr)
        return 1
    print(text, end="")
    return 0 if succeeded else 1


def report(stack: Stack, options: Sequence[str] = ()) -> tuple[str, bool]:
    """The page, and whether the preview succeeded.

    Args:
        stack: what to preview.
        options: more of `pulumi preview`.

    Raises:
        StackError: it could not begin.
    """
    result = subprocess.run(
        ["pulumi", "--non-interactive", *COMMAND, *options, "--stack", stack.name],
        cwd=REPOSITORY,
        env={**stack.environment(), **STREAMED},
        capture_output=True,
        text=True,
        check=False,
    )
    events = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    if not events:
        raise StackError((result.stderr or result.stdout).strip())
    return page(stack.name, read_preview(events)), result.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
