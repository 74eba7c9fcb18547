"""`make down`: destroys a stack that is not protected, with everything in it."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from ops.sandbox import start_cloud
from ops.stack import Stack, StackError
from ops.up import in_sandbox

CONTENT = ("minio:", "postgresql:", "pulumi:providers:minio", "pulumi:providers:postgresql")
"""Types of what lives inside MinIO and PostgreSQL, and goes with their volumes."""

ON_SERVERS = ("docker:", "pulumi:providers:docker")
"""Types of what goes with the servers, where there are some."""

SERVER = "hcloud:index/server:Server"

DYNAMIC = "pulumi-python:dynamic"
"""Memberships and gates: they too only exist inside the services, or nowhere."""


def main() -> int:
    """Destroys the stack; the exit code is 0 when nothing of it is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack")
    stack = Stack(parser.parse_args().stack)
    try:
        stack.read("stack", "select", stack.name)
        exported = json.loads(stack.read("stack", "export", "--stack", stack.name))
        resources = exported["deployment"].get("resources") or []
        refuse_protected(stack.name, resources)
        if sys.stdin.isatty() and not _confirmed(stack.name):
            print("down: nothing was deleted")
            return 1
        on_servers = has_servers(resources)
        if on_servers and in_sandbox():
            start_cloud()
        # A full bucket, a stopped coordinator or a server that does not answer must not keep a
        # stack alive whose volumes and servers go anyway: what is inside is forgotten first.
        exported["deployment"]["resources"] = without_content(resources)
        exported["deployment"].pop("pending_operations", None)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(exported, file)
            file.flush()
            stack.read("stack", "import", "--stack", stack.name, "--file", file.name)
        stack.run("destroy", "--yes", "--skip-preview")
        if not on_servers:
            remove_orphans(stack.name)
    except StackError as error:
        print(f"down: {error}", file=sys.stderr)
        return 1
    return 0


def refuse_protected(stack: str, resources: Sequence[dict[str, Any]]) -> None:
    """Raises when the stack holds something that must not be deleted.

    Raises:
        StackError: naming what is protected.
    """
    protected = [
        resource["urn"].rpartition("::")[2] for resource in resources if resource.get("protect")
    ]
    if protected:
        raise StackError(
            f"{', '.join(protected)} of stack {stack} are protected: set arquitectura:protect, or "
            "the project's own protect, to false and run pulumi up first"
        )


def has_servers(resources: Sequence[dict[str, Any]]) -> bool:
    """Whether the stack's containers are on servers of its own."""
    return any(resource["type"] == SERVER for resource in resources)


def without_content(resources: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The state without what lives inside the services, or on servers that go as a whole."""
    inside = (*CONTENT, DYNAMIC, *(ON_SERVERS if has_servers(resources) else ()))
    kept = [r for r in resources if not r["type"].startswith(inside)]
    urns = {resource["urn"] for resource in kept}
    for resource in kept:
        resource["dependencies"] = [d for d in resource.get("dependencies") or () if d in urns]
        resource["propertyDependencies"] = {
            name: [d for d in dependencies or () if d in urns]
            for name, dependencies in (resource.get("propertyDependencies") or {}).items()
        }
    return kept


def remove_orphans(stack: str) -> None:
    """Removes what a killed run has made on this machine's engine and not noted in the state."""
    for kind, options in (("container", ("--all",)), ("volume", ()), ("network", ())):
        listed = ("docker", kind, "ls", *options, "--quiet", "--filter", f"label=stack={stack}")
        found = subprocess.run(listed, capture_output=True, text=True, check=False).stdout.split()
        force = ("--force",) if kind == "container" else ()
        for name in found:
            subprocess.run(("docker", kind, "rm", *force, name), check=False)


def _confirmed(stack: str) -> bool:
    answer = input(f"This deletes stack {stack} with all its databases and objects. Its name: ")
    return answer == stack


if __name__ == "__main__":
    sys.exit(main())
