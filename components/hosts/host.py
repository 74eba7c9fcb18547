"""`Host`: one Docker engine, whatever machine it is on. Everything above it sees only this."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pulumi
import pulumi_docker as docker


@dataclass(frozen=True, kw_only=True)
class DataDirectory:
    """Data that outlives its containers: a Docker volume."""

    volume_name: pulumi.Input[str]
    resources: Sequence[pulumi.Resource] = ()
    """What must exist before a container mounts it."""

    def at(self, path: str, *, read_only: bool = False) -> docker.ContainerVolumeArgs:
        """The mount of this directory at `path` in a container."""
        return docker.ContainerVolumeArgs(
            volume_name=self.volume_name,
            container_path=path,
            read_only=read_only,
        )


class Host(Protocol):
    """A place for containers.

    What differs between a laptop and a server is behind it: how the engine is reached, where data
    lies, and the address that others dial.
    """

    @property
    def name(self) -> str:
        """Its name within the stack."""

    @property
    def stack(self) -> str:
        """Value of the label `stack` on everything that is made here."""

    @property
    def prefix(self) -> str:
        """Before the name of every container, volume and network."""

    @property
    def address(self) -> str:
        """The address that published ports are bound to, and that other hosts dial."""

    @property
    def restart(self) -> str:
        """Docker's restart policy for its containers."""

    @property
    def provider(self) -> docker.Provider:
        """The engine."""

    @property
    def network(self) -> pulumi.Output[str]:
        """Name of the network on which containers find each other by name."""

    def image(self, reference: str) -> pulumi.Output[str]:
        """The id of an image. It is pulled once for all containers of the host."""

    def platform(self, reference: str) -> str | None:
        """The platform to run an image on where it is not the engine's own."""

    def data_directory(
        self, name: str, opts: pulumi.ResourceOptions, *, folder: str | None = None
    ) -> DataDirectory:
        """Makes a directory for data that outlives its containers.

        Args:
            folder: a path on the host that is to be this directory, and exists by then.
        """
