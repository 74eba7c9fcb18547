"""The report as a page of Markdown: pure. GitHub shows its lists of warnings in colour."""

import re
from collections.abc import Iterable, Iterator, Sequence

from config.cost import Cost
from ops.preview_report.preview import Operation, Preview, Step
from ops.preview_report.sentences import data_volumes, drains, sentences
from ops.preview_report.words import (
    ADDRESS,
    DOCKER_VOLUME,
    SERVER,
    SERVER_VOLUME,
    capital,
    is_inner,
    listed,
    title_of,
    words_of,
)

LIMIT = 60_000
"""Characters; a comment on GitHub has at most 65536."""

_ECHOES = ("resource monitor has terminated", "an unhandled error occurred")
_PROTECTED = re.compile(
    r'Preview failed: resource "[^"]*::([^"]+)" cannot be deleted\s+because it is protected.*',
    re.DOTALL,
)

_TITLES: Sequence[tuple[Operation, str]] = (
    ("removed", "Removed"),
    ("replaced", "Replaced"),
    ("changed", "Changed"),
    ("added", "Added"),
)


def page(stack: str, preview: Preview) -> str:
    """The page.

    Args:
        stack: its name.
        preview: what was previewed.
    """
    parts = [
        part
        for part in (
            [f"## Preview of `{stack}`"],
            [*_box("CAUTION", _stops(preview))],
            [*_box("WARNING", _warnings(preview))],
            [*_summary(preview)],
            [*_cost(preview)],
            [*_details(preview)],
        )
        if part
    ]
    text = "\n\n".join("\n".join(part) for part in parts) + "\n"
    cut = "\n\n… The rest is too long for a comment: `make preview-report` shows it.\n"
    return text if len(text) <= LIMIT else text[:LIMIT] + cut


def _box(kind: str, lines: Iterable[str]) -> Iterator[str]:
    """A list that stands out."""
    for number, line in enumerate(lines):
        if number == 0:
            yield f"> [!{kind}]"
        yield "> - " + line.replace("\n", "\n>   ")


def _stops(preview: Preview) -> Iterator[str]:
    """Why there will be no update like this."""
    for sentence in preview.broken:
        policy, _, how = sentence.partition("\n")
        yield f"A policy is broken: **{policy}**\n{how}".rstrip()
    yield from _told(preview.errors) or (() if preview.broken else preview.errors)


def _told(errors: Iterable[str]) -> list[str]:
    """Errors without those that only follow from another."""
    return [
        _PROTECTED.sub(r"`\1` is protected (`protect` in the stack's config) and stays.", error)
        for error in errors
        if error != "preview failed" and not error.lower().startswith(_ECHOES)
    ]


def _warnings(preview: Preview) -> Iterator[str]:
    """What is lost first, then what is away for a time."""
    gone = [*preview.of("removed"), *preview.of("replaced")]
    spared = _without_data(preview)
    for group in _grouped(step for step in gone if words_of(step).lost and step not in spared):
        words = words_of(group[0])
        verb = "is" if len(group) == 1 else "are"
        yield f"**{capital(_named(group))} {verb} deleted, with {words.lost}.**"
    replaced = (step for step in preview.of("replaced") if not is_inner(step))
    for group in _grouped(step for step in replaced if words_of(step).replaced):
        who = "it" if len(group) == 1 else "each"
        yield f"{capital(_named(group))}: {who} {words_of(group[0]).replaced}."
    yield from preview.advised
    yield from preview.warnings


def _without_data(preview: Preview) -> list[Step]:
    """What goes without any loss: volumes of written files, and what drained workers leave."""
    volumes = data_volumes(preview)
    spared = [step for step in preview.steps if step.type == DOCKER_VOLUME and step not in volumes]
    if drains(preview):
        kept = (DOCKER_VOLUME, SERVER, SERVER_VOLUME, ADDRESS)
        spared += [step for step in preview.of("removed") if step.type in kept]
    return spared


def _summary(preview: Preview) -> Iterator[str]:
    if _told(preview.errors):  # then not all is known that would happen
        return
    yield from (f"- {sentence}" for sentence in sentences(preview))
    if not preview.steps:
        yield "Nothing changes."
    elif all(is_inner(step) for step in preview.steps):
        yield f"Only inner parts change: {listed(step.name for step in preview.steps)}."


def _cost(preview: Preview) -> Iterator[str]:
    before, after = preview.cost_before, preview.cost_after
    if after is None:
        return
    if not after.lines:
        yield "Cost a month: unknown, because Hetzner's prices could not be had."
        return
    known = before and before.currency == after.currency and before.lines
    if known and before == after:
        yield f"Cost a month: {after.total:,.2f} {after.currency} without VAT, as before"
        return
    if before and known:
        yield (
            f"**Cost a month: {before.total:,.2f} → {after.total:,.2f} {after.currency} "
            f"({after.total - before.total:+,.2f})**, without VAT"
        )
    else:
        before = None
        yield f"**Cost a month: {after.total:,.2f} {after.currency}**, without VAT"
    if after.unknown:
        yield f"and without {', '.join(after.unknown)}, whose price is not known."
    yield ""
    yield "| | Before | After |" if before else "| | After |"
    yield "|---|--:|--:|" if before else "|---|--:|"
    for what in dict.fromkeys([*_amounts(before), *_amounts(after)]):
        cells = [_amounts(cost).get(what, "") for cost in (before, after) if cost]
        yield f"| {what} | {' | '.join(cells)} |"


def _amounts(cost: Cost | None) -> dict[str, str]:
    """How many of each, and what they cost together."""
    lines = cost.lines if cost else ()
    return {line.what: f"{line.count} × {line.each:,.2f} = {line.total:,.2f}" for line in lines}


def _details(preview: Preview) -> Iterator[str]:
    steps = [step for step in preview.steps if not is_inner(step)]
    if not steps:
        return
    counts = {
        operation: len([s for s in steps if s.operation == operation]) for operation, _ in _TITLES
    }
    told = ", ".join(f"{number} {operation}" for operation, number in counts.items() if number)
    # Where no sentence says it, the list does.
    fold = "<details>" if _told(preview.errors) or any(sentences(preview)) else "<details open>"
    yield f"{fold}<summary>{told}; {preview.unchanged} stay as they are</summary>"
    for operation, title in _TITLES:
        groups = _grouped(step for step in steps if step.operation == operation)
        if groups:
            yield f"\n**{title}**\n"
        for group in groups:
            yield f"- {_named(group)}{_differing(group)}"
    yield "\n</details>"


def _differing(group: Sequence[Step]) -> str:
    """Which properties make the difference: their names only, since a value may be a secret."""
    if group[0].operation not in ("changed", "replaced"):
        return ""
    names = sorted({name for step in group for name in step.differing if not name.startswith("__")})
    return f" ({', '.join(names)})" if names else ""


def _grouped(steps: Iterable[Step]) -> list[list[Step]]:
    """Those that are spoken of with the same words, together."""
    groups: dict[str, list[Step]] = {}
    for step in steps:
        groups.setdefault(words_of(step).many, []).append(step)
    return list(groups.values())


def _named(group: Sequence[Step]) -> str:
    return words_of(group[0]).named(title_of(step) for step in group)
