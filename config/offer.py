"""Whether Hetzner has what a plan needs: pure, from the API's answers to problems and warnings."""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from itertools import groupby
from typing import Literal

from config.plan import HetznerPlan, Plan, ServerPlan
from config.problems import Problem
from config.settings import AMD64_ONLY

SYSTEM_MEMORY_MB = 512
"""What the system, Docker and the page cache keep of a server's memory, in MiB."""

STACK_LABEL = "stack"
"""Label of everything that belongs to a stack; its value is the stack's name."""

Architecture = Literal["x86", "arm"]


@dataclass(frozen=True, kw_only=True)
class ServerType:
    """A size of server.

    Attributes:
        locations: where it is sold, and whether it can be had there now.
        unavailable_after: the locations where it is deprecated, and the day after which it cannot
            be ordered there any more.
        monthly_price: by location, without VAT.
    """

    name: str
    cores: int
    memory_gb: float
    disk_gb: int
    architecture: Architecture
    locations: Mapping[str, bool]
    monthly_price: Mapping[str, Decimal]
    unavailable_after: Mapping[str, date] = field(default_factory=dict)

    @property
    def usable_memory_mb(self) -> int:
        """What containers can have, in MiB."""
        return int(self.memory_gb * 1024) - SYSTEM_MEMORY_MB


@dataclass(frozen=True, kw_only=True)
class SshKey:
    """A key in the Hetzner project."""

    id: int
    name: str
    public_key: str
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ExistingServer:
    """A server of the stack that is there already.

    Attributes:
        status: Hetzner's word, such as `running` or `off`.
        ipv4: its public address, if it has one.
        type: name of its server type.
        disk_gb: size of its disk, which may be smaller than its type's.
        volume_gb: size of the volumes attached to it, together.
    """

    name: str
    status: str
    ipv4: str | None
    type: str
    disk_gb: int
    volume_gb: int


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What Hetzner sells, and what the project has.

    Attributes:
        locations: the network zone of each.
        server_types: all that Hetzner lists, in its order.
        ssh_keys: all of the project.
        servers: those of this stack.
    """

    locations: Mapping[str, str]
    server_types: Sequence[ServerType]
    ssh_keys: Sequence[SshKey]
    servers: Sequence[ExistingServer]

    def server_type(self, name: str) -> ServerType | None:
        """The server type of that name."""
        return next((kind for kind in self.server_types if kind.name == name), None)

    def server(self, full_name: str) -> ExistingServer | None:
        """The server of that name, when there is one."""
        return next((server for server in self.servers if server.name == full_name), None)


def offer_problems(plan: Plan, offer: Offer) -> Iterator[Problem]:
    """Everything that Hetzner would refuse, or that would not fit on the servers.

    Nothing for a stack that is not on Hetzner.
    """
    hetzner = plan.hetzner
    if hetzner is None:
        return
    if hetzner.location in offer.locations:
        for role, servers in _by_role(hetzner):
            for message in _type_problems(servers, hetzner.location, offer):
                yield Problem(f"hosts.{role}.server_type", message)
    else:
        yield Problem(
            "hosts.location",
            f"{hetzner.location!r} is not one of {', '.join(sorted(offer.locations))}",
        )
    yield from _key_problems(plan.stack, hetzner.ssh_keys, offer)


def offer_warnings(plan: Plan, offer: Offer) -> Iterator[str]:
    """What Hetzner will stop to sell."""
    hetzner = plan.hetzner
    if hetzner is None:
        return
    for role, servers in _by_role(hetzner):
        kind = offer.server_type(servers[0].server_type)
        last = kind and kind.unavailable_after.get(hetzner.location)
        if last:
            yield (
                f"arquitectura:hosts.{role}.server_type: {servers[0].server_type} is deprecated in "
                f"{hetzner.location} and cannot be ordered after {last}. Servers that exist go on; "
                "choose another for those to come"
            )


def _by_role(hetzner: HetznerPlan) -> Iterator[tuple[str, Sequence[ServerPlan]]]:
    """The servers of each role, which have the same type."""
    for role, servers in groupby(hetzner.servers, key=lambda server: server.role):
        yield role, tuple(servers)


def _type_problems(servers: Sequence[ServerPlan], location: str, offer: Offer) -> Iterator[str]:
    name = servers[0].server_type
    kind = offer.server_type(name)
    choices = _choices(servers, location, offer)
    if kind is None:
        close = get_close_matches(name, [kind.name for kind in offer.server_types])
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        yield f"{name!r} is no server type.{hint} {location} has {_list(choices)}"
        return
    if location not in kind.locations:
        yield (
            f"{name} is not sold in {location}, only in {', '.join(kind.locations) or 'no place'}: "
            f"{location} has {_list(choices)}"
        )
    elif not kind.locations[location] and (changing := _changing(servers, offer)):
        yield _sold_out(kind, changing, choices, location, offer)
    if kind.architecture == "arm" and (images := _amd64_images(servers)):
        yield (
            f"{name} has the arm64 architecture, and {', '.join(images)} is for amd64 only: "
            f"{location} has {_list(choices)}"
        )
    yield from _resize_problems(servers, kind, offer)
    yield from _load_problems(servers, kind, choices)


def _choices(servers: Sequence[ServerPlan], location: str, offer: Offer) -> list[ServerType]:
    """The types that can be had and on which these servers' containers run, cheapest first."""
    fit = [
        kind
        for kind in offer.server_types
        if kind.locations.get(location)
        and not (kind.architecture == "arm" and _amd64_images(servers))
        and all(_memory(server) <= kind.usable_memory_mb for server in servers)
        and all(load.cpus <= kind.cores for server in servers for load in server.loads)
    ]
    return sorted(fit, key=lambda kind: kind.monthly_price.get(location, Decimal("Infinity")))


def _list(kinds: Sequence[ServerType]) -> str:
    """Names with sizes, in the order given."""
    if not kinds:
        return "none at present that all its containers fit on"
    return ", ".join(f"{kind.name} ({kind.cores} cores, {kind.memory_gb:g} GB)" for kind in kinds)


def _changing(servers: Sequence[ServerPlan], offer: Offer) -> list[ServerPlan]:
    """Those that do not exist with their type yet: a server that does keeps running."""
    return [
        server
        for server in servers
        if (existing := offer.server(server.full_name)) is None
        or existing.type != server.server_type
    ]


def _sold_out(
    kind: ServerType,
    changing: Sequence[ServerPlan],
    choices: Sequence[ServerType],
    location: str,
    offer: Offer,
) -> str:
    larger = [choice for choice in choices if choice.memory_gb >= kind.memory_gb]
    elsewhere = sorted(place for place, available in kind.locations.items() if available)
    move = (
        f" {kind.name} can be had in {', '.join(elsewhere)}."
        if elsewhere and not offer.servers  # a stack that has servers does not move
        else ""
    )
    return (
        f"{kind.name} is sold out in {location} at present, and {_names(changing)} would need it. "
        f"With as much memory or more there is {_list(larger)}.{move} Or try again later"
    )


def _amd64_images(servers: Sequence[ServerPlan]) -> list[str]:
    images = {load.image for server in servers for load in server.loads}
    return sorted(
        image for image in images if any(repository in image for repository in AMD64_ONLY)
    )


def _resize_problems(
    servers: Sequence[ServerPlan], kind: ServerType, offer: Offer
) -> Iterator[str]:
    """What the API would say only after a server has been shut down for it."""
    for server in servers:
        existing = offer.server(server.full_name)
        if existing is None or existing.type == kind.name:
            continue
        before = offer.server_type(existing.type)
        if before and before.architecture != kind.architecture:
            yield (
                f"{server.name} is a {existing.type} ({before.architecture}) and cannot become a "
                f"{kind.name} ({kind.architecture}): choose one of the same architecture"
            )
        elif existing.disk_gb > kind.disk_gb:
            yield (
                f"{server.name} has a disk of {existing.disk_gb} GB, and {kind.name} one of "
                f"{kind.disk_gb} GB: a disk cannot shrink. Choose a type with as large a disk"
            )


def _load_problems(
    servers: Sequence[ServerPlan], kind: ServerType, choices: Sequence[ServerType]
) -> Iterator[str]:
    full = [server for server in servers if _memory(server) > kind.usable_memory_mb]
    if full:
        most = max(full, key=_memory)
        parts = " + ".join(f"{load.name} {load.memory_mb}" for load in most.loads)
        others = [server for server in full if server is not most]
        also = f" (so do those of {_names(others)})" if others else ""
        yield (
            f"the containers of {most.name} may take {_memory(most)} MiB: {parts}{also}. "
            f"{kind.name} has {kind.usable_memory_mb} for them, besides {SYSTEM_MEMORY_MB} for the "
            f"system. Lower memory_mb of a service, or choose {_list(choices)}"
        )
    # Docker starts no container whose limit is above the server's cores. The sum may be above:
    # limits are no reservations.
    limits = {
        f"{load.name} {load.cpus:g}"
        for server in servers
        for load in server.loads
        if load.cpus > kind.cores
    }
    if limits:
        yield (
            f"{kind.name} has {kind.cores} cores, and no container may have more: "
            f"{', '.join(sorted(limits))}. Lower cpus of the service, or choose {_list(choices)}"
        )


def _memory(server: ServerPlan) -> int:
    return sum(load.memory_mb for load in server.loads)


def _names(servers: Sequence[ServerPlan]) -> str:
    return ", ".join(server.name for server in servers)


def _key_problems(stack: str, keys: Sequence[str], offer: Offer) -> Iterator[Problem]:
    by_name = {key.name: key for key in offer.ssh_keys}
    by_content = {_content(key.public_key): key for key in offer.ssh_keys}
    seen: dict[str, int] = {}
    for index, key in enumerate(keys):
        path = f"hosts.ssh_keys[{index}]"
        if "PRIVATE KEY" in key:  # not to be shown
            yield Problem(path, "is a private key: give the public one, the content of a .pub file")
            continue
        if key in by_name:
            content = _content(by_name[key].public_key)
        elif not _looks_public(key):
            existing = ", ".join(sorted(by_name)) or "no keys yet"
            yield Problem(
                path,
                f"{key!r} is no key of the Hetzner project, which has {existing}. Name one of "
                "these, or give the public key itself, the content of a .pub file",
            )
            continue
        elif not _is_public(key):
            yield Problem(path, f"{key!r} is not a whole public key, as in the line of a .pub file")
            continue
        else:
            content = _content(key)
            same = by_content.get(content)
            if same and same.labels.get(STACK_LABEL) != stack:
                yield Problem(
                    path,
                    f"this key is in the Hetzner project already: write its name, {same.name!r}",
                )
        if content in seen:
            yield Problem(path, f"is the same key as hosts.ssh_keys[{seen[content]}]: keep one")
        seen.setdefault(content, index)


def _looks_public(key: str) -> bool:
    return key.startswith(("ssh-", "ecdsa-", "sk-")) and " " in key


def _is_public(key: str) -> bool:
    """Whether it is in OpenSSH's format: the kind, then base64 that repeats it (RFC 4253)."""
    kind, blob = key.split()[:2] if len(key.split()) > 1 else (key, "")
    try:
        decoded = base64.b64decode(blob, validate=True)
    except binascii.Error:
        return False
    return decoded[4 : 4 + len(kind)] == kind.encode() and len(decoded) > 4 + len(kind)


def _content(public_key: str) -> str:
    """A key without its comment."""
    return " ".join(public_key.split()[:2])
