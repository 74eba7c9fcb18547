"""What all kinds of resources have in common."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloud.actions import Actions
from cloud.backends.base import Backend
from cloud.errors import ApiError, invalid, not_found, protected
from cloud.query import check_labels
from cloud.store import Record, Store

if TYPE_CHECKING:
    from cloud.project import Project

Name = Annotated[str, Field(min_length=1, max_length=128)]


class Body(BaseModel):
    """The body of a request. A field that is not declared is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Empty(Body):
    """No body."""


class Protection(Body):
    """`change_protection` of most kinds."""

    delete: bool | None = None


Model = TypeVar("Model", bound=Body)


def parse(model: type[Model], body: Record) -> Model:
    """The body as the model.

    Raises:
        ApiError: `invalid_input`, with every field that is wrong.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        fields: dict[str, list[str]] = {}
        for problem in error.errors(include_url=False):
            message = problem["msg"]
            if problem["type"] == "extra_forbidden":
                message = "is not supported by the sandbox"
            fields.setdefault(".".join(map(str, problem["loc"])), []).append(message)
        names = ", ".join(f"'{name}' ({'; '.join(said)})" for name, said in fields.items())
        raise ApiError(
            "invalid_input",
            f"invalid input in field {names}",
            {"fields": [{"name": name, "messages": said} for name, said in fields.items()]},
        ) from None


class Collection(ABC):
    """A kind of resource.

    An action `x` is the method `do_x`, which takes the record and the body and returns the answer.

    Attributes:
        kind: its name in paths of actions and in messages.
        plural: its name in paths.
        filters: fields that a list can be asked for.
    """

    kind: ClassVar[str]
    plural: ClassVar[str]
    filters: ClassVar[tuple[str, ...]] = ("name",)

    def __init__(self, project: "Project") -> None:
        self.project = project

    @property
    def store(self) -> Store:
        """The project's."""
        return self.project.store

    @property
    def actions(self) -> Actions:
        """The project's."""
        return self.project.actions

    @property
    def backend(self) -> Backend:
        """The project's."""
        return self.project.backend

    @property
    def table(self) -> dict[str, Record]:
        """All records, by the text of their id."""
        return self.store.table(self.plural)

    def get(self, resource_id: int | str) -> Record:
        """The record of that id."""
        record = self.table.get(str(resource_id))
        if not record:
            raise not_found(self.kind, resource_id)
        return record

    def view(self, record: Record) -> Record:
        """The record as the API shows it."""
        return record

    def answer(self, record: Record, **more: Any) -> Record:
        """The record under its kind's name."""
        return {self.kind: self.view(record), **more}

    def add(self, record: Record) -> None:
        """Puts a new record in, under a name of its own."""
        self.check_name(record["name"])
        check_labels(record["labels"])
        self.table[str(record["id"])] = record

    def check_name(self, name: str, own: Record | None = None) -> None:
        """Raises `uniqueness_error` when another resource has the name."""
        if any(other["name"] == name and other is not own for other in self.table.values()):
            raise ApiError("uniqueness_error", f"{self.kind} name {name!r} is already used")

    def change(self, record: Record, changes: Record) -> Record:
        """Sets name, labels and the like, where given. Returns the answer."""
        if "name" in changes:
            self.check_name(changes["name"], own=record)
        check_labels(changes.get("labels", {}))
        record.update(changes)
        return self.answer(record)

    def start(self, command: str, record: Record, *more: tuple[str, int], **effects: Any) -> Record:
        """Starts an action of this resource, and of others."""
        return self.actions.start(command, [(self.kind, record["id"]), *more], **effects)

    def forbid_protected(self, record: Record) -> None:
        """Raises `protected` when it must not be deleted."""
        if record["protection"]["delete"]:
            raise protected(self.kind, record["id"])

    def protect(self, record: Record, body: Record) -> Record:
        """The action `change_protection`. Returns the answer."""
        wanted = parse(Protection, body).delete
        if wanted is not None:
            record["protection"]["delete"] = wanted
        return {"action": self.start("change_protection", record)}

    @abstractmethod
    async def create(self, body: Record) -> Record:
        """POST. Returns the answer."""

    @abstractmethod
    async def update(self, record: Record, body: Record) -> Record:
        """PUT. Returns the answer."""

    @abstractmethod
    async def delete(self, record: Record) -> Record | None:
        """DELETE. Returns the answer, if there is one."""


async def blocking(function: Callable[..., None], *arguments: Any) -> None:
    """Runs a call of the backend beside the server."""
    await asyncio.to_thread(function, *arguments)


def network_of(field: str, text: str) -> IPv4Network:
    """The IPv4 network in CIDR notation; raises `invalid_input`."""
    try:
        return IPv4Network(text)
    except ValueError as error:
        raise invalid(field, str(error)) from None
