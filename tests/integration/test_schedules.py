"""Schedules: each time has one run, however many workers look, and whatever becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from definable.engine.options import Options
from definable.engine.runner import Runner
from definable.engine.schedules import Schedules
from definable.errors import StoreError
from definable.settings import Settings
from definable.spec.cron import passed
from definable.store import Place, RunRow, Server
from definable.store.records import stamp
from definable.workspace import find

BEGIN = datetime(2027, 3, 27, 22, 0, tzinfo=UTC)
"""A Saturday night, in which clocks in Paris are put forward."""

WORKFLOW = """\
name: {name}
description: d
inputs: {{ days: {{ type: integer, default: 7 }} }}
steps: [{{ id: look, call: HEX_LIST_PROJECTS }}]
triggers:
{triggers}
"""


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.at = BEGIN

    def __call__(self) -> float:
        """Return the time, in seconds."""
        return self.at.timestamp()

    def move(self, **span: float) -> None:
        """Let some time pass."""
        self.at += timedelta(**span)


def write(root: Path, *triggers: str, name: str = "tidy") -> Path:
    """Write a workflow with these triggers."""
    path = root / "workflows" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    lines = "\n".join(f"  - {each}" for each in triggers) or "  []"
    path.write_text(WORKFLOW.format(name=name, triggers=lines))
    return path


@asynccontextmanager
async def workers(
    root: Path, where: Place, clock: Clock, count: int = 2, *, sandbox: bool = False
) -> AsyncIterator[list[Schedules]]:
    """Open what workers look after schedules with, each with a store of its own."""
    settings = Settings(database=where.url if isinstance(where, Server) else None)
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            space = find(root, {}, root)
            opened = Runner.open(space, settings, {}, Options(sandbox=sandbox))
            found.append(Schedules(await stack.enter_async_context(opened), clock))
        yield found


async def look(*those: Schedules) -> None:
    """Let workers look at the same time."""
    await asyncio.gather(*(each.look() for each in those))


def runs(one: Schedules) -> list[RunRow]:
    """Return the runs, the first first."""
    return sorted(one.store.runs(), key=lambda row: row.key or "")


def due(one: Schedules) -> list[str]:
    """Return the times that have a run."""
    return [str(row.key).rpartition(" ")[2] for row in runs(one)]


@pytest.mark.anyio
async def test_each_time_has_one_run_however_many_workers_look(tmp_path: Path, where: Place) -> None:
    """Over a night in which clocks change, two workers submit what is due, each time once."""
    paris = ["*/20 * * * *", "30 2 * * *"]
    write(tmp_path, *(f'{{ schedule: "{cron}", timezone: Europe/Paris }}' for cron in paris))
    clock = Clock()
    async with workers(tmp_path, where, clock) as both:
        await look(*both)
        for _ in range(300):
            clock.move(seconds=45)
            await look(*both)
        found = [str(row.key) for row in both[0].store.runs()]
        zone = ZoneInfo("Europe/Paris")
        expected = [
            f"tidy/{cron} Europe/Paris {stamp(at)}"
            for cron in paris
            for at in passed(cron, zone, BEGIN, clock.at)
        ]
        assert sorted(found) == sorted(expected)
        assert "tidy/30 2 * * * Europe/Paris 2027-03-28T01:00:00.000Z" in found


def runs_keys(one: Schedules) -> list[str]:
    """Return the keys of all runs."""
    return [str(row.key) for row in one.store.runs()]


@pytest.mark.anyio
async def test_a_worker_that_dies_in_between_costs_and_doubles_nothing(
    tmp_path: Path, where: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cut off before, or after, the run is there; the other one does the rest."""
    write(tmp_path, '{ schedule: "* * * * *" }', '{ schedule: "* * * * *", inputs: { days: 3 } }')
    clock = Clock()
    async with workers(tmp_path, where, clock) as (dying, other):
        await look(dying, other)
        for number, name in enumerate(("submit", "fired", "looked") * 3):
            clock.move(minutes=1)
            with monkeypatch.context() as patch:
                holder = dying.runner if name == "submit" else dying.store
                patch.setattr(holder, name, gone)
                with pytest.raises(StoreError):
                    await dying.look()
            if number % 2:
                clock.move(seconds=20)
            await look(other)
            await look(dying, other)
            if number % 2:
                clock.move(seconds=-20)
        assert len(due(other)) == 18
        assert len(set(runs_keys(other))) == 18
        assert {row.inputs["days"] for row in runs(other)} == {3, 7}


def gone(*args: object, **named: object) -> None:
    """Stand for a process that is killed here."""
    raise StoreError("killed")


@pytest.mark.anyio
async def test_a_file_that_changes_counts_at_once(tmp_path: Path, where: Place) -> None:
    """Another time, other inputs, no schedule any more: nobody starts a worker again for that."""
    write(tmp_path, '{ schedule: "0 * * * *" }')
    clock = Clock()
    async with workers(tmp_path, where, clock) as both:
        await look(*both)
        write(tmp_path, '{ schedule: "10 * * * *", inputs: { days: 2 } }')
        await look(*both)
        clock.move(minutes=10)
        await look(*both)
        assert [(row.inputs, row.definition.get("triggers")) for row in runs(both[0])] == [
            ({"days": 2}, None)
        ]
        write(tmp_path)
        clock.move(hours=1)
        await look(*both)
        assert len(runs(both[0])) == 1
        assert runs(both[0])[0].options["file"] == "tidy"


@pytest.mark.anyio
async def test_a_broken_file_stops_only_itself(tmp_path: Path, where: Place) -> None:
    """The others go on; once it is right, so does it, with what is due from then on, or was a minute ago."""
    write(tmp_path, '{ schedule: "* * * * *" }', name="sound")
    broken = write(tmp_path, '{ schedule: "* * * * *", missed: last }')
    text = broken.read_text()
    clock = Clock()
    async with workers(tmp_path, where, clock, count=1) as (one,):
        await look(one)
        broken.write_text(text.replace("HEX_LIST_PROJECTS", "HEX_LIST_PROJEKTS"))  # found out when it is due
        clock.move(minutes=1)
        await look(one)
        assert [row.workflow for row in runs(one)] == ["sound"]
        broken.write_text(text)
        await look(one)
        assert [row.workflow for row in runs(one)] == ["sound", "tidy"]
        broken.write_text(text + "  - {")  # cannot even be read
        for _ in range(10):
            clock.move(minutes=1)
            await look(one)
        broken.write_text(text)
        await look(one)
        assert [row.workflow for row in runs(one)] == ["sound"] * 11 + ["tidy"]
        clock.move(minutes=1)
        await look(one)
        assert [row.workflow for row in runs(one)] == ["sound"] * 12 + ["tidy"] * 2


@pytest.mark.anyio
@pytest.mark.parametrize(("missed", "expected"), [("skip", 0), ("last", 1)])
async def test_times_that_passed_while_no_worker_was_there(
    tmp_path: Path, where: Place, missed: str, expected: int
) -> None:
    """`skip` leaves them out; `last` makes up for the last of them, with one run."""
    write(tmp_path, f'{{ schedule: "0 * * * *", missed: {missed} }}')
    clock = Clock()
    async with workers(tmp_path, where, clock, count=1) as (one,):
        await look(one)
    clock.move(days=40, minutes=30)
    async with workers(tmp_path, where, clock) as both:
        await look(*both)
        assert due(both[0]) == ["2027-05-06T22:00:00.000Z"] * expected
        clock.move(minutes=30)
        await look(*both)
        assert len(runs(both[0])) == expected + 1


@pytest.mark.anyio
async def test_a_change_of_workers_misses_nothing(tmp_path: Path, where: Place) -> None:
    """The last one ended just before the time, the next one begins half a minute after it."""
    write(tmp_path, '{ schedule: "0 * * * *" }')
    clock = Clock()
    async with workers(tmp_path, where, clock, count=1) as (one,):
        await look(one)
        clock.move(minutes=59, seconds=55)
        await look(one)
    clock.move(seconds=35)
    async with workers(tmp_path, where, clock, count=1) as (one,):
        await look(one)
        assert due(one) == ["2027-03-27T23:00:00.000Z"]


@pytest.mark.anyio
async def test_a_schedule_that_comes_back_does_not_make_up_for_the_time_it_was_gone(
    tmp_path: Path, where: Place
) -> None:
    """Nothing was missed: there was no schedule."""
    trigger = '{ schedule: "0 * * * *", missed: last }'
    write(tmp_path, trigger)
    clock = Clock()
    async with workers(tmp_path, where, clock, count=1) as (one,):
        await look(one)
        write(tmp_path)
        for _ in range(3):
            clock.move(minutes=40)
            await look(one)
        write(tmp_path, trigger)
        await look(one)
        assert runs(one) == []
        clock.move(minutes=60)
        await look(one)
        assert len(runs(one)) == 1


@pytest.mark.anyio
async def test_a_worker_with_a_simulator_takes_no_real_runs_place(tmp_path: Path, where: Place) -> None:
    """Where both are there, each time has a run here and one there."""
    write(tmp_path, '{ schedule: "0 * * * *" }')
    clock = Clock()
    async with (
        workers(tmp_path, where, clock, count=1) as (real,),
        workers(tmp_path, where, clock, count=1, sandbox=True) as (trial,),
    ):
        await look(trial, real)
        clock.move(hours=1)
        await look(trial, real)
        assert sorted(bool(row.options["sandbox"]) for row in runs(real)) == [False, True]
