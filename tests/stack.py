"""A stack of the tests' own: its state, config, ports and names touch no other stack."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation as auto

from config.settings import Images
from ops.sandbox import sandbox_settings
from ops.stack import REPOSITORY
from ops.up import in_sandbox

PASSPHRASE = "only for tests"
PROGRAM = ("Pulumi.yaml", "__main__.py", "components", "config", "program", ".venv")

IMAGES = {
    "citus": os.environ.get("ARQUITECTURA_CITUS_IMAGE"),
    "minio": os.environ.get("ARQUITECTURA_MINIO_IMAGE"),
}


def real(service: str) -> bool:
    """Whether the tests run on the real thing and not on a stand-in."""
    return IMAGES[service] is not None or not in_sandbox()


@dataclass(frozen=True)
class Ports:
    """Ports of one stack on 127.0.0.1."""

    api: int
    console: int
    postgres: int


@dataclass
class LiveStack:
    """A stack in a working directory of its own, through Pulumi's Automation API.

    Attributes:
        ports: its ports on this machine. None: it is on servers.
        fixed: sections that each of its configs begins with.
        variables: environment variables of its own.
    """

    name: str
    directory: Path
    ports: Ports | None
    fixed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    events: list[auto.EngineEvent] = field(default_factory=list)
    output: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What the CLI needs beside the caller's environment."""
        return {
            "PULUMI_BACKEND_URL": f"file://{self.directory / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            **self.variables,
        }

    @property
    def config_file(self) -> Path:
        return self.directory / f"Pulumi.{self.name}.yaml"

    def prepare(self) -> None:
        """Fills the working directory with the program and a place for the state."""
        for part in PROGRAM:
            (self.directory / part).symlink_to(REPOSITORY / part)
        (self.directory / "state").mkdir()

    def configure(self, **sections: Any) -> None:
        """Writes the whole config of the stack: `sections` with the tests' ports and images."""
        config = {name: dict(section) for name, section in self.fixed.items()}
        if self.ports:
            ports = {"api_port": self.ports.api, "console_port": self.ports.console}
            config.setdefault("minio", {}).update(ports)
            config.setdefault("citus", {})["port"] = self.ports.postgres
        if in_sandbox():
            for path, value in sandbox_settings().items():
                section, *groups, key = path.split(".")
                group = config.setdefault(section, {})
                for name in groups:
                    group = group.setdefault(name, {})
                group[key] = value
        for service, image in IMAGES.items():
            if image:
                config.setdefault("images", {})[service] = image
        for section, values in sections.items():
            if isinstance(values, dict):
                config[section] = {**config.get(section, {}), **values}
            else:
                config[section] = values
        written = yaml.safe_load(self.config_file.read_text()) if self.config_file.exists() else {}
        written["config"] = {f"arquitectura:{key}": value for key, value in config.items()}
        self.config_file.write_text(yaml.safe_dump(written))

    def image(self, service: str) -> str:
        """The image that the stack is configured with."""
        config = yaml.safe_load(self.config_file.read_text())["config"]
        images = Images.model_validate(config.get("arquitectura:images", {}))
        return str(getattr(images, service))

    @property
    def automation(self) -> auto.Stack:
        return auto.create_or_select_stack(
            self.name,
            work_dir=str(self.directory),
            opts=auto.LocalWorkspaceOptions(env_vars=self.environment),
        )

    def preview(self, **options: Any) -> Mapping[str, int]:
        """Previews; returns how many resources get which operation."""
        self._clear()
        result = self.automation.preview(
            on_output=self._hear, on_event=self.events.append, **options
        )
        return {str(op): count for op, count in result.change_summary.items()}

    def up(self, **options: Any) -> Mapping[str, int]:
        """Updates; returns how many resources got which operation."""
        self._clear()
        result = self.automation.up(on_output=self._hear, on_event=self.events.append, **options)
        return {str(op): count for op, count in (result.summary.resource_changes or {}).items()}

    def refresh(self) -> None:
        self._clear()
        self.automation.refresh(on_output=self._hear)

    def outputs(self) -> dict[str, Any]:
        """The outputs, with secrets in the clear."""
        return {key: output.value for key, output in self.automation.outputs().items()}

    def cli(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs the CLI as a user would."""
        return subprocess.run(
            ["pulumi", "--non-interactive", *arguments],
            cwd=self.directory,
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts the CLI and leaves it running; its output can be read line by line."""
        return subprocess.Popen(
            ["pulumi", "--non-interactive", *arguments],
            cwd=self.directory,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def changes(self) -> dict[str, str]:
        """What the last preview or update did, by `Type::name`; nothing for what stayed."""
        return {
            f"{step.type.rpartition(':')[2]}::{step.urn.rpartition('::')[2]}": str(step.op.value)
            for event in self.events
            if event.resource_pre_event
            for step in (event.resource_pre_event.metadata,)
            # The default provider of dynamic resources holds the whole config.
            if step.op.value not in ("same", "read") and not step.type.startswith("pulumi:")
        }

    def container(self, service: str) -> str:
        """The full name of a container."""
        return f"{self.name}-{service}"

    def _hear(self, line: str) -> None:
        self.output += line

    def _clear(self) -> None:
        self.events.clear()
        self.output = ""


@contextmanager
def live_stack(name: str, directory: Path, ports: Ports, **sections: Any) -> Iterator[LiveStack]:
    """A stack that leaves nothing behind on the engine, however the tests end."""
    stack = LiveStack(name, directory, ports)
    stack.prepare()
    stack.configure(**sections)
    try:
        yield stack
    finally:
        remove_from_engine(name)


def docker(*arguments: str) -> str:
    """Runs the Docker client."""
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def on_engine(stack: str) -> dict[str, list[str]]:
    """What the engine holds with the label of a stack, by kind."""
    label = ("--filter", f"label=stack={stack}", "--quiet")
    return {
        "container": docker("ps", "--all", *label).split(),
        "volume": docker("volume", "ls", *label).split(),
        "network": docker("network", "ls", *label).split(),
    }


def remove_from_engine(stack: str) -> None:
    """Removes what a failed test has left, by its label."""
    left = on_engine(stack)
    for container in left["container"]:
        docker("rm", "--force", container)
    for kind in ("volume", "network"):
        for name in left[kind]:
            docker(kind, "rm", name)


def inspect(container: str) -> dict[str, Any]:
    """What Docker knows of a container."""
    (found,) = json.loads(docker("inspect", container))
    return dict(found)


def container_ids(stack: str) -> dict[str, str]:
    """The ids of a stack's running containers by name."""
    lines = docker(
        "ps", "--no-trunc", "--filter", f"label=stack={stack}", "--format", "{{.Names}} {{.ID}}"
    ).splitlines()
    return dict(line.split(maxsplit=1) for line in lines)
