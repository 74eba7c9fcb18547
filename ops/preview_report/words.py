"""The words for each type of resource: a type that is not here is called by its own name."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ops.preview_report.preview import Step


@dataclass(frozen=True, kw_only=True)
class Words:
    """How one type of resource is spoken of.

    Attributes:
        one: what one is called.
        many: what several are called.
        lost: what is deleted with one that is removed or replaced; empty for nothing.
        replaced: what its users notice when it is replaced; empty for nothing.
        title: the input that holds the name people know; empty for the resource's own name.
    """

    one: str
    many: str
    lost: str = ""
    replaced: str = ""
    title: str = ""

    def count(self, number: int) -> str:
        """So many of them."""
        return f"{number} {self.one if number == 1 else self.many}"

    def named(self, names: Iterable[str]) -> str:
        """Them by their names; empty for none."""
        each = sorted(set(names))
        return f"{self.one if len(each) == 1 else self.many} {listed(each)}" if each else ""


def capital(text: str) -> str:
    """The text, as it begins a sentence."""
    return text[0].upper() + text[1:]


def listed(names: Iterable[str]) -> str:
    """Names in a sentence: `a`, `b` and `c`."""
    *first, last = [f"`{name}`" for name in names]
    return f"{', '.join(first)} and {last}" if first else last


ADDRESS = "hcloud:index/primaryIp:PrimaryIp"
BUCKET = "minio:index/s3Bucket:S3Bucket"
CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/remoteImage:RemoteImage"
MEMBERSHIP = "pulumi-python:dynamic:Membership"
PASSWORD = "random:index/randomPassword:RandomPassword"
POOL_LAYOUT = "pulumi-python:dynamic:PoolLayout"
PROJECT = "arquitectura:index:Project"
S3_KEY = "minio:index/iamServiceAccount:IamServiceAccount"
SERVER = "hcloud:index/server:Server"
SERVER_SIZE = "pulumi-python:dynamic:ServerSize"
SERVER_VOLUME = "hcloud:index/volume:Volume"
DOCKER_VOLUME = "docker:index/volume:Volume"
VOLUME_ATTACHMENT = "pulumi-python:dynamic:VolumeAttachment"
DOKPLOY = "pulumi-python:dynamic:DokployInstallation"
DATABASE = "postgresql:index/database:Database"

OLD_SECRET = "stops working, and who uses it needs the new one"

WORDS: Mapping[str, Words] = {
    CONTAINER: Words(
        one="container",
        many="containers",
        replaced="stops and starts anew, within seconds; its data stays",
    ),
    DOCKER_VOLUME: Words(one="Docker volume", many="Docker volumes", lost="all data in it"),
    "docker:index/network:Network": Words(
        one="Docker network",
        many="Docker networks",
        replaced="parts the containers on it until they are replaced too",
    ),
    IMAGE: Words(one="image", many="images", title="name"),
    SERVER: Words(
        one="server",
        many="servers",
        lost="all data on its own disk",
        replaced="is deleted and made anew: what runs on it is away for minutes",
    ),
    SERVER_SIZE: Words(one="server's size", many="servers' sizes"),
    SERVER_VOLUME: Words(one="server's volume", many="servers' volumes", lost="all data on it"),
    ADDRESS: Words(one="public address", many="public addresses", lost="what others reach it by"),
    "hcloud:index/network:Network": Words(
        one="private network",
        many="private networks",
        replaced="parts the servers from each other until they are in it again",
    ),
    "hcloud:index/firewall:Firewall": Words(
        one="firewall", many="firewalls", replaced="is away for a moment, with its rules"
    ),
    "hcloud:index/sshKey:SshKey": Words(one="SSH key", many="SSH keys"),
    "hcloud:index/zoneRrset:ZoneRrset": Words(one="DNS record", many="DNS records"),
    DATABASE: Words(one="database", many="databases", lost="all tables in it", title="name"),
    "postgresql:index/role:Role": Words(
        one="database role",
        many="database roles",
        replaced="cannot log in for a moment",
        title="name",
    ),
    "postgresql:index/extension:Extension": Words(
        one="extension", many="extensions", lost="what tables have of its types"
    ),
    MEMBERSHIP: Words(one="list of workers", many="lists of workers"),
    BUCKET: Words(one="bucket", many="buckets", lost="all objects in it", title="bucket"),
    "minio:index/s3BucketVersioning:S3BucketVersioning": Words(
        one="versioning of a bucket", many="versionings of buckets"
    ),
    "minio:index/ilmPolicy:IlmPolicy": Words(
        one="lifecycle of a bucket", many="lifecycles of buckets"
    ),
    "minio:index/s3BucketPolicy:S3BucketPolicy": Words(
        one="policy of a bucket", many="policies of buckets"
    ),
    S3_KEY: Words(one="S3 key", many="S3 keys", replaced=OLD_SECRET),
    PASSWORD: Words(one="password", many="passwords", replaced=OLD_SECRET),
    DOKPLOY: Words(
        one="installation of Dokploy",
        many="installations of Dokploy",
        lost="its users, projects and settings",
    ),
    "pulumi-python:dynamic:DokployDestination": Words(
        one="backup destination of Dokploy",
        many="backup destinations of Dokploy",
        lost="Dokploy's schedules of backups to it",
        title="bucket",
    ),
    POOL_LAYOUT: Words(one="list of pools", many="lists of pools"),
    PROJECT: Words(one="project", many="projects"),
    "tls:index/privateKey:PrivateKey": Words(one="private key", many="private keys"),
    "tls:index/locallySignedCert:LocallySignedCert": Words(one="certificate", many="certificates"),
}

_INNER = {
    *("BucketContents", "Leftovers", "MinioReady", "NamesReady", "Placement", "ServerReady"),
    *("DokployAccount", "DokployGate"),
    *("CertRequest", "SelfSignedCert", "VolumeAttachment", "ServerNetwork", "NetworkSubnet"),
}
"""Types that only serve another, which is named in their stead."""

WRITER = "-writer"
"""Ends the name of a container that writes files into the volume of its name, and stops."""
_FILES = Words(one="set of files", many="sets of files")


def words_of(step: Step) -> Words:
    """The words for a step's resource."""
    if step.type == CONTAINER and step.name.endswith(WRITER):
        return _FILES
    if known := WORDS.get(step.type):
        return known
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", step.type.rpartition(":")[2]).lower()
    return Words(one=name, many=f"{name}s", replaced="is deleted and made anew")


def title_of(step: Step) -> str:
    """The name that people know it by."""
    return str({**step.old, **step.new}.get(words_of(step).title, step.name))


def is_inner(step: Step) -> bool:
    """Whether it is a component, a provider, or what only serves another resource."""
    if step.type.startswith(("pulumi:", "arquitectura:")):
        return step.type != PROJECT
    return step.type.rpartition(":")[2] in _INNER
