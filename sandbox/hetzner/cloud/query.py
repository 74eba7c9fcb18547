"""Lists: label selectors, filters, order and pages."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from starlette.datastructures import QueryParams

from cloud.errors import invalid
from cloud.store import Record

_KEY = r"(?:[a-z0-9A-Z][a-z0-9A-Z.-]{0,252}/)?[a-z0-9A-Z](?:[a-z0-9A-Z._-]{0,61}[a-z0-9A-Z])?"
_VALUE = r"(?:[a-z0-9A-Z](?:[a-z0-9A-Z._-]{0,61}[a-z0-9A-Z])?)?"
_REQUIREMENT = re.compile(
    rf"\s*(?:(?P<absent>!)?(?P<key>{_KEY})"
    rf"(?:\s*(?P<sign>==|=|!=)\s*(?P<value>{_VALUE})"
    rf"|\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,|$)"
)

Labels: TypeAlias = Mapping[str, str]


def check_labels(labels: Labels) -> None:
    """Raises `invalid_input` for a label that Hetzner refuses."""
    for key, value in labels.items():
        if not re.fullmatch(_KEY, key):
            raise invalid("labels", f"key {key!r} is not a valid label key")
        if not re.fullmatch(_VALUE, value):
            raise invalid("labels", f"value {value!r} of {key!r} is not a valid label value")


def label_selector(text: str) -> Callable[[Labels], bool]:
    """The predicate of a selector such as `stack=prod,!old,role in (db,web)`."""
    requirements = []
    position = 0
    while position < len(text):
        match = _REQUIREMENT.match(text, position)
        if (
            not match
            or match.end() == position
            or (match["absent"] and (match["sign"] or match["set"]))
        ):
            raise invalid("label_selector", f"{text!r} is not a label selector")
        requirements.append(match)
        position = match.end()
    return lambda labels: all(_holds(requirement, labels) for requirement in requirements)


def _holds(requirement: re.Match[str], labels: Labels) -> bool:
    key, sign, kind = requirement["key"], requirement["sign"], requirement["set"]
    if sign:
        return (labels.get(key) == requirement["value"]) == (sign != "!=")
    if kind:
        values = {value.strip() for value in requirement["values"].split(",")}
        return (labels.get(key) in values) == (kind == "in")
    return (key in labels) != bool(requirement["absent"])


def select(records: Sequence[Record], query: QueryParams, filters: Sequence[str]) -> list[Record]:
    """Those that the query asks for, in its order.

    Args:
        records: all of them.
        query: may repeat a filter, which then means any of the values.
        filters: the fields that can be asked for by their value.

    Raises:
        ApiError: `invalid_input` for a selector or order that makes no sense.
    """
    selector = label_selector(query.get("label_selector", ""))
    wanted = {name: query.getlist(name) for name in filters if name in query}
    chosen = [
        record
        for record in records
        if selector(record.get("labels", {}))
        and all(str(record[name]) in values for name, values in wanted.items())
    ]
    for order in reversed(query.getlist("sort")):
        field, _, direction = order.partition(":")
        if field not in ("id", "name", "created", "status", "command", "progress", "started"):
            raise invalid("sort", f"cannot sort by {field!r}")
        chosen.sort(key=lambda record: _comparable(record.get(field)), reverse=direction == "desc")
    return chosen


def _comparable(value: Any) -> tuple[bool, Any]:
    return value is None, value


def page(records: Sequence[Record], query: QueryParams) -> tuple[list[Record], Record]:
    """One page, and the `meta` that belongs to it."""
    number, size = _positive(query, "page", 1), _positive(query, "per_page", 25)
    if size > 50:
        raise invalid("per_page", "must be at most 50")
    last = max(1, -(-len(records) // size))
    start = (number - 1) * size
    pagination = {
        "page": number,
        "per_page": size,
        "previous_page": number - 1 if number > 1 else None,
        "next_page": number + 1 if number < last else None,
        "last_page": last,
        "total_entries": len(records),
    }
    return list(records[start : start + size]), {"pagination": pagination}


def _positive(query: QueryParams, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise invalid(name, "must be a number, at least 1")
    return int(text)
