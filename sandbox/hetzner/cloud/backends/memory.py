"""A backend that only remembers which servers are on: for tests of the API."""

from collections.abc import Sequence

from cloud.backends.base import NewServer, Stopped
from cloud.store import Record


class MemoryBackend:
    """Nothing is behind the API: no server can be logged in to."""

    def __init__(self, stopped: Stopped) -> None:
        self._stopped = stopped
        self._running: set[int] = set()

    def check_server(self, server_type: Record, image: Record) -> None:
        """All is well."""

    def create_server(self, server: NewServer) -> None:
        """Nothing to do."""

    def delete_server(self, server_id: int) -> None:
        """Forgets it."""
        self._running.discard(server_id)

    def start(self, server_id: int) -> None:
        """Remembers that it is on."""
        self._running.add(server_id)

    def power_off(self, server_id: int) -> None:
        """Remembers that it is off."""
        self._running.discard(server_id)

    def press_power(self, server_id: int) -> None:
        """Is off at once."""
        self._running.discard(server_id)
        self._stopped(server_id)

    def reboot(self, server_id: int) -> None:
        """Stays on."""

    def is_running(self, server_id: int) -> bool:
        """What was remembered."""
        return server_id in self._running

    def resize(self, server_id: int, server_type: Record) -> None:
        """Nothing to do."""

    def set_public_ip(self, server_id: int, address: str | None) -> None:
        """Nothing to do."""

    def create_network(self, network_id: int, ip_range: str) -> None:
        """Nothing to do."""

    def delete_network(self, network_id: int) -> None:
        """Nothing to do."""

    def connect(self, server_id: int, network_id: int, address: str) -> None:
        """Nothing to do."""

    def disconnect(self, server_id: int, network_id: int) -> None:
        """Nothing to do."""

    def set_firewall(self, server_id: int, rules: Sequence[Record] | None) -> None:
        """Nothing to do."""

    def create_volume(self, volume_id: int, size: int, file_system: str | None) -> None:
        """Nothing to do."""

    def resize_volume(self, volume_id: int, size: int) -> None:
        """Nothing to do."""

    def delete_volume(self, volume_id: int) -> None:
        """Nothing to do."""

    def attach(self, volume_id: int, server_id: int) -> None:
        """Nothing to do."""

    def detach(self, volume_id: int, server_id: int) -> None:
        """Nothing to do."""
