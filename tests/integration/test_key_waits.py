"""Runs that wait for a key go on by themselves when one appears, and lose nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from definable.engine.history import seconds_at_work
from definable.engine.waits import key_comes
from definable.spec.toolkit import Source
from definable.store import Event, RunRow
from definable.toolkits.credentials import KeyRing
from definable.workspace.check import checked
from tests.integration.conftest import Bench, Hex

pytestmark = pytest.mark.anyio
Hexes = Callable[..., AbstractAsyncContextManager[Hex]]


def _file(hex: Hex, tmp_path: Path) -> Path:
    """Let the key come from a file alone."""
    file = tmp_path / "key"
    file.write_text(hex.environ.pop("HEX_API_TOKEN"))
    hex.environ["HEX_API_TOKEN_FILE"] = str(file)
    return file


async def test_a_waiting_run_goes_on_when_the_file_brings_another_key(
    hexes: Hexes, bench: Bench, tmp_path: Path
) -> None:
    """It says what it looks at, writes once, and the hours of the wait are no work."""
    async with hexes({"tool": "HEX_CREATE_CELL", "fault": "revoke"}) as hex:
        file, looks = _file(hex, tmp_path), []

        async def sleep(seconds: float) -> None:
            looks.append(seconds)
            await hex.sleep(seconds)
            if len(looks) == 30:
                file.write_text(hex.world.issue_token())

        async with bench.open(hex) as runner:
            runner.sleep = sleep
            run = await runner.start(checked(runner.workspace, "weekly-brief"), {"project": hex.project()})
            row = await runner.go(run, bench.events.append, wait=True)
        assert row.status == "done", row.error
        assert hex.effects() == ["HEX_CREATE_CELL"]
        types = [event.type for event in bench.events]
        assert types.index("run.waiting") < types.index("key.awaited") < types.index("run.resumed")


async def test_without_a_source_that_can_change_nobody_waits(hexes: Hexes, bench: Bench) -> None:
    """The variables of a process stay as they are: the run is put down at once."""
    async with hexes({"tool": "HEX_CREATE_CELL", "fault": "revoke"}) as hex, bench.open(hex) as runner:
        run = await runner.start(checked(runner.workspace, "weekly-brief"), {"project": hex.project()})
        row = await runner.go(run, bench.events.append, wait=True)
        assert (row.status, row.reason) == ("waiting", "auth")
        assert "key.awaited" not in [event.type for event in bench.events]


async def test_whoever_waits_lets_go_of_a_run_that_another_process_goes_on_with(
    hexes: Hexes, bench: Bench, tmp_path: Path
) -> None:
    """A person resumes it elsewhere with another key: it is done once, and both say so."""
    async with hexes({"tool": "HEX_CREATE_CELL", "fault": "revoke"}) as hex:
        _file(hex, tmp_path)
        async with bench.open(hex) as runner:
            run = await runner.start(checked(runner.workspace, "weekly-brief"), {"project": hex.project()})
            waits = asyncio.create_task(runner.go(run, bench.events.append, wait=True))
            while "key.awaited" not in [event.type for event in bench.events]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            fresh = {"HEX_BASE_URL": hex.served.base_url, "HEX_API_TOKEN": hex.world.issue_token()}
            async with bench.open(hex, fresh) as other:
                assert (await other.resume(run)).status == "done"
            assert (await waits).status == "done"
        assert hex.effects() == ["HEX_CREATE_CELL"]


def test_what_a_person_answers_after_hours_is_no_work() -> None:
    """A stretch of work ends where the run begins to wait."""
    times = ("run.started", "00:00:00"), ("run.waiting", "00:00:10"), ("decision", "03:00:00")
    more = ("run.resumed", "03:00:01"), ("run.done", "03:00:06")
    events = [
        Event(run="r", seq=n, at=f"2026-11-23T{at}Z", type=type, data={})
        for n, (type, at) in enumerate((*times, *more), 1)
    ]
    assert seconds_at_work(events) == 15.0
    assert seconds_at_work(events[:3]) == 10.0


async def test_nobody_waits_while_one_of_two_products_can_have_no_key(tmp_path: Path) -> None:
    """A file may bring a key for one; for the other only a person can: going on would park again at once."""
    file = tmp_path / "key"
    file.write_text("there")
    fed = KeyRing([Source(file_env="FILE")], {"FILE": str(file)})
    empty = KeyRing([Source(env="KEY")], {})
    row = RunRow(id="r", workflow="w", definition={})
    nothing: Any = None
    assert not await key_comes(nothing, row, [fed, empty], nothing, nothing)
