"""What a worker looks after, beside its runs: those that may go on, and workers that died."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from definable.engine.retention import PIECE, prune
from definable.engine.schedules import Schedules
from definable.engine.waits import trials
from definable.errors import DefinableError, RunBusy, StoreError
from definable.store import RunRow, RunStatus, Store

if TYPE_CHECKING:
    from definable.engine.worker import Worker

log = logging.getLogger(__name__)

STALE = 4.0
"""Seconds without a sign of life after which a worker counts as dead."""

TICK = 1.0
"""Seconds between two looks at workers, waits and schedules."""

SELDOM = 5
"""Every so many ticks: what hardly ever happens."""


class Vigil:
    """Looks, again and again, while the worker works."""

    def __init__(self, worker: Worker) -> None:
        """Look after things for a worker."""
        self.worker = worker
        self.store = worker.store
        self.schedules = Schedules(worker.runner)
        self._trials: dict[str, Iterator[bool]] = {}
        self._unknown: set[str] = set()

    async def keep(self) -> None:
        """Look until cancelled; what the database refuses is looked at again."""
        for tick in _ticks():
            try:
                await self._look(tick)
            except DefinableError as error:
                log.warning("could not look after runs: %s", error.message)
            await asyncio.sleep(TICK)

    async def _look(self, tick: int) -> None:
        self._peers()
        self._due()
        await self._keys()
        self._let_go()
        await self.schedules.look()
        if tick % SELDOM == 0:
            self._left()
            self._unheard()
            await self._prune()

    async def _prune(self) -> None:
        keep = self.worker.runner.settings.keep
        if keep is not None:
            await prune(self.store, keep, most=PIECE)

    def _again(self, row: RunRow) -> None:
        with self._alone_with(row):
            self.worker.runner.by_itself(row)
            self.store.requeue(row.id, RunStatus.WAITING, why=row.reason)

    @contextmanager
    def _alone_with(self, row: RunRow) -> Iterator[None]:
        """Let what is wrong with one run keep nobody from looking after the others."""
        try:
            yield
        except StoreError:
            raise
        except DefinableError as error:
            log.warning("could not look after run %s: %s", row.id, error.message)

    def _due(self) -> None:
        for row in self.store.due():
            self._again(row)

    async def _keys(self) -> None:
        """Let runs go on whose keys are there again."""
        waiting = self.store.waiting("auth")
        fresh = {row.id: trials(self.store, row.id, self.store.time) for row in waiting}
        self._trials = {run: self._trials.get(run, each) for run, each in fresh.items()}
        for row in waiting:
            with self._alone_with(row):
                if await self.worker.runner.key_is_there(row, self._trials[row.id]):
                    self._again(row)

    def _let_go(self) -> None:
        """Take up what somebody else held for long, and what nobody has whose process ended."""
        for run in list(self.worker.lost):
            if put_back(self.store, run, RunStatus.RUNNING, RunStatus.QUEUED, why="it was let go"):
                self.worker.lost.discard(run)
        for run in self.store.stray():
            put_back(self.store, run, RunStatus.RUNNING, why="its process ended")

    def _peers(self) -> None:
        now, workers = self.store.time(), self.store.workers()
        if any(each.id == self.worker.row.id and each.beat < now - STALE for each in workers):
            self.worker.cut_off = time.monotonic()  # its own signs of life did not come through
        if time.monotonic() - self.worker.cut_off < STALE:
            return  # they were cut off as well, and are about to say so
        for peer in workers:
            if peer.id == self.worker.row.id or not peer.alive:
                continue
            if self.store.gone(peer.id) or peer.beat < now - STALE:
                self.store.bury(peer)
                self._recover(peer.id)

    def _left(self) -> None:
        """Put back what is left of workers that ended, or whose burial was cut short."""
        for worker in self.store.takers() - {peer.id for peer in self.store.workers() if peer.alive}:
            self._recover(worker)

    def _recover(self, worker: str) -> None:
        self.store.let_go(worker, *self.store.taken_by(worker))
        self.worker.rung.set()

    def _unheard(self) -> None:
        """Put back what an answer that was lost on its way had given to this worker.

        What is unknown at two looks: one that was done with a moment ago may not be written down yet.
        """
        worker, before = self.worker, self._unknown
        self._unknown = self.store.taken_by(worker.row.id) - worker.active.keys() - worker.lost
        self.store.let_go(worker.row.id, *(before & self._unknown))


def put_back(store: Store, run: str, *statuses: RunStatus, why: str) -> bool:
    """Queue a run again that is in one of these statuses; False when somebody works on it."""
    with suppress(RunBusy), store.alone(run):
        store.requeue(run, *statuses, why=why)
        return True
    return False


def _ticks() -> Iterator[int]:
    tick = 0
    while True:
        yield tick
        tick += 1
