"""Routes of the edge, and the dynamic configuration in which Traefik reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import yaml

WEBSECURE = "websecure"
"""Entry point of HTTPS."""

HEALTH_SECONDS = 2
"""How often a server is asked whether it answers, and how long its answer may take."""

ADMINS_ONLY = "admins-only"
OTHER_SERVER = "other-server"


@dataclass(frozen=True, kw_only=True)
class HttpRoute:
    """Host names, and the servers that answer their requests.

    Attributes:
        name: unique among the HTTP routes.
        hosts: host names or IP addresses, as clients name them in their URLs.
        servers: URLs such as `http://10.0.1.11:9000`; requests are balanced over them.
        health_path: a server that does not answer here with 2xx or 3xx gets no requests until it
            does again. None: it is not asked.
        admins_only: whether only the administrators' addresses may use it.
        sticky: whether a browser stays with the server that has answered it first.
        hidden: beginnings of paths that are not served, but answered with 404.
        paths: beginnings of the paths that are served; empty: all are.
    """

    name: str
    hosts: Sequence[pulumi.Input[str]]
    servers: Sequence[str]
    health_path: str | None
    admins_only: bool = False
    sticky: bool = False
    hidden: Sequence[str] = ()
    paths: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class TcpRoute:
    """A port whose bytes pass through to one server. TLS is the server's own affair.

    Attributes:
        name: unique among the TCP routes; also the name of its entry point.
        port: TCP port, published.
        server: `address:port`.
    """

    name: str
    port: int
    server: str


def dynamic_configuration(
    http: Sequence[HttpRoute],
    tcp: Sequence[TcpRoute],
    *,
    hosts: Mapping[str, Sequence[str]],
    admin_cidrs: Sequence[str],
    certificate: tuple[str, str] | None,
) -> str:
    """Traefik's dynamic configuration, as YAML.

    Args:
        hosts: the hosts of each HTTP route, by its name.
        admin_cidrs: the administrators' addresses.
        certificate: PEM of the certificate (and its chain) and of its key, which every host is
            served with. They are part of the text, so that one rename replaces all at once. None:
            the entry point's resolver gets the certificates.
    """
    configuration: dict[str, Any] = {
        "http": {
            "routers": {route.name: _router(route, hosts[route.name]) for route in http},
            "services": {route.name: {"loadBalancer": _balancer(route)} for route in http},
            "middlewares": {
                ADMINS_ONLY: {"ipAllowList": {"sourceRange": list(admin_cidrs)}},
                # Of a server that has just died: only a request that it cannot have seen goes to
                # another, so that no body is kept for it.
                OTHER_SERVER: {"retry": {"attempts": 2}},
            },
        }
    }
    if tcp:
        configuration["tcp"] = {
            "routers": {
                route.name: {
                    "entryPoints": [route.name],
                    "rule": "HostSNI(`*`)",
                    "service": route.name,
                }
                for route in tcp
            },
            "services": {
                route.name: {"loadBalancer": {"servers": [{"address": route.server}]}}
                for route in tcp
            },
        }
    if certificate:
        chain, key = certificate
        # The default one: a client that dials an IP address sends no name to choose another by.
        configuration["tls"] = {
            "stores": {"default": {"defaultCertificate": {"certFile": chain, "keyFile": key}}}
        }
    return yaml.safe_dump(configuration, sort_keys=False)


def _router(route: HttpRoute, hosts: Sequence[str]) -> dict[str, Any]:
    return {
        "entryPoints": [WEBSECURE],
        "rule": _rule(hosts, route),
        "middlewares": [ADMINS_ONLY, OTHER_SERVER] if route.admins_only else [OTHER_SERVER],
        "service": route.name,
    }


def _rule(hosts: Sequence[str], route: HttpRoute) -> str:
    conditions = [
        _any("Host", hosts),
        *([_any("PathPrefix", route.paths)] if route.paths else []),
        *(f"!PathPrefix(`{path}`)" for path in route.hidden),
    ]
    if len(conditions) == 1:
        return conditions[0]
    return " && ".join(f"({one})" if " || " in one else one for one in conditions)


def _any(matcher: str, values: Sequence[str]) -> str:
    return " || ".join(f"{matcher}(`{value}`)" for value in values)


def _balancer(route: HttpRoute) -> dict[str, Any]:
    balancer: dict[str, Any] = {"servers": [{"url": url} for url in route.servers]}
    if route.health_path:
        balancer["healthCheck"] = {
            "path": route.health_path,
            "interval": f"{HEALTH_SECONDS}s",
            "timeout": f"{HEALTH_SECONDS}s",
        }
    if route.sticky:
        balancer["sticky"] = {"cookie": {"secure": True, "httpOnly": True}}
    return balancer
