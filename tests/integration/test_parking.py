"""Long waits hold nothing: the run is parked, anybody may go on with it, and nothing is sent twice."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from definable.engine.options import Options
from definable.engine.runner import Runner
from definable.sandbox import Faults, World, serve
from definable.sandbox.clock import Clock
from definable.settings import Settings
from definable.spec.workflow import RunLimits, Step, Workflow
from definable.store import Event, RunRow
from definable.workspace import find
from tests.integration.conftest import Hex

pytestmark = pytest.mark.anyio


def reads(count: int, **limits: Any) -> Workflow:
    """Return a workflow that reads users so many times; Hex allows 30 a minute."""
    steps = tuple(Step(id=f"s{n}", call="HEX_LIST_USERS", arguments={"limit": 1}) for n in range(count))
    return Workflow(name="reads", description="Reads", steps=steps, limits=RunLimits(**limits))


@dataclasses.dataclass
class Bed:
    """A sandbox with Hex's quotas, whose time passes only by waiting."""

    hex: Hex
    home: Path
    events: list[Event]
    slept: list[float]

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once, and remember it."""
        self.slept.append(seconds)
        await self.hex.sleep(seconds)

    def open(self) -> Any:
        """Open a runner, as a new process would."""
        space = find(Path(__file__).parent, {"DEFINABLE_HOME": str(self.home)})
        given = self.hex.environ, Options(offline=True), self.sleep, self.hex.now
        return Runner.open(space, Settings(), *given)

    async def begin(self, workflow: Workflow) -> RunRow:
        """Start a run and work on it until it ends or waits."""
        async with self.open() as runner:
            run = await runner.start(workflow, {})
            return await runner.go(run, self.events.append, wait=False)  # type: ignore[no-any-return]

    async def resume(self, run: str) -> RunRow:
        """Go on in another process, to where it stops."""
        async with self.open() as runner:
            return await runner.resume(run, self.events.append, wait=False)  # type: ignore[no-any-return]

    def count(self, type: str) -> int:
        """Return how many events of a type there were."""
        return sum(event.type == type for event in self.events)


@pytest.fixture
def beds(tmp_path: Path) -> Any:
    """Serve sandboxes with the faults that a test names."""
    stack = []

    def bed(*faults: dict[str, Any]) -> Bed:
        planned = Faults.parse({"seed": 1, "faults": list(faults)})
        serving = serve(World(clock=Clock(speed=0)), planned)
        served = serving.__enter__()
        stack.append(serving)
        environ = {"HEX_BASE_URL": served.base_url, "HEX_API_TOKEN": served.token}
        return Bed(Hex(served, planned, environ), tmp_path / "home", [], [])

    yield bed
    for serving in stack:
        serving.__exit__(None, None, None)


async def test_a_long_wait_for_a_quota_ends_the_segment(beds: Any) -> None:
    """Nothing is slept and nothing is locked; the row says until when, and its limit on time counts on."""
    bed = beds()
    row = await bed.begin(reads(31))
    assert (row.status, row.reason) == ("waiting", "quota")
    assert bed.slept == []
    waits = [e.data for e in bed.events if e.type == "run.waiting"]
    assert waits[0]["until"] == row.until
    assert waits[0]["seconds"] == pytest.approx(60.0, abs=0.5)
    assert waits[0]["what"] == "hex-api-30rpm"
    again = await bed.resume(row.id)
    assert (again.status, again.reason) == ("waiting", "quota")
    bed.hex.world.clock.advance(61)
    assert (await bed.resume(row.id)).status == "done"
    assert bed.count("exchange") == 31
    assert bed.count("quota.waits") == 1
    waited = [e.data["seconds"] for e in bed.events if e.type == "quota.waited"]
    assert waited == [pytest.approx(61.0, abs=0.5)]


async def test_two_parked_runs_go_on_in_the_order_in_which_they_came(beds: Any) -> None:
    """Whoever wakes first finds its own place, and leaves the other its."""
    bed = beds()
    assert (await bed.begin(reads(29))).status == "done"
    first, second = await bed.begin(reads(1)), await bed.begin(reads(1))
    assert first.until is not None
    assert second.until is not None
    assert first.until <= second.until
    async with bed.open() as runner:
        places = runner.store._read("SELECT source FROM quota_queue ORDER BY number")
    assert [place["source"] for place in places] == [first.id, second.id]
    bed.hex.world.clock.advance(61)
    assert (await bed.resume(second.id)).status == "done"
    assert (await bed.resume(first.id)).status == "done"


async def test_a_foreground_waits_and_goes_on(beds: Any) -> None:
    """It looks every few seconds whether its turn came earlier."""
    bed = beds()
    async with bed.open() as runner:
        row = await runner.go(await runner.start(reads(31), {}), bed.events.append)
    assert row.status == "done"
    assert max(bed.slept) == 5.0
    assert bed.count("run.waiting") == 1


async def test_a_minute_that_the_server_asks_for_is_not_slept(beds: Any) -> None:
    """The time it ends at is in the log, so that it ends then in any process, and nothing is sent before."""
    bed = beds({"tool": "HEX_LIST_USERS", "fault": "rate_limit", "times": 1, "with": {"retry_after": 90}})
    row = await bed.begin(reads(1))
    assert (row.status, row.reason) == ("waiting", "quota")
    bed.hex.world.clock.advance(60)
    row = await bed.resume(row.id)
    assert (row.status, bed.count("exchange"), bed.count("call.parked")) == ("waiting", 1, 1)
    bed.hex.world.clock.advance(30.1)
    assert (await bed.resume(row.id)).status == "done"
    assert bed.count("exchange") == 2


async def test_a_cancelled_run_leaves_the_queue(beds: Any) -> None:
    """Nobody waits behind a run that will not come."""
    bed = beds()
    row = await bed.begin(reads(31))
    async with bed.open() as runner:
        await runner.cancel(row.id)
        assert runner.store._read("SELECT * FROM quota_queue") == []


async def test_whoever_waits_lets_go_of_a_run_that_goes_on_elsewhere(beds: Any) -> None:
    """It is done once, and both say so."""
    bed = beds()
    async with bed.open() as runner:
        run = await runner.start(reads(31), {})
        real = asyncio.Event()

        async def sleep(seconds: float) -> None:
            real.set()
            await asyncio.sleep(0.02)

        runner.sleep = sleep
        waits = asyncio.create_task(runner.go(run, bed.events.append))
        await real.wait()
        bed.hex.world.clock.advance(61)
        assert (await bed.resume(run)).status == "done"
        assert (await waits).status == "done"
    assert bed.count("exchange") == 31
