"""Actions: what the API does over time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from cloud.errors import ApiError, not_found
from cloud.store import Record, Store, now

Effect: TypeAlias = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)


class Actions:
    """Starts and lists actions.

    Those of one server run one after the other, in the order in which they were asked for.

    Args:
        store: holds them.
        seconds: how long each takes at least.
    """

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self._seconds = seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: dict[int, asyncio.Lock] = {}
        table = store.table("actions")
        for record in table.values():
            if record["status"] == "running":  # by a process that has ended
                _fail(record, "action_failed", "the API server was stopped meanwhile")

    def get(self, action_id: str) -> Record:
        """The action of that id."""
        record = self._store.table("actions").get(action_id)
        if not record:
            raise not_found("action", action_id)
        return record

    def find(self, resource: tuple[str, int] | None = None) -> list[Record]:
        """All, or those of one resource."""
        wanted = None if resource is None else {"type": resource[0], "id": resource[1]}
        records = self._store.table("actions").values()
        return [record for record in records if wanted is None or wanted in record["resources"]]

    def is_busy(self, server_id: int) -> bool:
        """Whether an action of the server runs or waits."""
        return any(record["status"] == "running" for record in self.find(("server", server_id)))

    def start(
        self,
        command: str,
        resources: Iterable[tuple[str, int]],
        effect: Effect | None = None,
        cleanup: Callable[[], None] | None = None,
    ) -> Record:
        """Starts one.

        Args:
            command: its name in the API.
            resources: what it is about, as (type, id). A server's actions wait for each other.
            effect: does it; what it raises is the action's error.
            cleanup: undoes, when the effect fails, what the API already shows.
        """
        resources = list(resources)
        record: Record = {
            "id": self._store.next_id(),
            "command": command,
            "status": "running",
            "progress": 0,
            "started": now(),
            "finished": None,
            "resources": [{"id": number, "type": kind} for kind, number in resources],
            "error": None,
        }
        self._store.table("actions")[str(record["id"])] = record
        servers = [number for kind, number in resources if kind == "server"]
        task = asyncio.create_task(self._run(record, servers, effect, cleanup))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return record

    async def _run(
        self,
        record: Record,
        servers: list[int],
        effect: Effect | None,
        cleanup: Callable[[], None] | None,
    ) -> None:
        turn = self._turns.setdefault(servers[0], asyncio.Lock()) if servers else asyncio.Lock()
        async with turn:
            try:
                await asyncio.sleep(self._seconds)
                if effect:
                    await effect()
            except ApiError as error:
                _fail(record, error.code, error.message)
            except Exception as error:
                _log.exception("%s %s", record["command"], record["resources"])
                _fail(record, "action_failed", str(error))
            else:
                record.update(status="success", progress=100, finished=now())
            if record["status"] == "error" and cleanup:
                cleanup()
            self._store.save()

    async def drain(self) -> None:
        """Waits for those that run."""
        await asyncio.gather(*self._tasks)


def _fail(record: Record, code: str, message: str) -> None:
    record.update(status="error", progress=100, finished=now())
    record["error"] = {"code": code, "message": message}
