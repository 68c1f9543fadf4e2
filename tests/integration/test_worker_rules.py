"""What a worker decides about runs and about other workers, without processes that really die."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from definable.engine.engine import Engine
from definable.engine.options import Options
from definable.engine.place import alone
from definable.engine.queue import ATTEMPTS
from definable.engine.runner import Runner
from definable.engine.vigil import Vigil
from definable.engine.worker import Worker
from definable.settings import Settings
from definable.spec.workflow import Step, Workflow
from definable.store import RunStatus, WorkerRow
from definable.toolkits.adapter import Adapter
from definable.workspace import find
from tests.integration.conftest import Hex

pytestmark = pytest.mark.anyio

Hexes = Callable[..., AbstractAsyncContextManager[Hex]]
READ = Workflow(
    name="read",
    description="One read",
    steps=(Step(id="read", call="HEX_LIST_USERS", arguments={"limit": 1}),),
)


class Desk:
    """A queue that only notes what is asked of it."""

    def __init__(self, *held: str) -> None:
        """Some workers hold segments."""
        self.held = set(held)
        self.recovered: list[str] = []
        self.known: set[str] = set()

    async def recover(self, worker: str) -> None:
        """Note whose segments are put back."""
        self.recovered.append(worker)
        self.held.discard(worker)

    async def holders(self) -> set[str]:
        """Return who holds segments."""
        return self.held

    async def holds(self, run: str) -> bool:
        """Return whether a run has a segment."""
        return run in self.known

    async def close(self, grace: float) -> None:
        """Do nothing."""


@asynccontextmanager
async def working(root: Path, hex: Hex, desk: Desk) -> AsyncIterator[Worker]:
    """Give a worker that has joined, and does nothing by itself."""
    space, settings = find(root, {}, root), Settings(offline=True)
    async with Runner.open(space, settings, hex.environ, sleep=hex.sleep, now=hex.now) as runner:
        worker = Worker(runner, 2)
        worker.row = runner.store.join(worker.row)
        worker.queue = desk  # type: ignore[assignment]
        runner.worker = worker.row.id
        yield worker


def a_peer(worker: Worker, name: str = "peer") -> str:
    """Let another worker join that says nothing any more."""
    row = WorkerRow(id=name, host="h", pid=7, version="1", slots=2)
    return worker.store.join(row).id


async def test_a_worker_that_was_cut_off_judges_nobody_for_a_while(tmp_path: Path, hexes: Hexes) -> None:
    """Its peers were cut off as well, and are about to say that they live; later it buries them once."""
    async with hexes() as hex, working(tmp_path, hex, desk := Desk()) as worker:
        peer, vigil = a_peer(worker), Vigil(worker)
        worker.cut_off = time.monotonic()
        await vigil._peers()
        assert desk.recovered == []
        worker.cut_off = -math.inf
        await vigil._peers()
        await vigil._peers()
        assert desk.recovered == [peer]
        assert {row.id: row.state for row in worker.store.workers()}[peer] == "dead"


async def test_what_a_buried_worker_had_is_put_back_by_whoever_comes_later(
    tmp_path: Path, hexes: Hexes
) -> None:
    """Who buried it may have died before it put its runs back: one of them is in the queue, one is not."""
    async with hexes() as hex, working(tmp_path, hex, desk := Desk("peer")) as worker:
        peer, vigil = a_peer(worker), Vigil(worker)
        known, unknown = (worker.runner.submit(READ, {}, priority=10).id for _ in range(2))
        for run in (known, unknown):
            worker.store.enqueued(run)
            worker.store.begin(run, peer)
            worker.store.set_status(run, RunStatus.RUNNING)
        desk.known.add(known)
        worker.store.bury(next(row for row in worker.store.workers() if row.id == peer))
        await vigil._left()
        await vigil._let_go()
        assert desk.recovered == [peer]
        assert worker.store.run(known).status is RunStatus.RUNNING
        assert worker.store.run(unknown).status is RunStatus.QUEUED
        assert [(run.id, first) for run, _, first in worker.store.submitted(9, 9)] == [(unknown, True)]


async def test_a_run_that_gets_nowhere_is_given_up_and_can_be_told_to_go_on(
    tmp_path: Path, hexes: Hexes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes down each process that begins with it, before anything more is in its log."""

    class Killed(BaseException):
        """The end of a process, as far as a run can tell."""

    async def deadly(*_: Any) -> Any:
        raise Killed

    async with hexes() as hex, working(tmp_path, hex, Desk()) as worker:
        run = worker.runner.submit(READ, {}, priority=10).id
        with monkeypatch.context() as patched:
            patched.setattr(Adapter, "attempt", deadly)
            for _ in range(ATTEMPTS + 1):
                with pytest.raises(Killed):
                    await worker.runner.go(run, wait=False)
                assert worker.store.run(run).status is RunStatus.RUNNING
            row = await worker.runner.go(run, wait=False)
        assert row.status is RunStatus.FAILED
        assert row.error
        assert row.error["message"] == (
            "the process that worked on it ended 15 times in a row before it got any further"
        )
        assert row.error["hint"] == f"see its log; definable runs resume {run} tries again"
        await Engine(worker.runner).again(run)
        assert (await worker.runner.go(run, wait=False)).status is RunStatus.DONE


@pytest.mark.parametrize("when", ["while it waits to begin", "before it was looked at"])
async def test_a_run_that_a_stopping_worker_never_began_is_put_back(
    tmp_path: Path, hexes: Hexes, when: str
) -> None:
    """The queue has given it away and will not do so again; nobody would look for it."""
    async with hexes() as hex, working(tmp_path, hex, Desk()) as worker:
        run = worker.runner.submit(READ, {}, priority=10).id
        worker.store.enqueued(run)
        if when == "before it was looked at":
            await worker._close(0)
            await worker._perform(run)
        else:
            with worker.store.alone(run):
                task = asyncio.create_task(worker._perform(run))
                await asyncio.sleep(0.3)
                task.cancel()
            await task
        assert [each.id for each, _, _ in worker.store.submitted(9, 9)] == [run]


async def test_a_run_waits_while_another_process_has_the_simulator(tmp_path: Path) -> None:
    """A worker that cannot have it leaves the run to one that can, and takes it up once it is free."""
    space, settings = find(tmp_path, {}, tmp_path), Settings(offline=True)
    opened = Engine.open(space, settings, {}, Options(sandbox=True), slots=1, grace=1.0)
    async with opened as engine:
        with alone(space.home / "sandbox.lock", "somebody has it"):
            run = (await engine.submit(READ, {})).id
            await asyncio.sleep(3.0)
            assert not engine.store.status(run).ended
        while not engine.store.status(run).ended:  # noqa: ASYNC110 - a worker changes it
            await asyncio.sleep(0.05)
        assert engine.store.status(run) is RunStatus.DONE
