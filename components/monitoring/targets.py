"""What Prometheus asks: a file for each job, which it reads again when it changes.

So a node or a host that comes or goes replaces no container but the one that writes the files.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from components.container import File, OneShotArgs, one_shot
from components.hosts.host import DataDirectory, Host

PATH = "/etc/arquitectura/targets"

WRITE = (
    # Written beside and renamed, from a name that Prometheus does not look at: it never reads half
    # a file.
    "cd /in\n"
    "for file in *.json; do\n"
    '  install -m 644 "$file" "/out/.$file"\n'
    '  mv "/out/.$file" "/out/$file"\n'
    "done\n"
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """One thing that Prometheus asks.

    Attributes:
        job: what kind of thing it is.
        address: `host:port`, as Prometheus dials it.
        labels: of everything that it answers; `instance` and `host` among them.
    """

    job: str
    address: str
    labels: Mapping[str, str] = field(default_factory=dict)


def target_files(jobs: Sequence[str], targets: Sequence[Target]) -> Mapping[str, str]:
    """The text of each job's file (`file_sd_config`), also of a job that has no target left."""
    return {
        f"{job}.json": json.dumps(
            [
                {"targets": [target.address], "labels": dict(target.labels)}
                for target in targets
                if target.job == job
            ],
            indent=1,
        )
        for job in jobs
    }


def write_targets(
    name: str,
    host: Host,
    *,
    image: str,
    files: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> DataDirectory:
    """Keeps the files in a directory that Prometheus watches."""
    directory = host.data_directory(name, opts)
    writer = one_shot(
        f"{name}-writer",
        host,
        OneShotArgs(
            service=name,
            image=image,
            script=WRITE,
            files=[File(path=f"/in/{file}", content=text) for file, text in files.items()],
            volumes=[directory.at("/out")],
        ),
        pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(depends_on=list(directory.resources))
        ),
    )
    return DataDirectory(
        volume_name=directory.volume_name, resources=[*directory.resources, writer]
    )
