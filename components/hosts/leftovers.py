"""`Leftovers`: what a run that failed has made at Hetzner without Pulumi knowing.

Hetzner's provider forgets a firewall or an address when the API fails between making it and saying
that it is there. The next `pulumi up` finds its name taken.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pulumi

from components.hosts.engine import LABEL_STACK
from components.hosts.hetzner_client import HetznerApiError, connect, errors_as_sentences

if TYPE_CHECKING:
    from hcloud import Client

TAKEN = "uniqueness_error"
FIREWALL, PRIMARY_IP = "hcloud:index/firewall:Firewall", "hcloud:index/primaryIp:PrimaryIp"
NEW = timedelta(days=1)
"""What is protected is taken for a leftover when it is not older than this."""


class Leftovers:
    """Removes the firewall or the address whose name is taken, and has it made anew.

    Only what has the stack's label and belongs to no server, and no older address that is
    protected. What Pulumi asks to make is not in its state, so nothing that it knows is removed.
    """

    def __init__(self, name: str, stack: str, endpoint: str, token: pulumi.Input[str]) -> None:
        self._stack, self._endpoint = stack, endpoint
        self._token = pulumi.Output.secret(token)
        self._hook = pulumi.ErrorHook(name, self._make_way)

    @property
    def options(self) -> pulumi.ResourceOptions:
        """For each `hcloud.Firewall` and `hcloud.PrimaryIp`."""
        return pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(on_error=[self._hook]))

    async def _make_way(self, failure: pulumi.ErrorHookArgs) -> bool:
        """Whether to try again, because something was removed."""
        token = await self._token.future()
        if failure.failed_operation != "create" or TAKEN not in failure.errors[0] or not token:
            return False
        name = (failure.new_inputs or {})["name"]
        try:
            with errors_as_sentences(self._endpoint):
                client = connect(self._endpoint, token)
                return remove_leftover(client, self._stack, failure.type, name)
        except HetznerApiError as error:
            pulumi.log.warn(f"what is named {name} at Hetzner could not be removed: {error}")
            return False


def remove_leftover(client: "Client", stack: str, resource_type: str, name: str) -> bool:
    """Removes a firewall or an address that no server uses; whether there was one.

    Args:
        client: of the Hetzner project.
        stack: value of its label `stack`.
        resource_type: `FIREWALL` or `PRIMARY_IP`.
        name: in the project.
    """
    if resource_type == FIREWALL:
        firewall = client.firewalls.get_by_name(name)
        if not firewall or firewall.applied_to or not _labelled(firewall.labels, stack):
            return False
        firewall.delete()
        return True
    address = client.primary_ips.get_by_name(name)
    if not address or address.assignee_id or not _labelled(address.labels, stack):
        return False
    if address.protection and address.protection["delete"]:
        if not address.created or datetime.now(UTC) - address.created > NEW:
            pulumi.log.warn(
                f"the address {address.ip} ({name}) is protected and belongs to no server. If "
                "nothing needs it, take its protection away in the Hetzner console (Primary IPs), "
                "then pulumi up makes a new one"
            )
            return False
        address.change_protection(delete=False).wait_until_finished()
    address.delete()
    return True


def _labelled(labels: Mapping[str, str] | None, stack: str) -> bool:
    return (labels or {}).get(LABEL_STACK) == stack
