"""The stacks' configs as they are committed, whatever `make up` has written into them since."""

import subprocess
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import yaml

from ops.stack import REPOSITORY
from ops.up import in_sandbox

TOKEN = "tokenOfTheTests".ljust(64, "x")
PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG5ldmVyIHVzZWQgdG8gbG9nIGluIGFueXdoZXJlIDop me@here"
)
ADMIN_CIDRS = ["203.0.113.7/32", "198.51.100.0/24"]

_ONCE = {
    "hcloud:index/firewall:Firewall": 2,
    "hcloud:index/network:Network": 1,
    "hcloud:index/networkSubnet:NetworkSubnet": 1,
    "hcloud:index/placementGroup:PlacementGroup": 1,
    "hcloud:index/sshKey:SshKey": 1,
    "minio:index/iamServiceAccount:IamServiceAccount": 1,
    "minio:index/ilmPolicy:IlmPolicy": 1,
    "minio:index/s3Bucket:S3Bucket": 1,
    "minio:index/s3BucketVersioning:S3BucketVersioning": 1,
    "postgresql:index/database:Database": 1,
    "postgresql:index/role:Role": 1,
    "pulumi-python:dynamic:BucketContents": 1,
    "pulumi-python:dynamic:DokployAccount": 1,
    "pulumi-python:dynamic:DokployDestination": 1,
    "pulumi-python:dynamic:DokployGate": 1,
    "pulumi-python:dynamic:DokployInstallation": 1,
    "pulumi-python:dynamic:Membership": 2,
    "pulumi-python:dynamic:MinioReady": 1,
    "pulumi-python:dynamic:MonitoringRole": 1,
    "pulumi-python:dynamic:Placement": 1,
    "pulumi-python:dynamic:PoolLayout": 1,
    "random:index/randomPassword:RandomPassword": 6,
    "tls:index/selfSignedCert:SelfSignedCert": 1,
}
_EACH_SERVER = (
    "docker:index/network:Network",
    "hcloud:index/primaryIp:PrimaryIp",
    "hcloud:index/server:Server",
    "hcloud:index/serverNetwork:ServerNetwork",
    "hcloud:index/volume:Volume",
    "pulumi-python:dynamic:ServerReady",
    "pulumi-python:dynamic:ServerSize",
    "pulumi-python:dynamic:VolumeAttachment",
)
RESOURCES: Mapping[str, Mapping[str, int]] = {
    "prod": {
        **_ONCE,
        **dict.fromkeys(_EACH_SERVER, 5),
        # MinIO's nodes, Citus' nodes, the PGPASSFILE of each server, the edge and its routes; then
        # the exporters of hosts, containers and Citus' nodes, and Citus' own, Prometheus with its
        # targets, Alertmanager and Grafana.
        "docker:index/container:Container": 4 + 5 + 5 + 2 + (5 + 5 + 5 + 1) + 4,
        # Of main: Citus, the edge, busybox, three exporters and three more; of the others: MinIO,
        # Citus, busybox and the exporters.
        "docker:index/remoteImage:RemoteImage": 9 + 4 * 6,
        # MinIO, Citus, each PGPASSFILE, two of the edge's, and the monitoring's.
        "docker:index/volume:Volume": 4 + 5 + 5 + 2 + 4,
        # Citus' nodes and the edge have a certificate; a server has its host key.
        "tls:index/certRequest:CertRequest": 6,
        "tls:index/locallySignedCert:LocallySignedCert": 6,
        "tls:index/privateKey:PrivateKey": 6 + 5 + 1,
    },
    "small": {
        **_ONCE,
        **dict.fromkeys(_EACH_SERVER, 1),
        "docker:index/container:Container": 1 + 3 + 1 + 2 + (1 + 1 + 3 + 1) + 4,
        "docker:index/remoteImage:RemoteImage": 4 + 6,
        "docker:index/volume:Volume": 1 + 3 + 1 + 2 + 4,
        "tls:index/certRequest:CertRequest": 4,
        "tls:index/locallySignedCert:LocallySignedCert": 4,
        "tls:index/privateKey:PrivateKey": 4 + 1 + 1,
    },
}
"""How many resources of each type the stacks on servers have, without components and providers."""


_SHARED_OR_LEFT_OUT: Mapping[str, Mapping[str, int]] = {
    "prod": {
        # No Grafana, and no cAdvisor on any server; one image for both exporters of a server, and
        # one for Prometheus and Alertmanager.
        "docker:index/container:Container": 1 + 5,
        "docker:index/remoteImage:RemoteImage": 1 + 5 + 5 + 1,
        "docker:index/volume:Volume": 1,
        "random:index/randomPassword:RandomPassword": 1,
    },
    "small": {
        "docker:index/container:Container": 1 + 1,
        "docker:index/remoteImage:RemoteImage": 1 + 1 + 1 + 1,
        "docker:index/volume:Volume": 1,
        "random:index/randomPassword:RandomPassword": 1,
    },
}
"""What the sandbox has less of."""


def resources(stack: str) -> Mapping[str, int]:
    """How many resources of each type this machine's engine makes for a stack on servers."""
    less = _SHARED_OR_LEFT_OUT[stack] if in_sandbox() else {}
    return {kind: count - less.get(kind, 0) for kind, count in RESOURCES[stack].items()}


def git(*arguments: str) -> str:
    """What git prints."""
    return subprocess.check_output(["git", *arguments], cwd=REPOSITORY, text=True)


def committed(name: str) -> dict[str, Any]:
    """The sections of a committed stack's config."""
    return deepcopy(_sections(name))


@cache
def _sections(name: str) -> dict[str, Any]:
    text = git("show", f"HEAD:Pulumi.{name}.yaml")
    return {
        key.removeprefix("arquitectura:"): value
        for key, value in yaml.safe_load(text)["config"].items()
        if key.startswith("arquitectura:")
    }


def on_servers(name: str, **hosts: Any) -> dict[str, Any]:
    """The sections of a committed config of servers, with what each user adds.

    Args:
        name: of the stack.
        hosts: more of the section `hosts`; None takes a key away.
    """
    sections = committed(name)
    mine = {"token": TOKEN, "admin_cidrs": ADMIN_CIDRS, "ssh_keys": [PUBLIC_KEY]}
    section = {**sections["hosts"], **mine, **hosts}
    return {**sections, "hosts": {key: v for key, v in section.items() if v is not None}}
