"""Changes of a stack's config: pure, as commands for people and on the settings themselves."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from config.settings import Settings, parse_settings


@dataclass(frozen=True, kw_only=True)
class Change:
    """A setting below `arquitectura:` and its new value."""

    path: str
    value: str | int

    def command(self, stack: str) -> str:
        """How to make it."""
        return f"pulumi config set --stack {stack} --path 'arquitectura:{self.path}' {self.value}"


def changed(settings: Settings, changes: Iterable[Change]) -> Settings:
    """The settings after changes.

    Raises:
        ConfigError: they would not be valid.
    """
    raw = settings.model_dump(by_alias=True, exclude_unset=True)
    for change in changes:
        *parents, last = re.findall(r"[^.\[\]]+", change.path)
        place: Any = raw
        for key, after in zip(parents, [*parents[1:], last], strict=True):
            place = _inside(place, key, [] if after.isdigit() else {})
        if isinstance(place, list):
            place.insert(int(last), change.value)
        else:
            place[last] = change.value
    return parse_settings(raw)


def _inside(place: Any, key: str, empty: Any) -> Any:
    """What is under a key, made if need be."""
    if isinstance(place, list):
        if int(key) == len(place):
            place.append(empty)
        return place[int(key)]
    if place.get(key) is None:
        place[key] = empty
    if isinstance(place[key], tuple):
        place[key] = list(place[key])
    return place[key]
