"""Runs that another process left, or an older version, go on: nothing is done, asked or paid for again."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from benchmarks.points import Points
from definable.engine import segment
from definable.engine.runner import Runner
from definable.sandbox import World, serve
from definable.store import Event
from tests import warm
from tests.replay.story import STORY, Scripted, opened, to_the_end

HERE = Path(__file__).parent
STEP = 7
"""Every seventh point is tried, and every fourteenth twice."""

ONCE: dict[str, Callable[[Event], Any]] = {
    "run.started": lambda event: "",
    "run.done": lambda event: "",
    "step.started": lambda event: event.step,
    "step.done": lambda event: event.step,
    "model.called": lambda event: event.data["key"],
    "call.refused": lambda event: (event.data["key"], event.data["use"]),
    "call.proposed": lambda event: event.call,
    "exchange": lambda event: (event.call, event.data["n"]),
    "receipt": lambda event: event.call,
    "ask": lambda event: event.data["id"],
    "decision": lambda event: event.data["id"],
    "artifact": lambda event: (event.step, str(event.data["artifact"])),
    "artifact.rejected": lambda event: (event.step, event.data["revision"]),
    "artifact.accepted": lambda event: event.step,
}
"""Type of event → by what it is one of a kind."""


def twice(events: list[Event]) -> list[Any]:
    """Return what stands in a log more than once."""
    marks = Counter((e.type, ONCE[e.type](e)) for e in events if e.type in ONCE)
    return [mark for mark, count in marks.items() if count > 1]


@pytest.mark.anyio
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", [path.name for path in sorted(HERE.glob("*.db.gz"))])
async def test_the_runs_of_an_older_version_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Wherever they stood, each writes its cell once; what its model had said is not asked for again."""
    (tmp_path / "definable.db").write_bytes(gzip.decompress((HERE / name).read_bytes()))
    in_time(tmp_path / "definable.db")
    monkeypatch.setattr(segment, "Models", Scripted)
    monkeypatch.setattr(Scripted, "paid", tmp_path / "paid.txt")
    monkeypatch.setattr(Scripted, "troubles", False)
    with serve(World(quotas=False)) as served:
        environ = {"HEX_BASE_URL": served.base_url, "HEX_API_TOKEN": served.token}
        async with opened(str(tmp_path), environ) as runner:
            rows = runner.store.runs()
            for row in rows:
                said = {e.data["key"] for e in runner.store.events(row.id) if e.type == "model.called"}
                asks = len(runner.store.open_asks(row.id))
                ended = await to_the_end(runner, row)
                assert ended.status == "done", (row.id, ended.error)
                events = runner.store.events(row.id)
                assert twice(events) == []
                again = [line.split()[1] for line in Scripted.lines() if line.startswith(row.id)]
                assert said.isdisjoint(again)
                assert {*said, *again} == {"look/0", "look/1", "look/2", "draft/0"}
                assert sum(e.type == "ask" for e in events) == sum(e.type == "decision" for e in events)
                assert asks <= 1
        assert len(served.world.effects) == len(rows) == 10


def in_time(file: Path) -> None:
    """Have its questions answered as soon as they were then: the file does not grow younger."""
    later = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}.000Z"
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("UPDATE asks SET expires_at = ? WHERE expires_at IS NOT NULL", (later,))


def work(home: str, environ: dict[str, str], project: str, chosen: int, told: Any) -> None:
    """Begin the story, or go on with it, until the chosen point; tell how many points there were."""
    setattr(segment, "Models", Scripted)  # noqa: B010 - it is not exported
    Scripted.paid = Path(home, "paid.txt")
    points = Points(chosen)
    points.install()
    asyncio.run(on(home, environ, project))
    told.send(points.passed)


async def on(home: str, environ: dict[str, str], project: str) -> None:
    """Begin the story, or go on with it, to its end."""
    async with opened(home, environ) as runner:
        row = next(iter(runner.store.runs()), None)
        if row is None:
            run = await runner.start(STORY, {"project": project})
            row = await runner.go(run, wait=False)
        row = await to_the_end(runner, row)
        assert row.status == "done", row.error


def spend(fork: ForkServerContext, *given: Any) -> int | None:
    """Run a child; return how many points it passed, None when it was killed."""
    ours, theirs = fork.Pipe(duplex=False)
    process = fork.Process(target=work, args=(*given, theirs))
    process.start()
    theirs.close()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return int(ours.recv()) if process.exitcode == 0 else None


async def log(home: str, environ: dict[str, str]) -> list[Event]:
    """Return the log of the one run."""
    async with opened(home, environ) as runner:
        found: Runner = runner
        return [event for row in found.store.runs() for event in found.store.events(row.id)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("again", [False, True], ids=["killed once", "killed again while recovering"])
def test_the_log_alone_leads_a_killed_run_to_where_it_stood(tmp_path: Path, again: bool) -> None:
    """Killed anywhere, the story ends with the log of one that was not: nothing stands in it twice."""
    fork = warm.forks()
    with serve(World(quotas=False)) as served:
        project = next(i for i, p in served.world.state["projects"].items() if "Weekly" in p["title"])
        environ = {"HEX_BASE_URL": served.base_url, "HEX_API_TOKEN": served.token}
        clean: list[str] = []
        for chosen in (10_000, *range(1 + again, 10_000, STEP * (1 + again))):
            home = tmp_path / f"{chosen}"
            home.mkdir()
            before = len(served.world.effects)
            given = fork, str(home), environ, project
            over = spend(*given, chosen)
            killed = asyncio.run(log(str(home), environ))
            stored = {e.data["key"] for e in killed if e.type == "model.called"}
            paid = [line.split()[1] for line in paid_in(home)]
            if over is None and again:
                spend(*given, chosen // 2 + 1)
            if over is None:
                assert spend(*given, 0) is not None, chosen
            later = [line.split()[1] for line in paid_in(home)][len(paid) :]
            assert stored.isdisjoint(later), chosen
            events = asyncio.run(log(str(home), environ))
            assert twice(events) == [], chosen
            assert len(served.world.effects) == before + 1, chosen
            told = sorted(e.type for e in events if e.type in ONCE and e.type != "exchange")
            clean = clean or told
            assert told == clean, chosen
            if over is not None and chosen != 10_000:
                break
            os.remove(home / "definable.db")
        assert chosen > 60, "there were points to die at"


def paid_in(home: Path) -> list[str]:
    """Return the answers that models gave for the runs in a home."""
    paid = home / "paid.txt"
    return (
        [line for line in paid.read_text().splitlines() if not line.startswith("failed")]
        if paid.exists()
        else []
    )
