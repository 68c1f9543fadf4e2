"""How a worker comes by runs: what was submitted goes into the queue, and what it has room for comes out.

Whoever submits a run, or ends one, rings: the process itself, and others by way of the database. The looks in
between are for what nobody could ring for: a connection that was lost, a command that was killed.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from definable.engine.queue import BULK, HISTORY, URGENT, Queue, Waiting, segment
from definable.errors import DefinableError
from definable.store import RunRow, Store

log = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between two looks when nobody rings."""

BREATH = 0.02
"""Seconds after a look in which those who ring are served together."""

AT_ONCE = 200
"""Runs that are handed to the queue before it is taken from."""


class Intake:
    """Looks for runs, again and again, while the worker works."""

    def __init__(self, store: Store, queue: Queue, rung: asyncio.Event) -> None:
        """Bring runs from the store to the queue, and begin with them, at once when `rung` is set."""
        self.store = store
        self.queue = queue
        self._rung = rung

    async def keep(self) -> None:
        """Look until cancelled; what the database refuses is looked at again."""
        while True:
            self._rung.clear()
            try:
                await self._submitted()
                await self.queue.take()
            except DefinableError as error:
                log.warning("could not take runs: %s", error.message)
            await asyncio.sleep(BREATH)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), TICK)

    async def _submitted(self) -> None:
        full: set[str] = set()
        found = self.store.submitted(AT_ONCE, HISTORY)
        while found:
            await self._enqueue([each for each in found if self._admitted(each[0], full)])
            if len(found) < AT_ONCE:
                break
            await self.queue.take()
            found = self.store.submitted(AT_ONCE, HISTORY, sorted(full))

    def _admitted(self, run: RunRow, full: set[str]) -> bool:
        """Whether the queue may have a run: not when as many of its workflow are at work as may be."""
        most = run.definition.get("concurrency")
        if run.workflow in full or (most and not self.store.admit(run, most)):
            full.add(run.workflow)
            return False
        return True

    async def _enqueue(self, found: list[tuple[RunRow, int, bool]]) -> None:
        await self.queue.put(*(_waiting(*each) for each in found))
        self.store.enqueued(*(run.id for run, *_ in found))


def _waiting(run: RunRow, line: int, first: bool) -> Waiting:
    priority = BULK if run.priority is None else run.priority
    return segment(run.id, line), run.id, URGENT if first else priority
