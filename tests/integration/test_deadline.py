"""A run that is not done by its deadline ends as limited: in the queue, before a wait, and while it waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from definable.cli.run import _deadline
from definable.engine.engine import Engine
from definable.engine.runner import Runner
from definable.errors import UsageError
from definable.settings import Settings
from definable.store import RunStatus
from definable.store.records import stamp
from definable.workspace import checked, find
from tests.integration.conftest import Hex

pytestmark = pytest.mark.anyio

Hexes = Callable[..., AbstractAsyncContextManager[Hex]]


@asynccontextmanager
async def opened(root: Path, hex: Hex) -> AsyncIterator[Runner]:
    """Open a runner whose clock `hex.sleep` moves."""
    space = find(root, {}, root)
    settings = Settings(offline=True)
    async with Runner.open(space, settings, hex.environ, sleep=hex.sleep, now=hex.now) as runner:
        yield runner


def submitted(runner: Runner, hex: Hex, seconds: float) -> str:
    """Submit the weekly brief, to be done in so many seconds by the clock that tests move."""
    until = stamp(datetime.fromtimestamp(hex.now() + seconds, UTC))
    workflow = checked(runner.workspace, "weekly-brief")
    return runner.submit(workflow, {"project": hex.project()}, priority=10, deadline=until).id


async def test_a_queued_run_past_its_deadline_ends_when_it_is_taken_up(tmp_path: Path, hexes: Hexes) -> None:
    """Nothing is asked of anybody for it."""
    async with hexes() as hex, opened(tmp_path, hex) as runner:
        row = await runner.go(submitted(runner, hex, -1), wait=False)
        assert row.status == "limited"
        assert row.error
        assert "was to be done by" in str(row.error["message"])
        assert "submit it again with a later deadline" in str(row.error["hint"])
        assert sum(sum(each.values()) for each in hex.world.requests.values()) == 0
        assert (await runner.go(row.id, wait=False)).status == "limited"


async def test_a_deadline_in_no_year_is_refused(tmp_path: Path, hexes: Hexes) -> None:
    """It is one where it was written, and none in UTC."""
    async with hexes() as hex, opened(tmp_path, hex) as runner:
        workflow = checked(runner.workspace, "weekly-brief")
        for text in ("9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+14:00"):
            with pytest.raises(UsageError, match="is in no year of UTC"):
                await Engine(runner).submit(
                    workflow, {"project": hex.project()}, deadline=datetime.fromisoformat(text)
                )


async def test_no_wait_is_begun_that_would_end_after_the_deadline(tmp_path: Path, hexes: Hexes) -> None:
    """Ten minutes to wait, five to go: it ends now, and says what it would have waited for."""
    fault: dict[str, Any] = {"tool": "HEX_CREATE_CELL", "fault": "rate_limit", "with": {"retry_after": 600}}
    async with hexes(fault) as hex, opened(tmp_path, hex) as runner:
        row = await runner.go(submitted(runner, hex, 300), wait=False)
        assert row.status == "limited", row
        assert row.error
        assert "HEX_LIST_CELLS cannot be sent before" in str(row.error["message"])
        assert hex.effects() == []
        assert runner.store.moving() == 0


async def test_a_deadline_that_is_met_changes_nothing(tmp_path: Path, hexes: Hexes) -> None:
    """Neither does a wait that ends before it."""
    fault: dict[str, Any] = {"tool": "HEX_CREATE_CELL", "fault": "rate_limit", "with": {"retry_after": 60}}
    async with hexes(fault) as hex, opened(tmp_path, hex) as runner:
        run = submitted(runner, hex, 3600)
        assert (await runner.go(run, wait=False)).reason == "quota"
        assert (await runner.go(run)).status == "done"


async def test_a_run_that_waits_past_its_deadline_is_due(tmp_path: Path, hexes: Hexes) -> None:
    """Whatever it waits for: a worker takes it up, and it ends."""
    async with hexes() as hex, opened(tmp_path, hex) as runner:
        late = submitted(runner, hex, -3600)
        early = submitted(runner, hex, 3600 * 24 * 3650)
        for run in (late, early):
            runner.store.set_status(run, RunStatus.WAITING, reason="auth")
        assert [row.id for row in runner.store.due()] == [late]
        assert runner.store.requeue(late, RunStatus.WAITING, why="due")
        assert (await runner.go(late, wait=False)).status == "limited"


async def test_a_deadline_is_a_span_or_a_moment() -> None:
    """`2h` is from now on; a moment needs its zone, and must be to come."""
    ahead = _deadline("2h", detached=True)
    assert ahead
    assert abs(ahead - datetime.now(UTC) - timedelta(hours=2)) < timedelta(minutes=1)
    assert _deadline("2126-11-30T07:00:00Z", detached=True) == datetime(2126, 11, 30, 7, tzinfo=UTC)
    assert _deadline(None, detached=False) is None
    for text, detached, wrong in (
        ("2h", False, "--deadline goes with --detach"),
        ("soon", True, "'soon' is no time"),
        ("2126-11-30T07:00:00", True, "is no time"),
        ("99999999999999d", True, "is no time"),
        ("2020-01-01T00:00:00Z", True, "is over already"),
    ):
        with pytest.raises(UsageError, match=wrong):
            _deadline(text, detached=detached)


async def test_a_limit_is_raised_in_the_file_and_holds_for_the_next_stretch(
    tmp_path: Path, hexes: Hexes
) -> None:
    """No process has to be started anew for it, though it has read the file before."""
    steps = "".join(f"  - {{ id: s{n}, call: HEX_LIST_USERS, arguments: {{ limit: 1 }} }}\n" for n in (1, 2))
    text = f"name: twice\ndescription: Two reads.\nsteps:\n{steps}limits: {{ calls: 1 }}\n"
    (tmp_path / "workflows").mkdir()
    file = tmp_path / "workflows" / "twice.yaml"
    file.write_text(text)
    async with hexes() as hex, opened(tmp_path, hex) as runner:
        options = runner.options.model_copy(update={"file": "twice"})
        run = runner.submit(checked(runner.workspace, "twice"), {}, options=options, priority=10).id
        assert (await runner.go(run, wait=False)).status == "limited"
        file.write_text(text.replace("calls: 1", "calls: 2"))
        assert (await runner.resume(run)).status == "done"
