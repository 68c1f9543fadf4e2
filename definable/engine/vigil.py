"""What a worker looks after, beside its runs: those that may go on, and workers that died."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from definable.engine.queue import ATTEMPTS, HISTORY
from definable.engine.retention import PIECE, prune
from definable.engine.schedules import Schedules
from definable.engine.waits import trials
from definable.errors import DefinableError, RunBusy, StoreError
from definable.store import RunRow, RunStatus, WorkerRow

if TYPE_CHECKING:
    from definable.engine.worker import Worker

log = logging.getLogger(__name__)

STALE = 4.0
"""Seconds without a sign of life after which a worker counts as dead."""

TICK = 0.1
"""Seconds between two looks for runs that were submitted."""

SECOND, SELDOM, MINUTE = 10, 50, 600
"""Every so many ticks: workers, waits and schedules; what hardly ever happens; what is of no use any more."""

FINISHED, FORGET = 3600.0, 500
"""Seconds that the queue knows segments after their end, and how many are forgotten in one go."""

AT_ONCE = 200
"""Runs that are handed to the queue between two ticks."""

POISON = "the process that worked on it ended {n} times in a row"


class Vigil:
    """Looks, again and again, while the worker works."""

    def __init__(self, worker: Worker) -> None:
        """Look after things for a worker."""
        self.worker = worker
        self.store = worker.store
        self.schedules = Schedules(worker.runner)
        self._trials: dict[str, Iterator[bool]] = {}

    async def keep(self) -> None:
        """Look until cancelled; what the database refuses is looked at again."""
        for tick in _ticks():
            try:
                await self._look(tick)
            except DefinableError as error:
                log.warning("could not look after runs: %s", error.message)
            await asyncio.sleep(TICK)

    async def _look(self, tick: int) -> None:
        await self._submitted()
        if tick % SECOND == 0:
            await self._peers()
            self._due()
            await self._keys()
            self._let_go()
            await self.schedules.look()
        if tick % SELDOM == 0:
            await self._left()
            await self._poisoned()
            await self._prune()
        if tick % MINUTE == 0:
            while await self.worker.queue.forget(FINISHED, FORGET) == FORGET:
                pass

    async def _prune(self) -> None:
        keep = self.worker.runner.settings.keep
        if keep is not None:
            await prune(self.store, keep, most=PIECE)

    async def _submitted(self) -> None:
        full: set[str] = set()
        while found := self.store.submitted(AT_ONCE, HISTORY, sorted(full)):
            for run, line in found:
                if run.workflow not in full and not await self.worker.enqueue(run, line):
                    full.add(run.workflow)
            if len(found) < AT_ONCE:
                break

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
        """Take up what was let go of when the database went away, or by a command that was interrupted."""
        for run in list(self.worker.lost):
            with suppress(RunBusy), self.store.alone(run):
                self.store.requeue(run, RunStatus.RUNNING, why="it was let go")
                self.worker.lost.discard(run)
        for run in self.store.stray():
            with suppress(RunBusy), self.store.alone(run):
                self.store.requeue(run, RunStatus.RUNNING, why="its process ended")

    async def _peers(self) -> None:
        now = self.store.time()
        for peer in self.store.workers():
            if peer.id == self.worker.row.id or not peer.alive:
                continue
            if self._gone(peer) or peer.beat < now - STALE:
                self.store.bury(peer)
                await self.worker.queue.recover(peer.id)

    def _gone(self, peer: WorkerRow) -> bool:
        with self.store.present(peer.id) as free:
            return free

    async def _left(self) -> None:
        """Put back what is left of workers that ended, or whose burial was cut short."""
        holders = await self.worker.queue.holders()
        alive = {peer.id for peer in self.store.workers() if peer.alive}
        for worker in holders - alive:
            await self.worker.queue.recover(worker)

    async def _poisoned(self) -> None:
        for run in await self.worker.queue.poisoned():
            failed = DefinableError(
                POISON.format(n=ATTEMPTS), hint=f"see its log; definable runs resume {run} tries again"
            )
            self.worker.fail(run, failed)


def _ticks() -> Iterator[int]:
    tick = 0
    while True:
        yield tick
        tick += 1
