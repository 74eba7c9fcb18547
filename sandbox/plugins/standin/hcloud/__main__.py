"""Serves the provider. Usage: python -m standin.hcloud VERSION."""

import sys

from standin.hcloud.basics import Firewall, PlacementGroup, SshKey
from standin.hcloud.client import CONFIG, Cloud
from standin.hcloud.networks import Network, NetworkSubnet, PrimaryIp, Rdns, ServerNetwork
from standin.hcloud.servers import Server
from standin.hcloud.volumes import Volume, VolumeAttachment
from standin.hcloud.zones import Zone, ZoneRrset
from standin.server import Package, serve

serve(
    Package(
        name="hcloud",
        version=sys.argv[1],
        config=CONFIG,
        connect=Cloud,
        resources=[
            SshKey(),
            PlacementGroup(),
            Firewall(),
            Network(),
            NetworkSubnet(),
            PrimaryIp(),
            ServerNetwork(),
            Rdns(),
            Server(),
            Volume(),
            VolumeAttachment(),
            Zone(),
            ZoneRrset(),
        ],
    )
)
