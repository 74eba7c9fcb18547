"""promtool and amtool: those on PATH, else those in the sandbox's image."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

IMAGE = "arquitectura-sandbox/prometheus:bookworm"

_copies = TemporaryDirectory(prefix="arquitectura-tools-")


def run(tool: str, folder: Path, *arguments: str) -> str:
    """Runs a tool in a folder; what it prints.

    Skips the test where there is no such tool, and fails it when the tool does.
    """
    program = _found(tool)
    if program is None:
        pytest.skip(f"{tool} is neither on PATH nor in the image {IMAGE}")
    result = subprocess.run(
        [program, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@cache
def _found(tool: str) -> str | None:
    return shutil.which(tool) or _copied(tool)


def _copied(tool: str) -> str | None:
    """A copy from the image: the program needs nothing else of it, and starts at once."""
    if not shutil.which("docker"):
        return None
    made = _docker("create", "--pull=never", IMAGE)
    if made.returncode != 0:
        return None
    container = made.stdout.strip()
    program = Path(_copies.name) / tool
    copied = _docker("cp", f"{container}:/usr/bin/{tool}", str(program))
    _docker("rm", container)
    return str(program) if copied.returncode == 0 else None


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
