"""A write whose answer was lost, and a list that now shows things in another way: nothing is made twice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.integration.conftest import Bench, Hex

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
