"""What the queue relies on in DBOS, some of which has no public name: its version is pinned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from definable.engine.dbos_queue import DbosQueue
from definable.store import Place

pytestmark = pytest.mark.anyio


class Desk:
    """Where segments are worked on in a test: each until it is told to end."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.begun: list[str] = []
        self.go = asyncio.Event()

    async def perform(self, run: str) -> str:
        """Work on a run."""
        self.begun.append(run)
        await self.go.wait()
        return "done"

    async def settled(self, count: int) -> list[str]:
        """Return what was begun once it is so much, and no more comes."""
        async with asyncio.timeout(20):
            while len(self.begun) < count:  # noqa: ASYNC110 - it is what is looked for
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        return self.begun


@asynccontextmanager
async def opened(where: Place, desk: Desk, worker: str, slots: int = 2) -> AsyncIterator[DbosQueue]:
    """Open the queue, and close it."""
    queue = await DbosQueue.open(where, worker, slots, desk.perform)
    try:
        yield queue
    finally:
        desk.go.set()
        await queue.close(5)


async def test_it_gives_away_by_priority_what_there_is_room_for(where: Place) -> None:
    """The slots are the worker's own; a segment that is put twice is there once."""
    desk = Desk()
    async with opened(where, desk, "w1") as queue:
        for run, priority in (("late", 20), ("soon", 1), ("next", 10), ("soon", 1)):
            await queue.put((f"{run}#0", run, priority))
        await queue.take()
        await queue.take()
        assert await desk.settled(2) == ["soon", "next"]
        assert await queue.holds("late")
        assert await queue.holders() == {"w1"}
        desk.go.set()
        await asyncio.sleep(0.1)
        await queue.take()
        assert await desk.settled(3) == ["soon", "next", "late"]
    async with opened(where, Desk(), "w2", slots=1) as queue:
        assert not await queue.holds("late")
        assert await queue.holders() == set()


async def test_what_a_dead_worker_had_is_given_to_another(where: Place) -> None:
    """As often as that takes: when to give a run up is not for the queue to say."""
    for n in range(3):
        desk = Desk()
        async with opened(where, desk, f"w{n}") as queue:
            if n == 0:
                await queue.put(("run#0", "run", 10))
            else:
                await queue.recover(f"w{n - 1}")
            await queue.take()
            assert await desk.settled(1) == ["run"]
            # It dies here: what it has to say of the segment is never written.
            queue._dbos._sys_db.update_workflow_outcome = lambda *_, **__: True


async def test_what_a_dead_worker_had_goes_before_all_else(where: Place) -> None:
    """It had its turn, and may hold what others wait for."""
    desk = Desk()
    async with opened(where, desk, "w1") as queue:
        await queue.put(("interrupted#0", "interrupted", 20))
        await queue.take()
        assert await desk.settled(1) == ["interrupted"]
        queue._dbos._sys_db.update_workflow_outcome = lambda *_, **__: True
    desk = Desk()
    async with opened(where, desk, "w2", slots=1) as queue:
        await queue.put(("new#0", "new", 10))
        await queue.recover("w1")
        await queue.take()
        assert await desk.settled(1) == ["interrupted"]


async def test_what_was_given_to_a_worker_that_never_heard_of_it_is_put_back(where: Place) -> None:
    """An answer of the database that is lost on its way takes no segment along; what is at work stays."""
    desk = Desk()
    async with opened(where, desk, "w1") as queue:
        await queue.put(("known#0", "known", 10))
        await queue.take()
        await desk.settled(1)
        await queue.put(("unheard#0", "unheard", 10))
        queue._dbos._sys_db.start_queued_workflows(queue._table, "w1", "1", None, 1, owner_xid="lost")
        await queue.take()
        assert await desk.settled(1) == ["known"]
        for _ in range(2):
            await queue.recover("w1")
        await queue.take()
        assert await desk.settled(2) == ["known", "unheard"]
