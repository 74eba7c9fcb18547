"""A Hetzner Cloud project: all its resources, and what they share."""

import asyncio
from collections.abc import Callable
from collections.abc import Collection as Container
from ipaddress import IPv4Network
from itertools import islice

from cloud.actions import Actions
from cloud.backends.base import Backend, Stopped
from cloud.errors import ApiError
from cloud.resources.base import Collection
from cloud.resources.firewalls import Firewalls
from cloud.resources.networks import Networks
from cloud.resources.placement_groups import PlacementGroups
from cloud.resources.primary_ips import PrimaryIps
from cloud.resources.servers import Servers
from cloud.resources.ssh_keys import SshKeys
from cloud.resources.volumes import Volumes
from cloud.resources.zones import RecordSets, Zones
from cloud.store import Store


class Project:
    """All collections of resources.

    Args:
        store: where their records are.
        backend: makes the backend, which reports servers that went off by themselves.
        public_range: the public IPv4 addresses; the first one is a gateway, the second
            the registry's.
        action_seconds: how long an action takes at least.
    """

    def __init__(
        self,
        store: Store,
        backend: Callable[[Stopped], Backend],
        public_range: IPv4Network,
        action_seconds: float,
    ) -> None:
        self.store = store
        self.actions = Actions(store, action_seconds)
        self.ssh_keys = SshKeys(self)
        self.networks = Networks(self)
        self.firewalls = Firewalls(self)
        self.placement_groups = PlacementGroups(self)
        self.primary_ips = PrimaryIps(self)
        self.servers = Servers(self)
        self.volumes = Volumes(self)
        self.zones = Zones(self)
        self.rrsets = RecordSets(self)
        self._public_range = public_range
        self._loop: asyncio.AbstractEventLoop | None = None
        self.backend = backend(self._stopped)

    @property
    def collections(self) -> list[Collection]:
        """Those that have paths of their own."""
        return [
            self.ssh_keys,
            self.networks,
            self.firewalls,
            self.placement_groups,
            self.primary_ips,
            self.servers,
            self.volumes,
            self.zones,
        ]

    async def resume(self) -> None:
        """Looks which servers still run, after a start of this process."""
        self._loop = asyncio.get_running_loop()
        for server in self.servers.table.values():
            running = await asyncio.to_thread(self.backend.is_running, server["id"])
            server["status"] = "running" if running else "off"
        self.store.save()

    def free_public_ip(self, taken: Container[str]) -> str:
        """A public IPv4 that is not among the taken ones."""
        for address in islice(self._public_range.hosts(), 2, None):
            if str(address) not in taken:
                return str(address)
        raise ApiError("resource_limit_exceeded", f"no free address left in {self._public_range}")

    def _stopped(self, server: int) -> None:
        """Called by the backend, from any thread."""
        if self._loop:
            self._loop.call_soon_threadsafe(self.servers.stopped, server)
