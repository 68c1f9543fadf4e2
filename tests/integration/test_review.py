"""What does not trace after the last revision goes to a person, who takes it as it is or ends the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from definable.calls import Decision
from definable.models import offline
from definable.models.offline.seen import Seen
from tests.integration.conftest import Bench

pytestmark = pytest.mark.anyio


@pytest.fixture
def invents(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the offline Writer add a sentence that stands nowhere; return how often it was asked."""
    asked: list[int] = []
    honest = offline.SHAPES[frozenset({"markdown"})]

    def write(seen: Seen) -> dict[str, Any]:
        asked.append(len(seen.reasons))
        draft = honest(seen)
        return {"markdown": draft["markdown"] + "\n\n“Revenue Dashboard” failed 12 times."}

    monkeypatch.setitem(offline.SHAPES, frozenset({"markdown"}), write)
    return asked


async def test_after_the_last_revision_a_person_decides(
    hexes: Callable[..., Any], bench: Bench, invents: list[int]
) -> None:
    """The draft goes back twice, as the workflow says; then the run waits with the draft and the reasons."""
    async with hexes() as hex:
        row = await bench.run(hex, "weekly-brief", {"project": hex.project()})
        assert (row.status, row.reason, len(invents)) == ("waiting", "review", 3)
        async with bench.open(hex) as runner:
            (asked,) = runner.store.open_asks(row.id)
            assert asked.ask.arguments["artifact"]["markdown"].endswith("failed 12 times.")
            assert any("Revenue Dashboard" in reason for reason in asked.ask.arguments["reasons"])
            assert "after going back 2 times" in asked.ask.question
            runner.answer(row.id, None, Decision(approve=True, by="priya", reason="it is new"))
            done = await runner.resume(row.id)
            assert done.status == "done"
            log = {event.type: event.data for event in runner.store.events(row.id) if event.step == "brief"}
        assert log["artifact.accepted"]["by"] == "priya"
        assert log["artifact.accepted"]["hash"] == asked.ask.arguments_hash
        assert log["step.done"]["accepted_by"] == "priya"
        (cell,) = [c for c in hex.cells(hex.project()) if "Weekly brief" in str(c["label"])]
        assert "Revenue Dashboard" in json.dumps(cell)


async def test_a_person_who_says_no_ends_the_run(
    hexes: Callable[..., Any], bench: Bench, invents: list[int]
) -> None:
    """The run fails with the reasons and who denied, and nothing is written."""
    async with hexes() as hex:
        row = await bench.run(hex, "weekly-brief", {"project": hex.project()})
        async with bench.open(hex) as runner:
            runner.answer(row.id, None, Decision(approve=False, by="tomas", reason="no such project"))
            ended = await runner.resume(row.id)
        assert ended.status == "failed"
        assert ended.error is not None
        message = ended.error["message"]
        assert "denied by tomas (no such project)" in message
        assert "names 'Revenue Dashboard'" in message
        assert hex.effects() == []
