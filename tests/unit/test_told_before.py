"""The start of a run whose answer tells of a run that was there before: that one is not waited for."""

from __future__ import annotations

from typing import Any

from definable.calls import Outcome, Phase, Receipt, Send, ToolCall
from definable.verify.case import Catalog
from definable.verify.flow import advance, settle
from tests.hexkit import toolkit

PROJECT = "0f0e6a2c-90ab-4def-8234-567890abcdef"
OLD, NEW = "11111111-90ab-4def-8234-567890abcdef", "22222222-90ab-4def-8234-567890abcdef"


def ran(run: str, status: str = "COMPLETED") -> dict[str, Any]:
    """Return a run as Hex shows it."""
    return {
        "projectId": PROJECT,
        "projectVersion": "1",
        "runId": run,
        "runUrl": "https://app.hex.tech/acme/app/x",
        "status": status,
        "startTime": "2026-11-23T10:00:00.000Z",
        "endTime": "2026-11-23T10:01:00.000Z",
        "elapsedTime": 60000,
        "runTrigger": "API",
        "traceId": "t",
    }


def test_an_old_run_is_not_taken_for_the_one_that_was_asked_for() -> None:
    """It had ended long ago, and would be done at once; the list has the one that was started."""
    catalog = Catalog(
        {slug: (toolkit(), tool) for slug, tool in toolkit().tools.items()}, exclusive=frozenset({"hex"})
    )
    asked = ToolCall(id="s.1", run="r", step="s", tool="HEX_RUN_PROJECT", arguments={"projectId": PROJECT})
    runs = [ran(OLD)]
    flow = settle(asked, catalog)
    step, sent = advance(flow, None), list[tuple[str, str]]()
    while isinstance(step, Send):
        sent.append((step.role, str(step.arguments.get("runId", ""))))
        status, body = 200, ran(NEW)
        if step.tool == "HEX_RUN_PROJECT":
            status, body = 201, {"projectId": PROJECT, "runId": OLD, "runUrl": ran(OLD)["runUrl"]}
            runs.insert(0, ran(NEW))
        elif step.tool == "HEX_GET_PROJECT_RUNS":
            body = {"runs": [*runs], "nextPage": None, "previousPage": None}
        step = advance(flow, Outcome(phase=Phase.COMMITTED, status=status, body=body, media="json"))
    assert isinstance(step, Receipt)
    assert (step.status, step.attempts, step.result["runId"]) == ("verified", 1, NEW)
    assert sent[:4] == [("before", ""), ("call", ""), ("look", ""), ("poll", NEW)]
    assert f"the answer tells of {OLD}, which was there before" in step.heals[-1].detail
