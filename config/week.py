"""What a stack did in a week, as the review measures it. Sizes are in bytes."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Use:
    """How much of something was used.

    Attributes:
        busy: what was exceeded 1 % of the time, which is 100 minutes of a week: one short peak is
            no reason to grow.
        worst: the most, over five minutes.
    """

    busy: float
    worst: float


@dataclass(frozen=True, kw_only=True)
class DiskWeek:
    """A file system.

    Attributes:
        used: now; the share that is kept for root counts as used.
        growth: a day, negative when it shrinks.
    """

    mountpoint: str
    size: float
    used: float
    growth: float


@dataclass(frozen=True, kw_only=True)
class HostWeek:
    """A host that runs now.

    Attributes:
        cores: that it has now.
        cpu: in cores.
        memory_size: that it has now.
        memory: without what the page cache would give back.
    """

    name: str
    cores: float
    cpu: Use
    memory_size: float
    memory: Use
    disks: Sequence[DiskWeek]


@dataclass(frozen=True, kw_only=True)
class ContainerWeek:
    """A container that runs now: `cpu` in cores, `memory` its working set."""

    name: str
    cpu: Use
    memory: Use


@dataclass(frozen=True, kw_only=True)
class StorageWeek:
    """The S3 storage.

    Attributes:
        size: usable, after parity.
        used: of it, now.
        growth: a day.
        requests: a second, on average.
        most_requests: a second, over the busiest five minutes.
        errors: requests that ended with a 5xx.
    """

    size: float
    used: float
    growth: float
    requests: float
    most_requests: float
    errors: float


@dataclass(frozen=True, kw_only=True)
class DatabaseWeek:
    """A database over all its nodes.

    Attributes:
        size: now.
        growth: a day.
        transactions: a second on the coordinator, on average.
        most_transactions: a second, over the busiest five minutes.
    """

    name: str
    size: float
    growth: float
    transactions: float
    most_transactions: float


@dataclass(frozen=True, kw_only=True)
class AlertWeek:
    """An alert that fired.

    Attributes:
        subject: what it fired for, such as an instance; empty for the stack as a whole.
        minutes: how long, together.
        firing: whether it still does.
    """

    name: str
    severity: str
    subject: str
    minutes: float
    firing: bool


@dataclass(frozen=True, kw_only=True)
class Week:
    """The last seven days.

    Attributes:
        days: of them that were measured.
        storage: None when MinIO was not measured.
    """

    days: float
    hosts: Sequence[HostWeek]
    containers: Sequence[ContainerWeek]
    storage: StorageWeek | None
    databases: Sequence[DatabaseWeek]
    alerts: Sequence[AlertWeek]
