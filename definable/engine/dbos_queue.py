"""The queue in DBOS Transact: a library, with its tables in a file beside the store's, or on the same server.

Each segment is one of its workflows, without steps: what a run has done is in the run log and the ledger, and
a segment that is begun again goes on from there. DBOS takes segments from the queue by priority, each in one
process, and knows what a dead process had taken.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, Serializer, SetWorkflowID
from dbos._error import DBOSException
from sqlalchemy.exc import SQLAlchemyError

from definable.engine.queue import ATTEMPTS, Perform
from definable.errors import StoreError
from definable.store import Place

NAME = "segment"
QUEUE = "runs"
FILE = "queue.db"
"""DBOS's file in the folder for state."""

SCHEMA = "definable_queue"
"""DBOS's schema on a server."""

VERSION = "1"
"""DBOS runs only what has this version; it stays the same, since each run has its definition pinned."""

POLL = 0.1
"""Seconds between two looks into the queue."""

LAST_MOMENTS = 5.0
"""Seconds that what was told to stop may take to do so."""

ENDED = ["SUCCESS", "ERROR", "CANCELLED"]
"""Where a segment is that nobody will work on any more."""

_perform: Perform | None = None
"""What segments are done with in this process. DBOS knows functions by their names, once per process."""


class Plain(Serializer):
    """What DBOS keeps as text: JSON, where its default would load any Python object."""

    def serialize(self, data: Any) -> str:
        """Return JSON; an error as its words."""
        return json.dumps(f"{type(data).__name__}: {data}" if isinstance(data, BaseException) else data)

    def deserialize(self, serialized_data: str) -> Any:
        """Return what the JSON holds."""
        return json.loads(serialized_data)

    def name(self) -> str:
        """Return what rows are marked with."""
        return "json"


@DBOS.workflow(name=NAME, max_recovery_attempts=ATTEMPTS)
async def _segment(run: str) -> str:
    assert _perform is not None  # noqa: S101 - set before DBOS is launched
    return await _perform(run)


class DbosQueue:
    """A `Queue` in DBOS. Use `DbosQueue.open`; a process has one at a time."""

    @classmethod
    async def open(cls, where: Place, worker: str, slots: int, perform: Perform) -> DbosQueue:
        """Open the queue as `worker`, and work on `slots` segments at a time with `perform`.

        StoreError when its tables cannot be had.
        """
        global _perform
        _perform = perform
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        DBOS(config=_config(where, worker))
        queue = cls(where)
        try:
            with queue._explained():
                DBOS.launch()
                await DBOS.register_queue_async(
                    QUEUE, worker_concurrency=slots, polling_interval_sec=POLL, on_conflict="always_update"
                )
        except StoreError:
            await asyncio.to_thread(DBOS.destroy)
            raise
        return queue

    def __init__(self, where: Place) -> None:
        """Keep where it is, for errors."""
        self.where = where

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, DBOSException) as error:
            reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            raise StoreError(f"the queue in {_shown(self.where)} refused: {reason}") from error

    async def put(self, segment: str, run: str, priority: int) -> None:
        """Put a segment into the queue."""
        with self._explained():
            where = {"workflow_name": NAME, "queue_name": QUEUE, "workflow_id": segment, "priority": priority}
            await DBOS.enqueue_workflow_with_options_async(where, run)  # type: ignore[arg-type]

    async def start(self, segment: str, run: str) -> None:
        """Begin with a segment here and now."""
        with self._explained(), SetWorkflowID(segment):
            await DBOS.start_workflow_async(_segment, run)

    async def drop(self, run: str) -> None:
        """Take a run's segments out of the queue."""
        with self._explained():
            queued = await DBOS.list_queued_workflows_async(queue_name=QUEUE, workflow_id_prefix=f"{run}#")
            for each in queued:
                if each.status != "PENDING":
                    await DBOS.cancel_workflow_async(each.workflow_id)

    async def holders(self) -> set[str]:
        """Return the workers that have taken segments."""
        with self._explained():
            held = await DBOS.list_workflows_async(status="PENDING", load_input=False, load_output=False)
            return {each.executor_id for each in held if each.executor_id}

    async def recover(self, worker: str) -> None:
        """Put back what a dead worker had taken."""
        with self._explained():
            # Not a public name: the version is pinned, and tests/integration/test_dbos_queue.py holds it.
            await asyncio.to_thread(DBOS._recover_pending_workflows, [worker])

    async def poisoned(self) -> list[str]:
        """Return runs that nobody can work on."""
        with self._explained():
            status = "MAX_RECOVERY_ATTEMPTS_EXCEEDED"
            found = [each.workflow_id for each in await DBOS.list_workflows_async(status=status)]
            for segment in found:
                await DBOS.delete_workflow_async(segment)
            return [segment.rpartition("#")[0] for segment in found]

    async def forget(self, older: float, limit: int) -> int:
        """Forget segments that ended."""
        before = (datetime.now(UTC) - timedelta(seconds=older)).isoformat()
        with self._explained():
            found = await DBOS.list_workflows_async(
                status=ENDED, completed_before=before, limit=limit, load_input=False, load_output=False
            )
            if found:
                await DBOS.delete_workflows_async([each.workflow_id for each in found])
            return len(found)

    async def close(self, grace: float) -> None:
        """Let go of the queue."""
        patience = int(grace + LAST_MOMENTS)
        await asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=patience)


def _config(where: Place, worker: str) -> DBOSConfig:
    return DBOSConfig(
        name="definable",
        system_database_url=_url(where),
        dbos_system_schema=SCHEMA,
        sys_db_pool_size=5,
        application_version=VERSION,
        executor_id=worker,
        serializer=Plain(),
        use_listen_notify=False,
        log_level="CRITICAL",
        enable_otlp=False,
    )


def _url(where: Place) -> str:
    if not isinstance(where, Path):
        return where.url
    file = where.parent / FILE
    with closing(sqlite3.connect(file, timeout=30)) as db:  # once, before anybody works with it
        db.execute("PRAGMA journal_mode = WAL")
    return f"sqlite:///{file}"


def _shown(where: Place) -> str:
    return str(where.parent / FILE) if isinstance(where, Path) else f"the {where}"
