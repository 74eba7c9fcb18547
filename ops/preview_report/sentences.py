"""What a preview comes to, in whole sentences: one function for each thing that can happen."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from config.cost import Cost
from ops.preview_report.preview import STACK, Operation, Preview, Step
from ops.preview_report.words import (
    BUCKET,
    CONTAINER,
    DATABASE,
    DOCKER_VOLUME,
    DOKPLOY,
    IMAGE,
    MEMBERSHIP,
    PASSWORD,
    POOL_LAYOUT,
    PROJECT,
    S3_KEY,
    SERVER_SIZE,
    SERVER_VOLUME,
    VOLUME_ATTACHMENT,
    WORDS,
    WRITER,
    capital,
    listed,
)

GATE = "citus-members"
"""The list of workers that the whole cluster has; each database has one of its own."""
WORKER = "citus-worker-"
ROLE_PASSWORD = "citus-role-"


def sentences(preview: Preview) -> Iterator[str]:
    """What happens, the largest things first."""
    for about in _ABOUT:
        yield from about(preview)


def drains(preview: Preview) -> bool:
    """Whether all data that is removed is what workers leave, once their shards have moved."""
    leaving = {*_leaving(preview)}
    return bool(leaving) and {step.name for step in data_volumes(preview)} <= leaving


def data_volumes(preview: Preview) -> list[Step]:
    """The Docker volumes that go with data in them, not with files that the stack writes."""
    containers = {step.name for step in preview.steps if step.type == CONTAINER}
    return [
        step
        for step in (*preview.of("removed", DOCKER_VOLUME), *preview.of("replaced", DOCKER_VOLUME))
        if f"{step.name}{WRITER}" not in containers
    ]


def _stack(preview: Preview) -> Iterator[str]:
    servers = _servers(preview, "added")
    if preview.of("added", STACK):
        where = f" on {servers}" if servers else ""
        yield f"The stack is new: {_containers(preview, 'added')}{where}."


def _containers(preview: Preview, operation: Operation, prefix: str = "") -> str:
    """The number of containers that run on, with a name that begins so."""
    names = [step.name for step in preview.of(operation, CONTAINER)]
    return WORDS[CONTAINER].count(
        sum(name.startswith(prefix) and not name.endswith(WRITER) for name in names)
    )


def _servers(preview: Preview, operation: Operation) -> str:
    """The servers that come or go, such as `1 server (cx33, 7.49 EUR a month)`; empty for none."""
    sizes = preview.of(operation, SERVER_SIZE)
    if not sizes:
        return ""
    cost = preview.cost_after if operation == "added" else preview.cost_before
    types = sorted({_server_type(size) for size in sizes})
    price = _price(sizes, preview.of(operation, SERVER_VOLUME), cost) if cost else None
    paid = f", {price:,.2f} {cost.currency} a month" if price is not None and cost else ""
    return f"{len(sizes)} server{'s'[: len(sizes) > 1]} ({', '.join(types)}{paid})"


def _server_type(size: Step) -> str:
    return str((size.new or size.old)["server_type"])


def _price(sizes: Sequence[Step], volumes: Sequence[Step], cost: Cost) -> Decimal | None:
    """What servers cost a month with volumes and addresses; None where a price is not known."""
    each = {line.what.partition(" for ")[0]: line.each for line in cost.lines}
    parts = [
        *(_server_type(size) for size in sizes),
        *(f"volume of {(volume.new or volume.old)['size']:g} GB" for volume in volumes),
        *("primary IPv4" for _ in sizes),
    ]
    return sum((each[part] for part in parts), Decimal(0)) if each.keys() >= {*parts} else None


def _workers(preview: Preview) -> tuple[int, int]:
    """The numbers of workers before and after; the same where their list stays as it is."""
    for step in preview.steps:
        if step.name == GATE and step.operation != "removed":
            return len(step.old.get("workers") or ()), len(step.new.get("workers") or ())
    return 0, 0


def _leaving(preview: Preview) -> list[str]:
    """The workers that leave: those with the highest numbers."""
    before, after = _workers(preview)
    return [f"{WORKER}{number}" for number in range(after + 1, before + 1)]


def _citus(preview: Preview) -> Iterator[str]:
    before, after = _workers(preview)
    members = [step for step in preview.of("changed", MEMBERSHIP) if step.name != GATE]
    databases = WORDS[DATABASE].named(sorted(step.new["database"] for step in members))
    meanwhile = (
        ", and writes to a table wait while its shards move"
        if any(step.new.get("rebalance") == "block_writes" for step in members)
        else f" while {'it keeps' if len(members) == 1 else 'they keep'} working"
    )
    if before == after:
        return
    if not before:
        yield f"Citus starts with {after} workers."
    elif after > before:
        come = _servers(preview, "added") or _containers(preview, "added", WORKER)
        verb = "is" if len(members) == 1 else "are"
        moved = f", {databases} {verb} rebalanced{meanwhile}" if members else ""
        yield f"Citus grows from {before} to {after} workers: {come}{moved}."
    else:
        go = _servers(preview, "removed") or _containers(preview, "removed", WORKER)
        leaving = listed(_leaving(preview))
        moved = f", after the shards of {databases} have left {leaving}{meanwhile}"
        yield (
            f"Citus shrinks from {before} to {after} workers: {go} less"
            f"{moved if members else ''}. When a shard cannot leave, the update stops and deletes "
            "nothing."
        )


def _minio(preview: Preview) -> Iterator[str]:
    for step in preview.steps:
        if step.type == POOL_LAYOUT and step.operation in ("added", "changed"):
            before, after = (step.old.get("pools", []), step.new["pools"])
            come = " and ".join(
                f"{pool['nodes']:g} node{'s'[: pool['nodes'] > 1]} of {pool['drives']:g} "
                f"drive{'s'[: pool['drives'] > 1]}"
                for pool in after[len(before) :]
            )
            yield (
                f"MinIO grows from {len(before)} to {len(after)} pools, by {come}. New objects go "
                "where most is free, old ones stay where they are."
                if before
                else f"MinIO starts with {come}."
            )


def _projects(preview: Preview) -> Iterator[str]:
    for step in preview.of("added", PROJECT):
        yield f"Project {listed([step.name])} is added{_holdings(preview, 'added', step.name)}."
    for step in preview.of("removed", PROJECT):
        yield f"Project {listed([step.name])} is removed{_holdings(preview, 'removed', step.name)}."


def _holdings(preview: Preview, operation: Operation, project: str) -> str:
    databases = {step.name for step in preview.of(operation, DATABASE)}
    buckets = [step.name for step in preview.of(operation, BUCKET)]
    parts = [
        "its database" if f"{project}-database" in databases else "",
        WORDS[BUCKET].named(name for name in buckets if name.startswith(f"{project}-")),
    ]
    held = " and ".join(filter(None, parts))
    return f", with {held}" if held else ""


def _sizes(preview: Preview) -> Iterator[str]:
    """Servers that become larger or smaller, and volumes that grow."""
    changes: dict[tuple[str, str], list[str]] = {}
    for step in preview.of("changed", SERVER_SIZE):
        if (old := step.old["server_type"]) != (new := step.new["server_type"]):
            changes.setdefault((old, new), []).append(step.new["name"])
    for (old, new), servers in changes.items():
        verb = "becomes" if len(servers) == 1 else "become"
        yield (
            f"{listed(sorted(servers))} {verb} {new} instead of {old}, one server after the other: "
            "each shuts down and is away for some minutes, with what runs on it."
        )
    grown: dict[tuple[float, float], list[str]] = {}
    for step in preview.of("changed", VOLUME_ATTACHMENT):
        before, size = step.old.get("size_gb"), step.new["size_gb"]
        if before not in (None, size):
            grown.setdefault((before, size), []).append(step.name.removesuffix("-attachment"))
    for (before, size), volumes in grown.items():
        verb = "grows" if len(volumes) == 1 else "grow"
        yield f"{listed(sorted(volumes))} {verb} from {before:g} to {size:g} GB, in place."


def _images(preview: Preview) -> Iterator[str]:
    """Images that take the place of others: those of the same name, whatever is before it."""
    new = {step.new["name"] for step in preview.of("added", IMAGE)}
    old = {step.old["name"] for step in preview.of("removed", IMAGE)}
    for image in sorted(new):
        before = sorted(one for one in old - new if _product(one) == _product(image))
        if before:
            yield f"Image {listed([image])} takes the place of {listed(before)}."


def _product(image: str) -> str:
    """What an image is of: `citus` of `docker.io/citusdata/citus:14.0.0@sha256:…`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _limits(preview: Preview) -> Iterator[str]:
    """Containers with other limits."""
    changes: dict[str, list[str]] = {}
    for step in (*preview.of("changed", CONTAINER), *preview.of("replaced", CONTAINER)):
        parts = [
            f"{what} {before} → {after}{unit}"
            for key, what, unit in (("memory", "memory", " MiB"), ("cpus", "CPUs", ""))
            if (before := step.old.get(key)) != (after := step.new.get(key))
        ]
        if parts:
            changes.setdefault(", ".join(parts), []).append(step.name)
    for limits, names in changes.items():
        yield f"{capital(WORDS[CONTAINER].named(names))}: {limits}."


def _credentials(preview: Preview) -> Iterator[str]:
    secrets: dict[str, list[str]] = {}
    for step in preview.of("replaced", PASSWORD):
        if step.name.startswith(ROLE_PASSWORD):
            role = step.name.removeprefix(ROLE_PASSWORD)
            secrets.setdefault(role, []).append("database password")
    for step in preview.of("replaced", S3_KEY):
        secrets.setdefault(step.name.removesuffix("-key"), []).append("S3 key")
    for project, kinds in secrets.items():
        yield (
            f"Project {listed([project])} gets another {' and '.join(kinds)}; the stack's outputs "
            "have the new."
        )


def _dokploy(preview: Preview) -> Iterator[str]:
    for step in preview.of("added", DOKPLOY):
        stops = step.new.get("edge") and not preview.of("added", STACK)
        meanwhile = ": S3, SQL and the consoles are away for some minutes" if stops else ""
        yield f"Dokploy is installed on {listed([step.new['server']])}{meanwhile}."
    for step in preview.of("removed", DOKPLOY):
        yield f"Dokploy is taken away from {listed([step.old['server']])}."


_ABOUT: Sequence[Callable[[Preview], Iterator[str]]] = (
    _stack,
    _projects,
    _citus,
    _minio,
    _dokploy,
    _sizes,
    _images,
    _limits,
    _credentials,
)
