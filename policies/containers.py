"""What every container must have."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, ip_address
from typing import Any

from pulumi_policy.proxy import UnknownValueError

from config.settings import PRIVATE_RANGES, is_pinned
from policies.registered import Registered

CONTAINER = "docker:index/container:Container"
REMOTE_IMAGE = "docker:index/remoteImage:RemoteImage"
EDGE_PORTS = (80, 443, 5432)
"""What the edge serves to the outside: HTTP, HTTPS and PostgreSQL."""


def images_are_pinned(resource: Registered) -> Iterator[str]:
    """The same name is the same image next month."""
    if resource.type == REMOTE_IMAGE:
        image = resource.properties["name"]
    elif resource.type == CONTAINER:
        image = _image(resource.properties)
    else:
        return
    if image is not None and not is_pinned(image):
        yield (
            f"{resource.name} uses {image}, which may be another image tomorrow: add a tag (not "
            "'latest') or a digest, name:tag@sha256:…"
        )


def _image(properties: Mapping[str, Any]) -> str | None:
    """None for the id of an image that is still to be pulled: its RemoteImage is checked."""
    try:
        return str(properties["image"])
    except UnknownValueError:
        return None


def memory_is_limited(resource: Registered) -> Iterator[str]:
    """One container cannot take the memory of all others."""
    if resource.type == CONTAINER and not resource.properties.get("memory"):
        yield f"{resource.name} may take all memory of its host: set memory, in MiB"


def health_is_checked(resource: Registered) -> Iterator[str]:
    """Docker knows whether the service answers.

    A one-shot container (`must_run=False`) has none: it ends before anyone could ask, and its exit
    code says whether it worked.
    """
    if resource.type != CONTAINER or resource.properties.get("mustRun") is False:
        return
    tests = (resource.properties.get("healthcheck") or {}).get("tests")
    if not tests or tests[0] == "NONE":
        yield (
            f"nobody asks whether {resource.name} works: set healthcheck; or must_run=False, if "
            "it runs once and ends"
        )


def ports_are_private(resource: Registered) -> Iterator[str]:
    """Only the edge is reached from outside; Docker's ports go around a host's own firewall.

    What a container on the host's network listens on is not seen here: servers have firewalls.
    """
    if resource.type != CONTAINER:
        return
    if resource.properties.get("publishAllPorts"):
        yield (
            f"{resource.name} publishes every port on all addresses: leave out "
            "publish_all_ports, and name its ports, each with an ip"
        )
    for port in resource.properties.get("ports") or ():
        external = int(port.get("external") or 0)
        if external in EDGE_PORTS and _label(resource, "service") == "edge":
            continue
        address = port.get("ip") or "0.0.0.0"  # noqa: S104 what Docker takes it for
        if not _is_private(address):
            yield (
                f"{resource.name} publishes port {external or port['internal']} on {address}: "
                "set ip to 127.0.0.1 or to the host's private address, and let the edge serve it"
            )


def _label(resource: Registered, name: str) -> str | None:
    labels = resource.properties.get("labels") or ()
    return next((label["value"] for label in labels if label["label"] == name), None)


def _is_private(text: str) -> bool:
    address = ip_address(text)
    return address.is_loopback or any(address in IPv4Network(cidr) for cidr in PRIVATE_RANGES)
