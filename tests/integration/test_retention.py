"""Old runs are forgotten: what is kept, what is never touched, and what a process that dies leaves."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, closing
from datetime import timedelta
from pathlib import Path

import pytest

from definable.calls import Decision, Receipt
from definable.cli import main
from definable.engine.checkpoints import Checkpoints
from definable.engine.engine import Engine
from definable.engine.options import Options
from definable.engine.retention import prune, would_be_pruned
from definable.engine.runner import Runner
from definable.errors import UsageError
from definable.settings import Settings
from definable.spec.model import Evidence
from definable.store import Place, RunStatus, Server, Store, open_store
from definable.store.place import FILE
from definable.store.records import stamp
from definable.store.retention import LINES
from definable.workspace import checked, find
from tests.integration.conftest import Hex
from tests.integration.store_contract import START, FakeClock, a_question, a_run, an_exchange


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that is moved by hand."""
    return FakeClock()


@pytest.fixture
def store(where: Place, clock: FakeClock) -> Iterator[Store]:
    """Open an empty store."""
    with open_store(where, clock) as opened:
        yield opened


def receipt(call: str, effect: bool = False) -> Receipt:
    """Return a verified receipt with a result."""
    return Receipt(
        call=call,
        tool="HEX_CREATE_CELL",
        arguments={},
        effect="create" if effect else "read",
        status="verified",
        evidence=Evidence.STATE if effect else None,
        result={"id": call},
    )


def worked(store: Store, name: str, end: RunStatus = RunStatus.DONE, *, open_effect: bool = False) -> None:
    """Keep a run that read once, wrote once, asked once, and ended."""
    store.create_run(a_run(name))
    store.append(name, "run.started", {})
    store.record(name, an_exchange(call="read.1", body={"id": "read.1"}))
    store.settle(name, receipt("read.1"), 0)
    store.ask(name, "write.1", 0, a_question(), None)
    effect = f"{name}-e"
    store.intend(effect, name, "write.1", "HEX_CREATE_CELL", {"label": "x"})
    store.sent(effect, 1)
    if not open_effect:
        store.record(name, an_exchange(call="write.1", body={"id": "write.1"}, effect=effect, attempt=1))
        store.verified(effect, Evidence.STATE)
        store.settle(name, receipt("write.1", effect=True), 0)
    store.set_status(name, end, outputs={"cell": "c1"})


def test_what_is_kept_of_a_run(store: Store, clock: FakeClock) -> None:
    """The run, its outputs, its effects, and the receipts of these with their results."""
    worked(store, "old")
    before = store.run("old"), store.effects("old"), store.receipt("old", "write.1")
    clock.pass_(days=40)
    worked(store, "new")
    assert store.prunable(stamp(clock() - timedelta(days=30)), 10) == ["old"]
    while store.prune("old"):
        pass
    row = store.run("old")
    assert row == before[0].model_copy(update={"pruned_at": stamp(clock())})
    assert (store.effects("old"), store.receipts("old")) == (before[1], [before[2]])
    assert before[2]
    assert before[2].result == {"id": "write.1"}
    assert (store.events("old"), store.exchanges("old", "write.1"), store.open_asks("old")) == ([], [], [])
    assert len(store.receipts("new")) == 2
    assert store.prunable(stamp(clock()), 10) == []


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING])
def test_a_run_that_may_go_on_is_never_forgotten(store: Store, clock: FakeClock, status: RunStatus) -> None:
    """Whatever its age; and who tries all the same is refused."""
    store.create_run(a_run("r1"))
    store.set_status("r1", status)
    clock.pass_(days=4000)
    assert store.prunable(stamp(clock()), 10) == []
    with pytest.raises(UsageError, match="may go on"):
        store.prune("r1")


def test_what_is_in_doubt_is_not_forgotten(store: Store, clock: FakeClock) -> None:
    """A write of which nobody knows whether it happened keeps its log; failed ones stay when told so."""
    worked(store, "doubt", RunStatus.FAILED, open_effect=True)
    worked(store, "failed", RunStatus.FAILED)
    worked(store, "limited", RunStatus.LIMITED)
    worked(store, "cancelled", RunStatus.CANCELLED)
    clock.pass_(days=1)
    assert set(store.prunable(stamp(clock()), 10)) == {"failed", "limited", "cancelled"}
    assert store.prunable(stamp(clock()), 10, keep_failed=True) == ["cancelled"]
    assert len(store.prunable(stamp(clock()), 2)) == 2


def test_what_was_begun_is_ended_by_whoever_comes_next(store: Store, where: Place, clock: FakeClock) -> None:
    """A long log goes piece by piece; after the first, the run is as good as gone."""
    worked(store, "r1", RunStatus.FAILED)
    for number in range(LINES + 10):
        store.append("r1", "note", {"n": number})
    clock.pass_(days=1)
    assert store.prune("r1")
    assert store.prune("r1")
    assert store.run("r1").pruned
    with open_store(where, clock) as other:  # the first one was killed
        assert other.prunable(stamp(clock()), 10, keep_failed=True) == ["r1"]
        while other.prune("r1"):
            pass
        assert other.run("r1").pruned_at
        assert other.events("r1") == []
        assert len(other.receipts("r1")) == 1


def test_a_run_is_not_queued_again_once_somebody_has_begun_to_forget_it(
    store: Store, clock: FakeClock
) -> None:
    """Who is told to go on with it may have read it the moment before; its exchanges are gone by then."""
    worked(store, "a", RunStatus.FAILED)
    store.enlist("a", 10)
    while store.prune("a"):
        assert store.requeue("a", RunStatus.FAILED, why="retry") is None
    assert store.requeue("a", RunStatus.FAILED, why="retry") is None
    assert store.status("a") is RunStatus.FAILED


def test_how_far_schedules_were_seen_to_never_goes_back(store: Store) -> None:
    """Whoever is late with what it saw changes nothing."""
    store.looked(["a", "b"], 10.0)
    store.looked(["a"], 5.0)
    store.fired("a", 9.0, "r2")
    store.fired("a", 8.0, "r1")
    store.fired("c", 8.0, "r1")
    known = store.triggers()
    assert {name: (row.looked, row.due, row.run) for name, row in known.items()} == {
        "a": (10.0, 9.0, "r2"),
        "b": (10.0, None, None),
        "c": (8.0, 8.0, "r1"),
    }


def test_a_file_gets_smaller(tmp_path: Path, clock: FakeClock) -> None:
    """What is free is given back to the disk, where the file was made by this version."""
    path = tmp_path / "state.db"
    with open_store(path, clock) as store:
        worked(store, "r1")
        for _ in range(200):
            store.append("r1", "note", {"text": "x" * 20_000})
        before = pages(path)
        while store.prune("r1"):
            pass
        store.give_back()
    assert pages(path) < before / 10


def pages(path: Path) -> int:
    """Return how many pages a file has."""
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA page_count").fetchone()[0])


@pytest.mark.anyio
async def test_a_real_run_is_forgotten_and_can_be_taken_back_all_the_same(
    tmp_path: Path, where: Place, hexes: Callable[..., AbstractAsyncContextManager[Hex]]
) -> None:
    """Its checkpoints go too; a run that somebody works on is left for later; a failed one stays failed."""
    settings = Settings(database=where.url if isinstance(where, Server) else None, offline=True)
    space = find(tmp_path, {}, tmp_path)
    async with hexes() as hex, Runner.open(space, settings, hex.environ, Options()) as runner:
        brief = checked(space, "weekly-brief")
        *steps, deliver = brief.steps
        asking = (*steps, deliver.model_copy(update={"approve": True}))
        run = await runner.start(brief.model_copy(update={"steps": asking}), {"project": hex.project()})
        assert (await runner.go(run)).status == "waiting"
        runner.answer(run, None, Decision(approve=True, by="ana"))
        assert (await runner.resume(run)).status == "done"
        assert would_be_pruned(runner.store, 3600.0) == []
        assert would_be_pruned(runner.store, -1.0) == [run]
        with runner.store.alone(run):
            assert await prune(runner.store, -1.0) == 0
        assert threads(runner.store, run)
        assert await prune(runner.store, -1.0) == 1
        assert not threads(runner.store, run)
        assert await prune(runner.store, -1.0) == 0
        assert runner.store.events(run) == []
        (left,) = runner.left(run)
        assert left.undo
        undoing = await runner.go(runner.undo(run, approve=True))
        assert undoing.status == "done"
        assert not threads(runner.store, undoing.id)  # it never came to rest before its end
        assert hex.effects() == ["HEX_CREATE_CELL", "HEX_DELETE_CELL"]


def threads(store: Store, run: str) -> bool:
    """Whether LangGraph has anything of a run."""
    with closing(Checkpoints(store.place)) as kept, kept.of(lambda: None) as saver:
        return saver.get_tuple({"configurable": {"thread_id": run}}) is not None


@pytest.mark.anyio
async def test_a_failed_run_that_was_forgotten_cannot_go_on(tmp_path: Path, where: Place) -> None:
    """It says why, and what to do; it is what it was."""
    settings = Settings(database=where.url if isinstance(where, Server) else None)
    async with Runner.open(find(tmp_path, {}, tmp_path), settings, {}) as runner:
        worked(runner.store, "r1", RunStatus.FAILED)
        assert await prune(runner.store, -1.0) == 1
        for attempt in (runner.resume("r1"), runner.go("r1"), Engine(runner).again("r1")):
            with pytest.raises(UsageError, match="run r1 is failed, and its log was deleted"):
                await attempt
        assert runner.store.run("r1").status == "failed"


def test_the_command_says_what_it_does_and_show_says_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--dry` deletes nothing; a pruned run is still shown, with what is kept of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEFINABLE_HOME", str(tmp_path))
    with open_store(tmp_path / FILE, lambda: START) as store:
        worked(store, "r1", RunStatus.FAILED)
        worked(store, "r2")
    assert main(["runs", "prune", "--older-than", "1m", "--dry"]) == 0
    assert sorted(capsys.readouterr().out.split()) == ["r1", "r2"]
    assert main(["runs", "prune", "--older-than", "1m", "--keep-failed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == ["r2"]
    assert main(["runs", "prune", "--older-than", "1m"]) == 0
    assert capsys.readouterr().err == "1 run was pruned\n"
    assert main(["runs", "show", "r1"]) == 0
    shown = capsys.readouterr().out
    assert "Its log was deleted; what is kept are its outputs, its effects and their receipts." in shown
    assert "write.1" in shown
    assert "resume" not in shown
    assert main(["runs", "prune", "--older-than", "1"]) == 2
    assert "--older-than '1' is no time" in capsys.readouterr().err


@pytest.mark.anyio
async def test_workers_forget_what_is_old(
    tmp_path: Path, where: Place, hexes: Callable[..., AbstractAsyncContextManager[Hex]]
) -> None:
    """With DEFINABLE_KEEP old logs are gone after a while; the run is known."""
    settings = Settings(database=where.url if isinstance(where, Server) else None, offline=True, keep=0.0)
    space = find(tmp_path, {}, tmp_path)
    async with hexes() as hex, Engine.open(space, settings, hex.environ, slots=1) as engine:
        assert engine.worker
        row = await engine.submit(checked(space, "weekly-brief"), {"project": hex.project()})
        await engine.worker.idle()
        async with asyncio.timeout(30):
            while not engine.store.run(row.id).pruned_at:  # noqa: ASYNC110 - a worker changes it
                await asyncio.sleep(0.1)
        assert engine.store.run(row.id).status == "done"
