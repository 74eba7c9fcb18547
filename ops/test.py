"""`make test`: every check, the fast ones first, independent ones side by side."""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ops.stack import REPOSITORY
from ops.up import in_sandbox

PYTHON = sys.executable
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"


@dataclass(frozen=True)
class Check:
    """One command that must succeed.

    Attributes:
        needs: the program without which it is skipped.
    """

    name: str
    command: Sequence[str]
    needs: str = ""

    def run(self) -> bool:
        """Runs it and prints what it said, with the time it took."""
        if self.needs and not shutil.which(self.needs):
            print(f"== {self.name}: skipped, {self.needs} is not installed", flush=True)
            return True
        start = time.monotonic()
        result = subprocess.run(
            self.command,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        verdict = "ok" if result.returncode == 0 else "FAILED"
        seconds = time.monotonic() - start
        print(f"== {self.name}: {verdict} in {seconds:.0f} s\n{result.stdout.rstrip()}", flush=True)
        return result.returncode == 0


def _pytest(name: str, *arguments: str) -> Check:
    return Check(name, [PYTHON, "-m", "pytest", "-q", "--durations=5", *arguments])


LINT = (
    Check("style", [PYTHON, "-m", "ruff", "check", "."]),
    Check("format", [PYTHON, "-m", "ruff", "format", "--check", "."]),
    Check("types", [PYTHON, "-m", "mypy"]),
    Check(
        "types of the plugins",
        # A cache of its own: the two checks run at the same time.
        [
            *("env", "MYPYPATH=sandbox/plugins", PYTHON, "-m", "mypy"),
            *("--cache-dir", ".mypy_cache/plugins", "-p", "standin"),
        ],
    ),
    Check(
        "security of the workflows",
        [str(Path(PYTHON).with_name("zizmor")), "--offline", "--quiet", ".github/workflows"],
    ),
    Check(
        "workflows",
        # What it finds in scripts would depend on the linters that a machine happens to have.
        ["go", "run", ACTIONLINT, "-shellcheck=", "-pyflakes="],
        needs="go",
    ),
)
UNIT = _pytest("unit", "-n", "2", "tests/unit", "tests/monitoring")
ENGINE = _pytest("engine", "tests/engine")
LIFE = _pytest("life", "tests/local/test_life.py")
OTHER_LIVES = _pytest(
    "other lives",
    "tests/local/test_interrupted.py",
    "tests/local/test_distributed_storage.py",
    "tests/local/test_membership_citus.py",
    "tests/local/test_edge.py",
    "tests/local/test_own_component.py",
    "tests/local/test_examples.py",
)
MONITORED = _pytest(
    "monitored life", "tests/local/test_monitoring.py", "tests/local/test_commands.py"
)
CLOUD = _pytest("cloud", "tests/cloud")
SANDBOX = (
    Check(
        "language host",
        ["go", "-C", "sandbox/toolchain/cli", "test", "./pulumi-language-python"],
    ),
    Check("S3 server", ["go", "-C", "sandbox/images/minio/server", "test", "./..."]),
    _pytest("plugins", "sandbox/plugins/tests"),
    _pytest("Hetzner API", "sandbox/hetzner/tests", "-m", "not slow_cloud"),
    _pytest("citus stand-in", "tests/local/test_citus_standin.py"),
)


def stages() -> Sequence[Sequence[Check]]:
    """Checks of one stage run side by side; a stage runs when the one before has succeeded."""
    sandbox = SANDBOX if in_sandbox() else ()
    return ((*LINT, UNIT), (ENGINE, *sandbox), (LIFE, OTHER_LIVES, MONITORED), (CLOUD,))


def main() -> int:
    """Runs the stages, or only the static checks, or one of these; 0 when all succeed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", choices=["lint", *(check.name for check in LINT)])
    only = parser.parse_args().only
    if only is None:
        chosen = stages()
    else:
        chosen = [[check for check in LINT if only in ("lint", check.name)]]
    start = time.monotonic()
    for stage in chosen:
        with ThreadPoolExecutor() as pool:
            if not all(list(pool.map(Check.run, stage))):
                return 1
    print(f"== all checks ok in {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
