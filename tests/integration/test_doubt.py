"""What is in doubt is never passed for done: doubles, lookalikes, lies, and a world that changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from definable.calls import Decision, ToolCall
from definable.engine import segment
from definable.errors import UsageError
from definable.models import ToolUse
from definable.sandbox import Faults
from definable.store import Event, RunRow
from tests.integration.conftest import Bench, Hex
from tests.integration.test_invariants import FINDINGS, Script, workflow

pytestmark = pytest.mark.anyio
Hexes = Callable[..., AbstractAsyncContextManager[Hex]]
YES = Decision(approve=True, by="ann")
PULSE = "Daily Revenue Pulse"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> type[Script]:
    """Let a script stand in for the models."""
    monkeypatch.setattr(segment, "Models", Script)
    Script.turns, Script.requests = [], []
    return Script


def cell(project: str, source: str = "# One") -> dict[str, Any]:
    """Return the arguments of a cell."""
    contents = {"markdownCell": {"source": source}}
    return {"projectId": project, "cellType": "MARKDOWN", "label": "Note", "contents": contents}


@pytest.mark.parametrize(("seconds", "cells"), [(3, 1), (9, 1), (60, 2)])
async def test_an_effect_later_than_the_settle_time_is_the_limit(
    hexes: Hexes, bench: Bench, seconds: int, cells: int
) -> None:
    """Within 10 s it is adopted. After it there are two, and the receipt says that it was resent."""
    late = {"tool": "HEX_CREATE_CELL", "fault": "late_commit", "with": {"seconds": seconds}}
    async with hexes(late) as hex:
        async with bench.open(hex) as runner:
            row, receipt = await runner.call("HEX_CREATE_CELL", cell(hex.project()))
        assert receipt is not None
        assert row.status == "done"
        assert receipt.heals[-1].rule == ("adopted" if cells == 1 else "resent")
        assert ("should an earlier attempt come through later" in receipt.message) == (cells == 2)
        hex.world.clock.advance(3600)
        assert hex.effects() == ["HEX_CREATE_CELL"] * cells


@pytest.mark.parametrize("late", [{"looks": 3}, {"seconds": 11}, {"seconds": 19}])
async def test_a_double_that_shows_is_for_a_person(hexes: Hexes, bench: Bench, late: dict[str, Any]) -> None:
    """The first attempt comes through within two settle times: both are named, none is verified."""
    late = {"tool": "HEX_CREATE_CELL", "fault": "late_commit", "with": late}
    async with hexes(late) as hex:
        async with bench.open(hex) as runner:
            row, receipt = await runner.call("HEX_CREATE_CELL", cell(hex.project()))
            effects = runner.store.effects(row.id)
        assert receipt is not None
        assert receipt.status == "needs_review"
        assert "it is there 2 times" in receipt.message
        assert [e.state for e in effects] == ["needs_review"]


async def turn_of(
    hexes: Hexes, bench: Bench, script: type[Script], path: str, sources: list[str], *faults: dict[str, Any]
) -> tuple[Hex, Any, list[Any]]:
    """Let an agent propose a cell for each source in one turn; return what came of it."""
    async with hexes(*faults) as hex:
        uses = [
            ToolUse(id=f"u{n}", name="HEX_CREATE_CELL", arguments=cell(hex.project(), source))
            for n, source in enumerate(sources)
        ]
        script.turns = [uses, FINDINGS]
        row = await bench.run(hex, path, {"note": hex.project()})
        return hex, row, await bench.receipts(hex, row.id)


@pytest.mark.parametrize("sources", [["# One", "# One"], ["# One", "# Two"]])
@pytest.mark.parametrize("fault", ["lost_answer", "reset", "noop", "late_commit"])
@pytest.mark.parametrize("after", [0, 1])
async def test_two_creates_of_one_turn_are_two_cells(
    hexes: Hexes,
    bench: Bench,
    script: type[Script],
    tmp_path: Path,
    sources: list[str],
    fault: str,
    after: int,
) -> None:
    """Alike or not, and whichever answer is lost: neither is taken for the other."""
    lost = {"tool": "HEX_CREATE_CELL", "fault": fault, "after": after}
    path = workflow(tmp_path, "HEX_CREATE_CELL")
    hex, row, receipts = await turn_of(hexes, bench, script, path, sources, lost)
    assert row.status == "done", row.error
    assert [r.status for r in receipts] == ["verified"] * 2
    assert len({r.result["id"] for r in receipts}) == 2
    assert hex.effects() == ["HEX_CREATE_CELL"] * 2


async def test_a_model_does_not_go_on_over_what_is_in_doubt(
    hexes: Hexes, bench: Bench, script: type[Script], tmp_path: Path
) -> None:
    """A write that needs a person ends the run: the model cannot ask for it once more."""
    faults = (
        {"tool": "HEX_CREATE_CELL", "fault": "noop"},
        {"tool": "HEX_GET_CELL", "fault": "error_before", "times": 99},
    )
    path = workflow(tmp_path, "HEX_CREATE_CELL")
    hex, row, receipts = await turn_of(hexes, bench, script, path, ["# One"], *faults)
    assert (row.status, [r.status for r in receipts]) == ("failed", ["needs_review"])
    assert "cannot be read back" in (row.error or {})["message"]
    assert len(script.requests) == 1
    assert hex.effects() == []


async def test_a_refused_key_under_two_reads_is_left_once(
    hexes: Hexes, bench: Bench, script: type[Script], tmp_path: Path
) -> None:
    """Both are answered 401 by the first key, and both go on with the second; nobody is asked."""
    async with hexes({"tool": "HEX_GET_*", "fault": "revoke"}) as hex:
        hex.environ["HEX_API_TOKEN_NEXT"] = hex.world.issue_token()
        cells = [c["id"] for c in hex.cells(hex.project())][:2]
        uses = [ToolUse(id=c, name="HEX_GET_CELL", arguments={"cellId": c}) for c in cells]
        script.turns = [uses, FINDINGS]
        row = await bench.run(hex, workflow(tmp_path, "HEX_GET_CELL"), {})
        assert row.status == "done", row.error
        assert [r.result["id"] for r in await bench.receipts(hex, row.id)] == cells


async def call(
    hex: Hex, bench: Bench, slug: str, given: dict[str, Any], **options: Any
) -> tuple[RunRow, Any]:
    """Make one call."""
    async with bench.open(hex, **options) as runner:
        return await runner.call(slug, given)


async def test_polls_wait_out_a_quota(hexes: Hexes, bench: Bench) -> None:
    """A 429 on a poll is waited out, and the run is started once."""
    slow = {"tool": "HEX_GET_RUN_STATUS", "fault": "rate_limit", "times": 3, "with": {"retry_after": 5}}
    async with hexes(slow) as hex:
        row, receipt = await call(hex, bench, "HEX_RUN_PROJECT", {"projectId": hex.project(PULSE)})
        assert (row.status, receipt.result["status"]) == ("done", "COMPLETED")
        assert hex.effects() == ["HEX_RUN_PROJECT"]


@pytest.mark.parametrize("ending", ["ERRORED", "KILLED", "UNABLE_TO_ALLOCATE_KERNEL"])
async def test_a_run_that_ends_badly_is_a_failure(hexes: Hexes, bench: Bench, ending: str) -> None:
    """It was started once, and how it ended is in the message."""
    odd = {"tool": "HEX_GET_RUN_STATUS", "fault": "drift_enum", "with": {"path": "status", "to": ending}}
    async with hexes(odd) as hex:
        row, receipt = await call(hex, bench, "HEX_RUN_PROJECT", {"projectId": hex.project(PULSE)})
        assert (row.status, receipt.status) == ("failed", "failed")
        assert f"ended {ending}" in receipt.message
        assert hex.effects() == ["HEX_RUN_PROJECT"]


async def test_a_list_that_disagrees_with_the_runs_status_is_told(hexes: Hexes, bench: Bench) -> None:
    """The run has completed by its status, and the list says something else: it is not verified."""
    odd = {
        "tool": "HEX_GET_PROJECT_RUNS",
        "fault": "drift_enum",
        "after": 1,
        "times": 9,
        "with": {"path": "runs[*].status", "to": "ERRORED"},
    }
    async with hexes(odd) as hex:
        _, receipt = await call(hex, bench, "HEX_RUN_PROJECT", {"projectId": hex.project(PULSE)})
        assert receipt.status == "failed"
        assert "does not agree with the run's own status" in receipt.message
        assert hex.effects() == ["HEX_RUN_PROJECT"]


async def test_a_run_that_never_ends_meets_the_limit(hexes: Hexes, bench: Bench, tmp_path: Path) -> None:
    """`limits.time` ends the wait; the run was started once, and resuming polls it on."""
    stuck = {
        "tool": "HEX_GET_RUN_STATUS",
        "fault": "drift_enum",
        "times": 999,
        "with": {"path": "status", "to": "PENDING"},
    }
    path = tmp_path / "stuck.yaml"
    async with hexes(stuck) as hex:
        path.write_text(
            "name: stuck\ndescription: d\nsteps:\n  - id: run\n    call: HEX_RUN_PROJECT\n"
            f"    arguments: {{ projectId: {hex.project(PULSE)} }}\nlimits: {{ time: 2s }}\n"
        )
        row = await bench.run(hex, str(path), {})
        assert row.status == "limited", row.error
        assert hex.effects() == ["HEX_RUN_PROJECT"]


@pytest.mark.parametrize("alone", [True, False])
async def test_a_lost_dry_run_adopts_nobodys_run(hexes: Hexes, bench: Bench, alone: bool) -> None:
    """A dry run starts nothing, so a new run is somebody else's; it is sent again without a look."""
    async with hexes({"tool": "HEX_RUN_PROJECT", "fault": "lost_answer"}) as hex:
        if alone:
            hex.environ["HEX_TOKEN_EXCLUSIVE"] = "1"
        foreign = {**next(iter(hex.world.state["runs"].values())), "id": hex.world.new_id(), "trigger": "API"}
        foreign |= {"projectId": hex.project(PULSE), "asked": hex.world.now() + 1}
        hex.world.state["runs"][foreign["id"]] = foreign
        given = {"projectId": hex.project(PULSE), "dryRun": True}
        row, receipt = await call(hex, bench, "HEX_RUN_PROJECT", given)
        assert (row.status, receipt.evidence) == ("done", "response")
        assert receipt.result["runId"] != foreign["id"]
        assert hex.effects() == []


async def test_a_lost_run_among_several_new_ones_is_for_a_person(hexes: Hexes, bench: Bench) -> None:
    """Even with a token of our own, two new runs are not told apart; both are named as candidates."""
    async with hexes({"tool": "HEX_RUN_PROJECT", "fault": "lost_answer"}) as hex:
        hex.environ["HEX_TOKEN_EXCLUSIVE"] = "1"
        project = hex.project(PULSE)

        def watch(event: Event) -> None:
            if event.type == "exchange" and not hex.world.state.get("planted"):
                hex.world.state["planted"] = True
                run = {**next(iter(hex.world.state["runs"].values())), "id": hex.world.new_id()}
                run |= {"projectId": project, "trigger": "API", "asked": hex.world.now()}
                hex.world.state["runs"][run["id"]] = run

        async with bench.open(hex) as runner:
            row, _ = await runner.call("HEX_RUN_PROJECT", {"projectId": project}, watch)
            assert (row.status, row.reason) == ("waiting", "review")
            ask = runner.store.open_asks(row.id)[0].ask
            assert len(ask.candidates) == 2
            runner.answer(row.id, None, Decision(approve=False, by="ann"))
            ended = await runner.resume(row.id)
            assert ended.status == "failed"
            assert [e.state for e in runner.store.effects(row.id)] == ["needs_review"]
        assert hex.effects() == ["HEX_RUN_PROJECT"]


def ensured(path: Path, users: list[str]) -> str:
    """Write a workflow that ensures a group with these users, and return its path."""
    members = ", ".join(f"{{ id: {user} }}" for user in users)
    path.write_text(
        "name: ensure\ndescription: d\nsteps:\n  - id: make\n    ensure: [name]\n    call: HEX_CREATE_GROUP\n"
        f"    arguments: {{ name: Analysts of ours, members: {{ users: [{members}] }} }}\n"
    )
    return str(path)


def group(hex: Hex) -> str:
    """Plant a group and return its id."""
    key = hex.world.new_id()
    row = {"id": key, "name": "Analysts of ours", "createdAt": 1.0, "members": []}
    hex.world.state["groups"][key] = row
    return key


async def test_ensuring_what_is_there_several_times_is_for_a_person(
    hexes: Hexes, bench: Bench, tmp_path: Path
) -> None:
    """Nothing is sent, and both ids are named."""
    async with hexes() as hex:
        twins = [group(hex), group(hex)]
        row = await bench.run(hex, ensured(tmp_path / "w.yaml", []), {}, yes_to=("HEX_*",))
        receipt = (await bench.receipts(hex, row.id))[0]
        assert receipt.status == "needs_review"
        assert all(twin in receipt.message for twin in twins)
        assert hex.effects() == []


async def test_an_ensured_call_asks_for_what_it_becomes(hexes: Hexes, bench: Bench, tmp_path: Path) -> None:
    """Making a group asks nobody, editing one does: so ensuring one asks, and the yes is to the edit."""
    async with hexes() as hex:
        key, user = group(hex), next(iter(hex.world.state["users"]))
        path = ensured(tmp_path / "w.yaml", [user])
        row = await bench.run(hex, path, {})
        assert (row.status, row.reason) == ("waiting", "approval")
        async with bench.open(hex) as runner:
            ask = runner.store.open_asks(row.id)[0].ask
            assert ask.tool == "HEX_EDIT_GROUP"
            del hex.world.state["groups"][key]
            runner.answer(row.id, None, YES)
            ended = await runner.resume(row.id)
        assert ended.status == "failed"
        assert "was approved, and what is there has changed since" in (ended.error or {})["message"]
        assert hex.effects() == []


async def test_what_is_gone_when_the_yes_comes_is_not_deleted(hexes: Hexes, bench: Bench) -> None:
    """The cell was deleted by somebody else in the meantime: nothing is sent, and the message says so."""
    async with hexes() as hex:
        gone = hex.cells(hex.project())[0]["id"]
        async with bench.open(hex) as runner:
            row, _ = await runner.call("HEX_DELETE_CELL", {"cellId": gone})
            del hex.world.state["cells"][gone]
            runner.answer(row.id, None, YES)
            ended = await runner.resume(row.id)
            receipt = runner.store.receipt(row.id, "call.1")
        assert ended.status == "failed"
        assert receipt is not None
        assert "not sent: what is there cannot be read: HEX_GET_CELL: 404" in receipt.message
        assert hex.effects() == []


async def test_the_yes_to_all_drafts_is_a_yes_to_these(hexes: Hexes, bench: Bench) -> None:
    """What is asked about is the exact list, the hash is of that list, and a later draft is not published."""
    async with hexes() as hex:
        async with bench.open(hex) as runner:
            row, _ = await runner.call("HEX_PUBLISH_GUIDE_DRAFTS", {"publishAllDraftGuides": True})
            asked = runner.store.open_asks(row.id)[0]
            exact = {"tool": "HEX_PUBLISH_GUIDE_DRAFTS", "arguments": asked.ask.arguments}
            wanted = ToolCall.model_validate({"id": "x", "step": "x", "run": "x", **exact}).arguments_hash
            assert asked.ask.arguments_hash == wanted
            with pytest.raises(UsageError, match="for other arguments"):
                runner.store.answer(asked.id, YES.model_copy(update={"arguments_hash": "another"}))
            late = {
                **next(iter(hex.world.state["guides"].values())),
                "id": hex.world.new_id(),
                "draft": "# Late",
            }
            hex.world.state["guides"][late["id"]] = {**late, "filePath": "guides/late.md"}
            runner.answer(row.id, None, YES)
            assert (await runner.resume(row.id)).status == "done"
        assert hex.world.state["guides"][late["id"]]["draft"] == "# Late"


SOME: list[dict[str, Any]] = [
    {"fault": "rate_limit", "with": {"retry_after": 1}},
    {"fault": "error_before"},
    {"fault": "error_after"},
    {"fault": "lost_answer"},
    {"fault": "reset"},
    {"fault": "garbage"},
    {"fault": "noop"},
    {"fault": "late_commit", "with": {"seconds": 4}},
    {"fault": "drift_wrap"},
    {"fault": "unauthorized"},
]


@pytest.mark.parametrize("seed", range(8))
async def test_a_run_is_true_under_many_faults_at_once(hexes: Hexes, bench: Bench, seed: int) -> None:
    """With every kind of fault now and then: what is verified happened once, what waits goes on."""
    async with hexes() as hex:
        plan = [{"tool": "HEX_*", "probability": 0.02, **each} for each in SOME]
        hex.faults.entries = Faults.parse({"seed": seed, "faults": plan}).entries
        project = hex.project(PULSE)
        target = next(c for c in hex.cells(project) if c["cellType"] == "SQL")
        inputs: dict[str, Any] = {"project": project}
        if name := ("ship-change" if seed % 2 else ""):
            inputs |= {"cell": target["id"], "request": "tidy it up"}
        row = await bench.run(hex, name or "weekly-brief", inputs)
        for _ in range(20):
            if row.status != "waiting":
                break
            hex.environ["HEX_API_TOKEN"] = hex.world.issue_token()
            async with bench.open(hex) as runner:
                for asked in runner.store.open_asks(row.id):
                    if asked.ask.reason != "auth":
                        runner.answer(
                            row.id, asked.call, Decision(approve=asked.ask.reason == "approval", by="ann")
                        )
                row = await runner.resume(row.id)
        assert row.status in ("done", "failed"), row
        await _true(hex, bench, row)


async def _true(hex: Hex, bench: Bench, row: RunRow) -> None:
    """Compare the receipts of a run with what really happened."""
    hex.world.clock.advance(3600)
    happened = Counter(hex.effects())
    receipts = [r for r in await bench.receipts(hex, row.id) if r.effect]
    for slug in {r.tool for r in receipts} | set(happened):
        mine = [r for r in receipts if r.tool == slug]
        sure = sum(r.status == "verified" and "already" not in r.message for r in mine)
        assert sure <= happened[slug] <= len(mine), (slug, [r.brief() for r in mine])


async def test_no_answer_in_time_is_a_no(hexes: Hexes, bench: Bench, tmp_path: Path) -> None:
    """An approval that expired cannot be given any more, and resuming takes the silence for a no."""
    path = tmp_path / "late.yaml"
    async with hexes() as hex:
        target = hex.cells(hex.project())[0]["id"]
        path.write_text(
            "name: late\ndescription: d\nsteps:\n  - id: gone\n    call: HEX_DELETE_CELL\n"
            f"    arguments: {{ cellId: {target} }}\n"
            "approvals: [{ tools: [HEX_DELETE_*], timeout: 0.001s }]\n"
        )
        row = await bench.run(hex, str(path), {})
        assert (row.status, row.reason) == ("waiting", "approval")
        async with bench.open(hex) as runner:
            with pytest.raises(UsageError, match="expired at"):
                runner.answer(row.id, None, YES)
            ended = await runner.resume(row.id)
            receipt = runner.store.receipt(row.id, "gone.1")
        assert receipt is not None
        assert (ended.status, receipt.status, receipt.decided_by) == ("failed", "denied", "timeout")
        assert hex.effects() == []
