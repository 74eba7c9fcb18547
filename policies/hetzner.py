"""What holds at Hetzner."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network

from config.settings import WIDEST_PREFIX
from policies.registered import Registered

FIREWALL = "hcloud:index/firewall:Firewall"
PUBLIC_PORTS = ("80", "443")

DEPRECATED: Mapping[str, Mapping[str, str]] = {
    "hcloud:index/loadBalancer:LoadBalancer": {
        "targets": "make a LoadBalancerTarget for each instead",
    },
    "hcloud:index/primaryIp:PrimaryIp": {
        "datacenter": "set location instead, such as fsn1",
    },
    "hcloud:index/server:Server": {
        "allowDeprecatedImages": "leave it out, it has no effect",
        "backupWindow": "leave it out, Hetzner chooses the time",
        "datacenter": "set location instead, such as fsn1",
    },
}
"""Properties that are going away, by type of resource, and what to do."""


def firewalls_are_closed(resource: Registered) -> Iterator[str]:
    """The internet reaches the edge's web ports and nothing else."""
    if resource.type != FIREWALL:
        return
    for rule in resource.properties.get("rules") or ():
        if rule["direction"] != "in" or rule.get("port") in PUBLIC_PORTS:
            continue
        for source in rule.get("sourceIps") or ():
            if ip_network(source, strict=False).prefixlen < WIDEST_PREFIX:
                what = f"{rule['protocol']} {rule.get('port') or ''}".rstrip()
                yield (
                    f"{resource.name} lets {source} reach {what}: name your own addresses in "
                    "source_ips (hosts.admin_cidrs); only 80 and 443 are for everyone"
                )


def nothing_is_deprecated(resource: Registered) -> Iterator[str]:
    """What the API stops taking would fail on that day."""
    for name, advice in DEPRECATED.get(resource.type, {}).items():
        if resource.properties.get(name):  # the provider itself puts in false for a default
            yield f"{resource.name} sets {name}, which Hetzner's API gives up: {advice}"
