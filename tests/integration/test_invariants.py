"""The six invariants of the graph, each held by a test."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from definable.calls import Decision, Outcome, Send
from definable.engine import segment
from definable.engine.history import spent
from definable.errors import ModelError
from definable.graph.build import build
from definable.limits import Usage
from definable.models import Request, ToolUse, Turn
from definable.models.failures import invalid
from definable.spec.workflow import Workflow
from definable.toolkits.adapter import Adapter
from definable.verify.plan import TRIES
from tests.integration.conftest import Bench, Hex

pytestmark = pytest.mark.anyio
Hexes = Callable[..., AbstractAsyncContextManager[Hex]]
ROOT = Path(__file__).parents[2] / "definable"
FINDINGS = {"title": "Nothing", "points": [], "markdown": "Nothing was found."}


class Script:
    """A model that says what the test wants, and remembers what it was told."""

    turns: ClassVar[list[list[ToolUse] | dict[str, Any] | ModelError]] = []
    requests: ClassVar[list[Request]] = []

    def __init__(self, environ: Any, offline: Any) -> None:
        """Take the place of Models."""

    def serves(self, model: str) -> str:
        """The name whose price counts."""
        return f"offline/{model}"

    async def turn(self, request: Request) -> Turn:
        """Say the next line."""
        self.requests.append(request)
        line = self.turns.pop(0)
        if isinstance(line, ModelError):
            raise line
        model = self.serves(request.model)
        if isinstance(line, dict):
            return Turn(artifact=line, model=model, offline=True)
        return Turn(uses=tuple(line), model=model, offline=True)

    async def aclose(self) -> None:
        """Nothing is open."""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> type[Script]:
    """Let a script stand in for the models."""
    monkeypatch.setattr(segment, "Models", Script)
    Script.turns, Script.requests = [], []
    return Script


def workflow(tmp_path: Path, tools: str, more: str = "") -> str:
    """Write a workflow of one researcher with these tools, and return its path."""
    path = tmp_path / "probe.yaml"
    path.write_text(
        "name: probe\ndescription: d\ninputs:\n  note: { type: string, default: x }\n"
        f"steps:\n  - id: look\n    agent: researcher\n    tools: [{tools}]\n    prompt: p\n{more}"
    )
    return str(path)


def test_one_door() -> None:
    """Only the Distributor performs attempts: nothing else in the graph or the engine calls `attempt`."""
    callers = {
        path.name
        for room in ("graph", "engine", "verify", "models", "cli")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "attempt"
    }
    assert callers == {"distributor.py"}


async def test_nothing_passes_unverified(
    hexes: Hexes, bench: Bench, script: type[Script], tmp_path: Path
) -> None:
    """A result that does not fit its contract waits for a person; the model hears that the call failed."""
    use = ToolUse(id="a", name="HEX_LIST_PROJECTS", arguments={"limit": 2})
    other = ToolUse(id="b", name="HEX_LIST_GROUPS", arguments={"limit": 2})
    script.turns = [[use, other], FINDINGS]
    remove = {"fault": "drift_remove", "times": 99, "with": {"path": "values[*].title"}}
    async with hexes({"tool": "HEX_LIST_PROJECTS", **remove}) as hex:
        row = await bench.run(hex, workflow(tmp_path, "HEX_LIST_*"), {})
        assert (row.status, row.reason) == ("waiting", "review")
        async with bench.open(hex) as runner:
            asked = runner.answer(row.id, None, Decision(approve=False, by="ann")).ask
            assert "wrong: values[*].title" in asked.diff[0].replace("values[0]", "values[*]")
            row = await runner.resume(row.id)
    assert row.status == "done", row.error
    told = script.requests[1].history[0].results[0]
    assert told.error
    assert "title" in told.content["error"]
    assert "creator" not in json.dumps(told.content["error"])


async def test_one_owner_of_retries(hexes: Hexes, bench: Bench) -> None:
    """No node of the compiled graph has a retry policy of LangGraph's own."""
    flow = Workflow.model_validate_json(
        json.dumps({"name": "w", "description": "d", "steps": [{"id": "a", "agent": "writer"}]})
    )
    nodes = build(flow).builder.nodes
    assert set(nodes) == {"writer", "distributor", "approval", "verifier"}
    assert all(node.retry_policy is None for node in nodes.values())


async def test_a_models_failures_go_through_the_same_classes(
    hexes: Hexes, bench: Bench, script: type[Script], tmp_path: Path
) -> None:
    """A 429 and a 5xx are waited out, a refused key parks the run, a refusal ends it until told to go on."""
    slow = ModelError("slow down", failure="rate_limited", retry_after=2)
    down = ModelError("it is down", failure="upstream_5xx")
    key = ModelError("the key was refused", failure="auth_expired")
    odd = ModelError("it refuses to answer", failure="permission")
    script.turns = [slow, down, key, odd, FINDINGS]
    async with hexes() as hex:
        row = await bench.run(hex, workflow(tmp_path, "HEX_LIST_PROJECTS"), {})
        assert (row.status, row.reason) == ("waiting", "auth")
        async with bench.open(hex) as runner:
            row = await runner.resume(row.id)
            assert row.status == "failed"
            assert "refuses to answer" in (row.error or {})["message"]
            row = await runner.resume(row.id)
        assert row.status == "done"
    assert len(script.requests) == 5


async def test_a_model_is_waited_for_within_the_runs_time(
    hexes: Hexes, bench: Bench, script: type[Script], tmp_path: Path
) -> None:
    """A wait that would end after the run's limit is not begun; what asks for none gets one all the same."""
    now = ModelError("slow down", failure="rate_limited", retry_after=0)
    later = ModelError("slow down", failure="rate_limited", retry_after=900)
    script.turns = [*[now] * 20, later, FINDINGS]
    path = workflow(tmp_path, "HEX_LIST_PROJECTS", "limits: { time: 10m }\n")
    async with hexes() as hex:
        began = hex.now()
        row = await bench.run(hex, path, {})
        assert 15 < hex.now() - began < 40
        assert (row.status, (row.error or {})["facts"]["limit"]) == ("limited", "time")
    assert "the next request to openai/" in (row.error or {})["message"]
    assert len(script.requests) == 21


async def test_a_models_answer_that_cannot_be_used_is_asked_for_again_and_paid_for(
    hexes: Hexes, bench: Bench, script: type[Script], tmp_path: Path
) -> None:
    """One malformed answer does not end a run; one that goes on like that does, at last."""
    usage = Usage(input_tokens=400, output_tokens=100)
    odd = invalid("openai/gpt-5.5", "its arguments for HEX_LIST_PROJECTS are not a JSON object", "{", usage)
    async with hexes() as hex:
        script.turns = [odd, odd, FINDINGS]
        row = await bench.run(hex, workflow(tmp_path, "HEX_LIST_PROJECTS"), {})
        assert (row.status, len(script.requests)) == ("done", 3)
        async with bench.open(hex) as runner:
            took = spent(runner.store, row.id)
        assert took["tokens"] == 2 * 500
        script.turns, script.requests = [odd] * 9, []
        row = await bench.run(hex, workflow(tmp_path, "HEX_LIST_PROJECTS"), {})
        assert (row.status, len(script.requests)) == ("failed", TRIES)


async def test_the_model_has_no_authority(
    hexes: Hexes, bench: Bench, script: type[Script], tmp_path: Path
) -> None:
    """What is not on the allowlist is not called; a target from free text waits for a person."""
    async with hexes() as hex:
        cell = hex.cells(hex.project())[0]["id"]
        contents = {"markdownCell": {"source": "owned"}}
        script.turns = [
            [ToolUse(id="a", name="HEX_DELETE_CELL", arguments={"cellId": cell})],
            [ToolUse(id="b", name="HEX_UPDATE_CELL", arguments={"cellId": cell, "contents": contents})],
        ]
        row = await bench.run(hex, workflow(tmp_path, "HEX_UPDATE_CELL"), {})
        told = script.requests[1].history[0].results[0].content["error"]
        assert "'HEX_DELETE_CELL' is not on the allowlist" in told
        assert (row.status, row.reason) == ("waiting", "approval")
        async with bench.open(hex) as runner:
            question = runner.store.open_asks(row.id)[0].ask.question
        assert f"cellId is {cell!r}, which is neither an input of this run" in question
        assert hex.effects() == []


async def test_a_target_from_a_verified_result_needs_nobody(
    hexes: Hexes, bench: Bench, script: type[Script], tmp_path: Path
) -> None:
    """An id that a verified list showed is identity, and may be written to."""
    async with hexes() as hex:
        project = hex.project()
        cell = next(c["id"] for c in hex.cells(project) if c["cellType"] == "MARKDOWN")
        contents = {"markdownCell": {"source": "better"}}
        script.turns = [
            [ToolUse(id="a", name="HEX_LIST_CELLS", arguments={"projectId": project})],
            [ToolUse(id="b", name="HEX_UPDATE_CELL", arguments={"cellId": cell, "contents": contents})],
            FINDINGS,
        ]
        row = await bench.run(hex, workflow(tmp_path, "HEX_LIST_CELLS, HEX_UPDATE_CELL"), {})
        assert row.status == "done", row.error
        assert hex.effects() == ["HEX_UPDATE_CELL"]


async def test_intent_before_effect(hexes: Hexes, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attempt of a write is in the ledger, and on the disk, before its first byte leaves."""
    seen: list[tuple[int, str, str]] = []
    async with hexes({"tool": "HEX_CREATE_CELL", "fault": "rate_limit", "times": 2}) as hex:
        arguments = {
            "projectId": hex.project(),
            "cellType": "MARKDOWN",
            "contents": {"markdownCell": {"source": "a"}},
        }
        async with bench.open(hex) as runner:
            attempt = Adapter.attempt

            async def watched(
                self: Adapter, send: Send, leaving: Callable[[], object] = lambda: None
            ) -> Outcome:
                def left() -> None:
                    before = state_of(send)
                    leaving()
                    seen.append((send.attempt, before, state_of(send)))

                return await attempt(self, send, left if send.effect else leaving)

            def state_of(send: Send) -> str:
                row = runner.store.effect(send.effect or "")
                return f"{row.state.value} {row.attempt}" if row else ""

            monkeypatch.setattr(Adapter, "attempt", watched)
            row, receipt = await runner.call("HEX_CREATE_CELL", arguments)
            assert row.status == "done"
            assert receipt is not None
            closed = runner.store.effects(row.id)[0]
            assert (closed.state, closed.evidence) == ("verified", "state")
    assert seen == [(1, "", "sent 1"), (2, "rejected 1", "sent 2"), (3, "rejected 2", "sent 3")]


async def test_the_log_is_the_truth(hexes: Hexes, bench: Bench) -> None:
    """Outputs, receipts and what is spent can all be told from the events alone."""
    async with hexes() as hex:
        row = await bench.run(hex, "weekly-brief", {"project": hex.project()})
        async with bench.open(hex) as runner:
            events = runner.store.events(row.id)
            receipts = runner.store.receipts(row.id)
            spent = runner.spent(row.id)
        assert [e.seq for e in events] == list(range(1, len(events) + 1))
        assert events == bench.events
        assert [e.call for e in events if e.type == "receipt"] == [r.call for r in receipts]
        assert events[-1].data["outputs"] == row.outputs
        assert spent["calls"] == sum(e.type == "call.proposed" for e in events) == len(receipts)
        assert {e.step: e.data["output"] for e in events if e.type == "step.done"}["deliver"] == receipts[
            -1
        ].result
