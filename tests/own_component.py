"""The example of a program of one's own, with the components from a wheel."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from ops.sandbox import sandbox_settings
from ops.stack import REPOSITORY
from ops.up import in_sandbox
from tests.stack import IMAGES, LiveStack, Ports

EXAMPLE = REPOSITORY / "docs" / "examples" / "own-component"


def own_component(name: str, directory: Path, ports: Ports) -> LiveStack:
    """Builds the wheel, installs it with what it asks for, and gives a stack of the example."""
    program = directory / "program"
    shutil.copytree(EXAMPLE, program, ignore=shutil.ignore_patterns("Pulumi.*.yaml", ".venv"))
    (program / "state").mkdir()
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory))
    (wheel,) = directory.glob("*.whl")
    _run("uv", "venv", "--quiet", "--python", sys.executable, str(program / ".venv"))
    _run(
        *("uv", "pip", "install", "--quiet", "--python", str(program / ".venv/bin/python")),
        *("--constraint", "requirements.txt", str(wheel)),
    )
    stack = LiveStack(name, program, ports)
    images = {f"{service}_image": image for service, image in IMAGES.items() if image}
    if in_sandbox():
        given = sandbox_settings()
        ours = {f"{s}_image": str(given[f"images.{s}"]) for s in ("citus", "minio", "busybox")}
        images = {**ours, **images}
    config = {
        "api_port": str(ports.api),
        "console_port": str(ports.console),
        "postgres_port": str(ports.postgres),
        **images,
    }
    text = yaml.safe_dump({"config": {f"own-component:{key}": v for key, v in config.items()}})
    stack.config_file.write_text(text)
    return stack


def _run(*command: str) -> None:
    path = f"{Path.home() / '.local' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
