"""Alertmanager's container."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from components.container import File
from components.monitoring.service import CONFIG, Running, ServiceArgs, run_service

PORT = 9093
DATA = "/alertmanager"
"""In the official image a folder of the user that Alertmanager runs as."""
CONFIG_FILE = f"{CONFIG}/alertmanager.yml"


@dataclass(frozen=True, kw_only=True)
class AlertmanagerArgs:
    """Alertmanager.

    Attributes:
        service: its container.
        configuration: text of `alertmanager.yml`. A change replaces the container; silences stay.
        files: text of the files that it names, by their paths; secret.
    """

    service: ServiceArgs
    configuration: pulumi.Input[str]
    files: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


def alertmanager(args: AlertmanagerArgs, opts: pulumi.ResourceOptions) -> docker.Container:
    """Makes Alertmanager and the directory of its silences."""
    data = args.service.host.data_directory(args.service.name, opts)
    return run_service(
        args.service,
        Running(
            entrypoint="/bin/alertmanager",
            command=[
                f"--config.file={CONFIG_FILE}",
                f"--storage.path={DATA}",
                "--cluster.listen-address=",  # it is the only one
            ],
            port=PORT,
            health_path="/-/ready",
            files=[
                File(path=CONFIG_FILE, content=args.configuration),
                *(File(path=path, content=text) for path, text in args.files.items()),
            ],
            volumes=[data.at(DATA)],
        ),
        pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[*data.resources])),
    )
