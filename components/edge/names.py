"""`NamesReady`: waits until host names lead to the edge, so that Let's Encrypt can certify them."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi.dynamic import CreateResult, Resource, UpdateResult
from typing_extensions import override

from components.dynamic import Properties, Provider

PAUSE = 2
"""Seconds between two looks."""


@dataclass(frozen=True, kw_only=True)
class NamesReadyArgs:
    """Which names, and where they must lead.

    Attributes:
        names: host names.
        address: IPv4 address of the edge.
        timeout: seconds to wait at most.
    """

    names: Sequence[str]
    address: pulumi.Input[str]
    timeout: int


class NamesReady(Resource, name="NamesReady"):
    """A gate: it exists once every name resolves to the address.

    An edge that starts before asks for certificates in vain, and asks again only when it restarts.

    Raises (when it is created or updated): a name leads elsewhere, or nowhere, after `timeout`
    seconds; says which records to make.
    """

    def __init__(
        self, name: str, args: NamesReadyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(NamesReadyProvider(), name, {**vars(args), "names": [*args.names]}, opts)


class NamesReadyProvider(Provider):
    """Asks the resolver of this machine."""

    @override
    def create(self, props: Properties) -> CreateResult:
        _wait(props)
        return CreateResult(id_=props["address"], outs=props)

    @override
    def update(self, _id: str, _olds: Properties, news: Properties) -> UpdateResult:
        _wait(news)
        return UpdateResult(outs=news)


def _wait(props: Properties) -> None:
    from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

    def astray() -> list[str]:
        return [name for name in props["names"] if props["address"] not in addresses(name)]

    try:
        Retrying(
            wait=wait_fixed(PAUSE),
            stop=stop_after_delay(int(props["timeout"])),
            retry=retry_if_result(bool),
        )(astray)
    except RetryError as error:
        lines = "".join(f"\n  {name}. A {props['address']}" for name in error.last_attempt.result())
        raise TimeoutError(
            "these names do not lead to the stack yet. Make the records where your domain is kept, "
            f"then run `pulumi up` again:{lines}"
        ) from None


def addresses(name: str) -> set[str]:
    """The IPv4 addresses that a host name resolves to; none when it does not."""
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except socket.gaierror:
        return set()
    return {str(address[0]) for *_, address in found}
