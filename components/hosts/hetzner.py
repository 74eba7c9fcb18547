"""`HetznerServer`: a server of Hetzner Cloud as a host."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
import pulumi_hcloud as hcloud
import pulumi_tls as tls

from components.hosts.cloud_init import MTU, ServerSetup, user_data
from components.hosts.docker_host import DockerHost, DockerHostArgs
from components.hosts.hetzner_cloud import HetznerCloud
from components.hosts.server_ready import ServerReady, ServerReadyArgs
from components.hosts.server_size import ServerSize, ServerSizeArgs
from components.hosts.ssh import USER, ssh_options
from components.hosts.volume_attachment import VolumeAttachment, VolumeAttachmentArgs

IMAGE = "debian-12"
FILE_SYSTEM = "ext4"


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
        group: number of its placement group. None: it is in none.
        public: whether everyone reaches its ports 80 and 443.
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
    group: int | None
    public: bool
    protect: bool
    registry: str | None
    identity_file: str | None
    after: "HetznerServer | None"


class HetznerServer(DockerHost):
    """A server with a Docker engine as a host. Published ports are bound to its private address.

    Resources: a `hcloud.PrimaryIp`, a `hcloud.Volume`, a `tls.PrivateKey` (its SSH host key), a
    `hcloud.Server`, its `hcloud.ServerNetwork`, its `VolumeAttachment` and its `ServerSize`, the
    gate `ServerReady`, a `docker.Provider`, and those of a `DockerHost`.

    Attributes:
        server: the server itself.
        public_ip: its address on the internet, which it keeps when it is rebuilt.
        host_key: its SSH host key.
        ssh_options: all options that `ssh` needs to log in.
        ready: depend on it to find the server booted and its Docker running.
    """

    server: hcloud.Server
    public_ip: pulumi.Output[str]
    host_key: pulumi.Output[str]
    ssh_options: pulumi.Output[Sequence[str]]
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

        self._server_args, self._cloud = args, cloud
        ip = self._primary_ip()
        volume = self._volume(args.volume_gb) if args.volume_gb else None
        key = tls.PrivateKey(
            f"{name}-host-key", algorithm="ED25519", opts=pulumi.ResourceOptions(parent=self)
        )
        self.public_ip = ip.ip_address
        self.host_key = key.public_key_openssh.apply(str.strip)
        server = self.server = self._server(ip, volume, key)
        options = self.host_key.apply(lambda known: ssh_options(known, args.identity_file))
        self.ssh_options = options
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
                parent=self,
                depends_on=[
                    *self._attachments(server, volume),
                    *([args.after.ready] if args.after else []),
                ],
            ),
        )
        self.ready = ServerReady(
            f"{name}-ready",
            ServerReadyArgs(
                name=name,
                address=self.public_ip,
                ssh_options=options,
                server_id=server.id,
                server_type=args.server_type,
                private_ip=args.private_ip,
                volume_size=args.volume_gb,
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

    def _primary_ip(self) -> hcloud.PrimaryIp:
        args = self._server_args
        return hcloud.PrimaryIp(
            f"{self.name}-ip",
            name=args.full_name,
            type="ipv4",
            location=self._cloud.args.location,
            auto_delete=False,
            delete_protection=args.protect,
            labels=self._cloud.labels,
            opts=self._child(),
        )

    def _volume(self, size: int) -> hcloud.Volume:
        args = self._server_args
        return hcloud.Volume(
            f"{self.name}-volume",
            name=args.full_name,
            location=self._cloud.args.location,
            size=size,
            format=FILE_SYSTEM,
            delete_protection=args.protect,
            labels=self._cloud.labels,
            # The VolumeAttachment enlarges it: the provider cannot go on with a size that an error
            # kept it from noting.
            opts=pulumi.ResourceOptions.merge(
                self._child("format", "size"), self._cloud.unfinished.options
            ),
        )

    def _server(
        self, ip: hcloud.PrimaryIp, volume: hcloud.Volume | None, host_key: tls.PrivateKey
    ) -> hcloud.Server:
        args, cloud = self._server_args, self._cloud
        setup = pulumi.Output.all(
            volume_id=volume.id if volume else None,
            host_key_private=host_key.private_key_openssh,
            host_key_public=self.host_key,
        ).apply(
            lambda known: ServerSetup(private_ip=args.private_ip, registry=args.registry, **known)
        )
        firewalls = [cloud.admin_firewall, *([cloud.edge_firewall] if args.public else [])]
        return hcloud.Server(
            f"{self.name}-server",
            name=args.full_name,
            server_type=args.server_type,
            image=IMAGE,
            location=cloud.args.location,
            ssh_keys=cloud.ssh_keys,
            user_data=setup.apply(user_data),  # secret, since the host key is
            firewall_ids=[firewall.id.apply(int) for firewall in firewalls],
            placement_group_id=cloud.groups[args.group - 1] if args.group else None,
            public_nets=[
                hcloud.ServerPublicNetArgs(
                    ipv4_enabled=True, ipv4=ip.id.apply(int), ipv6_enabled=False
                )
            ],
            keep_disk=True,
            delete_protection=args.protect,
            rebuild_protection=args.protect,
            labels=cloud.labels,
            # A server is what it was made as; its size is the ServerSize's to change, because the
            # provider would pull the plug and leave it off.
            opts=pulumi.ResourceOptions.merge(
                self._child("image", "sshKeys", "userData", "serverType"),
                self._cloud.unfinished.options,
            ),
        )

    def _attachments(
        self, server: hcloud.Server, volume: hcloud.Volume | None
    ) -> list[pulumi.Resource]:
        """Apart from the server: what could not be attached is attached by the next `up`."""
        attachments: list[pulumi.Resource] = [
            hcloud.ServerNetwork(
                f"{self.name}-network-attachment",
                server_id=server.id.apply(int),
                subnet_id=self._cloud.subnet.id,
                ip=self._server_args.private_ip,
                opts=self._child(),
            )
        ]
        if volume:
            attachments.append(
                VolumeAttachment(
                    f"{self.name}-volume-attachment",
                    VolumeAttachmentArgs(
                        volume_id=volume.id,
                        server_id=server.id,
                        size_gb=self._server_args.volume_gb or 0,
                        endpoint=self._cloud.args.endpoint,
                        token=self._cloud.args.token,
                    ),
                    pulumi.ResourceOptions(parent=self, protect=self._server_args.protect),
                )
            )
        return attachments

    def _child(self, *ignored: str) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(
            pulumi.ResourceOptions(
                parent=self,
                provider=self._cloud.provider,
                protect=self._server_args.protect,
                depends_on=[self._cloud.placement],
                ignore_changes=list(ignored),
                delete_before_replace=True,  # names are unique in a project
            ),
            self._cloud.leftovers.options,
        )
