"""A stack of the tests' own on servers of the sandbox's Hetzner."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from ops.sandbox import start_cloud
from ops.stack import REPOSITORY
from ops.up import in_sandbox
from tests.cloud import reach
from tests.stack import IMAGES, LiveStack, docker

PUSH = REPOSITORY / "sandbox" / "hetzner" / "registry" / "push.py"
REGISTRY_HERE = "127.0.0.1:8451"
"""The registry, as this machine reaches it."""

VISITOR = "172.31.203.250"
"""An address of the public network that no server gets."""

PROTECTED = ("servers", "volumes", "primary_ips")
KINDS = (*PROTECTED, "firewalls", "networks", "ssh_keys", "placement_groups")
"""What the API may hold of a stack, in the order in which it can be deleted."""


def wait(what: str, condition: Callable[[], object], seconds: float = 60) -> None:
    """Waits until the condition holds."""
    try:
        Retrying(
            wait=wait_fixed(0.3),
            stop=stop_after_delay(seconds),
            retry=retry_if_result(lambda found: not found),
        )(condition)
    except RetryError:
        raise AssertionError(f"{what}: not within {seconds:g} s") from None


@dataclass
class CloudStack(LiveStack):
    """A stack on servers.

    Attributes:
        client: of the Hetzner API.
    """

    # The API's objects: to the client every field may be None.
    client: Any = field(kw_only=True)

    def servers(self) -> dict[str, Any]:
        """The stack's servers in the API, by the name within the stack."""
        found = self.of_kind("servers")
        return {server.name.removeprefix(f"{self.name}-"): server for server in found}

    def server(self, name: str) -> Any:
        return self.servers()[name]

    def of_kind(self, kind: str) -> list[Any]:
        """What the API has with the label of the stack."""
        return list(getattr(self.client, kind).get_all(label_selector=f"stack={self.name}"))

    def in_project(self) -> dict[str, list[str]]:
        """Names of all that the API has with the label of the stack, by kind."""
        return {kind: [one.name for one in self.of_kind(kind)] for kind in KINDS}

    def ssh(self, server: str, *command: str, stdin: str = "") -> str:
        """Runs a command on a server as its administrator would; what it prints.

        Args:
            stdin: what the command reads: the place for secrets.
        """
        return subprocess.run(
            ["ssh", "-F", f".arquitectura/{self.name}/ssh_config", server, shlex.join(command)],
            cwd=self.directory,
            input=stdin,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=True,
        ).stdout.strip()

    def containers(self) -> dict[str, dict[str, str]]:
        """The ids of the running containers by their names without the stack's, by server."""
        command = ("docker", "ps", "--no-trunc", "--format", "{{.Names}} {{.ID}}")

        def on(server: str) -> dict[str, str]:
            lines = (line.split() for line in self.ssh(server, *command).splitlines())
            return {name.removeprefix(f"{self.name}-"): identifier for name, identifier in lines}

        servers = sorted(self.servers())
        with ThreadPoolExecutor() as pool:
            return dict(zip(servers, pool.map(on, servers), strict=True))

    def psql(
        self,
        statement: str,
        database: str = "postgres",
        *,
        server: str = "main",
        node: str = "citus-coordinator",
    ) -> list[str]:
        """Runs SQL as superuser inside a node's container; a line per row."""
        return self.ssh(
            server,
            *("docker", "exec", self.container(node)),
            *("psql", "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-tA", "-c"),
            statement,
        ).splitlines()

    def shards(self, database: str) -> dict[str, int]:
        """The number of the table's shards on each address."""
        rows = self.psql(
            "SELECT nodename || ':' || nodeport, count(*) FROM citus_shards "
            "WHERE table_name = 'events'::regclass GROUP BY 1 ORDER BY 1",
            database,
        )
        return {node: int(count) for node, count in (row.split("|") for row in rows)}

    @property
    def address(self) -> str:
        """Public address of the edge."""
        return str(self.server("main").public_net.ipv4.ip)

    @property
    def ca(self) -> str:
        """A file with the stack's CA, as its output has it."""
        file = self.directory / "output-ca.crt"
        if not file.exists():
            file.write_text(self.outputs()["ca_certificate"])
        return str(file)

    def project(self, name: str) -> dict[str, Any]:
        """A project's credentials. The URL of the database names the CA's file."""
        outputs = self.outputs()
        credentials = dict(outputs["projects"][name])
        url = f"{credentials['database_url']}&sslrootcert={self.ca}"
        return {**credentials, "database_url": url}

    def remove(self) -> None:
        """Deletes what a failed test has left."""
        for kind in KINDS:
            for one in self.of_kind(kind):
                if kind in PROTECTED:
                    rebuild = {"rebuild": False} if kind == "servers" else {}
                    one.change_protection(delete=False, **rebuild).wait_until_finished()
                if kind == "volumes" and one.server:
                    one.detach().wait_until_finished()
                action = one.delete()
                if hasattr(action, "wait_until_finished"):
                    action.wait_until_finished()


@contextmanager
def cloud_stack(
    name: str, directory: Path, fixed: Mapping[str, Mapping[str, Any]], **sections: Any
) -> Iterator[CloudStack]:
    """A stack on servers that leaves nothing behind, however the tests end.

    Args:
        name: of the stack.
        directory: its working directory.
        fixed: sections that each of its configs begins with; `hosts` is completed.
        sections: of its first config.
    """
    if not in_sandbox():
        pytest.skip("there is no sandbox, and servers cost money")
    from hcloud import Client

    cloud = start_cloud()
    for image in filter(None, IMAGES.values()):
        # What the stand-ins are replaced by.
        subprocess.run([sys.executable, PUSH, REGISTRY_HERE, image], check=True)
    identity, public_key = _make_key(directory)
    hosts = {
        "provider": "hetzner",
        "location": "fsn1",
        "endpoint": cloud["endpoint"],
        "registry": cloud["registry"],
        "admin_cidrs": [f"{cloud['gateway']}/32"],
        "ssh_keys": [public_key],
        "ssh_identity_file": str(identity),
        **fixed["hosts"],
    }
    token = Path(cloud["token"]).read_text().strip()
    stack = CloudStack(
        name,
        directory,
        None,
        {**fixed, "hosts": hosts},
        {"HCLOUD_TOKEN": token},
        client=Client(token, api_endpoint=cloud["endpoint"], poll_interval=0.2),
    )
    stack.remove()
    stack.prepare()
    stack.configure(**sections)
    try:
        yield stack
    finally:
        stack.remove()


def _make_key(directory: Path) -> tuple[Path, str]:
    """A key to log in with, since a project takes each only once: its file and the public key."""
    file = directory / "id_ed25519"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file], check=True
    )
    return file, file.with_suffix(".pub").read_text().strip()


@contextmanager
def visitor(stack: CloudStack) -> Iterator[Callable[..., Any]]:
    """A machine of the public network that is not an administrator's: what runs `reach` there."""
    name = f"{stack.name}-visitor"
    with suppress(subprocess.CalledProcessError):
        docker("rm", "--force", name)
    docker(
        "run", "--detach", "--name", name, "--network", "hetzner-public", "--ip", VISITOR,
        "--entrypoint", "sleep", "arquitectura-sandbox/server:bookworm", "infinity",
    )  # fmt: skip
    program = Path(reach.__file__).read_bytes()

    def visits(*arguments: str) -> Any:
        said = subprocess.run(
            ["docker", "exec", "-i", name, "python3", "-", *arguments],
            input=program,
            stdout=subprocess.PIPE,
            check=True,
            timeout=120,
        ).stdout
        return json.loads(said)

    try:
        docker("cp", stack.ca, f"{name}:/ca.crt")
        yield visits
    finally:
        docker("rm", "--force", "--volumes", name)
