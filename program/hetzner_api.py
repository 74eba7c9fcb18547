"""Asks the Hetzner Cloud API what there is and what it costs. Every preview does, so it is fast."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from components.hosts.hetzner_client import (
    CONNECT_SECONDS,
    HetznerApiError,
    connect,
    errors_as_sentences,
    takes_connections,
    until,
)
from config.cost import Prices
from config.offer import STACK_LABEL, ExistingServer, Offer, ServerType, SshKey

__all__ = ["HetznerApiError", "read_offer", "read_prices", "unreachable"]


def read_offer(endpoint: str, token: str, stack: str) -> Offer:
    """What Hetzner sells, and what the project has: five requests at the same time.

    Args:
        endpoint: URL of the API, with its version.
        token: of the Hetzner project.
        stack: whose servers to look for, by their label.

    Raises:
        HetznerApiError: the token is wrong, or the API refuses or does not answer.
    """
    client = connect(endpoint, token)
    with errors_as_sentences(endpoint), ThreadPoolExecutor(max_workers=5) as pool:
        locations = pool.submit(client.locations.get_all)
        server_types = pool.submit(client.server_types.get_all)
        ssh_keys = pool.submit(client.ssh_keys.get_all)
        of_stack = f"{STACK_LABEL}={stack}"
        servers = pool.submit(client.servers.get_all, label_selector=of_stack)
        volumes = pool.submit(client.volumes.get_all, label_selector=of_stack)
        attached = volumes.result()
        return Offer(
            locations=dict(_location(place) for place in locations.result()),
            server_types=tuple(_server_type(kind) for kind in server_types.result()),
            ssh_keys=tuple(_ssh_key(key) for key in ssh_keys.result()),
            servers=tuple(_server(server, attached) for server in servers.result()),
        )


# To the client every field may be None, so its objects are Any here.


def _location(place: Any) -> tuple[str, str]:
    return place.name, place.network_zone


def _ssh_key(key: Any) -> SshKey:
    return SshKey(id=key.id, name=key.name, public_key=key.public_key, labels=key.labels)


def _server_type(kind: Any) -> ServerType:
    places = kind.locations or []
    return ServerType(
        name=kind.name,
        cores=kind.cores,
        memory_gb=kind.memory,
        disk_gb=kind.disk,
        architecture=kind.architecture,
        locations={place.location.name: bool(place.available) for place in places},
        monthly_price=_by_location(kind.prices),
        unavailable_after={
            place.location.name: place.deprecation.unavailable_after.date()
            for place in places
            if place.deprecation
        },
    )


def _server(server: Any, volumes: Sequence[Any]) -> ExistingServer:
    public = server.public_net and server.public_net.ipv4
    return ExistingServer(
        name=server.name,
        status=server.status,
        ipv4=public.ip if public else None,
        type=server.server_type.name,
        disk_gb=server.primary_disk_size,
        volume_gb=sum(
            volume.size for volume in volumes if volume.server and volume.server.id == server.id
        ),
    )


def read_prices(endpoint: str, token: str) -> Prices | None:
    """The prices of the day, or None when they cannot be had: that is no reason to stop.

    Args:
        endpoint: URL of the API, with its version.
        token: of the Hetzner project.
    """
    try:
        client = connect(endpoint, token)
        with errors_as_sentences(endpoint):
            # The client has no method for it.
            pricing: dict[str, Any] = client.request("GET", "/pricing")["pricing"]
        return _prices(pricing)
    except (HetznerApiError, LookupError, TypeError, ArithmeticError):
        return None


def _prices(pricing: dict[str, Any]) -> Prices:
    volume = pricing.get("volume")
    return Prices(
        currency=pricing["currency"],
        server={kind["name"]: _by_location(kind["prices"]) for kind in pricing["server_types"]},
        volume_gb_month=Decimal(volume["price_per_gb_month"]["net"]) if volume else None,
        primary_ip_month={
            location: price
            for kind in pricing["primary_ips"]
            if kind["type"] == "ipv4"
            for location, price in _by_location(kind["prices"]).items()
        },
    )


def _by_location(prices: Any) -> dict[str, Decimal]:
    return {price["location"]: Decimal(price["price_monthly"]["net"]) for price in prices or ()}


def unreachable(
    servers: Sequence[ExistingServer], patience: float, starts: Collection[str] = ()
) -> list[str]:
    """Says which servers cannot be worked with, and what to do about each.

    Args:
        servers: those that exist; all are tried at the same time.
        patience: seconds that one which runs gets to take connections: it may just boot.
        starts: names of those that are started when they are found off.
    """
    tried = [server for server in servers if not (server.status == "off" and server.name in starts)]
    if not tried:
        return []
    with ThreadPoolExecutor(max_workers=len(tried)) as pool:
        found = pool.map(lambda server: _complaint(server, patience), tried)
        return [complaint for complaint in found if complaint]


def _complaint(server: ExistingServer, patience: float) -> str | None:
    if server.status == "off":
        return f"{server.name} is off: power it on in the Hetzner console, then try again"
    if server.status != "running":
        return (
            f"{server.name} is {server.status}: wait until the Hetzner console shows it running, "
            "then try again"
        )
    if server.ipv4 is None:
        return f"{server.name} has no public IPv4 address: assign its primary IP to it again"
    address = server.ipv4
    if not until(lambda: takes_connections(address, CONNECT_SECONDS), patience, pause=1):
        return (
            f"{server.name} takes no SSH connection at {address} within {patience:g} s: is "
            "this machine's address in hosts.admin_cidrs (https://ifconfig.me shows it)? Else look "
            "at the server's own console in the Hetzner console, and reset it there if it hangs"
        )
    return None
