"""The projection of a run's log to AG-UI events: pure, so tried on logs that are written out here."""

from __future__ import annotations

from typing import Any

from ag_ui.core import BaseEvent

from definable.calls import Ask
from definable.service.agui_events import Projection, Turn
from definable.store import Event, RunRow

ROW = RunRow(
    id="r1",
    workflow="w",
    definition={"steps": [{"id": "look", "agent": "researcher"}, {"id": "do", "call": "T"}]},
    inputs={"a": 1},
)

SENT = {"kind": "send", "tool": "T", "role": "call"}
ASK = Ask(reason="approval", question="May it?", tool="T", arguments={"x": 1}, arguments_hash="h")
ASKED = {**ASK.model_dump(mode="json"), "id": "q1", "expires_at": "2026-11-23T10:00:00.000Z"}


def receipt(status: str = "verified") -> dict[str, Any]:
    """Return the data of a receipt that was healed once."""
    heal = {"class": "rate_limited", "rule": "waited", "detail": "waited 1 s"}
    facts = {"call": "do.1", "tool": "T", "arguments": {"x": 1}, "status": status, "evidence": "state"}
    return {**facts, "attempts": 2, "heals": [heal], "message": "", "link": ""}


LOG: list[tuple[str, str | None, str | None, dict[str, Any]]] = [
    ("run.started", None, None, {}),
    ("step.started", "look", None, {"kind": "agent", "agent": "researcher"}),
    ("model.called", "look", None, {"model": "p/m", "input_tokens": 10, "output_tokens": 2}),
    ("model.called", "look", None, {"model": "p/m", "input_tokens": 5, "output_tokens": 1}),
    ("artifact.rejected", "look", None, {"reasons": ["7 traces to nothing"]}),
    ("step.done", "look", None, {"output": {"markdown": "# Found"}}),
    ("step.started", "do", None, {"kind": "call", "tool": "T"}),
    ("call.proposed", "do", "do.1", {"tool": "T", "arguments": {"x": 1}}),
    ("ask", None, "do.1", ASKED),
    ("run.waiting", None, None, {"reason": "approval"}),
    ("decision", None, "do.1", {"id": "q1", "approve": True, "by": "ann", "reason": "", "at": "then"}),
    ("run.resumed", None, None, {"reason": "approval"}),
    ("exchange", None, "do.1", {"n": 1, "order": SENT, "reply": {"status": 429, "phase": "rejected"}}),
    ("verdict", "do", "do.1", {"n": 1, "move": "wait", "verdict": {"failure": "rate_limited"}}),
    ("exchange", None, "do.1", {"n": 2, "order": SENT, "reply": {"status": 200, "phase": "committed"}}),
    ("verdict", "do", "do.1", {"n": 2, "move": "verified", "verdict": {"failure": "ok"}}),
    ("receipt", None, "do.1", receipt()),
    ("step.done", "do", None, {"output": {"id": "c"}}),
    ("run.done", None, None, {"outputs": {"cell": "c", "none": None}}),
]


def events(log: list[tuple[str, str | None, str | None, dict[str, Any]]] = LOG) -> list[Event]:
    """Return a log as events."""
    return [
        Event(run="r1", seq=n, at="2026-11-23T09:00:00.000Z", type=kind, step=step, call=call, data=data)
        for n, (kind, step, call, data) in enumerate(log, 1)
    ]


def told(turn: Turn, log: list[Event], since: int = 0) -> list[dict[str, Any]]:
    """Return what a client is told, as JSON."""
    projection = Projection(turn, ROW, lambda call: None)
    found: list[BaseEvent] = projection.opening(event for event in log if event.seq <= since)
    for event in log:
        if event.seq > since:
            found += projection.take(event)
    return [each.model_dump(mode="json", by_alias=True) for each in found]


def patched(document: Any, patch: list[dict[str, Any]]) -> None:
    """Apply a JSON Patch that only adds and replaces."""
    for change in patch:
        *way, last = change["path"].split("/")[1:]
        place = document
        for part in way:
            place = place[int(part)] if isinstance(place, list) else place[part]
        if isinstance(place, list) and last == "-":
            place.append(change["value"])
        elif isinstance(place, list):
            place[int(last)] = change["value"]
        else:
            assert change["op"] == "add" or last in place
            place[last] = change["value"]


FIRST, SECOND = told(Turn("t", "1"), events()), told(Turn("t", "2"), events(), since=10)


def kinds(found: list[dict[str, Any]]) -> list[str]:
    """Return the types of events."""
    return [each["type"] for each in found]


def test_a_question_ends_the_first_turn() -> None:
    """Whatever the log goes on to say is for the next one."""
    assert kinds(FIRST)[:2] == ["RUN_STARTED", "STATE_SNAPSHOT"]
    assert kinds(FIRST)[-2:] == ["STEP_FINISHED", "RUN_FINISHED"]
    [interrupt] = FIRST[-1]["outcome"]["interrupts"]
    assert (interrupt["id"], interrupt["toolCallId"]) == ("q1", "r1/do.1")
    assert interrupt["expiresAt"] == ASKED["expires_at"]
    assert interrupt["responseSchema"]["properties"]["arguments_hash"] == {
        "const": "h",
        "title": "What the answer is bound to",
    }
    usage = {"provider": "p", "model": "m", "inputTokens": 15, "outputTokens": 3, "totalTokens": 18}
    assert FIRST[-1]["usage"] == [usage]


def test_what_goes_back_is_shown_and_what_passes_is_said() -> None:
    """Reasons are an activity; the artifact that was accepted is a message of its agent."""
    [review] = [each for each in FIRST if each.get("activityType") == "REVIEW"]
    assert review["content"] == {"step": "look", "reasons": ["7 traces to nothing"]}
    [said] = [each for each in FIRST if each["type"] == "TEXT_MESSAGE_CONTENT"]
    assert (said["delta"], said["subagentRunId"]) == ("# Found", "r1/look")


def test_the_next_turn_shows_what_came_after_and_nothing_again() -> None:
    """It opens the step that was open, shows the whole card first, and counts only its own tokens."""
    assert kinds(SECOND)[:3] == ["RUN_STARTED", "STATE_SNAPSHOT", "STEP_STARTED"]
    assert "TOOL_CALL_START" not in kinds(SECOND)
    assert SECOND[1]["snapshot"]["status"] == "waiting"
    assert SECOND[-1]["outcome"] == {"type": "success"}
    assert SECOND[-1]["result"] == {"cell": "c", "none": None}
    assert "usage" not in SECOND[-1]
    [end] = [each["delta"] for each in SECOND if each["type"] == "TEXT_MESSAGE_CONTENT"]
    assert end == "Done: 1 of 1 calls verified, 1 of them after healing.\n- cell: c"


def test_patches_lead_to_the_state_and_the_card_that_the_log_says() -> None:
    """A client that applies each delta stands where the run does."""
    state, card = SECOND[1]["snapshot"], None
    for each in SECOND:
        if each["type"] == "STATE_DELTA":
            patched(state, each["delta"])
        elif each["type"] == "ACTIVITY_SNAPSHOT":
            assert card is None
            card = each["content"]
        elif each["type"] == "ACTIVITY_DELTA":
            patched(card, each["patch"])
    assert (state["status"], state["calls"]) == ("done", {"made": 1, "verified": 1, "healed": 1})
    assert [step["status"] for step in state["steps"]] == ["done", "done"]
    assert card is not None
    assert (card["status"], card["sent"], card["healed"]) == ("verified", 2, ["rate limited: waited 1 s"])
    assert [each["verdict"]["failure"] for each in card["attempts"]] == ["rate_limited", "ok"]
    assert card["decided"]["by"] == "ann"


def test_older_clients_get_nothing_that_they_do_not_know() -> None:
    """Without a protocol version there are no subagents, and a cancelled run is an error."""
    log = [*events()[:8], events([("run.cancelled", None, None, {})])[0].model_copy(update={"seq": 9})]
    old, new = told(Turn("t", "1", modern=False), log), told(Turn("t", "1"), log)
    assert not [each for each in old if "SUBAGENT" in each["type"] or "subagentRunId" in each]
    assert "protocolVersion" not in old[0]
    assert (old[-1]["type"], old[-1]["code"]) == ("RUN_ERROR", "cancelled")
    assert new[-1]["outcome"] == {"type": "cancelled"}
    assert kinds(new).count("STEP_STARTED") == kinds(new).count("STEP_FINISHED")


def test_what_the_client_has_is_not_streamed_into_it_twice() -> None:
    """After a stream that broke, texts and arguments would be appended to those it has."""
    known = frozenset({"r1/look", "r1/do.1", "r1/do.1/result"})
    again = told(Turn("t", "1", known=known), events())
    assert not [each for each in again if each["type"].startswith(("TEXT_MESSAGE", "TOOL_CALL"))]
    assert "ACTIVITY_SNAPSHOT" in kinds(again)


def test_an_interrupt_of_an_agent_s_call_suspends_the_agent() -> None:
    """Its segment ends as suspended by that question."""
    log = [*LOG[:2], ("call.proposed", "look", "look.1", LOG[7][3]), ("ask", None, "look.1", ASKED), LOG[9]]
    found = told(Turn("t", "1"), events(log))
    [suspended] = [each for each in found if each["type"] == "SUBAGENT_FINISHED"]
    assert suspended["outcome"] == {"type": "suspended", "interruptIds": ["q1"]}


def test_a_wait_that_ends_by_itself_ends_no_turn() -> None:
    """A quota comes back, a key comes: the client sees the wait, and what follows."""
    log = [*LOG[:2], ("run.waiting", None, None, {"reason": "quota"}), ("run.resumed", None, None, {})]
    found = told(Turn("t", "1"), events(log))
    assert kinds(found)[-1] == "STATE_DELTA"
    assert {"op": "replace", "path": "/reason", "value": "quota"} in found[-2]["delta"]


def test_a_result_that_is_too_long_is_where_it_can_be_read() -> None:
    """The client is told the address instead."""
    log = [*LOG[:8], ("receipt", None, "do.1", {**receipt(), "result": "x" * 200_000})]
    [result] = [each for each in told(Turn("t", "1"), events(log)) if each["type"] == "TOOL_CALL_RESULT"]
    assert "/api/runs/r1/receipts/do.1" in result["content"]
    assert len(result["content"]) < 1_000
