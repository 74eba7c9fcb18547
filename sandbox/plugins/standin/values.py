"""Pulumi's property values on the wire: what is unknown in a preview, and what is secret."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from google.protobuf.struct_pb2 import Struct, Value

Properties: TypeAlias = dict[str, Any]
"""Properties of a resource, by their names in the schema."""

# The markers of Pulumi's protocol.
_UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()
"""A value that only the update will know."""


def is_known(value: Any) -> bool:
    """Whether nothing in the value is unknown."""
    if isinstance(value, Mapping):
        return all(is_known(item) for item in value.values())
    if isinstance(value, list):
        return all(is_known(item) for item in value)
    return value is not UNKNOWN


def from_struct(struct: Struct) -> Properties:
    """Plain Python values: secrets unwrapped, nulls left out, whole numbers as `int`."""
    values = {name: _from_value(value) for name, value in struct.fields.items()}
    return {name: value for name, value in values.items() if value is not None}


def _from_value(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _SIGNATURE in fields:
            if fields[_SIGNATURE].string_value == _SECRET:
                return _from_value(fields["value"])
            raise ValueError("assets and resource references are not supported by this stand-in")
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return UNKNOWN if value.string_value == _UNKNOWN_TEXT else value.string_value
    return value.bool_value if kind == "bool_value" else None


def to_struct(properties: Properties, secrets: frozenset[str] = frozenset()) -> Struct:
    """The opposite of `from_struct`; marks the named properties as secret."""
    struct = Struct()
    for name, item in properties.items():
        if item is None:
            continue
        plain = _plain(item)
        if name in secrets:
            plain = {_SIGNATURE: _SECRET, "value": plain}
        struct.update({name: plain})
    return struct


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return _UNKNOWN_TEXT if value is UNKNOWN else value
