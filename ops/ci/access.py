"""Says in one sentence what a workflow lacks. Runs on any Python, before anything is installed."""

import argparse
import os
import sys
from collections.abc import Mapping

SECRETS = (("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"), ("PULUMI_CONFIG_PASSPHRASE",))
"""Of each, one is enough."""
RUNNER = "PULUMI_RUNNER"


def main() -> int:
    """Says what is missing; the exit code is 0 when nothing is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runner", action="store_true", help="it reaches the servers, too")
    if sentence := missing(os.environ, runner=parser.parse_args().runner):
        print(f"::error::{sentence}")
        return 1
    return 0


def missing(environment: Mapping[str, str], *, runner: bool) -> str:
    """The sentence; empty when all is there.

    Args:
        environment: what is set; an empty value is none, as GitHub hands over a missing secret.
        runner: whether a runner inside `hosts.admin_cidrs` is needed.
    """
    lacking = [
        f"the secret {' or '.join(names)}"
        for names in SECRETS
        if not any(environment.get(name) for name in names)
    ]
    if runner and not environment.get(RUNNER):
        lacking.append(f"the variable {RUNNER}")
    verb = "is" if len(lacking) == 1 else "are"
    return f"{' and '.join(lacking)} {verb} not set: see docs/pull-requests.md" if lacking else ""


if __name__ == "__main__":
    sys.exit(main())
