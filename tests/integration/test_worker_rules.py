"""What a worker decides about runs and about other workers, without processes that really die."""

from __future__ import annotations

import asyncio
import errno
import math
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from definable.calls import Exchange
from definable.engine.checkpoints import Checkpoints
from definable.engine.engine import Engine
from definable.engine.options import Options
from definable.engine.place import alone
from definable.engine.queue import ATTEMPTS, HISTORY
from definable.engine.runner import Runner
from definable.engine.vigil import STALE, Vigil, put_back
from definable.engine.worker import Worker
from definable.errors import StoreError, StoreUnreachable
from definable.settings import Settings
from definable.spec.workflow import Step, Workflow
from definable.store import Place, RunStatus, WorkerRow, open_store, schema
from definable.store.sql import SqlStore
from definable.toolkits.adapter import Adapter
from definable.workspace import find
from tests.integration.conftest import Hex
from tests.integration.store_contract import a_question, a_run

pytestmark = pytest.mark.anyio

Hexes = Callable[..., AbstractAsyncContextManager[Hex]]
READ = Workflow(
    name="read",
    description="One read",
    steps=(Step(id="read", call="HEX_LIST_USERS", arguments={"limit": 1}),),
)


@asynccontextmanager
async def working(root: Path, hex: Hex) -> AsyncIterator[Worker]:
    """Give a worker that has joined, and does nothing by itself."""
    space, settings = find(root, {}, root), Settings(offline=True)
    async with Runner.open(space, settings, hex.environ, sleep=hex.sleep, now=hex.now) as runner:
        worker = Worker(runner, 2)
        worker.row = runner.store.join(worker.row)
        runner.worker = worker.row.id
        yield worker


def a_peer(worker: Worker, name: str = "peer") -> str:
    """Let another worker join that says nothing any more."""
    row = WorkerRow(id=name, host="h", pid=7, version="1", slots=2)
    return worker.store.join(row).id


def at_work(worker: Worker, whose: str) -> str:
    """Submit a run that a worker begins."""
    run = worker.runner.submit(READ, {}, priority=10).id
    assert worker.store.take_runs(whose, 1, HISTORY) == [run]
    worker.store.begin(run, whose)
    worker.store.set_status(run, RunStatus.RUNNING)
    return run


async def test_a_worker_that_was_cut_off_judges_nobody_for_a_while(tmp_path: Path, hexes: Hexes) -> None:
    """Its peers were cut off as well, and are about to say that they live; later it buries them once."""
    async with hexes() as hex, working(tmp_path, hex) as worker:
        peer, vigil = a_peer(worker), Vigil(worker)
        run = at_work(worker, peer)
        worker.cut_off = time.monotonic()
        vigil._peers()
        assert worker.store.taken_by(peer) == {run}
        worker.cut_off = -math.inf
        vigil._peers()
        vigil._peers()
        assert worker.store.taken_by(peer) == set()
        assert {row.id: row.state for row in worker.store.workers()}[peer] == "dead"
        assert worker.store.take_runs(worker.row.id, 9, HISTORY) == [run]


async def test_a_worker_whose_own_signs_of_life_did_not_come_through_judges_nobody(
    tmp_path: Path, hexes: Hexes
) -> None:
    """Somebody had the file for long: nobody could say that he lives, and the peer is about to."""
    async with hexes() as hex, working(tmp_path, hex) as worker:
        peer, vigil = a_peer(worker), Vigil(worker)
        assert isinstance(worker.store, SqlStore)
        then = worker.store._clock() + timedelta(seconds=STALE + 1)
        worker.store._clock = lambda: then
        vigil._peers()
        worker.store.beat(worker.row.id, 0)
        vigil._peers()
        assert {row.id: row.state for row in worker.store.workers()}[peer] == "working"
        worker.cut_off = -math.inf
        vigil._peers()
        assert {row.id: row.state for row in worker.store.workers()}[peer] == "dead"


async def test_what_a_buried_worker_had_is_put_back_by_whoever_comes_later(
    tmp_path: Path, hexes: Hexes
) -> None:
    """Who buried it may have died before it put its runs back; and one run nobody has taken."""
    async with hexes() as hex, working(tmp_path, hex) as worker:
        peer, vigil, store = a_peer(worker), Vigil(worker), worker.store
        taken, stray = at_work(worker, peer), at_work(worker, peer)
        store.set_status(stray, RunStatus.WAITING, reason="approval")
        with store.alone(stray):
            store.begin(stray)  # by a command
            store.set_status(stray, RunStatus.RUNNING)
        store.bury(next(row for row in store.workers() if row.id == peer))
        vigil._left()
        vigil._let_go()
        assert store.run(taken).status is RunStatus.RUNNING
        assert store.run(stray).status is RunStatus.QUEUED
        assert store.take_runs(worker.row.id, 9, HISTORY) == [taken, stray]


async def test_what_an_answer_that_was_lost_gave_to_a_worker_is_put_back(
    tmp_path: Path, hexes: Hexes
) -> None:
    """It never heard of it. What it is at stays, and what it has just ended is not written down yet."""
    async with hexes() as hex, working(tmp_path, hex) as worker:
        vigil, me = Vigil(worker), worker.row.id
        unheard, known = at_work(worker, me), at_work(worker, me)
        worker.active[known] = asyncio.create_task(asyncio.sleep(0))
        vigil._unheard()
        assert worker.store.taken_by(me) == {unheard, known}
        vigil._unheard()
        assert worker.store.taken_by(me) == {known}
        assert worker.store.take_runs("peer", 9, HISTORY) == [unheard]
        await worker.active.pop(known)


async def test_a_run_that_gets_nowhere_is_given_up_and_can_be_told_to_go_on(
    tmp_path: Path, hexes: Hexes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes down each process that begins with it, before anything more is in its log."""

    class Killed(BaseException):
        """The end of a process, as far as a run can tell."""

    async def deadly(*_: Any) -> Any:
        raise Killed

    async with hexes() as hex, working(tmp_path, hex) as worker:
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
    """It has taken it, so that nobody else would look for it."""
    async with hexes() as hex, working(tmp_path, hex) as worker:
        run = worker.runner.submit(READ, {}, priority=10).id
        with worker.store.alone(run):
            worker._take()
            assert worker.store.taken_by(worker.row.id) == {run}
            if when == "while it waits to begin":
                await asyncio.sleep(0.3)
                await worker._close(0)
        await worker._close(0)
        assert worker.store.take_runs("peer", 9, HISTORY) == [run]


async def test_a_run_whose_database_cannot_be_written_for_a_while_is_put_back(
    tmp_path: Path, hexes: Hexes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody was stopped in the middle of a write, say. That is no failure of the run's: it goes on."""
    record = SqlStore.record
    async with hexes() as hex, working(tmp_path, hex) as worker:
        assert isinstance(worker.store.place, Path)
        other = sqlite3.connect(worker.store.place, timeout=0, isolation_level=None)

        def locked_out(store: SqlStore, run: str, exchange: Exchange) -> Exchange:
            monkeypatch.setattr(SqlStore, "record", record)
            store._db.read("PRAGMA busy_timeout = 50")
            other.execute("BEGIN IMMEDIATE")
            try:
                return record(store, run, exchange)
            finally:
                other.execute("ROLLBACK")

        run = worker.runner.submit(READ, {}, priority=10).id
        assert worker.store.take_runs(worker.row.id, 1, HISTORY) == [run]
        monkeypatch.setattr(SqlStore, "record", locked_out)
        assert await worker._perform(run) == "let go"
        other.close()
        assert (worker.store.status(run), worker.store.run(run).error) == (RunStatus.QUEUED, None)
        assert worker.store.take_runs("peer", 9, HISTORY) == [run]
        assert (await worker.runner.go(run, wait=False)).status is RunStatus.DONE


async def test_a_run_whose_process_has_too_many_files_open_is_put_back(
    tmp_path: Path, hexes: Hexes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may have more, or this one a moment later; thousands may be in line behind it."""

    async def full(*_: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    async with hexes() as hex, working(tmp_path, hex) as worker:
        run = worker.runner.submit(READ, {}, priority=10).id
        assert worker.store.take_runs(worker.row.id, 1, HISTORY) == [run]
        with monkeypatch.context() as patched:
            patched.setattr(Adapter, "attempt", full)
            assert await worker._perform(run) == "let go"
        assert (worker.store.status(run), worker.store.run(run).error) == (RunStatus.QUEUED, None)
        assert (await worker.runner.go(run, wait=False)).status is RunStatus.DONE


async def test_a_worker_is_not_idle_while_its_database_is_away(
    tmp_path: Path, hexes: Hexes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs may wait for a time: told to end when nothing is left, it ended as if that were so."""
    answers: list[int | None] = [1, None, None, 1, 0]

    def moving(_: SqlStore) -> int:
        if (found := answers.pop(0)) is None:
            raise StoreUnreachable("has left us")
        return found

    async with hexes() as hex, working(tmp_path, hex) as worker:
        monkeypatch.setattr(SqlStore, "moving", moving)
        await worker.idle()
        assert answers == []


def test_a_checkpoint_that_cannot_be_written_is_told_as_all_else_is(tmp_path: Path) -> None:
    """So the run is put back: no defect."""
    with open_store(tmp_path / "state.db"), closing(Checkpoints(tmp_path / "state.db")) as kept:
        other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        with kept.of(lambda: None) as saver:
            kept._db.execute("PRAGMA busy_timeout = 50")
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="is locked by another process"):
                saver.delete_thread("r1")
        other.close()


def test_what_an_older_version_had_queued_is_taken(where: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was in a queue of that version's own, or at work in a worker that is gone."""
    with monkeypatch.context() as older:
        older.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:14])
        with open_store(where) as store:
            assert isinstance(store, SqlStore)
            queued, begun = (store.submit(a_run(n).model_copy(update={"priority": 10})).id for n in "ab")
            store.begin(begun, "gone")
            with store._writing() as db:
                db.execute("UPDATE runs SET reason = ''")
                db.execute("UPDATE runs SET status = 'running' WHERE id = ?", (begun,))
    with open_store(where) as store:
        assert store.take_runs("w1", 9, HISTORY) == [queued]
        assert store.stray() == [begun]
        assert put_back(store, begun, RunStatus.RUNNING, why="its process ended")
        assert store.take_runs("w1", 9, HISTORY) == [begun]


def test_what_a_newer_version_has_added_is_passed_over(where: Place) -> None:
    """It may have brought the database up to date while a worker of this version was at work."""
    with open_store(where) as store:
        assert isinstance(store, SqlStore)
        store.submit(a_run("a").model_copy(update={"priority": 10}))
        with store._writing() as db:
            for table in ("runs", "log", "asks", "effects", "workers"):
                db.execute(f"ALTER TABLE {table} ADD COLUMN newer TEXT")
        assert store.join(WorkerRow(id="w1", host="h", pid=7, version="1", slots=2)) == store.workers()[0]
        assert store.take_runs("w1", 9, HISTORY) == ["a"]
        store.ask("a", "d.1", 0, a_question())
        assert store.intend("e1", "a", "d.1", "T", {}) == store.effect("e1")
        assert (len(store.open_asks("a")), [event.type for event in store.events("a")]) == (1, ["ask"])
        assert store.set_status("a", RunStatus.DONE) == store.run("a") == store.runs()[0]


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
