"""`Registered`: what a check sees of a resource."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A resource before it is made, changed or left as it is.

    Attributes:
        type: its type token, such as `docker:index/container:Container`.
        urn: its URN, in which the types of its parents stand before its own.
        name: its name in the program.
        properties: its inputs, with the provider's spelling of their names. To read one that is
            not known yet raises the pack's `UnknownValueError`: the engine then says that the
            policy cannot run during the preview, and runs it again in the update.
        protect: whether Pulumi refuses to delete it.
    """

    type: str
    urn: str
    name: str
    properties: Mapping[str, Any]
    protect: bool = False


Check = Callable[[Registered], Iterator[str]]
"""Says what is wrong with a resource and how to mend it, a sentence for each thing."""
