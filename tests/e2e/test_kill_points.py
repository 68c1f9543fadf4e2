"""A process, or its machine, dies wherever anything is written or sent: nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
import signal
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from benchmarks.points import Points
from definable.engine.options import Options
from definable.engine.runner import Runner
from definable.sandbox import World, serve
from definable.settings import Settings
from definable.store.place import FILE
from definable.workspace import find
from tests import warm
from tests.postgres import PostgresServer

STEP = 3
"""Every third point is tried, from another start on each pass."""


async def at_once(seconds: float) -> None:
    """Let no time pass."""


def opened(home: str, environ: dict[str, str]) -> Any:
    """Open a runner on a home, or on the database that is named beside the keys."""
    space = find(Path(__file__).parent, {"DEFINABLE_HOME": home})
    return Runner.open(space, Settings(database=environ.get("DATABASE")), environ, Options(), at_once)


async def work(home: str, environ: dict[str, str], arguments: dict[str, Any]) -> str:
    """Start the call, or go on with it; return where its run stands."""
    async with opened(home, environ) as runner:
        runs = runner.store.runs()
        if not runs:
            row, _ = await runner.call("HEX_CREATE_CELL", arguments)
        elif runs[0].status == "done":
            row = runs[0]
        else:
            row = await runner.resume(runs[0].id)
        return str(row.status.value)


def child(
    home: str, environ: dict[str, str], arguments: dict[str, Any], chosen: int, power: bool, told: Any
) -> None:
    """Work until the chosen point, in a process of its own; tell how many points there were."""
    points = Points(chosen, Path(home, f"{FILE}-wal") if power else None)
    points.install()
    asyncio.run(work(home, environ, arguments))
    told.send(points.passed)


@pytest.fixture(scope="module")
def fork() -> ForkServerContext:
    """Start processes from one that has everything imported."""
    return warm.forks()


def spend(fork: ForkServerContext, *given: Any) -> int | None:
    """Run a child; return how many points it passed, None when it was killed."""
    ours, theirs = fork.Pipe(duplex=False)
    process = fork.Process(target=child, args=(*given, theirs))
    process.start()
    theirs.close()
    process.join(20)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return int(ours.recv()) if process.exitcode == 0 else None


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("second", "power", "server"),
    [(False, False, False), (True, False, False), (False, True, False), (True, False, True)],
    ids=["killed once", "killed again while recovering", "power failure", "killed again, on a server"],
)
def test_every_point_is_a_good_one_to_die_at(
    tmp_path: Path, fork: ForkServerContext, postgres: PostgresServer, second: bool, power: bool, server: bool
) -> None:
    """Whatever the last thing was that got done, in the end the cell is there exactly once."""
    with serve(World(quotas=False)) as served:
        project = next(iter(served.world.state["projects"]))
        environ = {"HEX_BASE_URL": served.base_url, "HEX_API_TOKEN": served.token}
        tried = 0
        for chosen in range(1 + second, 10_000, STEP):
            tried += 1
            home = str(tmp_path / f"{chosen}")
            if server:
                postgres.reclaim()
                environ["DATABASE"] = postgres.database()
            arguments = {
                "projectId": project,
                "cellType": "MARKDOWN",
                "label": f"{second} {power} {server} {chosen}",
                "contents": {"markdownCell": {"source": "text"}},
            }
            before = len(served.world.effects)
            over = spend(fork, home, environ, arguments, chosen, power)
            if second:
                spend(fork, home, environ, arguments, chosen // 2 + 1, power)
            assert asyncio.run(work(home, environ, arguments)) == "done", chosen
            assert len(served.world.effects) == before + 1, chosen
            if over is not None:
                break
        assert tried > 15, "there were points to die at"
