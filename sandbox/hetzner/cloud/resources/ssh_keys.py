"""SSH keys."""

import base64
import binascii
import hashlib
from typing import ClassVar

from typing_extensions import override

from cloud.errors import ApiError, invalid
from cloud.resources.base import Body, Collection, Name, parse
from cloud.store import Record, now


class _New(Body):
    name: Name
    public_key: str
    labels: dict[str, str] = {}


class _Changes(Body):
    name: Name | None = None
    labels: dict[str, str] | None = None


class SshKeys(Collection):
    """Public keys of the project."""

    kind = "ssh_key"
    plural = "ssh_keys"
    filters: ClassVar[tuple[str, ...]] = ("name", "fingerprint")

    @override
    async def create(self, body: Record) -> Record:
        new = parse(_New, body)
        fingerprint = _fingerprint(new.public_key)
        if any(key["fingerprint"] == fingerprint for key in self.table.values()):
            raise ApiError("uniqueness_error", "SSH key with the same fingerprint already exists")
        record = {
            "id": self.store.next_id(),
            **new.model_dump(),
            "fingerprint": fingerprint,
            "created": now(),
        }
        self.add(record)
        return self.answer(record)

    @override
    async def update(self, record: Record, body: Record) -> Record:
        return self.change(record, parse(_Changes, body).model_dump(exclude_none=True))

    @override
    async def delete(self, record: Record) -> None:
        del self.table[str(record["id"])]

    def find(self, key: int | str) -> Record:
        """The key of that id or name."""
        for record in self.table.values():
            if key in (record["id"], record["name"]):
                return record
        return self.get(key)


def _fingerprint(public_key: str) -> str:
    try:
        blob = base64.b64decode(public_key.split()[1], validate=True)
    except (IndexError, binascii.Error):
        raise invalid("public_key", "is not a valid public key") from None
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
