"""A write whose answer was lost, and a list that now shows things in another way: nothing is made twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.integration.conftest import Bench, Hex
from tests.integration.test_keys import definable

pytestmark = pytest.mark.anyio

Hexes = Callable[..., AbstractAsyncContextManager[Hex]]
LOST = {"tool": "HEX_CREATE_CELL", "fault": "lost_answer"}
DRIFTS: dict[str, tuple[str, dict[str, Any]]] = {
    "another name": ("drift_rename", {"from": "values[*].label", "to": "name"}),
    "null": ("drift_null", {"path": "values[*].label"}),
    "a new word": ("drift_enum", {"path": "values[*].cellType", "to": "NOTE"}),
    "gone": ("drift_remove", {"path": "values[*].contents.markdownCell.source"}),
    "an id of another name": ("drift_rename", {"from": "values[*].id", "to": "uid"}),
    "an envelope": ("drift_wrap", {"key": "data"}),
}


@pytest.mark.parametrize("drift", DRIFTS)
async def test_what_a_changed_list_does_not_show_is_not_made_again(
    hexes: Hexes, bench: Bench, drift: str
) -> None:
    """It changes between the look before and the one after: found all the same, or a person is asked."""
    fault, how = DRIFTS[drift]
    changed = {"tool": "HEX_LIST_CELLS", "fault": fault, "times": 99, "after": 1, "with": how}
    async with hexes(LOST, changed) as hex:
        project = hex.project()
        cell = {"cellType": "MARKDOWN", "label": "Note", "contents": {"markdownCell": {"source": "Hello"}}}
        async with bench.open(hex) as runner:
            row, receipt = await runner.call(
                "HEX_CREATE_CELL", {"projectId": project, **cell}, bench.events.append
            )
        assert hex.effects() == ["HEX_CREATE_CELL"]
    assert (row.status, receipt and receipt.status) in [("done", "verified"), ("waiting", None)]


@pytest.mark.parametrize("again", [False, True])
async def test_what_was_made_in_another_form_is_taken_unless_another_is_wanted(
    hexes: Hexes, bench: Bench, again: bool
) -> None:
    """A plain yes to the question sends nothing; the receipt says who took what is there."""
    other = {"fault": "drift_enum", "times": 4}
    seen = {"tool": "HEX_GET_CELL", **other, "with": {"path": "contents.markdownCell.source", "to": "HELLO"}}
    path = "values[*].contents.markdownCell.source"
    listed = {"tool": "HEX_LIST_CELLS", **other, "after": 1, "with": {"path": path, "to": "HELLO"}}
    async with hexes(seen, listed) as hex:
        cell = {"cellType": "MARKDOWN", "label": "Note", "contents": {"markdownCell": {"source": "Hello"}}}
        async with bench.open(hex) as runner:
            row, _ = await runner.call("HEX_CREATE_CELL", {"projectId": hex.project(), **cell})
        assert (row.status, row.reason) == ("waiting", "review")
        hex.faults.entries = []
        shown = definable(bench.home, hex.environ, "runs", "show", row.id).stdout
        assert "it was made, and is there in another form" in shown
        assert f"runs approve {row.id} call.1    take " in shown
        assert "--send-again    send it again: a second one is made" in shown
        more = ["--send-again"] if again else []
        done = definable(bench.home, hex.environ, "runs", "approve", row.id, *more, "--json")
        (receipt,) = json.loads(done.stdout)["receipts"]
        assert hex.effects() == ["HEX_CREATE_CELL"] * (2 if again else 1)
        if again:  # the list was wrong and both are alike: that there are two is told
            assert (done.returncode, receipt["status"]) == (1, "needs_review")
            assert "it is there 2 times" in receipt["message"]
        else:
            assert (done.returncode, receipt["status"], receipt["evidence"]) == (0, "verified", "existence")
            assert f"{receipt['decided_by']} took it as it is" in receipt["message"]


async def test_a_question_without_that_choice_takes_no_such_answer(hexes: Hexes, bench: Bench) -> None:
    """Where a plain yes sends again already, the option is refused and nothing is sent."""
    async with hexes({"tool": "HEX_DEACTIVATE_USER", "fault": "lost_answer"}) as hex:
        user = next(iter(hex.world.state["users"]))
        async with bench.open(hex) as runner:
            row, _ = await runner.call("HEX_DEACTIVATE_USER", {"userId": user}, approve=True)
        assert row.reason == "review"
        done = definable(bench.home, hex.environ, "runs", "approve", row.id, "--send-again")
        assert done.returncode == 2
        assert "--send-again is no answer to what call.1 asks" in done.stderr
        shown = definable(bench.home, hex.environ, "runs", "show", row.id).stdout
        assert "it did not happen: send it again" in shown
        assert "it stays in doubt, and nothing is sent" in shown
