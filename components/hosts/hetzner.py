"""Servers of Hetzner Cloud as hosts: `HetznerCloud`, what they share, and `HetznerServer`."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
import pulumi_hcloud as hcloud
import pulumi_tls as tls

from components.hosts.cloud_init import MTU, ServerSetup, user_data
from components.hosts.docker_host import DockerHost, DockerHostArgs
from components.hosts.engine import LABEL_STACK
from components.hosts.placement import Placement, PlacementArgs
from components.hosts.server_ready import ServerReady, ServerReadyArgs
from components.hosts.server_size import ServerSize, ServerSizeArgs
from components.hosts.ssh import USER, ssh_options

IMAGE = "debian-12"
SSH_PORT = 22
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
            opts=child,
        )
        self.admin_firewall = hcloud.Firewall(
            f"{name}-admin",
            name=f"{args.stack}-admin",
            labels=self.labels,
            rules=[_allow(SSH_PORT, args.admin_cidrs, "SSH")],
            opts=child,
        )
        self.edge_firewall = hcloud.Firewall(
            f"{name}-edge",
            name=f"{args.stack}-edge",
            labels=self.labels,
            rules=[
                *(_allow(port, [EVERYONE], "edge") for port in args.public_ports),
                *(_allow(port, args.admin_cidrs, "edge") for port in args.admin_ports),
            ],
            opts=child,
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


@dataclass(frozen=True, kw_only=True)
class HetznerServerArgs:
    """A server.

    Attributes:
        full_name: its name in the project.
        prefix: before the name of every container, volume and network.
        server_type: another one resizes it.
        found: as what the server was found, see `ServerSizeArgs`.
        private_ip: its address in the subnet.
        volume_gb: size of its volume in GB. None: data lies on its own disk.
        group: number of its placement group.
        edge: whether the edge is on it.
        protect: whether Pulumi and Hetzner refuse to delete it.
        registry: `host:port` before each image's name.
        identity_file: the private key to log in with.
        after: the server that is resized before it.
    """

    full_name: str
    prefix: str
    server_type: str
    found: str | None
    private_ip: str
    volume_gb: int | None
    group: int
    edge: bool
    protect: bool
    registry: str | None
    identity_file: str | None
    after: "HetznerServer | None"


class HetznerServer(DockerHost):
    """A server with a Docker engine as a host. Published ports are bound to its private address.

    Resources: a `hcloud.PrimaryIp`, a `hcloud.Volume` with its `VolumeAttachment`, a
    `tls.PrivateKey` (its SSH host key), a `hcloud.Server`, its `ServerNetwork`, its `ServerSize`,
    the gate `ServerReady`, a `docker.Provider`, and those of a `DockerHost`.

    Attributes:
        public_ip: its address on the internet, which it keeps when it is rebuilt.
        host_key: its SSH host key.
        ready: depend on it to find the server booted and its Docker running.
    """

    public_ip: pulumi.Output[str]
    host_key: pulumi.Output[str]
    ready: ServerReady

    def __init__(
        self,
        name: str,
        args: HetznerServerArgs,
        cloud: HetznerCloud,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        shared = cloud.args
        super().__init__(
            "arquitectura:hosts:HetznerServer",
            name,
            DockerHostArgs(
                stack=shared.stack,
                prefix=args.prefix,
                address=args.private_ip,
                # Also what was stopped to shut the server down comes back with it.
                restart="always",
                registry=args.registry,
                network_options={"com.docker.network.driver.mtu": str(MTU)},
            ),
            opts,
        )

        def child(
            *depends_on: pulumi.Resource, ignore_changes: list[str] | None = None
        ) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions(
                parent=self,
                provider=cloud.provider,
                protect=args.protect,
                depends_on=[cloud.placement, *depends_on],
                ignore_changes=ignore_changes,
                delete_before_replace=True,  # names are unique in a project
            )

        address = hcloud.PrimaryIp(
            f"{name}-ip",
            type="ipv4",
            location=shared.location,
            auto_delete=False,
            delete_protection=args.protect,
            name=args.full_name,
            labels=cloud.labels,
            opts=child(),
        )
        self.public_ip = address.ip_address
        volume = (
            hcloud.Volume(
                f"{name}-volume",
                location=shared.location,
                size=args.volume_gb,
                format="ext4",
                delete_protection=args.protect,
                name=args.full_name,
                labels=cloud.labels,
                opts=child(ignore_changes=["format"]),
            )
            if args.volume_gb
            else None
        )
        host_key = tls.PrivateKey(
            f"{name}-host-key", algorithm="ED25519", opts=pulumi.ResourceOptions(parent=self)
        )
        self.host_key = host_key.public_key_openssh.apply(str.strip)
        setup = pulumi.Output.all(
            volume_id=volume.id if volume else None,
            host_key_private=host_key.private_key_openssh,
            host_key_public=self.host_key,
        ).apply(
            lambda known: ServerSetup(
                private_ip=args.private_ip,
                registry=args.registry,
                **known,
            )
        )
        server = hcloud.Server(
            f"{name}-server",
            server_type=args.server_type,
            image=IMAGE,
            location=shared.location,
            ssh_keys=cloud.ssh_keys,
            user_data=setup.apply(user_data),  # secret, since the host key is
            firewall_ids=[
                firewall.id.apply(int)
                for firewall in (cloud.admin_firewall, cloud.edge_firewall)[: 1 + args.edge]
            ],
            placement_group_id=cloud.groups[args.group - 1],
            public_nets=[
                hcloud.ServerPublicNetArgs(
                    ipv4_enabled=True, ipv4=address.id.apply(int), ipv6_enabled=False
                )
            ],
            keep_disk=True,
            delete_protection=args.protect,
            rebuild_protection=args.protect,
            # A server is what it was made as; its size is the ServerSize's to change, because the
            # provider would pull the plug and leave it off.
            opts=child(ignore_changes=["image", "sshKeys", "userData", "serverType"]),
            name=args.full_name,
            labels=cloud.labels,
        )
        # Apart from the server: one that could not be attached is attached by the next `up`.
        attached: list[pulumi.Resource] = [
            hcloud.ServerNetwork(
                f"{name}-network-attachment",
                server_id=server.id.apply(int),
                subnet_id=cloud.subnet.id,
                ip=args.private_ip,
                opts=child(),
            )
        ]
        if volume:
            attached.append(
                hcloud.VolumeAttachment(
                    f"{name}-volume-attachment",
                    server_id=server.id.apply(int),
                    volume_id=volume.id.apply(int),
                    opts=child(),
                )
            )
        size = ServerSize(
            f"{name}-size",
            ServerSizeArgs(
                name=name,
                server_id=server.id,
                server_type=args.server_type,
                address=self.public_ip,
                endpoint=shared.endpoint,
                token=shared.token,
                found=args.found,
            ),
            pulumi.ResourceOptions(
                parent=self, depends_on=[*attached, *([args.after.ready] if args.after else [])]
            ),
        )
        options = self.host_key.apply(lambda key: ssh_options(key, args.identity_file))
        self.ready = ServerReady(
            f"{name}-ready",
            ServerReadyArgs(
                name=name,
                address=self.public_ip,
                ssh_options=options,
                server_id=server.id,
                server_type=args.server_type,
                private_ip=args.private_ip,
                volume_size=volume.size if volume else None,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[size]),
        )
        self.use(
            docker.Provider(
                f"{name}-docker",
                host=pulumi.Output.concat(f"ssh://{USER}@", self.public_ip),
                ssh_opts=options,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[self.ready]),
            )
        )
        self.register_outputs({"public_ip": self.public_ip})
