"""Feeds a batch's items to the workers little by little, and takes in what becomes of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from definable.engine.batch.index import Entry, Index, Stage
from definable.engine.batch.plan import PERSON, asks
from definable.engine.batch.progress import Floor, Progress, Rate
from definable.engine.batch.results import Results
from definable.engine.batch.weather import TRIES, Weather, away
from definable.engine.engine import Engine
from definable.engine.options import Options
from definable.engine.queue import BULK
from definable.engine.waits import may_come
from definable.errors import UsageError
from definable.spec.workflow import Workflow
from definable.store import RunRow, RunStatus, Standing

TICK = 0.1
"""Seconds between two looks at the runs that are under way."""

SELDOM = 2.0
"""Seconds between two looks at those that wait for a person; more when such a look takes long."""

TO_DO = (Stage.AGAIN, Stage.NEW, Stage.HELD)

TRIAL = (Stage.NEW, Stage.AGAIN, Stage.HELD)
"""Which item tries whether a service is well again: one that did not fail before, where there is one.

Those that did may fail by themselves, and hold up all others.
"""


class End(StrEnum):
    """Why a batch stops."""

    DONE = "done"
    """Everything has ended, or waits for a person."""
    STOPPED = "interrupted"
    LIMITED = "limited"
    AWAY = "away"
    """A service has been away for too long."""
    KEYLESS = "waiting"
    """No key is accepted, and none can come while this process runs."""


@dataclass
class Watch:
    """What is told while a batch runs."""

    progress: Callable[[Progress], None] = lambda progress: None
    ended: Callable[[RunRow], None] = lambda run: None
    """An item has ended, or begun to wait for a person."""
    say: Callable[[str], None] = lambda text: None


class Carry:
    """One stretch of work on a batch."""

    def __init__(
        self,
        engine: Engine,
        workflow: Workflow,
        index: Index,
        results: Results,
        most: int,
        watch: Watch,
        stop: asyncio.Event,
        *,
        options: Options | None = None,
        patient: bool = False,
        floor: Floor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep what it works with. Only this one may carry the batch on.

        At `most` so many runs are under way; with `patient` it stays while items wait for a person.
        """
        self.engine = engine
        self.store = results.store
        self.workflow = workflow
        self.index = index
        self.results = results
        self.most = most
        self.options = options
        self.patient = patient
        self.floor = floor or Floor()
        self.watch = watch
        self.stop = stop
        self.clock = clock
        self.weather = Weather()
        self.open: set[str] = set()
        """Runs that are under way."""
        self.keyless: set[str] = set()
        """Those among them that wait for a key."""
        self.stuck = False
        self.quota = 0
        """How many wait for a quota."""
        self.rate = Rate(clock())
        self.before = 0
        self._looks = 0.0
        self._told = ""

    async def go(self) -> End | None:
        """Work until nothing more can be done, or a reason to stop; runs may be under way then.

        None when the engine's worker was taken for dead: another engine is needed.
        """
        for chunk in self.index.chunks(Stage.OPEN):
            self.open.update(entry.run for entry in chunk if entry.run)
        self.before = self._ended_so_far()
        while True:
            self._notice()
            self._seldom()
            if self.stop.is_set():
                return End.STOPPED
            if self.engine.worker is not None and self.engine.worker.gone:
                return None
            await self._feed()
            self._tell()
            if (end := self._end()) is not None:
                return end
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), TICK)

    async def drain(self, seconds: float, hurry: asyncio.Event) -> None:
        """Begin nothing more, and wait for what is under way: so many seconds, or until there is hurry."""
        until = self.clock() + seconds
        while self.open and self.clock() < until and not hurry.is_set():
            self._notice()
            self.watch.progress(self.progress())
            await asyncio.sleep(TICK)

    def settle(self) -> None:
        """Take in once more what has become of the runs that were under way."""
        self._notice()
        for run in list(self.keyless):
            self._park(run)

    def progress(self) -> Progress:
        """Return where the batch stands."""
        results, purse = self.results, self.results.purse
        ended, now = self._ended_so_far(), self.clock()
        return Progress(
            total=self.index.total + self.index.bad,
            done=results.done,
            failed=results.failed + self.index.bad,
            waiting=self.index.stages[Stage.PARKED],
            running=len(self.open),
            quota=self.quota,
            healed=results.healed,
            usd=purse.spent,
            unpriced=purse.unknown,
            rate=self.rate.of(now, ended - self.before),
            paused=self._paused(),
            floor=self.floor.of(now, self._left() + len(self.open)),
        )

    def _ended_so_far(self) -> int:
        return self.results.done + self.results.failed + self.index.stages[Stage.PARKED]

    def _notice(self) -> None:
        """Take in what has become of the runs that are under way."""
        found = self.store.standing(list(self.open))
        self.quota = sum(each.status is RunStatus.WAITING and each.reason == "quota" for each in found)
        for each in found:
            self._one(each)

    def _one(self, run: Standing) -> None:
        waits = run.status is RunStatus.WAITING
        if run.status.ended:
            self._ended(run.id)
        elif waits and run.reason in PERSON:
            if asks(self.store, run.id):
                self._park(run.id)
        elif waits and run.reason == "auth":
            self.keyless.add(run.id)
        else:
            self.keyless.discard(run.id)

    def _ended(self, run: str) -> None:
        row, entry = self.store.run(run), self.index.of_run(run)
        self._closed(run)
        tally = self.results.count(run)
        lost = row.status is not RunStatus.DONE and away(row.error)
        if lost:
            self.weather.bad(self.clock())
        else:
            self.weather.well()
        if lost and (self.weather.paused or entry.tries < TRIES):
            tries = entry.tries + (not self.weather.paused)
            self.index.move(entry, Stage.HELD, tries=tries)
            return
        self.results.write(row, tally)
        self.index.move(entry, Stage.ENDED)
        self.watch.ended(row)

    def _park(self, run: str) -> None:
        self._closed(run)
        self.results.count(run)
        self.index.move(self.index.of_run(run), Stage.PARKED)
        self.watch.ended(self.store.run(run))

    def _closed(self, run: str) -> None:
        self.open.discard(run)
        self.keyless.discard(run)

    def _seldom(self) -> None:
        """Look at what waits for a person: somebody may have answered. And whether a key can come."""
        began = self.clock()
        if began < self._looks:
            return
        for chunk in self.index.chunks(Stage.PARKED):
            entries = {entry.run: entry for entry in chunk if entry.run}
            for each in self.store.standing(list(entries)):
                if each.status is RunStatus.WAITING and each.reason in PERSON:
                    continue
                self.index.move(entries[each.id], Stage.OPEN)
                self.open.add(each.id)
        runner = self.engine.runner
        self.stuck = any(not may_come(runner.keys_lacking(self.store.run(run))) for run in self.keyless)
        self._looks = self.clock() + max(SELDOM, 20 * (self.clock() - began))

    async def _feed(self) -> None:
        """Begin as many items as have room."""
        now = self.clock()
        room = 0 if self.keyless else self.weather.room(self.most - len(self.open), len(self.open), now)
        order = TRIAL if self.weather.paused else TO_DO
        while room > 0 and self.results.purse.may(len(self.open)):
            entry = self.index.first(*order)
            if entry is None or self.stop.is_set():
                return
            await self._begin(entry)
            room -= 1

    async def _begin(self, entry: Entry) -> None:
        if entry.stage is Stage.NEW:
            batch, item = self.results.batch, entry.item
            key = f"{batch}/{item.custom_id}/{entry.turn}"
            row = await self.engine.submit(
                self.workflow,
                item.inputs,
                key=key,
                priority=BULK,
                batch=batch,
                item=item.custom_id,
                options=self.options,
            )
            run = row.id
        else:
            run = entry.run or ""
            with suppress(UsageError):  # somebody has gone on with it, or ended it, meanwhile
                await self.engine.again(run)
        self.index.move(entry, Stage.OPEN, run=run)
        self.open.add(run)

    def _left(self) -> int:
        return sum(self.index.stages[stage] for stage in TO_DO)

    def _end(self) -> End | None:
        if self.keyless and self.stuck and self.keyless == self.open:
            return End.KEYLESS
        if self.open:
            return None
        if not self._left():
            waits = self.patient and self.index.stages[Stage.PARKED]
            return None if waits else End.DONE
        if self.results.purse.over:
            return End.LIMITED
        return End.AWAY if self.weather.hopeless(self.clock()) else None

    def _paused(self) -> str:
        if self.keyless:
            return "no key is accepted; it goes on by itself once one is there"
        if self.weather.paused:
            return "a service fails; one item at a time tries whether it is well again"
        return ""

    def _tell(self) -> None:
        self.watch.progress(self.progress())
        if (why := self._paused()) != self._told:
            self.watch.say(f"paused: {why}" if why else "goes on")
            self._told = why
