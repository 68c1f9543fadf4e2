"""The life of a run in the sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from definable.sandbox.gateway import Request
from tests.unit.sandbox_desk import Desk


def _start(desk: Desk, title: str = "Daily Revenue Pulse", body: Any = None) -> tuple[int, Any]:
    return desk.ask("POST", f"/projects/{desk.project(title)}/runs", body)


def _look(desk: Desk, run: Any) -> Any:
    return desk.ask("GET", f"/projects/{run['projectId']}/runs/{run['runId']}")[1]


def test_a_run_waits_works_and_completes() -> None:
    """By the clock a run is PENDING, RUNNING, COMPLETED; times are null until known."""
    desk = Desk()
    status, run = _start(desk)
    assert (status, run["projectVersion"]) == (201, 31)
    assert "status" not in run
    waits = _look(desk, run)
    assert (waits["status"], waits["startTime"], waits["projectVersion"]) == ("PENDING", None, "31")
    desk.world.clock.advance(0.6)
    works = _look(desk, run)
    assert (works["status"], works["endTime"], works["elapsedTime"]) == ("RUNNING", None, None)
    assert works["startTime"] is not None
    desk.world.clock.advance(2)
    done = _look(desk, run)
    assert (done["status"], done["elapsedTime"], done["runTrigger"]) == ("COMPLETED", 2000, "API")
    assert desk.world.effects[0]["id"] == run["runId"]


def test_a_projects_character_decides_how_its_runs_end() -> None:
    """Runs of the failing forecast end ERRORED."""
    desk = Desk()
    _, run = _start(desk, "Inventory Reorder Forecast")
    desk.world.clock.advance(60)
    assert _look(desk, run)["status"] == "ERRORED"


def test_cancel_kills_a_run_once() -> None:
    """CancelRun answers 204 and leaves the run KILLED; a run that has ended is a 422."""
    desk = Desk()
    _, run = _start(desk)
    path = f"/projects/{run['projectId']}/runs/{run['runId']}"
    assert desk.raw("DELETE", path).status == 204
    assert _look(desk, run)["status"] == "KILLED"
    status, body = desk.ask("DELETE", path)
    assert (status, body["reason"]) == (422, "The run has already ended: KILLED")
    assert desk.tools == ["HEX_RUN_PROJECT", "HEX_CANCEL_RUN"]


def test_the_26th_kernel_is_a_503_and_no_run() -> None:
    """With 25 runs on, the next is refused and not started; ending one frees a kernel."""
    desk = Desk()
    runs = [_start(desk, "Warehouse Capacity Planner") for _ in range(25)]
    assert {status for status, _ in runs} == {201}
    status, body = _start(desk)
    assert (status, body["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert len(desk.world.effects) == 25
    desk.raw("DELETE", f"/projects/{runs[0][1]['projectId']}/runs/{runs[0][1]['runId']}")
    assert _start(desk)[0] == 201


def test_dry_runs_start_nothing() -> None:
    """dryRun gives an answer of the right shape and makes no run."""
    desk = Desk()
    before = len(desk.world.state["runs"])
    status, run = _start(desk, body={"dryRun": True})
    assert (status, run["runId"]) == (201, "00000000-0000-0000-0000-000000000000")
    assert (len(desk.world.state["runs"]), desk.world.effects) == (before, [])


@pytest.mark.parametrize(
    ("title", "body", "status", "message"),
    [
        ("Returns by Fulfilment Centre", None, 422, "no published version"),
        ("Customer Segments", None, 422, "A component cannot be run"),
        ("Legacy KPI Scorecard", None, 422, "archived or in the trash"),
        ("Daily Revenue Pulse", {"inputParams": None}, 422, "must be an object, not null"),
        ("Daily Revenue Pulse", {"inputParams": {}, "viewId": "v"}, 400, "cannot be combined"),
        ("Daily Revenue Pulse", {"inputParams": {}, "updatePublishedResults": True}, 422, "Cannot update"),
        ("Daily Revenue Pulse", {"dryRun": "true"}, 400, "Invalid request body"),
    ],
)
def test_what_cannot_run_is_refused(title: str, body: Any, status: int, message: str) -> None:
    """Unpublished, component and archived projects, and inputs that do not go together, start nothing."""
    desk = Desk()
    answered, refusal = _start(desk, title, body)
    assert (answered, desk.world.effects) == (status, [])
    assert message in refusal["message"]


def test_expanded_stats_are_a_header_away() -> None:
    """With enable-expanded-stats the answer has the run's history, without it has none."""
    desk = Desk()
    _, run = _start(desk)
    desk.world.clock.advance(60)
    assert "stateEvents" not in _look(desk, run)
    headers = {"authorization": f"Bearer {desk.world.token}", "enable-expanded-stats": "true"}
    out = desk.gateway.handle(
        Request("GET", f"/v1/projects/{run['projectId']}/runs/{run['runId']}", "", headers)
    )
    assert out.body.count(b'"timestamp"') == 3


def test_notifications_name_their_recipients() -> None:
    """A run with notifications answers with each recipient by name."""
    desk = Desk()
    wish = {"type": "FAILURE", "includeSuccessScreenshot": False, "userIds": [desk.world.state["admin"]]}
    _, run = _start(desk, body={"notifications": [wish]})
    assert run["notifications"][0]["recipient"]["name"] == "Priya Raman"
    assert _look(desk, run)["notifications"] == run["notifications"]
