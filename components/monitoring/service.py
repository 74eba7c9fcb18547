"""`ServiceArgs`: what every container of the monitoring is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from components.container import ContainerArgs, File, Healthcheck, Port, container
from components.hosts.host import Host

CONFIG = "/etc/arquitectura"
"""Folder of the files that are put into the containers."""


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """A container: where it stands, and its limits.

    Attributes:
        kind: value of its label `service`.
        name: its name within the stack.
        published: port on its host; None where only its Docker network reaches it.
        memory_mb: memory limit in MiB.
        cpus: CPU limit in cores.
    """

    kind: str
    name: str
    host: Host
    image: str
    published: int | None
    memory_mb: int
    cpus: float


@dataclass(frozen=True, kw_only=True)
class Running:
    """How a service's program runs.

    Attributes:
        entrypoint: the program, by its path in the official image.
        port: where it listens, inside.
        health_path: answers with 200 when it works.
        host_network: whether it listens on the host's own address and the published port instead.
        groups: more groups of the user that it runs as, by number.
    """

    entrypoint: str
    port: int
    health_path: str
    command: Sequence[str] = ()
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    files: Sequence[File] = ()
    volumes: Sequence[docker.ContainerVolumeArgs] = ()
    host_network: bool = False
    groups: Sequence[str] = ()
    start_period: str = "10s"


def run_service(args: ServiceArgs, how: Running, opts: pulumi.ResourceOptions) -> docker.Container:
    """Makes the container of a service."""
    asked = "127.0.0.1"
    port: int = how.port
    if how.host_network:
        asked, port = args.host.address, args.published or how.port
    return container(
        args.name,
        args.host,
        ContainerArgs(
            service=args.kind,
            ordinal=0,
            image=args.image,
            memory_mb=args.memory_mb,
            cpus=args.cpus,
            entrypoint=[how.entrypoint],
            command=how.command,
            environment=how.environment,
            files=how.files,
            volumes=how.volumes,
            host_network=how.host_network,
            groups=how.groups,
            ports=[Port(internal=how.port, external=args.published)]
            if args.published and not how.host_network
            else [],
            healthcheck=Healthcheck(
                # The official images have no curl, and some have BusyBox' wget only.
                command=[
                    "wget",
                    "-q",
                    "-O",
                    "/dev/null",
                    f"http://{asked}:{port}{how.health_path}",
                ],
                start_period=how.start_period,
            ),
        ),
        opts,
    )
