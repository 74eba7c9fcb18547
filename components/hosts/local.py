"""`LocalHost`: the Docker engine of this machine."""

from collections.abc import Sequence

import pulumi
import pulumi_docker as docker

from components.hosts.docker_host import DockerHost, DockerHostArgs
from components.hosts.engine import Engine

LOCALHOST = "127.0.0.1"


class LocalHost(DockerHost):
    """This machine's Docker engine as a host. Published ports are bound to 127.0.0.1.

    Resources: one `docker.Provider`, and those of a `DockerHost`.

    Args:
        amd64_only: repositories that publish no image for other architectures.
    """

    def __init__(
        self,
        name: str,
        *,
        engine: Engine,
        stack: str,
        prefix: str,
        amd64_only: Sequence[str] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            "arquitectura:hosts:Local",
            name,
            DockerHostArgs(stack=stack, prefix=prefix, address=LOCALHOST),
            opts,
        )
        self._engine = engine
        self._amd64_only = amd64_only
        self.use(
            docker.Provider(
                f"{name}-docker", host=engine.endpoint, opts=pulumi.ResourceOptions(parent=self)
            )
        )
        self.register_outputs({})

    def platform(self, reference: str) -> str | None:
        """`linux/amd64` for an image that has nothing else, on an engine that is something else."""
        emulated = self._engine.architecture != "amd64" and any(
            repository in reference for repository in self._amd64_only
        )
        return "linux/amd64" if emulated else None
