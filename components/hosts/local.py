"""`LocalHost`: the Docker engine of this machine."""

import pulumi
import pulumi_docker as docker

from components.hosts.engine import LABEL_STACK, Engine
from components.hosts.host import DataDirectory

AMD64_ONLY = ("citusdata/citus",)
"""Repositories that publish no image for other architectures."""


class LocalHost(pulumi.ComponentResource):
    """This machine's Docker engine as a host. Published ports are bound to 127.0.0.1.

    Resources: one `docker.Provider`, one `docker.Network`, one `docker.RemoteImage` per image.
    """

    address = "127.0.0.1"

    def __init__(
        self,
        name: str,
        *,
        engine: Engine,
        stack: str,
        prefix: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("arquitectura:hosts:Local", name, None, opts)
        self.stack = stack
        self.prefix = prefix
        self._engine = engine
        self._images: dict[str, docker.RemoteImage] = {}
        self.provider = docker.Provider(
            f"{name}-docker", host=engine.endpoint, opts=pulumi.ResourceOptions(parent=self)
        )
        network = docker.Network(
            f"{name}-network",
            name=f"{prefix}arquitectura",
            labels=[docker.NetworkLabelArgs(label=LABEL_STACK, value=stack)],
            opts=self._child(),
        )
        self.network = network.name
        self.register_outputs({})

    def image(self, reference: str) -> pulumi.Output[str]:
        """The id of an image, pulled once. It stays on the engine when the stack goes."""
        if reference not in self._images:
            self._images[reference] = docker.RemoteImage(
                reference.partition("@")[0],
                name=reference,
                keep_locally=True,
                platform=self.platform(reference),
                opts=self._child(),
            )
        return self._images[reference].image_id

    def platform(self, reference: str) -> str | None:
        """`linux/amd64` for an image that has nothing else, on an engine that is something else."""
        emulated = self._engine.architecture != "amd64" and any(
            repository in reference for repository in AMD64_ONLY
        )
        return "linux/amd64" if emulated else None

    def data_directory(self, name: str, opts: pulumi.ResourceOptions) -> DataDirectory:
        """A Docker volume."""
        volume = docker.Volume(
            name,
            name=f"{self.prefix}{name}",
            labels=[docker.VolumeLabelArgs(label=LABEL_STACK, value=self.stack)],
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(provider=self.provider), opts),
        )
        return DataDirectory(volume_name=volume.name, resources=[volume])

    def _child(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self.provider)
