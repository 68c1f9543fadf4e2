"""A product that fails for a while: what is sent meanwhile, what it costs, and that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from definable.spec.workflow import RunLimits, Step, Workflow
from definable.store import RunRow
from tests.integration.conftest import Bench, Hex

pytestmark = pytest.mark.anyio
Hexes = Callable[..., AbstractAsyncContextManager[Hex]]


def reads(count: int, **limits: Any) -> Workflow:
    """Return a workflow that reads one page of users so many times."""
    steps = tuple(Step(id=f"s{n}", call="HEX_LIST_USERS", arguments={"limit": 1}) for n in range(count))
    return Workflow(name="reads", description="Reads", steps=steps, limits=RunLimits(**limits))


async def run(bench: Bench, hex: Hex, workflow: Workflow) -> RunRow:
    """Run a workflow to where it stops."""
    async with bench.open(hex) as runner:
        return await runner.go(await runner.start(workflow, {}), bench.events.append)


async def test_a_run_outlasts_an_outage_and_the_receipt_says_what_held_it_back(
    hexes: Hexes, bench: Bench
) -> None:
    """Five failures open the breaker; later attempts come as it lets them, and the last one is answered."""
    async with hexes({"tool": "HEX_LIST_USERS", "fault": "error_before", "times": 6}) as hex:
        row = await run(bench, hex, reads(1, time=600.0))
        assert row.status == "done"
        (receipt,) = await bench.receipts(hex, row.id)
    opened = [e.data for e in bench.events if e.type == "breaker.opened"]
    assert [round(each["seconds"]) for each in opened] == [15, 30]
    assert opened[0]["gate"].startswith("reads at http://127.0.0.1:")
    assert [a.held_by for a in receipt.trail] == [""] * 5 + ["breaker"] * 2
    assert receipt.retries == 6
    assert receipt.margin is not None
    assert receipt.margin.retries == 4
    assert receipt.margin.seconds is not None


async def test_what_fails_for_longer_fails_the_run(hexes: Hexes, bench: Bench) -> None:
    """Seven attempts are enough: a product that is down for good does not hold a run for ever."""
    async with hexes({"tool": "HEX_LIST_USERS", "fault": "error_before", "times": 99}) as hex:
        row = await run(bench, hex, reads(1, time=600.0))
        assert row.status == "failed"
        (receipt,) = await bench.receipts(hex, row.id)
    assert (receipt.attempts, receipt.failure) == (7, "upstream_5xx")


async def test_the_retries_of_a_run_end_and_a_later_resume_has_new_ones(hexes: Hexes, bench: Bench) -> None:
    """What is flaky all the time ends the run resumably, before it has been sent thousands of times."""
    fault = {"tool": "HEX_LIST_USERS", "fault": "error_before", "probability": 0.45}
    async with hexes(fault) as hex:
        row = await run(bench, hex, reads(40, retries=3))
        assert row.status == "limited"
        assert row.error is not None
        assert "may send again 3 times" in row.error["message"]
        assert "HEX_LIST_USERS would have to be sent again: 500" in row.error["message"]
        before = len(await bench.receipts(hex, row.id))
        hex.faults.entries.clear()
        async with bench.open(hex) as runner:
            assert (await runner.resume(row.id)).status == "done"
        assert len(await bench.receipts(hex, row.id)) == 40 > before


async def test_what_says_nothing_of_health_takes_no_retry(hexes: Hexes, bench: Bench) -> None:
    """Refusals for quota, odd keys and bad answers are not what the budget is for."""
    faults = [
        {"tool": "HEX_LIST_USERS", "fault": "rate_limit", "times": 20},
        {"tool": "HEX_LIST_USERS", "fault": "truncated", "times": 1},
    ]
    async with hexes(*faults) as hex:
        row = await run(bench, hex, reads(2, retries=0))
        assert row.status == "done"
        assert [r.retries for r in await bench.receipts(hex, row.id)] == [0, 0]
    assert not [e for e in bench.events if e.type.startswith("breaker.")]


async def test_a_write_looked_for_and_sent_again_takes_one(hexes: Hexes, bench: Bench) -> None:
    """It was not there, so it goes out again; that is a retry like any other."""
    async with hexes({"tool": "HEX_CREATE_GROUP", "fault": "error_before"}) as hex:
        step = Step(id="make", call="HEX_CREATE_GROUP", arguments={"name": "Night shift"}, approve=False)
        row = await run(bench, hex, Workflow(name="make", description="Make", steps=(step,)))
        assert row.status == "done"
        (receipt,) = await bench.receipts(hex, row.id)
        assert receipt.retries == 1
        assert hex.effects() == ["HEX_CREATE_GROUP"]
