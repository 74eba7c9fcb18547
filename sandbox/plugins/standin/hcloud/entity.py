"""What the resources with a path of their own have in common."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, ClassVar, Final

from typing_extensions import override

from standin.hcloud.client import Cloud
from standin.resource import Property, Resource, StandInError, half_made
from standin.values import Properties

NAME: Final = Property(kind=str)
LABELS: Final = Property(kind=dict)
PROTECTION: Final = Property(kind=bool, default=False)
NOT_TRUE: Final = Property(kind=bool, default=False, allowed=(False,))


class Entity(Resource[Cloud]):
    """A resource at `/PATH/ID`. Names are unique: a replacement deletes first.

    Attributes:
        path: such as `servers`.
        kind: the key of its record in an answer.
        remembered: whether what fails after it was made leaves it known to the engine. Of some the
            official provider says nothing then.
    """

    path: ClassVar[str]
    kind: ClassVar[str]
    autonamed: ClassVar[str | None] = "name"
    delete_first = True
    remembered: ClassVar[bool] = True

    def body(self, inputs: Properties) -> Properties:
        """The body of its creation."""
        raise NotImplementedError

    def state(self, record: Properties, known: Properties) -> Properties:
        """Its state, from what the API shows and from what is known."""
        raise NotImplementedError

    def alter(self, client: Cloud, path: str, old: Properties, new: Properties) -> None:
        """Changes what is neither name, labels nor protection."""

    @override
    def create(self, client: Cloud, inputs: Properties) -> tuple[str, Properties]:
        """POST, then its protection."""
        answer = client.send("POST", f"/{self.path}", self.body(inputs))
        resource_id = str(answer[self.kind]["id"])
        with half_made(resource_id, inputs) if self.remembered else nullcontext():
            client.wait(answer)
            self.complete(client, resource_id, inputs)
            return resource_id, self.seen(client, resource_id, inputs)

    def complete(self, client: Cloud, resource_id: str, inputs: Properties) -> None:
        """What is left when it is there: its protection."""
        if inputs.get("deleteProtection"):
            client.act(self.at(resource_id), "change_protection", self.protection(inputs))

    @override
    def read(self, client: Cloud, resource_id: str, state: Properties) -> Properties | None:
        """GET."""
        answer = client.get(self.at(resource_id))
        return answer and self.state(answer[self.kind], state)

    @override
    def update(
        self, client: Cloud, resource_id: str, old: Properties, new: Properties
    ) -> Properties:
        """PUT, and the actions that are needed."""
        path = self.at(resource_id)
        self.alter(client, path, old, new)
        changes = {}
        if old.get("name") != new.get("name"):
            changes["name"] = new["name"]
        if (old.get("labels") or {}) != (new.get("labels") or {}):
            changes["labels"] = new.get("labels") or {}
        if old.get("autoDelete") != new.get("autoDelete"):
            changes["auto_delete"] = new["autoDelete"]
        if changes:
            client.request("PUT", path, changes)
        if bool(old.get("deleteProtection")) != bool(new.get("deleteProtection")):
            client.act(path, "change_protection", self.protection(new))
        return self.seen(client, resource_id, new)

    def protection(self, inputs: Properties) -> Properties:
        """The body of `change_protection`."""
        return {"delete": inputs["deleteProtection"]}

    @override
    def delete(self, client: Cloud, resource_id: str, state: Properties) -> None:
        """DELETE."""
        client.delete(self.at(resource_id))

    def at(self, resource_id: str) -> str:
        """Its path."""
        return f"/{self.path}/{resource_id}"

    def seen(self, client: Cloud, resource_id: str, known: Properties) -> Properties:
        """Its state, which must be there."""
        state = self.read(client, resource_id, known)
        if state is None:
            raise StandInError(f"{self.kind} {resource_id} is gone")
        return state


def common(record: Properties) -> Properties:
    """Name and labels."""
    return {"name": record["name"], "labels": record["labels"]}


def given(values: Mapping[str, Any]) -> Properties:
    """Without what is not given."""
    return {name: value for name, value in values.items() if value is not None}
