"""What a resource type is made of: its properties, and the four operations on a server."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from typing_extensions import override

from standin.values import UNKNOWN, Properties, is_known

Client = TypeVar("Client")


class StandInError(Exception):
    """Something a person has to know; its text is shown as it is."""


class HalfMadeError(StandInError):
    """A creation failed after the resource was made: the engine remembers it, with the error.

    Attributes:
        resource_id: its id.
        state: what is known of it.
    """

    def __init__(self, resource_id: str, state: Properties, reason: str) -> None:
        super().__init__(reason)
        self.resource_id, self.state = resource_id, state


@contextmanager
def half_made(resource_id: str, state: Properties) -> Iterator[None]:
    """What fails within leaves the resource made by half."""
    try:
        yield
    except StandInError as error:
        raise HalfMadeError(resource_id, state, str(error)) from None


@dataclass(frozen=True, kw_only=True)
class Property:
    """A property of a resource or of the provider.

    Attributes:
        kind: its type: str, int, float, bool, list or dict.
        required: whether a program must give it.
        default: its value when a program gives none.
        computed: whether the server chooses the value when a program gives none.
        replace: whether a change replaces the resource.
        secret: whether it is secret in the outputs.
        allowed: the only values that this stand-in can honour, all when empty.
        canonical: the form in which two values are compared.
    """

    kind: type
    required: bool = False
    default: Any = None
    computed: bool = False
    replace: bool = False
    secret: bool = False
    allowed: tuple[Any, ...] = ()
    canonical: Callable[[Any], Any] = field(default=lambda value: value)

    def problem(self, value: Any) -> str | None:
        """What is wrong with the value, if anything."""
        if value is UNKNOWN:
            return None
        kinds = (int, float) if self.kind is float else (self.kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and self.kind is not bool):
            return f"expected {self.kind.__name__}, got {type(value).__name__}"
        if self.allowed and value not in self.allowed:
            allowed = " or ".join(json.dumps(item) for item in self.allowed)
            return f"the stand-in cannot honour {json.dumps(value)}, only {allowed}"
        return None


def check(
    properties: Mapping[str, Property], inputs: Properties, kind: str
) -> tuple[Properties, dict[str, str]]:
    """Fills in defaults.

    Args:
        properties: those that are supported.
        inputs: what the program gave.
        kind: what they belong to, for messages.

    Returns:
        The completed inputs, and by property what is wrong.
    """
    failures = {}
    for name, value in inputs.items():
        if name.startswith("__"):
            continue
        if name not in properties:
            failures[name] = (
                f"this stand-in of {kind} does not support {name}: it takes "
                + ", ".join(sorted(properties))
            )
        elif problem := properties[name].problem(value):
            failures[name] = problem
    complete = dict(inputs)
    for name, declared in properties.items():
        if name in complete:
            continue
        if declared.required:
            failures[name] = "missing required property"
        elif declared.default is not None:
            complete[name] = declared.default
    return complete, failures


class Resource(ABC, Generic[Client]):
    """A resource type.

    Attributes:
        type: its name in the SDK, such as `Role`.
        properties: its inputs, by their names in the schema.
        outputs: properties that only the server gives, by whether they are secret.
        autonamed: the property that is named after the resource when a program gives none.
        delete_first: whether a replacement deletes the old one first.
    """

    type: ClassVar[str]
    properties: ClassVar[Mapping[str, Property]]
    outputs: ClassVar[Mapping[str, bool]] = {}
    autonamed: ClassVar[str | None] = None
    delete_first: ClassVar[bool] = False

    @property
    def secrets(self) -> frozenset[str]:
        """Names of the secret properties."""
        inputs = {name for name, declared in self.properties.items() if declared.secret}
        return frozenset(inputs | {name for name, secret in self.outputs.items() if secret})

    def validate(self, inputs: Properties) -> dict[str, str]:  # noqa: ARG002
        """By property, what is wrong beyond its type; values may be `UNKNOWN`."""
        return {}

    @abstractmethod
    def create(self, client: Client, inputs: Properties) -> tuple[str, Properties]:
        """Returns the new resource's id and state."""

    @abstractmethod
    def read(self, client: Client, resource_id: str, state: Properties) -> Properties | None:
        """Returns the state on the server, or nothing when the resource is gone.

        `state` is empty for an import.
        """

    @abstractmethod
    def update(
        self, client: Client, resource_id: str, old: Properties, new: Properties
    ) -> Properties:
        """Returns the new state."""

    @abstractmethod
    def delete(self, client: Client, resource_id: str, state: Properties) -> None:
        """Deletes it; a resource that is gone already is fine."""


class Overwritten(Resource[Client]):
    """A resource whose creation overwrites what is there: an update does the same."""

    @override
    def update(
        self, client: Client, resource_id: str, old: Properties, new: Properties
    ) -> Properties:
        """The same as a create."""
        return self.create(client, new)[1]


class Immutable(Resource[Client]):
    """A resource that every change replaces."""

    @override
    def update(
        self, client: Client, resource_id: str, old: Properties, new: Properties
    ) -> Properties:
        """Never called."""
        raise StandInError(f"{self.type} {resource_id} cannot be changed, only replaced")


@dataclass(frozen=True)
class Change:
    """A property that differs.

    Attributes:
        kind: "ADD", "UPDATE" or "DELETE".
        replace: whether it replaces the resource.
    """

    kind: str
    replace: bool


def differences(
    properties: Mapping[str, Property], state: Properties, inputs: Properties
) -> dict[str, Change]:
    """What an update would change, by property."""
    changes = {}
    for name, declared in properties.items():
        old, new = state.get(name), inputs.get(name)
        if new is None:
            # What the server chose, or an empty value that stands for none, is no change.
            if declared.computed or not old:
                continue
            changes[name] = Change("DELETE", declared.replace)
        elif old is None:
            if new not in ("", [], {}, False):
                changes[name] = Change("ADD", declared.replace)
        elif not is_known(new) or declared.canonical(old) != declared.canonical(new):
            changes[name] = Change("UPDATE", declared.replace)
    return changes


def json_document(value: Any) -> Any:
    """The canonical form of a policy: a document that grants the same has the same form."""
    if not isinstance(value, str):
        return value
    try:
        return _ordered(json.loads(value))
    except ValueError:
        return value


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(item) for name, item in value.items()}
    if isinstance(value, list):
        items = sorted((_ordered(item) for item in value), key=lambda item: json.dumps(item))
        return items[0] if len(items) == 1 else items
    return value
