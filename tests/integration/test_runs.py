"""Whole runs against the sandbox: what is delivered, what is healed, what waits, and what ends them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from definable.calls import Decision
from definable.engine.options import Options
from definable.engine.runner import Runner
from definable.errors import UsageError
from definable.settings import Settings
from definable.store import Event, RunStatus
from definable.workspace import find
from definable.workspace.check import checked
from tests.integration.conftest import Bench, Hex

pytestmark = pytest.mark.anyio
Hexes = Callable[..., AbstractAsyncContextManager[Hex]]
WORKFLOWS = Path(__file__).parents[2] / "workflows"
YES = Decision(approve=True, by="ann")
NO = Decision(approve=False, by="ann", reason="not now")


async def test_the_weekly_brief_ends_as_one_verified_cell(hexes: Hexes, bench: Bench) -> None:
    """A 429 and a lost answer on the way; the brief is in Hex once, and each number in it is known."""
    async with hexes(
        {"tool": "HEX_GET_PROJECT_RUNS", "fault": "rate_limit", "after": 3, "with": {"retry_after": 1}},
        {"tool": "HEX_CREATE_CELL", "fault": "lost_answer"},
    ) as hex:
        row = await bench.run(hex, "weekly-brief", {"project": hex.project()})
        assert row.status == "done"
        assert hex.effects() == ["HEX_CREATE_CELL"]
        receipts = await bench.receipts(hex, row.id)
        assert {r.status for r in receipts} == {"verified"}
        healed = {(h.failure.value, h.rule) for r in receipts for h in r.heals}
        assert healed == {("rate_limited", "retry_after"), ("unknown_outcome", "adopted")}
        cell = hex.world.state["cells"][row.outputs["cell"]] if row.outputs else {}
        assert cell["source"] == (row.outputs or {})["brief"]


async def test_twice_in_a_week_leaves_one_brief(hexes: Hexes, bench: Bench) -> None:
    """The second run brings the first one's cell up to date."""
    async with hexes() as hex:
        first = await bench.run(hex, "weekly-brief", {"project": hex.project()})
        hex.world.state["cells"][(first.outputs or {})["cell"]]["source"] = "old"
        second = await bench.run(hex, "weekly-brief", {"project": hex.project()})
        assert second.status == "done"
        assert (first.outputs or {})["cell"] == (second.outputs or {})["cell"]
        assert hex.effects() == ["HEX_CREATE_CELL", "HEX_UPDATE_CELL"]


async def test_context_pull_leaves_a_guide_draft(hexes: Hexes, bench: Bench) -> None:
    """The findings are in the draft that the workflow names."""
    async with hexes() as hex:
        row = await bench.run(hex, "context-pull", {"question": "How is churn risk scored?"})
        assert row.status == "done", row.error
        assert hex.effects() == ["HEX_UPSERT_GUIDE_DRAFT"]
        assert (row.outputs or {})["findings"]


async def test_ship_change_changes_notes_and_marks(hexes: Hexes, bench: Bench) -> None:
    """The cell has the change, a note stands beside it, the project has its status."""
    async with hexes() as hex:
        project = hex.project("Daily Revenue Pulse")
        cell = next(c for c in hex.cells(project) if c["cellType"] == "SQL")
        word = next(w for w in cell["source"].split() if w.isalpha())
        request = f'replace "{word}" with "{word.lower()}_x"'
        inputs = {"project": project, "cell": cell["id"], "request": request}
        row = await bench.run(hex, "ship-change", inputs)
        assert row.status == "done", row.error
        assert hex.effects() == ["HEX_UPDATE_CELL", "HEX_CREATE_CELL", "HEX_UPDATE_PROJECT"]
        assert f"{word.lower()}_x" in hex.world.state["cells"][cell["id"]]["source"]
        assert "cannot publish" in (row.outputs or {})["published"]


async def test_ship_change_runs_the_published_version(hexes: Hexes, bench: Bench) -> None:
    """With `run`, the project's run is waited for, and it is finished when the step is done."""
    async with hexes() as hex:
        hex.world.clock.speed = 600
        project = hex.project("Daily Revenue Pulse")
        cell = next(c for c in hex.cells(project) if c["cellType"] == "SQL")
        inputs = {"project": project, "cell": cell["id"], "request": "tidy it up", "run": True}
        row = await bench.run(hex, "ship-change", inputs)
        assert row.status == "done", row.error
        assert hex.effects()[-1] == "HEX_RUN_PROJECT"
        ran = (await bench.receipts(hex, row.id))[-1]
        assert (ran.result["status"], ran.evidence) == ("COMPLETED", "state")


async def test_ship_chart_draws_with_data_from_the_runs(hexes: Hexes, bench: Bench) -> None:
    """A code cell that compiles, and a note after it."""
    async with hexes() as hex:
        row = await bench.run(hex, "ship-chart", {"project": hex.project("Daily Revenue Pulse")})
        assert row.status == "done", row.error
        assert hex.effects() == ["HEX_CREATE_CELL", "HEX_CREATE_CELL"]
        source = hex.world.state["cells"][(row.outputs or {})["chart"]]["source"]
        compile(source, "cell", "exec")


async def test_a_researcher_that_could_read_nothing_does_not_end_as_done(hexes: Hexes, bench: Bench) -> None:
    """When not one call came through, the run fails with why, and nothing is written from nothing."""
    async with hexes({"tool": "HEX_LIST_PROJECTS", "fault": "huge", "times": 50}) as hex:
        row = await bench.run(hex, "context-pull", {"question": "How is churn risk scored?"})
        assert row.status == "failed"
        assert "step 'research': HEX_LIST_PROJECTS failed" in str(row.error)
        assert hex.effects() == []


async def test_without_a_key_left_the_run_waits_and_goes_on(hexes: Hexes, bench: Bench) -> None:
    """A revoked token parks the run; with a new one it ends, and nothing was done twice."""
    async with hexes({"tool": "HEX_CREATE_CELL", "fault": "revoke"}) as hex:
        row = await bench.run(hex, "weekly-brief", {"project": hex.project()})
        assert (row.status, row.reason) == ("waiting", "auth")
        reads = dict(hex.world.requests)
        async with bench.open(hex) as runner:
            still = await runner.resume(row.id)
            assert (still.status, still.reason) == ("waiting", "auth")
        fresh = {**hex.environ, "HEX_API_TOKEN": hex.world.issue_token()}
        async with bench.open(hex, fresh) as runner:
            ended = await runner.resume(row.id)
        assert ended.status == "done"
        assert hex.effects() == ["HEX_CREATE_CELL"]
        again = hex.world.requests["HEX_GET_PROJECT_RUNS"]
        assert again == reads["HEX_GET_PROJECT_RUNS"], "what was read before the wait is not read again"


async def test_the_next_key_of_the_ring_is_taken(hexes: Hexes, bench: Bench) -> None:
    """A 401 in the middle: the run moves to the next key and nobody is asked."""
    async with hexes({"tool": "HEX_GET_PROJECT_RUNS", "fault": "revoke", "after": 2}) as hex:
        hex.environ["HEX_API_TOKEN_NEXT"] = hex.world.issue_token()
        row = await bench.run(hex, "weekly-brief", {"project": hex.project()})
        assert row.status == "done"
        rules = {h.rule for r in await bench.receipts(hex, row.id) for h in r.heals}
        assert rules == {"next_source"}


async def test_a_delete_waits_for_a_person(hexes: Hexes, bench: Bench) -> None:
    """Approved it happens once; a second approval is refused; denied it does not happen."""
    async with hexes() as hex:
        one, two = [c["id"] for c in hex.cells(hex.project())][:2]
        async with bench.open(hex) as runner:
            row, receipt = await runner.call("HEX_DELETE_CELL", {"cellId": one})
            assert (row.status, row.reason, receipt) == ("waiting", "approval", None)
            assert (await runner.resume(row.id)).status == "waiting"
            assert hex.effects() == []
            runner.answer(row.id, None, YES)
            assert (await runner.resume(row.id)).status == "done"
            with pytest.raises(UsageError, match="waits for no answer"):
                runner.answer(row.id, None, YES)
            other, _ = await runner.call("HEX_DELETE_CELL", {"cellId": two})
            runner.answer(other.id, None, NO)
            ended = await runner.resume(other.id)
            assert ended.status == "failed"
            assert "was denied: not now" in (ended.error or {})["message"]
        assert hex.effects() == ["HEX_DELETE_CELL"]


async def test_an_answer_ahead_needs_no_waiting(hexes: Hexes, bench: Bench) -> None:
    """`yes_to` with a glob that matches lets the call go out at once."""
    async with hexes() as hex:
        cell = hex.cells(hex.project())[0]["id"]
        async with bench.open(hex, yes_to=("HEX_DELETE_*",)) as runner:
            row, receipt = await runner.call("HEX_DELETE_CELL", {"cellId": cell})
        assert row.status == "done"
        assert receipt is not None
        assert receipt.evidence == "existence"


async def test_a_lost_run_asks_unless_the_token_is_ours_alone(hexes: Hexes, bench: Bench) -> None:
    """One new run that others could have started: a person decides; with an exclusive token it is adopted."""
    async with hexes({"tool": "HEX_RUN_PROJECT", "fault": "lost_answer", "times": 2}) as hex:
        hex.world.clock.speed = 600
        project = {"projectId": hex.project("Daily Revenue Pulse")}
        async with bench.open(hex) as runner:
            row, _ = await runner.call("HEX_RUN_PROJECT", project)
            assert (row.status, row.reason) == ("waiting", "review")
            ask = runner.store.open_asks(row.id)[0].ask
            runner.answer(row.id, None, Decision(approve=True, by="ann", adopt=ask.candidates[0]["id"]))
            assert (await runner.resume(row.id)).status == "done"
        async with bench.open(hex, {**hex.environ, "HEX_TOKEN_EXCLUSIVE": "1"}) as runner:
            row, receipt = await runner.call("HEX_RUN_PROJECT", project)
            assert row.status == "done"
            assert receipt is not None
            assert receipt.heals[-1].rule == "adopted"
        assert hex.effects() == ["HEX_RUN_PROJECT"] * 2


@pytest.mark.parametrize(
    ("limits", "limit"),
    [({"calls": 3}, "tool calls"), ({"tokens": 900}, "tokens"), ({"time": "2s"}, "cannot be sent before")],
)
async def test_a_limit_stops_before_it_is_broken(
    hexes: Hexes, bench: Bench, limits: dict[str, Any], limit: str, tmp_path: Path
) -> None:
    """The run ends `limited`, says which limit, and nothing was written."""
    slow = {"tool": "HEX_CREATE_CELL", "fault": "rate_limit", "with": {"retry_after": 600}}
    async with hexes(slow) as hex:
        file = tmp_path / "weekly-brief.yaml"
        text = (WORKFLOWS / "weekly-brief.yaml").read_text()
        told = ", ".join(f"{k}: {v}" for k, v in limits.items())
        head = text[: text.index("limits:")]
        file.write_text(f"{head}limits: {{ {told} }}\n")
        row = await bench.run(hex, str(file), {"project": hex.project()})
        assert row.status == "limited"
        assert limit in (row.error or {})["message"]
        assert hex.effects() == []


async def test_a_cancelled_run_sends_nothing_more(hexes: Hexes, bench: Bench) -> None:
    """Cancelled from elsewhere while it works: it stops before its next call."""
    async with hexes() as hex:
        async with bench.open(hex) as runner:
            run = await runner.start(checked(runner.workspace, "weekly-brief"), {"project": hex.project()})

            def watch(event: Event) -> None:
                if event.type == "exchange" and runner.store.run(run).status == "running":
                    runner.store.set_status(run, RunStatus.CANCELLED)

            row = await runner.go(run, watch)
            assert row.status == "cancelled"
            with pytest.raises(UsageError, match="nothing to go on with"):
                await runner.resume(run)
        assert hex.effects() == []


async def test_a_run_cancelled_at_its_very_end_stays_cancelled(hexes: Hexes, bench: Bench) -> None:
    """Its last step is over, and it has not been said yet that the run is: it is neither done nor failed."""
    async with hexes() as hex, bench.open(hex) as runner:
        run = await runner.start(checked(runner.workspace, "weekly-brief"), {"project": hex.project()})

        def watch(event: Event) -> None:
            if event.type == "step.done" and event.step == "deliver":
                runner.store.set_status(run, RunStatus.CANCELLED)

        row = await runner.go(run, watch)
        assert (row.status, row.error) == (RunStatus.CANCELLED, None)
        assert {event.type for event in runner.store.events(run)}.isdisjoint({"run.done", "run.failed"})
        assert hex.effects() == ["HEX_CREATE_CELL"]


DRIFTS: list[dict[str, Any]] = [
    {"fault": "drift_retype", "with": {"path": "label", "to": "number"}},
    {"fault": "drift_wrap"},
    {"fault": "drift_case"},
    {"fault": "drift_status"},
    {"fault": "drift_add", "with": {"path": "somethingNew"}},
    {"fault": "drift_rename", "with": {"from": "projectId", "to": "project_id"}},
    {"fault": "garbage"},
    {"fault": "truncated"},
    {"fault": "empty"},
    {"fault": "cut"},
    {"fault": "error_after"},
    {"fault": "error_before"},
    {"fault": "reset"},
    {"fault": "noop"},
    {"fault": "unauthorized"},
    {"fault": "late_commit", "with": {"seconds": 1}},
]


@pytest.mark.parametrize("fault", DRIFTS, ids=lambda f: f["fault"])
async def test_a_cell_is_written_exactly_once_whatever_happens_to_the_answer(
    hexes: Hexes, bench: Bench, fault: dict[str, Any]
) -> None:
    """Each fault on the write itself: the receipt is verified by the state, and the effect happened once."""
    async with hexes({"tool": "HEX_CREATE_CELL", **fault}) as hex:
        hex.environ["HEX_API_TOKEN_NEXT"] = hex.world.issue_token()
        arguments = {
            "project_id": hex.project(),
            "cellType": "MARKDOWN",
            "label": "12",
            "contents": {"markdownCell": {"source": "# Hello"}},
        }
        async with bench.open(hex) as runner:
            row, receipt = await runner.call("HEX_CREATE_CELL", arguments)
        assert row.status == "done", row.error
        assert receipt is not None
        assert (receipt.status, receipt.evidence) == ("verified", "state")
        assert hex.effects() == ["HEX_CREATE_CELL"]


async def test_a_sandbox_run_touches_nothing_real(hexes: Hexes, bench: Bench, tmp_path: Path) -> None:
    """A tool of a product that has no simulator is refused before anything is started."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tmp_path / "workflows").mkdir()
    page = (Path(__file__).parents[2] / "docs" / "toolkits.md").read_text()
    (tools / "todo.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    space = find(tmp_path, {"DEFINABLE_HOME": str(bench.home)})
    async with Runner.open(space, Settings(), {}, Options(sandbox=True)) as runner:
        with pytest.raises(UsageError, match="there is no simulator of"):
            await runner.call("TODO_LIST_TASKS", {"listId": "l1"})
        assert runner.store.runs() == []


async def test_a_step_has_a_time_of_its_own(hexes: Hexes, bench: Bench, tmp_path: Path) -> None:
    """A step's limit counts from its own beginning, and a raised limit lets the run go on."""
    file = tmp_path / "w.yaml"
    text = (
        "name: w\ndescription: d\ninputs: { p: string }\nsteps:\n"
        "  - { id: a, call: HEX_GET_PROJECT, limits: { time: LIMIT },\n"
        "      arguments: { projectId: '${{ inputs.p }}' } }\n"
    ).replace("p: string", "p: { type: string }")
    file.write_text(text.replace("LIMIT", "5s"))
    slow = {"tool": "HEX_GET_PROJECT", "fault": "rate_limit", "with": {"retry_after": 60}}
    async with hexes(slow) as hex:
        row = await bench.run(hex, str(file), {"p": hex.project()}, file=str(file))
        assert row.status == "limited"
        assert "the step a may take 5 s" in (row.error or {})["message"]
        file.write_text(text.replace("LIMIT", "5m"))
        async with bench.open(hex) as runner:
            row = await runner.resume(row.id)
        assert row.status == "done", row.error
