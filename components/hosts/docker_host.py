"""`DockerHost`: what every Docker engine is as a host, however it is reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from components.hosts.engine import LABEL_STACK
from components.hosts.host import DataDirectory


@dataclass(frozen=True, kw_only=True)
class DockerHostArgs:
    """An engine.

    Attributes:
        stack: value of the label `stack` on everything that is made here.
        prefix: before the name of every container, volume and network.
        address: the address that published ports are bound to, and that other hosts dial.
        restart: restart policy of the containers.
        registry: `host:port` before each image's name.
        network_options: options of the network's driver.
    """

    stack: str
    prefix: str
    address: str
    restart: str = "unless-stopped"
    registry: str | None = None
    network_options: Mapping[str, str] = field(default_factory=dict)


class DockerHost(pulumi.ComponentResource):
    """A Docker engine as a host.

    Resources: one `docker.Network`, one `docker.RemoteImage` per image.
    """

    provider: docker.Provider
    network: pulumi.Output[str]

    def __init__(
        self,
        type_token: str,
        name: str,
        args: DockerHostArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(type_token, name, None, opts)
        self.name = name
        self.stack = args.stack
        self.prefix = args.prefix
        self.address = args.address
        self.restart = args.restart
        self._args = args
        self._images: dict[str, docker.RemoteImage] = {}

    def use(self, provider: docker.Provider) -> None:
        """Makes the network on the engine behind `provider`, which all else is made with."""
        self.provider = provider
        self.network = docker.Network(
            f"{self.name}-network",
            name=f"{self.prefix}arquitectura",
            labels=[docker.NetworkLabelArgs(label=LABEL_STACK, value=self.stack)],
            options=dict(self._args.network_options) or None,
            opts=pulumi.ResourceOptions(parent=self, provider=provider),
        ).name

    def image(self, reference: str) -> pulumi.Output[str]:
        """The id of an image, pulled once. It stays on the engine when the stack goes."""
        if reference not in self._images:
            registry = self._args.registry
            self._images[reference] = docker.RemoteImage(
                f"{self.name}-{reference.partition('@')[0]}",
                name=f"{registry}/{reference}" if registry else reference,
                keep_locally=True,
                platform=self.platform(reference),
                opts=pulumi.ResourceOptions(parent=self, provider=self.provider),
            )
        return self._images[reference].image_id

    def platform(self, _reference: str) -> str | None:
        """The platform to run an image on where it is not the engine's own."""
        return None

    def data_directory(
        self, name: str, opts: pulumi.ResourceOptions, *, folder: str | None = None
    ) -> DataDirectory:
        """A Docker volume; of a folder it is another name."""
        bound = {"type": "none", "o": "bind", "device": folder} if folder else None
        volume = docker.Volume(
            name,
            name=f"{self.prefix}{name}",
            driver_opts=bound,
            labels=[docker.VolumeLabelArgs(label=LABEL_STACK, value=self.stack)],
            opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(provider=self.provider), opts),
        )
        return DataDirectory(volume_name=volume.name, resources=[volume])
