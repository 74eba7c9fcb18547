"""The one way in which a container is made: what each must have is set here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
import pulumi_docker as docker

from components.hosts.engine import LABEL_STACK
from components.hosts.host import DataDirectory, Host

WAIT_SECONDS = 180
"""How long a container that is waited for may take to become healthy."""


@dataclass(frozen=True, kw_only=True)
class Healthcheck:
    """How Docker asks whether the service inside answers.

    Durations in Go's shortest form (`5s`, `1m30s`): another spelling shows as a change for ever.
    """

    command: Sequence[str]
    interval: str = "10s"
    timeout: str = "5s"
    retries: int = 6
    start_period: str = "10s"


@dataclass(frozen=True, kw_only=True)
class Port:
    """A port of the container, published on one address only: `ip`, or the host's own."""

    internal: int
    external: int
    ip: pulumi.Input[str] | None = None


@dataclass(frozen=True, kw_only=True)
class File:
    """A file written into the container before it starts. A change replaces the container."""

    path: str
    content: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class ContainerArgs:
    """A long-running container.

    Attributes:
        service: value of its label `service`.
        ordinal: its number within the service; value of its label `ordinal`.
        image: reference of the image.
        memory_mb: memory limit in MiB, without swap.
        cpus: CPU limit in cores.
        shm_mb: size of /dev/shm in MiB.
        groups: more groups of the user that it runs as, by number.
        stop_timeout: seconds to stop by itself before it is killed.
        host_network: whether it uses the host's own addresses, as MinIO must that looks for its own
            address among them; without it, it is on the Docker network.
        networks: more Docker networks that it is on.
        wait: whether what depends on it comes after its first successful healthcheck.
    """

    service: str
    ordinal: int
    image: str
    memory_mb: int
    cpus: float
    healthcheck: Healthcheck
    command: Sequence[str] = ()
    entrypoint: Sequence[str] | None = None
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    files: Sequence[File] = ()
    volumes: Sequence[docker.ContainerVolumeArgs] = ()
    ports: Sequence[Port] = ()
    shm_mb: int | None = None
    groups: Sequence[str] = ()
    stop_signal: str | None = None
    stop_timeout: int = 30
    host_network: bool = False
    networks: Sequence[str] = ()
    wait: bool = False


def container(
    name: str, host: Host, args: ContainerArgs, opts: pulumi.ResourceOptions
) -> docker.Container:
    """Makes a container called `<prefix><name>` on `host`.

    It takes no other container's outputs, only names, so that replacing one replaces no other.
    """
    networks: list[pulumi.Input[str]] = [host.network, *args.networks]
    return docker.Container(
        name,
        name=f"{host.prefix}{name}",
        image=host.image(args.image),
        hostname=None if args.host_network else f"{host.prefix}{name}",
        command=list(args.command),
        entrypoints=args.entrypoint,
        envs=[pulumi.Output.concat(key, "=", value) for key, value in args.environment.items()],
        uploads=[_upload(file) for file in args.files],
        volumes=list(args.volumes),
        network_mode="host" if args.host_network else None,
        networks_advanced=[]
        if args.host_network
        else [docker.ContainerNetworksAdvancedArgs(name=network) for network in networks],
        ports=[
            docker.ContainerPortArgs(
                internal=port.internal,
                external=port.external,
                ip=host.address if port.ip is None else port.ip,
            )
            for port in args.ports
        ],
        memory=args.memory_mb,
        memory_swap=args.memory_mb,  # unset, Docker doubles it and every preview shows a change
        cpus=cpus_text(args.cpus),
        shm_size=args.shm_mb,
        group_adds=list(args.groups) or None,
        restart=host.restart,
        stop_signal=args.stop_signal,
        stop_timeout=args.stop_timeout,
        destroy_grace_seconds=args.stop_timeout,
        healthcheck=docker.ContainerHealthcheckArgs(
            tests=["CMD", *args.healthcheck.command],
            interval=args.healthcheck.interval,
            timeout=args.healthcheck.timeout,
            retries=args.healthcheck.retries,
            start_period=args.healthcheck.start_period,
        ),
        wait=args.wait or None,
        wait_timeout=WAIT_SECONDS if args.wait else None,
        opts=_options(host, opts),
        **_common(host, args.service, args.ordinal, args.image),
    )


def cpus_text(cpus: float) -> str:
    """A CPU limit as the provider reads it back: another spelling is replaced at every `up`.

    Formula: `nanoInt64ToDecimalString` of kreuzwerker/terraform-provider-docker.
    """
    text = f"{cpus:.9f}"
    return f"{cpus:.1f}" if text.count("0") == 9 else text.rstrip("0")


@dataclass(frozen=True, kw_only=True)
class OneShotArgs:
    """A container that runs a shell script once and stays as a record of it.

    A change of the script or of a file replaces it, and so runs it again.
    """

    service: str
    image: str
    script: str
    files: Sequence[File] = ()
    volumes: Sequence[docker.ContainerVolumeArgs] = ()


def one_shot(
    name: str, host: Host, args: OneShotArgs, opts: pulumi.ResourceOptions
) -> docker.Container:
    """Runs a script in a container without network and waits until it has ended.

    Raises (in the update): the script failed; what it said is in the container's log.
    """
    made = docker.Container(
        name,
        name=f"{host.prefix}{name}",
        image=host.image(args.image),
        entrypoints=["sh", "-ec", args.script],
        uploads=[_upload(file) for file in args.files],
        volumes=list(args.volumes),
        network_mode="none",
        must_run=False,
        attach=True,
        memory=32,
        memory_swap=32,
        restart="no",
        opts=_options(host, opts),
        **_common(host, args.service, 0, args.image),
    )

    def check(exit_code: int | None) -> None:
        if exit_code:  # the provider does not look
            full = f"{host.prefix}{name}"
            raise pulumi.RunError(
                f"{full} failed with exit code {exit_code}; docker logs {full} says why. "
                f"Then docker rm {full}, and pulumi up --refresh"
            )

    made.exit_code.apply(check)
    return made


def written_directory(
    name: str,
    host: Host,
    args: OneShotArgs,
    opts: pulumi.ResourceOptions,
    *,
    folder: str | None = None,
) -> DataDirectory:
    """A data directory with files that a one-shot container writes, as its `/out`.

    Other files run the writer again and replace no container that mounts the directory.

    Args:
        folder: see `Host.data_directory`.
    """
    directory = host.data_directory(name, opts, folder=folder)
    writer = one_shot(
        f"{name}-writer",
        host,
        replace(args, volumes=[directory.at("/out")]),
        pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(depends_on=list(directory.resources))
        ),
    )
    return replace(directory, resources=[*directory.resources, writer])


def _common(host: Host, service: str, ordinal: int, image: str) -> dict[str, Any]:
    labels = {LABEL_STACK: host.stack, "service": service, "ordinal": str(ordinal)}
    return {
        "platform": host.platform(image),
        "labels": [
            docker.ContainerLabelArgs(label=label, value=value) for label, value in labels.items()
        ],
        "log_driver": "json-file",
        "log_opts": {"max-size": "10m", "max-file": "3"},
    }


def _upload(file: File) -> docker.ContainerUploadArgs:
    return docker.ContainerUploadArgs(file=file.path, content=file.content)


def _options(host: Host, opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(
        pulumi.ResourceOptions(
            provider=host.provider,
            # Names and ports are fixed: the old container must go first.
            delete_before_replace=True,
            # The provider reports a new healthcheck as updated and does not apply it.
            replace_on_changes=["healthcheck"],
        ),
        opts,
    )
