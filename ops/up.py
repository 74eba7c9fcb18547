"""`make up`: brings a stack up and says where everything is."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ops.sandbox import configure, on_servers
from ops.stack import PASSPHRASES, POLICIES, Stack, StackError


def main() -> int:
    """Runs `pulumi up`; the exit code is 0 when the stack is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack")
    parser.add_argument("--yes", action="store_true", help="nobody looks: the policies do")
    arguments = parser.parse_args()
    stack = Stack(arguments.stack)
    try:
        stack.select()
        if in_sandbox():
            for command in configure(stack):
                print(f"up: {command}", flush=True)
        servers = on_servers(stack.config())
        # A laptop's stack can be tried without a question; servers cost money.
        unasked = arguments.yes or (stack.name == "dev" and not servers)
        policies = ["--policy-pack", str(POLICIES)] if arguments.yes else []
        stack.run("up", *(["--yes"] if unasked else []), *policies)
        print("\n" + "\n".join(summary(stack.name, stack.outputs())))
    except StackError as error:
        print(f"up: {error}", file=sys.stderr)
        return 1
    return 0


def in_sandbox() -> bool:
    """Whether the sandbox's toolchain is what is installed."""
    home = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))
    return (home / "sandbox").exists()


def summary(stack: str, outputs: Mapping[str, Any]) -> Iterator[str]:
    """The lines that say where everything is and how to read the secrets."""
    rows = {
        "S3 endpoint": outputs["s3_endpoint"],
        "S3 console": f"{outputs['s3_console']}  (user {outputs['s3_root_user']})",
        "PostgreSQL": outputs["postgres"],
        **_consoles(outputs),
        "Projects": ", ".join(outputs["projects"]) or "none yet",
        **({"Servers": _listed(outputs["servers"])} if "servers" in outputs else {}),
        "Secrets": f"pulumi stack output --stack {stack} --show-secrets",
    }
    width = max(map(len, rows))
    for title, value in rows.items():
        yield f"  {title:<{width}}  {value}"
    if not PASSPHRASES & os.environ.keys():
        yield "  The passphrase is empty: export PULUMI_CONFIG_PASSPHRASE= before you call pulumi."


def _consoles(outputs: Mapping[str, Any]) -> dict[str, str]:
    """What is seen in the browser, where it runs."""
    known = {"Grafana": "admin", "CloudBeaver": "administrator"}
    return {
        title: f"{outputs[title.lower()]}  (user {user})"
        for title, user in known.items()
        if title.lower() in outputs
    }


def _listed(servers: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {address}" for name, address in servers.items())


if __name__ == "__main__":
    sys.exit(main())
