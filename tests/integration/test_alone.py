"""Two runs that write the same in the same place at the same moment: nobody takes the other's for its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from definable.calls import Outcome, Phase, Receipt, Send
from definable.settings import Settings
from definable.spec.workflow import Step, Workflow
from definable.toolkits.adapter import Adapter
from tests.integration.conftest import Bench, Hex

pytestmark = pytest.mark.anyio
Hexes = Callable[..., AbstractAsyncContextManager[Hex]]
PULSE = "Daily Revenue Pulse"


def cell(project: str) -> dict[str, Any]:
    """Return the arguments of a cell; always the same."""
    contents = {"markdownCell": {"source": "# Same"}}
    return {"projectId": project, "cellType": "MARKDOWN", "label": "Same", "contents": contents}


async def together(hex: Hex, bench: Bench, slug: str, given: dict[str, Any], runs: int = 2) -> list[Receipt]:
    """Make the same call in several runs at once, each with a connection of its own to the one store."""

    async def one() -> Receipt:
        async with bench.open(hex) as runner:
            _, receipt = await runner.call(slug, given)
            assert receipt is not None
            return receipt

    return await asyncio.gather(*(one() for _ in range(runs)))


@pytest.fixture(params=[1.0, 0.0], ids=["governed", "quotas off"])
def _quotas(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    share = request.param
    monkeypatch.setattr("tests.integration.conftest.Settings", lambda: Settings(quota_share=share))


@pytest.mark.usefixtures("_quotas")
@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "lost_answer"},
        {"fault": "lost_answer", "times": 2},
        {"fault": "lost_answer", "after": 1},
        {"fault": "reset", "times": 2},
        {"fault": "noop"},
        {"fault": "late_commit", "with": {"seconds": 6}},
        {"fault": "late_commit", "times": 2, "with": {"seconds": 6}},
    ],
    ids=lambda fault: "-".join(str(v) for v in fault.values() if not isinstance(v, dict)),
)
async def test_the_same_cell_by_two_runs_is_two_cells(
    hexes: Hexes, bench: Bench, fault: dict[str, Any]
) -> None:
    """Whichever answers are lost or late: each run has its own cell, and there is no third."""
    async with hexes({"tool": "HEX_CREATE_CELL", **fault}) as hex:
        receipts = await together(hex, bench, "HEX_CREATE_CELL", cell(hex.project()))
        assert [r.status for r in receipts] == ["verified", "verified"]
        assert len({r.result["id"] for r in receipts}) == 2
        hex.world.clock.advance(3600)
        hex.world.settle()
        assert hex.effects() == ["HEX_CREATE_CELL"] * 2


async def test_one_of_what_must_be_there_once_is_made_by_two_runs(hexes: Hexes, bench: Bench) -> None:
    """`ensure` looks alone: the second run finds what the first has made."""
    async with hexes(
        {"tool": "HEX_LIST_CELLS", "fault": "slow", "times": 9, "with": {"seconds": 0.1}}
    ) as hex:
        given = cell(hex.project())
        step = Step(id="call", call="HEX_CREATE_CELL", arguments=given, ensure=("label", "cellType"))
        workflow = Workflow(name="once", description="One cell", steps=(step,))

        async def one() -> str:
            async with bench.open(hex) as runner:
                row = await runner.go(await runner.start(workflow, {}))
                assert row.status == "done", row.error
                return str(runner.store.receipts(row.id)[0].result["id"])

        ids = await asyncio.gather(one(), one())
        assert len(set(ids)) == 1
        assert hex.effects() == ["HEX_CREATE_CELL"]


async def test_runs_of_one_project_are_started_in_turn_and_work_side_by_side(
    hexes: Hexes, bench: Bench
) -> None:
    """A run's place is free as soon as its id is known: nobody waits for another's run to end."""
    async with hexes() as hex:
        pulse = hex.project(PULSE)
        hex.world.state["projects"][pulse]["character"]["seconds"] = 300
        receipts = await together(hex, bench, "HEX_RUN_PROJECT", {"projectId": pulse}, runs=3)
        assert [r.status for r in receipts] == ["verified"] * 3
        ids = {r.result["runId"] for r in receipts}
        runs = [r for r in hex.world.state["runs"].values() if r["id"] in ids]
        assert len(runs) == 3
        first_end = min(r["asked"] + r["pending"] + r["seconds"] for r in runs)
        assert all(r["asked"] < first_end for r in runs)


async def test_who_lost_its_place_asks_before_it_adopts(hexes: Hexes, bench: Bench) -> None:
    """A process that was away for long does not take for its own what another run wrote meanwhile."""
    async with hexes({"tool": "HEX_CREATE_CELL", "fault": "reset"}) as hex:
        given = cell(hex.project())
        async with bench.open(hex) as slow, bench.open(hex) as quick:
            gone = asyncio.Event()
            other: list[Receipt] = []

            async def stall(seconds: float) -> None:
                if seconds and not gone.is_set():
                    gone.set()
                    hex.world.clock.advance(600)
                    _, receipt = await quick.call("HEX_CREATE_CELL", given)
                    assert receipt is not None
                    other.append(receipt)
                hex.world.clock.advance(seconds)

            slow.sleep = stall
            row, _ = await slow.call("HEX_CREATE_CELL", given)
            assert (row.status, row.reason) == ("waiting", "review")
            ask = slow.store.open_asks(row.id)[0].ask
            assert "another run of Definable wrote in the same place meanwhile" in ask.question
            assert [c["id"] for c in ask.candidates] == [other[0].result["id"]]
        assert hex.effects() == ["HEX_CREATE_CELL"]


async def test_who_lost_its_place_before_it_sent_looks_again(
    hexes: Hexes, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was sent, so nothing is in doubt: what the other wrote counts among what was there before."""
    attempt, refused = Adapter.attempt, [True]

    async def unreachable_once(self: Adapter, send: Send, *how: Any) -> Outcome:
        if send.effect and refused and refused.pop():
            return Outcome(phase=Phase.NOT_SENT, cause="connect", error="no connection")
        return await attempt(self, send, *how)

    monkeypatch.setattr(Adapter, "attempt", unreachable_once)
    async with hexes({"tool": "HEX_CREATE_CELL", "fault": "lost_answer", "after": 1}) as hex:
        given = cell(hex.project())
        async with bench.open(hex) as slow, bench.open(hex) as quick:
            other: list[Receipt] = []

            async def stall(seconds: float) -> None:
                hex.world.clock.advance(600 + seconds)
                if not other:
                    _, receipt = await quick.call("HEX_CREATE_CELL", given)
                    assert receipt is not None
                    other.append(receipt)

            slow.sleep = stall
            row, receipt = await slow.call("HEX_CREATE_CELL", given)
            exchanges = slow.store.exchanges(row.id, "call.1")
        assert receipt is not None
        assert receipt.status == "verified"
        assert receipt.heals[-1].rule == "adopted"
        assert receipt.result["id"] != other[0].result["id"]
        assert [getattr(e.reply, "cause", "") for e in exchanges[:3]] == ["", "connect", "others"]
        assert hex.effects() == ["HEX_CREATE_CELL"] * 2
