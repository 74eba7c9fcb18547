"""`HetznerCloud`: what the servers of a stack share."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_hcloud as hcloud

from components.hosts.engine import LABEL_STACK
from components.hosts.hetzner_client import SSH_PORT
from components.hosts.leftovers import Leftovers
from components.hosts.placement import Placement, PlacementArgs
from components.hosts.unfinished import Unfinished

EVERYONE = "0.0.0.0/0"
POLL_INTERVAL = "500ms"


@dataclass(frozen=True, kw_only=True)
class HetznerCloudArgs:
    """What the servers of a stack share.

    Attributes:
        stack: before the name of everything, and value of its label `stack`.
        endpoint: URL of the API.
        token: of the Hetzner project.
        location: where the servers stand.
        network_zone: that location's.
        network_cidr: range of the private network.
        subnet_cidr: the part of it that the servers are in.
        admin_cidrs: who may reach SSH and `admin_ports`.
        public_ports: TCP ports of the edge that everyone may reach.
        admin_ports: TCP ports of the edge for `admin_cidrs` alone.
        key_ids: ids of SSH keys in the project.
        public_keys: SSH keys to add to the project.
        groups: number of placement groups.
        placement: where the data lies.
    """

    stack: str
    endpoint: str
    token: pulumi.Input[str]
    location: str
    network_zone: str
    network_cidr: str
    subnet_cidr: str
    admin_cidrs: Sequence[str]
    public_ports: Sequence[int]
    admin_ports: Sequence[int]
    key_ids: Sequence[str]
    public_keys: Sequence[str]
    groups: int
    placement: PlacementArgs


class HetznerCloud(pulumi.ComponentResource):
    """The private network, the firewalls, the keys and the placement groups of a stack.

    Resources: a `hcloud.Provider`, the `Placement`, a `hcloud.Network` with a `NetworkSubnet`, two
    `hcloud.Firewall` (every server's, which lets in SSH, and the edge's), a `hcloud.SshKey` for
    each public key, and the `hcloud.PlacementGroup`s.
    """

    def __init__(
        self, name: str, args: HetznerCloudArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("arquitectura:hosts:HetznerCloud", name, None, opts)
        self.args = args
        self.labels = {LABEL_STACK: args.stack}
        self.provider = hcloud.Provider(
            f"{name}-hcloud",
            endpoint=args.endpoint,
            token=args.token,
            poll_function="constant",
            poll_interval=POLL_INTERVAL,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.placement = Placement(
            f"{name}-placement", args.placement, pulumi.ResourceOptions(parent=self)
        )
        child = pulumi.ResourceOptions(
            parent=self, provider=self.provider, depends_on=[self.placement]
        )
        self.leftovers = Leftovers(f"{name}-leftovers", args.stack, args.endpoint, args.token)
        self.unfinished = Unfinished(f"{name}-unfinished", args.endpoint, args.token)
        child = pulumi.ResourceOptions.merge(child, self.leftovers.options)
        firewall = pulumi.ResourceOptions.merge(child, self.unfinished.options)
        network = hcloud.Network(
            f"{name}-network",
            name=args.stack,
            ip_range=args.network_cidr,
            labels=self.labels,
            opts=child,
        )
        self.subnet = hcloud.NetworkSubnet(
            f"{name}-subnet",
            network_id=network.id.apply(int),
            type="cloud",
            network_zone=args.network_zone,
            ip_range=args.subnet_cidr,
            opts=pulumi.ResourceOptions.merge(
                child,
                # What an error has left by half cannot be updated. Nothing is in it by then.
                pulumi.ResourceOptions(
                    replace_on_changes=["#initerror"], delete_before_replace=True
                ),
            ),
        )
        self.admin_firewall = hcloud.Firewall(
            f"{name}-admin",
            name=f"{args.stack}-admin",
            labels=self.labels,
            rules=[_allow(SSH_PORT, args.admin_cidrs, "SSH")],
            opts=firewall,
        )
        self.edge_firewall = hcloud.Firewall(
            f"{name}-edge",
            name=f"{args.stack}-edge",
            labels=self.labels,
            rules=[
                *(_allow(port, [EVERYONE], "edge") for port in args.public_ports),
                *(_allow(port, args.admin_cidrs, "edge") for port in args.admin_ports),
            ],
            opts=firewall,
        )
        made = [
            hcloud.SshKey(
                f"{name}-key-{digest}",
                name=f"{args.stack}-{digest}",
                public_key=key,
                labels=self.labels,
                # Its name tells it apart; another comment makes no other key.
                opts=pulumi.ResourceOptions.merge(
                    child, pulumi.ResourceOptions(ignore_changes=["publicKey"])
                ),
            ).id
            for key in args.public_keys
            for digest in (_digest(key),)
        ]
        self.ssh_keys: list[pulumi.Input[str]] = [*args.key_ids, *made]
        self.groups = [
            hcloud.PlacementGroup(
                f"{name}-group-{number}",
                name=f"{args.stack}-{number}",
                type="spread",
                labels=self.labels,
                opts=child,
            ).id.apply(int)
            for number in range(1, args.groups + 1)
        ]
        self.register_outputs({})


def _digest(public_key: str) -> str:
    """What tells a key from others, whatever its comment says."""
    return hashlib.sha256(" ".join(public_key.split()[:2]).encode()).hexdigest()[:8]


def _allow(port: int, sources: Sequence[str], description: str) -> hcloud.FirewallRuleArgs:
    return hcloud.FirewallRuleArgs(
        direction="in",
        protocol="tcp",
        port=str(port),
        source_ips=list(sources),
        description=description,
    )
