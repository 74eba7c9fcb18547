"""What exists in the project, kept in memory and in a JSON file."""

import json
import os
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

Record: TypeAlias = dict[str, Any]
"""A resource as JSON. References to others are ids; what can be derived is not in it."""

_FIRST_ID = 10_000_001


class Store:
    """Tables of records by id. Every change is saved by `save`.

    Args:
        path: the JSON file; without one the state ends with the process.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._tables: defaultdict[str, dict[str, Record]] = defaultdict(dict)
        self._last_id = _FIRST_ID - 1
        if path and path.exists():
            saved = json.loads(path.read_text())
            self._tables.update(saved["tables"])
            self._last_id = saved["last_id"]

    def table(self, name: str) -> dict[str, Record]:
        """The records of a table, by the text of their id."""
        return self._tables[name]

    def next_id(self) -> int:
        """An id that no resource had before."""
        self._last_id += 1
        return self._last_id

    def save(self) -> None:
        """Writes the file, whole or not at all. It holds user data: nobody else may read it."""
        if not self._path:
            return
        new = self._path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"last_id": self._last_id, "tables": self._tables}, file, indent=1)
        new.replace(self._path)


def now() -> str:
    """The time as the API writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
