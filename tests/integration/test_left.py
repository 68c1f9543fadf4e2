"""What a run leaves behind is said from the ledger, and taken back by calls that are verified themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from definable.calls import Decision
from definable.engine.engine import Engine
from definable.engine.left import Left
from definable.engine.runner import Runner
from definable.errors import UsageError
from definable.spec.workflow import Step, Workflow
from definable.store import Event, RunRow
from tests.integration.conftest import Bench, Hex

pytestmark = pytest.mark.anyio
Hexes = Callable[..., AbstractAsyncContextManager[Hex]]
PULSE = "Daily Revenue Pulse"
MISSING = "85451515-12ab-55f4-85f5-d73048b59eae"


def step(name: str, call: str, /, **arguments: Any) -> Step:
    """Return a declared call."""
    return Step(id=name, call=call, arguments=arguments)


def cell(hex: Hex, name: str) -> Step:
    """Return a step that writes a cell."""
    contents = {"markdownCell": {"source": name}}
    return step(
        name, "HEX_CREATE_CELL", projectId=hex.project(), cellType="MARKDOWN", label=name, contents=contents
    )


FAILS = step("fails", "HEX_GET_CELL", cellId=MISSING)


async def made(runner: Runner, *steps: Step) -> RunRow:
    """Run these steps to where they stop."""
    workflow = Workflow(name="steps", description="Steps", steps=steps)
    return await runner.go(await runner.start(workflow, {}))


def states(left: list[Left]) -> list[tuple[str, str]]:
    """Return what became of which call."""
    return [(each.call, each.state) for each in left]


async def test_a_failed_run_says_what_is_done_and_what_was_never_sent(hexes: Hexes, bench: Bench) -> None:
    """A link to what is there, the call that takes it back, and why another cannot be."""
    async with hexes() as hex, bench.open(hex) as runner:
        other = next(c["id"] for c in hex.cells(hex.project()) if c["cellType"] == "MARKDOWN")
        change = step("change", "HEX_UPDATE_CELL", cellId=other, contents={"markdownCell": {"source": "new"}})
        never = step("never", "HEX_CREATE_GROUP", name="Never")
        row = await made(runner, cell(hex, "note"), change, FAILS, never)
        left = runner.left(row.id)
        assert row.status == "failed"
        assert states(left) == [("note.1", "done"), ("change.1", "done"), ("never", "not_sent")]
        assert left[1].why_not == "what the cell held before is not kept"
        made_cell = hex.cells(hex.project())[-1]["id"]
        assert left[0].undo == {"tool": "HEX_DELETE_CELL", "arguments": {"cellId": made_cell}}
        assert left[0].link.endswith(hex.project())


async def test_what_was_under_way_when_a_run_was_cancelled_is_stopped_as_well(
    hexes: Hexes, bench: Bench
) -> None:
    """Its answer, with what has to be named to stop it, came a moment after it was cancelled."""
    slow = {"tool": "HEX_RUN_PROJECT", "fault": "slow", "with": {"seconds": 0.5}}
    async with hexes(slow) as hex, bench.open(hex) as runner:
        starts = step("run", "HEX_RUN_PROJECT", projectId=hex.project(PULSE))
        workflow = Workflow(name="starts", description="Starts", steps=(starts,))
        run = await runner.start(workflow, {})
        work = asyncio.create_task(runner.go(run))
        while not hex.effects():  # noqa: ASYNC110 - the sandbox changes it
            await asyncio.sleep(0.01)
        engine = Engine(runner)
        await engine.cancel(run)
        stop = await engine.stopping(run)
        assert (await work).status == "cancelled"
        assert stop is not None
        assert (await runner.go(stop)).status == "done"
        assert hex.effects() == ["HEX_RUN_PROJECT", "HEX_CANCEL_RUN"]


async def test_what_is_in_doubt_is_said_to_be(hexes: Hexes, bench: Bench) -> None:
    """A cancelled run with a write nobody can look for: it may have happened, and nothing undoes it."""
    async with hexes({"tool": "HEX_RUN_PROJECT", "fault": "lost_answer"}) as hex, bench.open(hex) as runner:
        row = await made(runner, step("run", "HEX_RUN_PROJECT", projectId=hex.project(PULSE)))
        assert (row.status, row.reason) == ("waiting", "review")
        await runner.cancel(row.id)
        left = runner.left(row.id)
        assert states(left) == [("run.1", "in_doubt")]
        assert left[0].undo is None
        with pytest.raises(UsageError, match="nothing that can be taken back"):
            runner.undo(row.id)


@pytest.mark.parametrize("fault", ["forbidden", "refused_but_done"])
async def test_a_refusal_that_nobody_could_look_into_is_named(hexes: Hexes, bench: Bench, fault: str) -> None:
    """Nothing shows whether a user is locked out, so that a 403 is the server's word, true or not."""
    async with hexes({"tool": "HEX_DEACTIVATE_USER", "fault": fault}) as hex, bench.open(hex) as runner:
        user = next(iter(hex.world.state["users"]))
        lock = step("lock", "HEX_DEACTIVATE_USER", userId=user).model_copy(update={"approve": False})
        row = await made(runner, lock)
        (left,) = runner.left(row.id)
        assert (row.status, left.state, left.undo) == ("failed", "refused", None)
        assert "the server's word" in left.message


async def test_a_refusal_that_a_look_bears_out_leaves_nothing(hexes: Hexes, bench: Bench) -> None:
    """A 403 for a cell that the list does not show: there is nothing to tell."""
    async with hexes({"tool": "HEX_CREATE_CELL", "fault": "forbidden"}) as hex, bench.open(hex) as runner:
        row = await made(runner, cell(hex, "note"))
        assert (row.status, runner.left(row.id), hex.effects()) == ("failed", [], [])


@pytest.mark.parametrize("approve", [True, False])
async def test_a_refused_write_that_others_may_have_made_is_in_doubt(
    hexes: Hexes, bench: Bench, approve: bool
) -> None:
    """A run that is new after a 429, with a shared token: in doubt until a person has answered."""
    fault = {"tool": "HEX_RUN_PROJECT", "fault": "refused_but_done", "with": {"status": 429}}
    async with hexes(fault) as hex, bench.open(hex) as runner:
        row = await made(runner, step("run", "HEX_RUN_PROJECT", projectId=hex.project(PULSE)))
        assert (row.status, row.reason) == ("waiting", "review")
        assert states(runner.left(row.id)) == [("run.1", "in_doubt")]
        (asked,) = runner.store.open_asks(row.id)
        (candidate,) = asked.ask.candidates
        adopt = candidate["id"] if approve else None
        runner.answer(row.id, asked.call, Decision(approve=approve, by="ann", adopt=adopt))
        row = await runner.resume(row.id)
        assert row.status == ("done" if approve else "failed")
        (effect,) = runner.store.effects(row.id)
        assert effect.state == ("verified" if approve else "needs_review")
        assert hex.effects() == ["HEX_RUN_PROJECT"]


async def test_a_run_that_goes_on_there_is_stopped_by_undo(hexes: Hexes, bench: Bench) -> None:
    """Cancelled between two polls: the project still runs in Hex, until its own compensation is verified."""
    async with hexes() as hex, bench.open(hex) as runner:
        pulse = hex.project(PULSE)
        hex.world.state["projects"][pulse]["character"]["seconds"] = 9000
        workflow = Workflow(
            name="run", description="Run", steps=(step("run", "HEX_RUN_PROJECT", projectId=pulse),)
        )
        run = await runner.start(workflow, {})
        polled = asyncio.Event()

        def watch(event: Event) -> None:
            if event.type == "exchange" and event.data["order"]["role"] == "poll":
                polled.set()

        working = asyncio.create_task(runner.go(run, watch))
        await polled.wait()
        with pytest.raises(UsageError, match=r"so it may still write\n  end it first"):
            runner.undo(run)
        await runner.cancel(run)
        assert (await working).status == "cancelled"
        left = runner.left(run)
        assert states(left) == [("run.1", "going_on")]
        assert left[0].link.startswith("http")
        undone = await runner.go(runner.undo(run))
        assert undone.status == "done", undone.error
        there = list(hex.world.state["runs"].values())[-1]
        assert there["killed"] is not None
        assert runner.store.receipts(undone.id)[0].evidence == "state"


async def test_undo_goes_backwards_asks_and_does_nothing_twice(hexes: Hexes, bench: Bench) -> None:
    """The newest first, each asked about; what was taken back once is not tried again."""
    async with hexes() as hex, bench.open(hex) as runner:
        row = await made(runner, cell(hex, "one"), step("group", "HEX_CREATE_GROUP", name="G"), FAILS)
        undo = runner.undo(row.id)
        waiting = await runner.go(undo)
        assert (waiting.status, waiting.reason) == ("waiting", "approval")
        assert [a.ask.tool for a in runner.store.open_asks(undo)] == ["HEX_DELETE_GROUP"]
        with pytest.raises(UsageError, match=f"run {undo} is taking back what {row.id} did"):
            runner.undo(row.id)
        runner.answer(undo, None, Decision(approve=True, by="ann"))
        await runner.resume(undo)
        runner.answer(undo, None, Decision(approve=False, by="ann"))
        assert (await runner.resume(undo)).status == "failed"
        again = await runner.go(runner.undo(row.id, approve=True))
        assert again.status == "done", again.error
        assert hex.effects() == ["HEX_CREATE_CELL", "HEX_CREATE_GROUP", "HEX_DELETE_GROUP", "HEX_DELETE_CELL"]
        with pytest.raises(UsageError, match="everything that can be taken back was"):
            runner.undo(row.id)


async def test_what_cannot_be_taken_back_keeps_nothing_else_from_it(hexes: Hexes, bench: Bench) -> None:
    """Somebody deleted the newer cell already: the second try takes the older one back first."""
    async with hexes() as hex, bench.open(hex) as runner:
        row = await made(runner, cell(hex, "one"), cell(hex, "two"), FAILS)
        two = next(c["id"] for c in hex.cells(hex.project()) if c["label"] == "two")
        del hex.world.state["cells"][two]
        assert (await runner.go(runner.undo(row.id, approve=True))).status == "failed"
        assert (await runner.go(runner.undo(row.id, approve=True))).status == "failed"
        assert not [c for c in hex.cells(hex.project()) if c["label"] == "one"]


async def test_an_undo_survives_a_lost_answer(hexes: Hexes, bench: Bench) -> None:
    """A compensation is an effect like any other."""
    async with hexes({"tool": "HEX_DELETE_CELL", "fault": "lost_answer"}) as hex, bench.open(hex) as runner:
        row = await made(runner, cell(hex, "one"), FAILS)
        undone = await runner.go(runner.undo(row.id, approve=True))
        assert undone.status == "done"
        assert [e.state for e in runner.store.effects(undone.id)] == ["verified"]
        assert hex.effects() == ["HEX_CREATE_CELL", "HEX_DELETE_CELL"]
