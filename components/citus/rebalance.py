"""Citus' rebalance jobs: start one, follow it to its end, never wait without a bound.

A job runs in the coordinator's background workers. It goes on when the program that started it is
gone, so a later run first waits for the one it finds.
"""

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from components.citus.sessions import CitusError, Session, value

POLL_SECONDS = 0.25
START_SECONDS = 120.0
"""For a job that stays `scheduled`: the daemon looks every few seconds."""
STALL_SECONDS = 600.0
"""For a job that runs while none of its numbers change."""
STOP_SECONDS = 60.0
"""For a cancelled job to end."""
MAX_RETRIES = 3
"""Citus tries a failed move again after 5, 20 and then every 60 seconds, 32 times."""

TransferMode = Literal["auto", "block_writes"]

ENDED = frozenset({"finished", "cancelled", "failed"})


class StuckError(CitusError):
    """A job that would not have ended by itself, and was stopped."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One look at a job.

    Attributes:
        done, total: its tasks; each moves a shard with those colocated with it.
        retries: how often the unluckiest task has failed so far.
        message: what that task said last.
        progress: differs from that of another look if anything has moved in between.
    """

    number: int
    state: str
    done: int
    total: int
    retries: int
    message: str
    progress: str


def latest(session: Session) -> Job | None:
    """The database's newest rebalance job, ended or not."""
    row = session.execute(
        "SELECT job_id, state::text, details FROM citus_rebalance_status(true)"
    ).fetchone()
    return _job(*row) if row else None


def await_running(session: Session, database: str) -> None:
    """Waits for a job that an earlier run left, if there is one.

    How it ends is not this run's concern: what it left undone, the next job does. One that makes no
    progress is stopped.
    """
    job = latest(session)
    if job is None or job.state in ENDED:
        return
    say(f"{database}: waiting for rebalance job {job.number}, which already runs")
    try:
        _follow(session, database, f"in job {job.number}")
    except StuckError as error:
        say(f"{database}: {error}")


def rebalance(
    session: Session, database: str, *, drain_only: bool, mode: TransferMode, purpose: str
) -> None:
    """Moves shards to where `pg_dist_node` wants them, and waits.

    Args:
        session: in the database, on the coordinator.
        database: its name, for the progress lines.
        drain_only: only empty the nodes that should have no shards.
        mode: `auto` moves online by logical replication.
        purpose: ends the progress lines, as in "to balance 3 workers".

    Raises:
        CitusError: when the job fails, is cancelled, or makes no progress; then it is stopped.
    """
    job = value(
        session,
        "SELECT citus_rebalance_start(drain_only => %s, shard_transfer_mode => %s,"
        " parallel_transfer_reference_tables => true, parallel_transfer_colocated_shards => true)",
        [drain_only, mode],
    )
    if job is None:  # nothing to move
        return
    ended = _follow(session, database, purpose)
    if ended.state != "finished":
        raise CitusError(
            f"rebalance job {ended.number} {purpose} has {ended.state}"
            f" after {ended.done} of {ended.total} shards: {ended.message or 'no message'}"
        )


def say(text: str) -> None:
    """Prints a line of progress. Nobody may be reading it any more: the work still goes on."""
    with suppress(BrokenPipeError):
        print(text, flush=True)


def _follow(session: Session, database: str, purpose: str) -> Job:
    """Polls the newest job to its end, printing each change of its numbers.

    Raises:
        StuckError: when it makes no progress.
    """
    shown = progress = ""
    changed = time.monotonic()
    retries = 0
    while True:
        job = latest(session)
        if job is None:
            raise CitusError("the rebalance job has vanished from pg_dist_background_job")
        line = f"{database}: moved {job.done} of {job.total} shards {purpose}"
        if line != shown:
            say(line)
            shown = line
        if job.state in ENDED:
            return job
        if job.retries > retries:
            say(f"{database}: a move failed, try {job.retries}: {job.message}")
            retries = job.retries
        if job.progress != progress:
            progress, changed = job.progress, time.monotonic()
        if problem := _problem(job, time.monotonic() - changed):
            _stop(session)
            raise StuckError(f"rebalance job {job.number} was stopped: {problem}")
        time.sleep(POLL_SECONDS)


def _problem(job: Job, idle: float) -> str | None:
    """Why a job will not end by itself, or None; `idle` is in seconds."""
    if job.retries >= MAX_RETRIES:
        return (
            f"moving a shard has failed {job.retries} times: {job.message}."
            " Remove the cause, then run `pulumi up` again"
        )
    if job.state == "scheduled" and idle > START_SECONDS:
        return (
            f"it did not start within {START_SECONDS:.0f} s. Each Citus database needs a worker"
            " process on each node: raise max_worker_processes (databases + 30) on all of them"
        )
    if idle > STALL_SECONDS:
        return (
            f"nothing has moved for {STALL_SECONDS:.0f} s. Look for long transactions"
            " in pg_stat_activity and for errors in the nodes' logs, then run `pulumi up` again"
        )
    return None


def _stop(session: Session) -> None:
    """Cancels the job and waits for its end, for a while."""
    session.execute("SELECT citus_rebalance_stop()")
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        job = latest(session)
        if job is None or job.state in ENDED:
            return
        time.sleep(POLL_SECONDS)


def _job(number: int, state: str, details: dict[str, Any]) -> Job:
    counts: dict[str, int] = details.get("task_state_counts") or {}
    tasks: list[dict[str, Any]] = details.get("tasks") or []
    worst = max(tasks, key=lambda task: int(task.get("retried") or 0), default={})
    failed = next((task for task in tasks if task.get("state") == "error"), worst)
    moving = [
        [
            task.get("task_id"),
            task.get("phase"),
            (task.get("size") or {}).get("target"),
            (task.get("LSN") or {}).get("target"),
        ]
        for task in tasks
    ]
    return Job(
        number=number,
        state=state,
        done=counts.get("done", 0),
        total=sum(counts.values()),
        retries=int(worst.get("retried") or 0),
        message=" ".join(str(failed.get("message") or "").partition("CONTEXT:")[0].split()),
        progress=json.dumps([state, counts, moving], sort_keys=True),
    )
