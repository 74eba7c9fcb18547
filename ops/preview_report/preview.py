"""A preview, read from what `pulumi preview --json` says event by event: pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from config.cost import Cost, CostLine

Operation = Literal["added", "changed", "replaced", "removed"]

OPERATIONS: Mapping[str, Operation] = {
    "create": "added",
    "update": "changed",
    "replace": "replaced",
    "create-replacement": "replaced",
    "delete-replaced": "replaced",
    "delete": "removed",
}
"""The engine's words. A replacement comes as up to three steps of one resource."""

STACK = "pulumi:pulumi:Stack"


@dataclass(frozen=True, kw_only=True)
class Step:
    """What happens to one resource.

    Attributes:
        name: within the stack, such as `citus-worker-3`.
        old: its inputs before; empty for one that is added.
        new: its inputs after, as far as they are known; empty for one that is removed.
        differing: the properties that make the difference.
    """

    operation: Operation
    type: str
    name: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    differing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What an update would do.

    Attributes:
        steps: what changes, in the order in which the engine says it.
        unchanged: the number of resources that stay as they are.
        cost_before: a month, as the last update left it; None for a stack that is on no servers.
        cost_after: likewise, as the config has it.
        broken: sentences of the policies that the stack breaks.
        advised: those that only warn.
        errors: why the preview did not get to its end.
        warnings: what the program or the engine warns of.
    """

    steps: tuple[Step, ...]
    unchanged: int = 0
    cost_before: Cost | None = None
    cost_after: Cost | None = None
    broken: tuple[str, ...] = ()
    advised: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def of(self, operation: Operation, type_: str | None = None) -> list[Step]:
        """The steps of an operation, of one type of resource if given."""
        return [
            step
            for step in self.steps
            if step.operation == operation and type_ in (None, step.type)
        ]


@dataclass
class _Messages:
    error: list[str] = field(default_factory=list)
    warning: list[str] = field(default_factory=list)
    mandatory: list[str] = field(default_factory=list)
    advisory: list[str] = field(default_factory=list)


def read_preview(events: Iterable[Mapping[str, Any]]) -> Preview:
    """Reads the events of a preview."""
    steps: dict[str, Step] = {}
    said = _Messages()
    before: Mapping[str, Any] = {}
    after: Mapping[str, Any] = {}
    unchanged = 0
    for event in events:
        match event:
            case {"resourcePreEvent": {"metadata": step}} if step["op"] in OPERATIONS:
                urn = step["urn"]
                steps[urn] = _merged(steps[urn], _step(step)) if urn in steps else _step(step)
            case {"resOutputsEvent": {"metadata": {"type": t} as step}} if t == STACK:
                before = (step.get("old") or {}).get("outputs", {})
                after = (step.get("new") or {}).get("outputs", {})
            case {"diagnosticEvent": {"severity": "error" | "warning" as severity} as message}:
                getattr(said, severity).append(_sentence(message["message"]))
            case {"policyEvent": {"enforcementLevel": "mandatory" | "advisory" as level} as broken}:
                getattr(said, level).append(_sentence(broken["message"]))
            case {"summaryEvent": {"resourceChanges": counts}}:
                unchanged = (counts or {}).get("same", 0)
    return Preview(
        steps=tuple(steps.values()),
        unchanged=unchanged,
        cost_before=_cost(before),
        cost_after=_cost(after),
        broken=tuple(dict.fromkeys(said.mandatory)),
        advised=tuple(dict.fromkeys(said.advisory)),
        errors=tuple(dict.fromkeys(said.error)),
        warnings=tuple(dict.fromkeys(said.warning)),
    )


def _step(metadata: Mapping[str, Any]) -> Step:
    return Step(
        operation=OPERATIONS[metadata["op"]],
        type=metadata["type"],
        name=metadata["urn"].split("::", 3)[3],
        old=(metadata.get("old") or {}).get("inputs", {}),
        new=(metadata.get("new") or {}).get("inputs", {}),
        differing=tuple(metadata.get("keys") or metadata.get("diffs") or ()),
    )


def _merged(first: Step, other: Step) -> Step:
    """Two steps of one replacement: one may only know how it was, the other how it becomes."""
    return replace(
        first,
        old=first.old or other.old,
        new=first.new or other.new,
        differing=first.differing or other.differing,
    )


def _sentence(message: str) -> str:
    return re.sub(
        r"\A(error: |warning: )?((Value|Runtime)Error: |Exception: )?", "", message.strip()
    )


def _cost(outputs: Mapping[str, Any]) -> Cost | None:
    """The stack's output `monthly_cost`."""
    cost = outputs.get("monthly_cost")
    if not isinstance(cost, dict):
        return None
    return Cost(
        lines=tuple(_lines(cost["lines"])),
        unknown=tuple(cost["unknown"]),
        currency=cost["currency"],
    )


def _lines(lines: Mapping[str, str]) -> Iterator[CostLine]:
    for title, total in lines.items():
        count, _, what = title.partition(" × ")
        yield CostLine(what=what, count=int(count), each=Decimal(total) / int(count))
