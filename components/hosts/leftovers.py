"""`Leftovers`: what a run that failed has made at Hetzner without Pulumi knowing.

Hetzner's provider forgets a firewall, an address or a server's place in the network when the API
fails between making it and saying that it is there, and everything whose answer gets lost on the
way. The next `pulumi up` finds it taken.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar

import pulumi

from components.hosts.engine import LABEL_STACK
from components.hosts.hetzner_client import (
    ACTION_SECONDS,
    POLL_SECONDS,
    HetznerApiError,
    carry_out,
    connect,
    errors_as_sentences,
)

if TYPE_CHECKING:
    from hcloud import Client
    from hcloud.actions import BoundAction

Inputs = Mapping[str, Any]
T = TypeVar("T")

TAKEN: Final = (
    "uniqueness_error",
    "server_already_attached",
    "resource_in_use",
    "invalid_input",
)
"""The API's codes for what is there already: also a server that has the address of the one to be
made; the last one for a subnet, among much else."""

USES: Final = ("attach_volume", "attach_to_network")
"""The API's actions without which nothing is ever written to a volume or a server."""

NEW: Final = timedelta(days=1)
"""What may hold data or is protected is taken for a leftover when it is not older than this."""


class Leftovers:
    """Removes what is there already, and has it made anew.

    Only what has the stack's label, and nothing that is in use. No server and no volume that ever
    was in use, is protected or older than a day, and no older address that is protected. What
    Pulumi asks to make is not in its state, so nothing that it knows is removed.
    """

    def __init__(self, name: str, stack: str, endpoint: str, token: pulumi.Input[str]) -> None:
        self._stack, self._endpoint = stack, endpoint
        self._token = pulumi.Output.secret(token)
        self._hook = pulumi.ErrorHook(name, self._make_way)

    @property
    def options(self) -> pulumi.ResourceOptions:
        """For each resource of `hcloud`."""
        return pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(on_error=[self._hook]))

    async def _make_way(self, failure: pulumi.ErrorHookArgs) -> bool:
        """Whether to try again, because something was removed."""
        token = await self._token.future()
        taken = any(code in failure.errors[0] for code in TAKEN)
        if failure.failed_operation != "create" or not taken or not token:
            return False
        try:
            with errors_as_sentences(self._endpoint):
                client = connect(self._endpoint, token)
                remove = REMOVERS[failure.type]
                return remove(client, self._stack, failure.new_inputs or {})
        except HetznerApiError as error:
            pulumi.log.warn(f"{failure.name} is there already and could not be removed: {error}")
            return False


def remove_firewall(client: "Client", stack: str, inputs: Inputs) -> bool:
    """Removes a firewall that is applied to nothing; whether there was one."""
    firewall = client.firewalls.get_by_name(inputs["name"])
    if not _is_ours(firewall, stack) or firewall.applied_to:
        return False
    firewall.delete()
    return True


def remove_key(client: "Client", stack: str, inputs: Inputs) -> bool:
    """Removes an SSH key, which servers have copies of; whether there was one."""
    key = client.ssh_keys.get_by_name(inputs["name"])
    if not _is_ours(key, stack):
        return False
    key.delete()
    return True


def remove_group(client: "Client", stack: str, inputs: Inputs) -> bool:
    """Removes a placement group that no server is in; whether there was one."""
    group = client.placement_groups.get_by_name(inputs["name"])
    if not _is_ours(group, stack) or group.servers:
        return False
    group.delete()
    return True


def remove_network(client: "Client", stack: str, inputs: Inputs) -> bool:
    """Removes a network that no server is in; whether there was one."""
    network = client.networks.get_by_name(inputs["name"])
    if not _is_ours(network, stack) or network.servers:
        return False
    network.delete()
    return True


def remove_subnet(client: "Client", stack: str, inputs: Inputs) -> bool:
    """Removes a network's subnet of the same range, while no server is in it; whether it was."""
    network = client.networks.get_by_id(int(inputs["networkId"]))
    found = [one for one in network.subnets or [] if one.ip_range == inputs["ipRange"]]
    if not _is_ours(network, stack) or not found or network.servers:
        return False
    _do(lambda: network.delete_subnet(found[0]))
    return True


def remove_server(client: "Client", stack: str, inputs: Inputs) -> bool:
    """Removes a new server that has no volume and is in no network; whether there was one."""
    server = client.servers.get_by_name(inputs["name"])
    if (
        not _is_ours(server, stack)
        or server.volumes
        or server.private_net
        or _may_hold_data(server)
    ):
        return False
    _do(server.delete)
    return True


def remove_volume(client: "Client", stack: str, inputs: Inputs) -> bool:
    """Removes a new volume that no server has; whether there was one."""
    volume = client.volumes.get_by_name(inputs["name"])
    if not _is_ours(volume, stack) or volume.server or _may_hold_data(volume):
        return False
    volume.delete()
    return True


def remove_address(client: "Client", stack: str, inputs: Inputs) -> bool:
    """Removes an address that no server has; whether there was one."""
    address = client.primary_ips.get_by_name(inputs["name"])
    if not _is_ours(address, stack) or address.assignee_id:
        return False
    if _is_protected(address):
        if not _is_new(address):
            pulumi.log.warn(
                f"the address {address.ip} ({address.name}) is protected and belongs to no server. "
                "If nothing needs it, take its protection away in the Hetzner console (Primary "
                "IPs), then pulumi up makes a new one"
            )
            return False
        _do(lambda: address.change_protection(delete=False))
    address.delete()
    return True


def leave_network(client: "Client", stack: str, inputs: Inputs) -> bool:
    """Takes a server off the network that it is to join; whether it was on it."""
    from hcloud.networks import Network

    network = int(str(inputs["subnetId"]).partition("-")[0])
    server = client.servers.get_by_id(int(inputs["serverId"]))
    joined = {net.network.id for net in server.private_net or [] if net.network}
    if not _is_ours(server, stack) or network not in joined:
        return False
    _do(lambda: server.detach_from_network(Network(id=network)))
    return True


def _do(request: "Callable[[], BoundAction]") -> None:
    """Carries an action out, after those of the run that failed: they may not have ended yet."""
    carry_out(request, ACTION_SECONDS, POLL_SECONDS)


def _is_ours(found: T | None, stack: str) -> TypeGuard[T]:
    """Whether there is one, with the stack's label."""
    labels: Mapping[str, str] | None = getattr(found, "labels", None)
    return (labels or {}).get(LABEL_STACK) == stack


def _is_protected(found: Any) -> bool:
    return bool(found.protection and found.protection["delete"])


def _is_new(found: Any) -> bool:
    return bool(found.created and datetime.now(UTC) - found.created < NEW)


def _may_hold_data(found: Any) -> bool:
    """Whether a volume was ever on a server, or a server in a network; or nobody can be sure."""
    if _is_protected(found) or not _is_new(found):
        return True
    return any(action.command in USES for action in found.get_actions())


REMOVERS: Final[Mapping[str, Callable[["Client", str, Inputs], bool]]] = {
    "hcloud:index/firewall:Firewall": remove_firewall,
    "hcloud:index/network:Network": remove_network,
    "hcloud:index/networkSubnet:NetworkSubnet": remove_subnet,
    "hcloud:index/placementGroup:PlacementGroup": remove_group,
    "hcloud:index/primaryIp:PrimaryIp": remove_address,
    "hcloud:index/server:Server": remove_server,
    "hcloud:index/serverNetwork:ServerNetwork": leave_network,
    "hcloud:index/sshKey:SshKey": remove_key,
    "hcloud:index/volume:Volume": remove_volume,
}
"""By type of resource: removes it, given the client, the stack and what it is to be."""
