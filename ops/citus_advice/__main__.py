"""`make citus-advice`: prints which tables of a project to distribute, and how."""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

import psycopg

from config.distribution import advise
from ops.citus_advice.catalog import read_tables
from ops.citus_advice.page import page
from ops.stack import Stack, StackError


def main() -> int:
    """Prints the page; the exit code is 0 when it could be made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack")
    parser.add_argument("project", nargs="?", default="")
    arguments = parser.parse_args()
    try:
        outputs = Stack(arguments.stack).outputs(show_secrets=True)
        print(citus_advice(outputs, arguments.project), end="")
    except (StackError, psycopg.Error) as error:
        print(f"citus-advice: {error}", file=sys.stderr)
        return 1
    return 0


def citus_advice(outputs: Mapping[str, Any], project: str) -> str:
    """The page.

    Args:
        outputs: the stack's, with secrets in the clear.
        project: its name.

    Raises:
        StackError: the stack has no such project.
        psycopg.Error: the database cannot be asked.
    """
    projects = outputs.get("projects", {})
    if project not in projects:
        known = ", ".join(sorted(projects)) or "none; run pulumi up first"
        which = f"there is no project {project}." if project else "of which project?"
        raise StackError(f"{which} Say PROJECT=<name>, one of: {known}")
    url = projects[project]["database_url"]
    with tempfile.NamedTemporaryFile("w", suffix=".crt") as authority:
        # On servers the certificate is the stack's own, and `dev` has none.
        authority.write(outputs.get("ca_certificate", ""))
        authority.flush()
        tables = read_tables(url, authority.name if "ca_certificate" in outputs else None)
    return page(project, tables, advise(tables))


if __name__ == "__main__":
    sys.exit(main())
