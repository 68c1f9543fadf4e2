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


def writes(bed: Bed) -> Workflow:
    """Return a workflow that makes a cell."""
    contents = {"markdownCell": {"source": "# Same"}}
    given = {"projectId": bed.hex.project(), "cellType": "MARKDOWN", "label": "Same", "contents": contents}
    step = Step(id="write", call="HEX_CREATE_CELL", arguments=given)
    return Workflow(name="writes", description="One cell", steps=(step,))


LATE = {"tool": "HEX_CREATE_CELL", "fault": "late_commit", "times": 1, "with": {"seconds": 6}}


async def interrupted(bed: Bed) -> str:
    """Return a submitted run whose process ended while it waited for what it had sent to show."""

    waits = asyncio.Event()

    async def sleep(seconds: float) -> None:
        if seconds > 5:
            waits.set()
            await asyncio.Event().wait()
        await bed.hex.sleep(seconds)

    async with bed.open() as runner:
        runner.sleep = sleep
        row = runner.submit(writes(bed), {}, priority=10)
        task = asyncio.create_task(runner.go(row.id, wait=False))
        await waits.wait()
        task.cancel()
        await asyncio.wait([task])
    return str(row.id)


async def test_a_wait_does_not_begin_anew_with_each_process(beds: Any) -> None:
    """Processes that all end within the ten seconds until a write shows would never get beyond them."""
    bed = beds(LATE)
    run = await interrupted(bed)
    bed.hex.world.clock.advance(9)
    bed.hex.world.settle()
    assert (await bed.resume(run)).status == "done"
    assert sum(bed.slept) < 2
    assert bed.hex.effects() == ["HEX_CREATE_CELL"]


async def test_a_run_makes_room_for_one_that_is_in_its_way_and_has_no_worker(beds: Any) -> None:
    """All workers might wait for it otherwise, until its place has run out; a foreground holds no worker."""
    bed = beds(LATE)
    first = await interrupted(bed)
    async with bed.open() as runner:
        second = runner.submit(writes(bed), {}, priority=10).id
        row = await runner.go(second, bed.events.append, wait=False)
    assert (row.status, row.reason) == ("waiting", "retry")
    waits = next(event.data for event in bed.events if event.type == "run.waiting")
    assert waits["what"] == f"run {first} writes in the same place; definable runs show {first}"
    assert waits["seconds"] <= 1
    bed.hex.world.clock.advance(9)
    bed.hex.world.settle()
    for run in (first, second):
        assert (await bed.resume(run)).status == "done"
    assert bed.hex.effects() == ["HEX_CREATE_CELL"] * 2


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
