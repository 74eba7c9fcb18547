"""`Leftovers`: what a run that failed has made at Hetzner without Pulumi knowing.

Hetzner's provider forgets a firewall, an address or a server's place in the network when the API
fails between making it and saying that it is there. The next `pulumi up` finds it taken.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import pulumi

from components.hosts.engine import LABEL_STACK
from components.hosts.hetzner_client import HetznerApiError, connect, errors_as_sentences

if TYPE_CHECKING:
    from hcloud import Client

Inputs = Mapping[str, Any]

TAKEN: Final = ("uniqueness_error", "server_already_attached")
"""The API's codes for what is there already."""

NEW: Final = timedelta(days=1)
"""A protected address is taken for a leftover when it is not older than this."""


class Leftovers:
    """Removes what is there already, and has it made anew.

    Only what has the stack's label. Of firewalls and addresses only those that no server has, and
    no older address that is protected. What Pulumi asks to make is not in its state, so nothing
    that it knows is removed.
    """

    def __init__(self, name: str, stack: str, endpoint: str, token: pulumi.Input[str]) -> None:
        self._stack, self._endpoint = stack, endpoint
        self._token = pulumi.Output.secret(token)
        self._hook = pulumi.ErrorHook(name, self._make_way)

    @property
    def options(self) -> pulumi.ResourceOptions:
        """For each `hcloud.Firewall`, `hcloud.PrimaryIp` and `hcloud.ServerNetwork`."""
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
    if not firewall or firewall.applied_to or not _labelled(firewall.labels, stack):
        return False
    firewall.delete()
    return True


def remove_address(client: "Client", stack: str, inputs: Inputs) -> bool:
    """Removes an address that no server has; whether there was one."""
    address = client.primary_ips.get_by_name(inputs["name"])
    if not address or address.assignee_id or not _labelled(address.labels, stack):
        return False
    if address.protection and address.protection["delete"]:
        if not address.created or datetime.now(UTC) - address.created > NEW:
            pulumi.log.warn(
                f"the address {address.ip} ({address.name}) is protected and belongs to no server. "
                "If nothing needs it, take its protection away in the Hetzner console (Primary "
                "IPs), then pulumi up makes a new one"
            )
            return False
        address.change_protection(delete=False).wait_until_finished()
    address.delete()
    return True


def leave_network(client: "Client", stack: str, inputs: Inputs) -> bool:
    """Takes a server off the network that it is to join; whether it was on it."""
    from hcloud.networks import Network

    network = int(str(inputs["subnetId"]).partition("-")[0])
    server = client.servers.get_by_id(int(inputs["serverId"]))
    joined = {net.network.id for net in server.private_net or [] if net.network}
    if network not in joined or not _labelled(server.labels, stack):
        return False
    server.detach_from_network(Network(id=network)).wait_until_finished()
    return True


def _labelled(labels: Mapping[str, str] | None, stack: str) -> bool:
    return (labels or {}).get(LABEL_STACK) == stack


REMOVERS: Final[Mapping[str, Callable[["Client", str, Inputs], bool]]] = {
    "hcloud:index/firewall:Firewall": remove_firewall,
    "hcloud:index/primaryIp:PrimaryIp": remove_address,
    "hcloud:index/serverNetwork:ServerNetwork": leave_network,
}
"""By type of resource: removes it, given the client, the stack and what it is to be."""
