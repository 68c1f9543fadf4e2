"""Carries on the batches that were ordered over HTTP, over the service's one engine, until they have ended.

Where each stands is in the store, so another process of the service may be told to stop it, and takes it up
when this one is gone: a batch begun again does only what is not done.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from definable.engine.batch.carry import End, Watch
from definable.engine.batch.job import Ended, Job, Order
from definable.engine.batch.progress import Progress
from definable.engine.engine import Engine
from definable.errors import DefinableError, RunBusy, StoreUnreachable, UsageError
from definable.service.problems import REDACTOR, Refusal
from definable.spec.workflow import Workflow
from definable.store import BatchRow, OrderRow, OrderState

LOOK = 3.0
"""Seconds between two looks for batches that nobody carries on."""

NOTE = 1.0
"""Seconds between two notes of how far a batch is, and looks whether somebody wants it stopped."""

GOES: tuple[OrderState, ...] = ("running", "stopping")

RESTS: tuple[OrderState, ...] = ("stopped", "ended", "limited", "away", "keyless", "failed")

ENDS: dict[End, tuple[OrderState, str]] = {
    End.DONE: ("ended", ""),
    End.STOPPED: ("stopped", "it was told to stop; resume goes on with it"),
    End.LIMITED: ("limited", ""),
    End.AWAY: ("away", "a service was away for too long; resume goes on with it"),
    End.KEYLESS: ("keyless", "no key is accepted; resume goes on with it once there is one"),
}
"""Where an order stands when its batch came to such an end, and why."""

HOST = socket.gethostname()

Opener = Callable[[Workflow, Order], Any]
"""Opens a job over the service's engine; a context manager."""


@dataclass
class Carried:
    """A batch at work in this process."""

    job: Job
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    progress: Progress | None = None
    noted: float = 0.0
    task: asyncio.Task[None] | None = None


class Orders:
    """The batches of one service."""

    def __init__(
        self, engine: Engine, opener: Opener, workflow: Callable[[str], Awaitable[Workflow]], grace: float
    ) -> None:
        """Carry nothing on yet."""
        self.store = engine.store
        self._engine = engine
        self._opener = opener
        self._workflow = workflow
        self._grace = grace
        self._open: dict[str, Carried] = {}
        self._taking: set[str] = set()
        """Batches whose files are being read."""
        self._keeper: asyncio.Task[None] | None = None
        self._closing = False

    def begin(self) -> None:
        """Take up what was under way when a process of the service ended, now and later on."""
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Begin nothing more; the engine brings to rest what is under way, and the next start goes on."""
        self._closing = True
        if self._keeper is not None:
            self._keeper.cancel()
        for each in self._open.values():
            each.job.hurry.set()
            each.stop.set()
        tasks = [each.task for each in self._open.values() if each.task]
        await asyncio.gather(*tasks, *([self._keeper] if self._keeper else []), return_exceptions=True)

    def progress(self, batch: str) -> Progress | None:
        """Return how far a batch is that is at work in this process."""
        carried = self._open.get(batch)
        return carried.progress if carried else None

    async def place(
        self, row: OrderRow, workflow: Workflow, items: Path, refuse: Callable[[Job], None]
    ) -> tuple[OrderRow, bool]:
        """Check all rows of a file, and begin; or return the order that has its key. Whether it is new, too.

        `refuse` raises where bad rows are too many. UsageError when the file cannot be read.
        """
        stack, job = await self._opened(row, workflow, items)
        try:
            refuse(job)
            total = job.index.total + job.index.bad
            made = row.model_copy(update={"progress": {"total": total, "left": total}})
            placed = self.store.place_order(made, job.row)
        except BaseException:
            stack.close()
            raise
        if placed is made:
            self._carry(stack, job)
        else:
            stack.close()
        return placed, placed is made

    async def stop(self, order: OrderRow) -> None:
        """Begin no more of its items; those under way have the grace of the service to end."""
        if not self.store.move_order(order.batch, ("running",), "stopping"):
            raise Refusal(409, f"the batch {order.batch!r} is {order.state}, so it cannot be stopped")
        if (carried := self._open.get(order.batch)) and carried.task:
            carried.stop.set()
            await asyncio.wait([carried.task], timeout=1)

    async def resume(self, order: OrderRow, terms: dict[str, Any]) -> None:
        """Go on with what is not done, on other terms where some are given."""
        changed = {**order.terms, **terms}
        if order.batch in self._open or not self.store.move_order(
            order.batch, RESTS, "running", terms=changed
        ):
            raise Refusal(409, f"the batch {order.batch!r} goes on already")
        await self._take_up(order.model_copy(update={"state": "running", "terms": changed}))

    # In the background

    async def _keep(self) -> None:
        while not (self._engine.worker and self._engine.worker.gone):
            try:
                for order in self.store.orders(*GOES).values():
                    if order.batch not in self._open:
                        await self._take_up(order)
            except DefinableError:
                pass  # the database is away; it is looked at again
            await asyncio.sleep(LOOK)

    async def _take_up(self, order: OrderRow) -> None:
        """Carry a batch on, unless another process does, or has its file."""
        row = self.store.known_batch(order.batch)
        if not self._free(row):
            return
        self._taking.add(row.id)
        try:
            await self._taken_up(row, order)
        finally:
            self._taking.discard(row.id)

    async def _taken_up(self, row: BatchRow, order: OrderRow) -> None:
        if order.state == "stopping":
            self.store.move_order(row.id, ("stopping",), *ENDS[End.STOPPED])
            return
        try:
            workflow = await self._workflow(row.workflow)
            stack, job = await self._opened(order, workflow, Path(row.items))
        except (DefinableError, Refusal) as error:
            self.store.move_order(row.id, GOES, "failed", str(error))
            return
        self._carry(stack, job)

    def _free(self, row: BatchRow) -> bool:
        order = self.store.ordered(row.id)
        if order is None or row.id in self._open or row.id in self._taking:
            return False
        if not Path(row.items).exists() and order.terms.get("host") != HOST:
            return False
        try:
            with self.store.alone(f"batch-{row.id}"):
                return True
        except RunBusy:
            return False

    async def _opened(self, row: OrderRow, workflow: Workflow, items: Path) -> tuple[ExitStack, Job]:
        terms = row.terms
        order = Order(
            items=str(items),
            concurrency=int(terms["concurrency"]),
            limit_usd=terms["limit_usd"],
            out=items.parent,
            column=workflow.batch.key if workflow.batch else None,
            name=row.batch,
            grace=self._grace,
            called=terms["file"],
        )
        stack = ExitStack()
        job: Job = await asyncio.to_thread(stack.enter_context, self._opener(workflow, order))
        return stack, job

    def _carry(self, stack: ExitStack, job: Job) -> None:
        if self._closing:
            stack.close()  # it goes on at the next start
            return
        carried = self._open[job.row.id] = Carried(job)
        carried.task = asyncio.create_task(self._carried(stack, carried))

    async def _carried(self, stack: ExitStack, carried: Carried) -> None:
        batch = carried.job.row.id
        try:
            with stack:
                watch = Watch(progress=lambda now: self._noted(carried, now))
                self._ended(batch, await carried.job.run(watch, carried.stop))
        except (RunBusy, StoreUnreachable):
            pass  # another process was first, or the database is away: it is looked at again
        except Exception as error:  # nobody else would hear of it
            why = error.message if isinstance(error, DefinableError) else f"{type(error).__name__}: {error}"
            self.store.move_order(batch, GOES, "failed", REDACTOR.text(why))
        finally:
            del self._open[batch]

    def _ended(self, batch: str, ended: Ended) -> None:
        self.store.note_progress(batch, as_json(ended.progress))
        state, why = ENDS[ended.end]
        # Where nobody has told it to stop, this process ends or was given up: the next one goes on with it.
        known: tuple[OrderState, ...] = ("stopping",) if ended.end is End.STOPPED else GOES
        self.store.move_order(batch, known, state, ended.why or why)

    def _noted(self, carried: Carried, now: Progress) -> None:
        carried.progress, at = now, time.monotonic()
        if at - carried.noted >= NOTE:
            carried.noted = at
            if self.store.note_progress(carried.job.row.id, as_json(now)) == "stopping":
                carried.stop.set()


def as_json(now: Progress) -> dict[str, Any]:
    """Return how far a batch is, as it is kept and shown."""
    return {
        **now.to_json(),
        "running": now.running,
        "quota": now.quota,
        "rate": now.rate,
        "eta": now.eta,
        "paused": now.paused,
    }


def refuse_bad(job: Job, skip: bool, most: int) -> None:
    """Refuse a file with bad rows, unless they are to be skipped; the first of them are told one by one."""
    index = job.index
    if not index.total and not index.bad:
        raise UsageError(f"{job.order.called} has no row that can be run", hint="give it one item a line")
    if index.bad and not (skip and index.total):
        errors = [
            {"where": f"{job.order.called}:{row.line}", "message": "; ".join(row.problems)}
            for row, _ in zip(index.bad_rows(), range(most), strict=False)
        ]
        raise Refusal(
            422,
            f"{index.bad:,} of {index.bad + index.total:,} rows cannot be run; nothing was started",
            "correct them, or go on without them: skip_bad=true (they are among the errors then)"
            if index.total
            else "correct them: there is no other row",
            errors=errors,
        )
