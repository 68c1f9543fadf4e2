"""The queue in DBOS Transact: a library, with its tables in a file beside the store's, or on the same server.

Each segment is one of its workflows, without steps: what a run has done is in the run log and the ledger, and
a segment that is begun again goes on from there. DBOS gives segments away by priority, each to one process,
and knows what a dead process had taken. When to take is ours: DBOS itself looks again and again, with one
number of slots for all processes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, Serializer
from dbos import Queue as DbosTable
from dbos._core import execute_dequeued_workflow
from dbos._dbos import _get_dbos_instance
from dbos._enqueue_options import build_enqueue_status
from dbos._error import DBOSException
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from definable.engine.queue import URGENT, Perform, Waiting
from definable.errors import StoreError
from definable.store import Place

APPLICATION = "definable"
NAME = "segment"
QUEUE = "runs"
FILE = "queue.db"
"""DBOS's file in the folder for state."""

SCHEMA = "definable_queue"
"""DBOS's schema on a server."""

VERSION = "1"
"""DBOS runs only what has this version; it stays the same, since each run has its definition pinned."""

CONNECTIONS = 2
"""To a server: one is DBOS's own for a second at a time, the other everybody's for milliseconds."""

LAST_MOMENTS = 5.0
"""Seconds that what was told to stop may take to do so."""

MOMENT = 0.02
"""Seconds between two looks whether what was told to stop has done so."""

ENDED = ["SUCCESS", "ERROR", "CANCELLED"]
"""Where a segment is that nobody will work on any more."""

_work: Callable[[str, str], Awaitable[str]] | None = None
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


@DBOS.workflow(name=NAME, max_recovery_attempts=None)
async def _segment(run: str) -> str:
    assert _work is not None  # noqa: S101 - set before DBOS is launched
    return await _work(DBOS.workflow_id or "", run)


class DbosQueue:
    """A `Queue` in DBOS. Use `DbosQueue.open`; a process has one at a time.

    Not all that it asks of DBOS has a public name: the version is pinned, and tests/integration/
    test_dbos_queue.py holds it.
    """

    @classmethod
    async def open(cls, where: Place, worker: str, slots: int, perform: Perform) -> DbosQueue:
        """Open the queue as `worker`, and work on `slots` segments at a time with `perform`.

        StoreError when its tables cannot be had.
        """
        global _work
        queue = cls(where, worker, slots, perform)
        _work = queue._perform
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        DBOS(config=_config(where, worker))
        DBOS.listen_queues([])
        try:
            with queue._explained():
                DBOS.launch()
                queue._table = await DBOS.register_queue_async(QUEUE, on_conflict="never_update")
        except StoreError:
            await asyncio.to_thread(DBOS.destroy)
            raise
        queue._table._worker_concurrency = slots
        queue._dbos = _get_dbos_instance()
        queue._dbos._sys_db._retry_connection_errors = False  # it would sleep up to a minute
        return queue

    def __init__(self, where: Place, worker: str, slots: int, perform: Perform) -> None:
        """Keep what it is for; nothing is opened here."""
        self.where = where
        self.worker = worker
        self.slots = slots
        self.perform = perform
        self.taken: set[str] = set()
        """Segments that were taken, until they are done with."""
        self._unknown: set[str] = set()
        self._table: DbosTable
        self._dbos: Any

    async def _perform(self, segment: str, run: str) -> str:
        self.taken.add(segment)
        try:
            return await self.perform(run)
        finally:
            self.taken.discard(segment)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, DBOSException) as error:
            reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            raise StoreError(f"the queue in {_shown(self.where)} refused: {reason}") from error

    async def put(self, *segments: Waiting) -> None:
        """Put segments into the queue, in one transaction."""
        if segments:
            with self._explained():
                await asyncio.to_thread(self._put, segments)

    def _put(self, segments: Iterable[Waiting]) -> None:
        rows = []
        for name, run, priority in segments:
            where: Any = {"workflow_name": NAME, "queue_name": QUEUE, "workflow_id": name}
            where |= {"priority": priority, "app_version": VERSION}
            _, row = build_enqueue_status(where, self._dbos._serializer, (run,), {})
            row["application_name"] = APPLICATION
            rows.append(row)
        self._dbos._sys_db.init_workflows(rows)

    async def take(self) -> None:
        """Take what there is room for."""
        if len(self.taken) < self.slots:
            with self._explained():
                await asyncio.to_thread(self._take)

    def _take(self) -> None:
        db, token = self._dbos._sys_db, secrets.token_hex(16)
        room = (self._table, self.worker, VERSION, None, len(self.taken))
        found, _ = db.start_queued_workflows(*room, owner_xid=token)
        for status in db.get_workflow_statuses(found):
            self.taken.add(status["workflow_uuid"])
            execute_dequeued_workflow(self._dbos, status, token)

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

    async def holds(self, run: str) -> bool:
        """Return whether a segment of a run is known."""
        with self._explained():
            found = await DBOS.list_workflows_async(
                status=["ENQUEUED", "PENDING"], workflow_id_prefix=f"{run}#", load_input=False, limit=1
            )
            return bool(found)

    async def recover(self, worker: str) -> None:
        """Put back what a worker has not got any more."""
        with self._explained():
            if worker == self.worker:
                await asyncio.to_thread(self._put_back)
            else:
                await asyncio.to_thread(self._recover, worker)

    def _recover(self, worker: str) -> None:
        row = self._dbos._sys_db.tables.workflow_status
        theirs = (row.c.executor_id == worker, row.c.status == "PENDING")
        with self._dbos._sys_db.engine.begin() as db:
            db.execute(update(row).where(*theirs).values(priority=URGENT))
        DBOS._recover_pending_workflows([worker])

    def _put_back(self) -> None:
        """Put back what an answer that was lost on the way had given to this worker.

        What is unknown at two looks: one that was done with a moment ago may not be written down yet.
        """
        db = self._dbos._sys_db
        held = {each.workflow_id for each in db.get_pending_workflows(self.worker, VERSION)}
        before, self._unknown = self._unknown, held - self.taken
        for segment in before & self._unknown:
            db.reenqueue_for_recovery(segment, [self.worker], QUEUE)

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
        end = time.monotonic() + grace + LAST_MOMENTS
        while self._dbos._active_workflows_set.activeList() and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(MOMENT)
        await asyncio.to_thread(DBOS.destroy)


def _config(where: Place, worker: str) -> DBOSConfig:
    return DBOSConfig(
        name=APPLICATION,
        system_database_url=_url(where),
        dbos_system_schema=SCHEMA,
        sys_db_pool_size=CONNECTIONS,
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
