"""A run that begins where another one was: nothing of what that had done is asked for, or paid for, again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from definable.engine.fork import fork
from definable.errors import UsageError
from tests.integration.conftest import Bench, Hex

pytestmark = pytest.mark.anyio
Hexes = Callable[..., AbstractAsyncContextManager[Hex]]


async def test_a_fork_goes_on_from_a_step_with_other_inputs(hexes: Hexes, bench: Bench) -> None:
    """The Researcher is not asked again, its receipts are there, and the new brief is delivered elsewhere."""
    async with hexes() as hex:
        first = await bench.run(hex, "weekly-brief", {"project": hex.project()})
        asked = dict(hex.world.requests["HEX_LIST_PROJECTS"])
        async with bench.open(hex) as runner:
            other = hex.project("Daily Revenue Pulse")
            new = fork(runner, first.id, "brief", {"project": other})
            row = await runner.go(new.id)
            assert row.status == "done", row.error
            assert row.inputs == {"project": other, "days": 7}
            types = [event.type for event in runner.store.events(new.id)]
            assert types.count("model.called") == 1, "the Writer's turn"
            assert runner.spent(new.id)["calls"] == 1
            assert [r.call for r in runner.store.receipts(new.id)] == [
                r.call for r in runner.store.receipts(first.id)
            ]
            assert runner.store.events(new.id)[0].data == {"of": first.id, "step": "brief"}
        assert hex.world.requests["HEX_LIST_PROJECTS"] == asked
        assert hex.effects() == ["HEX_CREATE_CELL", "HEX_CREATE_CELL"]


async def test_what_was_never_come_to_is_no_place_to_begin(hexes: Hexes, bench: Bench) -> None:
    """The message names the step that is not done, or the steps that there are; no run is made."""
    async with hexes({"tool": "HEX_LIST_PROJECTS", "fault": "forbidden", "probability": 1.0}) as hex:
        failed = await bench.run(hex, "weekly-brief", {"project": hex.project()})
        async with bench.open(hex) as runner:
            runs = len(runner.store.runs())
            with pytest.raises(UsageError, match="has no step 'brif'; did you mean 'brief'"):
                fork(runner, failed.id, "brif", {})
            assert failed.status == "failed"
            with pytest.raises(UsageError, match="has not come to step 'deliver'"):
                fork(runner, failed.id, "deliver", {})
            with pytest.raises(UsageError):
                fork(runner, failed.id, "research", {"days": 99})
            assert len(runner.store.runs()) == runs
