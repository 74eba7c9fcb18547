"""What a backend does for the API."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from cloud.store import Record

Stopped: TypeAlias = Callable[[int], None]
"""Called with the id of a server that went off by itself."""


@dataclass(frozen=True, kw_only=True)
class NewServer:
    """A server to make.

    Attributes:
        id: its number.
        name: also its host name.
        server_type: as in the API.
        image: as in the API.
        public_ip: its public IPv4, if any.
        ssh_keys: public keys for root.
        root_password: for root, when there are no keys.
        user_data: for cloud-init, may be empty.
    """

    id: int
    name: str
    server_type: Record
    image: Record
    public_ip: str | None
    ssh_keys: Sequence[str]
    root_password: str | None = field(repr=False)
    user_data: str = field(repr=False)


class Backend(Protocol):
    """Does what the API was asked for. Calls block; those about one server never overlap.

    What cannot be done raises: `ApiError`, or an exception whose text says why.
    """

    def check_server(self, server_type: Record, image: Record) -> None:
        """Raises `ApiError` for a server that cannot be had here."""

    def create_server(self, server: NewServer) -> None:
        """Makes a server, which stays off."""

    def delete_server(self, server_id: int) -> None:
        """Deletes it with its disk."""

    def start(self, server_id: int) -> None:
        """Power on."""

    def power_off(self, server_id: int) -> None:
        """Pulls the plug."""

    def press_power(self, server_id: int) -> None:
        """Asks the system to end, and does not wait: `Stopped` is called when it has."""

    def reboot(self, server_id: int) -> None:
        """Asks the system to end, and starts it again."""

    def is_running(self, server_id: int) -> bool:
        """Whether it is on."""

    def resize(self, server_id: int, server_type: Record) -> None:
        """Gives a server that is off the cores and memory of another type."""

    def set_public_ip(self, server_id: int, address: str | None) -> None:
        """Gives a server that is off another public IPv4, or none."""

    def create_network(self, network_id: int, ip_range: str) -> None:
        """Makes a private network."""

    def delete_network(self, network_id: int) -> None:
        """Deletes it; no server is on it."""

    def connect(self, server_id: int, network_id: int, address: str) -> None:
        """Puts a server, on or off, on a private network."""

    def disconnect(self, server_id: int, network_id: int) -> None:
        """Takes it off again."""

    def set_firewall(self, server_id: int, rules: Sequence[Record] | None) -> None:
        """Filters what crosses the public side of a server, on or off.

        Args:
            server_id: the server.
            rules: of all its firewalls, as in the API; nothing when it has no firewall.
        """

    def create_volume(self, volume_id: int, size: int, file_system: str | None) -> None:
        """Makes a volume of `size` GB, with a file system when one is named."""

    def resize_volume(self, volume_id: int, size: int) -> None:
        """Enlarges it; the file system stays as it is."""

    def delete_volume(self, volume_id: int) -> None:
        """Deletes it; it is attached to nothing."""

    def attach(self, volume_id: int, server_id: int) -> None:
        """Plugs a volume into a server, on or off."""

    def detach(self, volume_id: int, server_id: int) -> None:
        """Pulls it out."""
