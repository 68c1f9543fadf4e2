"""The narrator: from the events of a run to lines that a newcomer understands."""

from __future__ import annotations

from typing import Any

from definable.cli.narrate import Line, Narrator, Page
from definable.store.rows import Event


def event(type: str, data: dict[str, Any], step: str | None = None, call: str | None = None) -> Event:
    """Return an event of one run."""
    return Event(run="r1", seq=1, at="2026-11-23T07:00:00Z", type=type, step=step, call=call, data=data)


def step_of(call: str) -> str:
    """Return the step that a call belongs to."""
    return call.partition(".")[0]


def proposed(call: str = "research.1", tool: str = "X_GET", **arguments: Any) -> Event:
    """Return the proposal of a call."""
    data = {
        "id": call,
        "tool": tool,
        "arguments": arguments,
        "step": step_of(call),
        "run": "r1",
    }
    return event("call.proposed", data, step_of(call), call)


def exchanged(call: str = "research.1", n: int = 0, role: str = "call", **reply: Any) -> Event:
    """Return the exchange of one request; as the store logs it, without a step."""
    order = {
        "kind": "send",
        "tool": "X_GET",
        "arguments": {},
        "role": role,
        "effect": reply.pop("effect", None),
    }
    outcome = {"kind": "outcome", "phase": "rejected", "status": None, "headers": {}, **reply}
    return event("exchange", {"call": call, "n": n, "order": order, "reply": outcome}, None, call)


def decided(next: str, why: str = "", call: str = "research.1", n: int = 0) -> Event:
    """Return what the Verifier noted on an exchange."""
    return event("verdict", {"n": n, "move": "send", "next": next, "why": why}, step_of(call), call)


def receipt(status: str = "verified", call: str = "research.1", **facts: Any) -> Event:
    """Return a receipt; as the store logs it, without a step."""
    data = {
        "call": call,
        "tool": "X_GET",
        "arguments": {},
        "status": status,
        "attempts": 1,
        "heals": [],
        **facts,
    }
    return event("receipt", data, None, call)


def told(*events: Event) -> list[str]:
    """Return what a narrator says of some events, laid out."""
    narrator, page = Narrator(), Page(8)
    return [page(line) for each in events for line in narrator(each)]


def test_a_smooth_call_is_one_line() -> None:
    """A call that works at once is told once, when it is verified."""
    assert told(proposed(limit=5), exchanged(status=200, phase="committed"), receipt()) == [
        "research X_GET (limit=5) → verified"
    ]


def test_a_healed_call_tells_what_happened_and_what_was_done() -> None:
    """A rate limit is told when it happens, with the server's words and what is done now."""
    heal = {"class": "rate_limited", "rule": "retry_after", "detail": "waited 3.05 s"}
    lines = told(
        proposed(),
        exchanged(status=429, headers={"retry-after": "3"}),
        decided("call X_GET in 3.05 s", why="429: Too many requests"),
        exchanged(status=200, phase="committed", n=1),
        receipt(attempts=2, heals=[heal]),
    )
    assert lines == [
        "research X_GET",
        "           rate limited (429: Too many requests), asked to wait 3 s → waits 3 s, then sends again",
        "           → verified on attempt 2",
        "             healed: rate limited: waited 3.05 s",
    ]


def test_known_ids_are_called_by_their_names() -> None:
    """What an earlier answer called by a title is called so from then on, with no product's fields known."""
    body = {"values": [{"id": "p-1", "title": "Revenue daily"}]}
    lines = told(
        proposed(),
        exchanged(status=200, phase="committed", body=body),
        receipt(),
        proposed("research.2", projectId="p-1"),
        receipt(call="research.2"),
    )
    assert lines[-1].strip() == "X_GET (“Revenue daily”) → verified"


def test_parallel_calls_are_named_whenever_the_speaker_changes() -> None:
    """Two troubled calls side by side stay apart: each is named again when it speaks after the other."""
    lines = told(
        proposed("research.1", id="a"),
        proposed("research.2", id="b"),
        exchanged("research.1", status=503),
        decided("call X_GET in 1 s", "503: busy", "research.1"),
        exchanged("research.2", status=503),
        decided("call X_GET in 1 s", "503: busy", "research.2"),
        receipt(call="research.1"),
    )
    assert [line.strip() for line in lines] == [
        "research X_GET (id=a)",
        "the service failed (503: busy) → waits 1 s, then sends again",
        "X_GET (id=b)",
        "the service failed (503: busy) → waits 1 s, then sends again",
        "X_GET (id=a) → verified",
    ]


def test_a_lost_answer_says_that_nobody_knows_and_that_it_is_looked_up() -> None:
    """A write without an answer is told as such, and so is the look that follows."""
    lines = told(
        proposed("deliver.1", "X_CREATE"),
        exchanged("deliver.1", phase="unknown", error="no answer within 30 s", effect="e1"),
        decided("look X_LIST", "looking for what was sent", "deliver.1"),
        receipt(call="deliver.1", effect="e1", evidence="state", link="https://x/1"),
    )
    assert [line.strip() for line in lines] == [
        "deliver  X_CREATE",
        "no answer: it may or may not have happened (no answer within 30 s) → looks with X_LIST",
        "→ verified: read back, and as asked for",
        "https://x/1",
    ]


def test_a_read_answered_in_another_shape_is_told_as_drift() -> None:
    """A 200 after which the call is sent again was drift, and the reason is the Verifier's."""
    lines = told(
        proposed(),
        exchanged(status=200, phase="committed"),
        decided("call X_GET in 1 s", "200, but the response is not what it was: id is missing"),
    )
    assert "another shape than agreed (200, but the response is not what it was: id is missing)" in lines[1]


def test_what_is_under_way_is_said_once() -> None:
    """The first poll says what is waited for, so that nobody thinks that it hangs; the others are quiet."""
    again = exchanged(status=200, role="poll"), decided("poll X_STATUS in 2 s")
    assert told(proposed(), *again, *again, *again) == [
        "research X_GET",
        "           accepted and under way; asks X_STATUS until it has ended",
    ]


def test_an_answer_that_is_no_json_is_told_while_it_is_asked_for_again() -> None:
    """An answer that was fine by its status and is asked for again is trouble, in the Verifier's words."""
    fine = {"failure": "ok", "phase": "committed", "message": "", "retry_after": None}
    data = {"n": 0, "verdict": fine, "move": "wait", "next": "call X_GET in 2 s", "why": "200, but no JSON"}
    lines = told(proposed(), exchanged(status=200), event("verdict", data, "research", "research.1"))
    assert lines[1].strip() == (
        "the answer has another shape than agreed (200, but no JSON) → waits 2 s, then sends again"
    )


def test_a_failure_is_told_once() -> None:
    """The verdict that ends a call is left to its receipt, which gives the service's words without advice."""
    verdict = {"failure": "not_found", "phase": "rejected", "message": "404: none; look elsewhere"}
    ended = {"n": 0, "verdict": verdict, "move": "failed", "next": "404: none; look elsewhere"}
    lines = told(
        proposed(),
        exchanged(status=404),
        event("verdict", ended, "research", "research.1"),
        receipt("failed", message="404: none; look elsewhere", failure="not_found"),
    )
    assert lines == ["research X_GET → failed: 404: none"]


def test_a_call_with_nested_arguments_is_named_by_the_first_of_them() -> None:
    """Where no plain argument says what a call is about, the first value inside does."""
    lines = told(proposed(files=[{"filePath": "a.md", "contents": "x"}]), receipt())
    assert lines == ["research X_GET (filePath=a.md) → verified"]


def test_a_verdict_in_the_log_is_believed_over_the_status() -> None:
    """When the log carries the verdict itself, its class and words are used."""
    verdict = {"failure": "capacity", "phase": "rejected", "message": "503: no kernel", "retry_after": None}
    data = {"n": 0, "verdict": verdict, "next": "waits for a place"}
    lines = told(proposed(), exchanged(status=503), event("verdict", data, "research", "research.1"))
    assert lines[1].strip() == "no free place (503: no kernel) → waits for a place"


def test_failure_denial_and_doubt_say_why() -> None:
    """A receipt that is not verified carries its reason into the line."""
    lines = told(
        proposed(),
        receipt("failed", message="404: no such project", failure="not_found"),
        proposed(),
        receipt("denied", message="not this week"),
        proposed(),
        receipt("needs_review", message="two match"),
    )
    assert [line.partition("→ ")[2] for line in lines] == [
        "failed: 404: no such project",
        "denied: not this week",
        "needs review: two match",
    ]


def test_questions_and_answers_are_told() -> None:
    """A question is a line for a person, with the candidates; the answer names who gave it."""
    ask = {
        "kind": "ask",
        "id": "q",
        "reason": "review",
        "question": "two match",
        "candidates": [{"id": "c-1"}],
    }
    lines = told(
        proposed(),
        event("ask", ask, None, "research.1"),
        event("decision", {"approve": False, "by": "ana", "reason": "no"}, None, "research.1"),
    )
    assert [line.strip() for line in lines[1:]] == [
        "a person must decide: two match",
        "candidate c-1",
        "denied by ana: no",
    ]


def test_a_run_is_framed_by_its_start_and_its_end() -> None:
    """Start, steps, model turns, artifact and end each have their line."""
    narrator = Narrator()
    turn = {"model": "offline/writer", "input_tokens": 1000, "output_tokens": 234, "offline": True}
    artifact = {"title": "Week 47", "points": [{}, {}]}
    story = [
        event("run.started", {"workflow": "brief", "inputs": {"days": 7}, "options": {}}),
        event("step.started", {"kind": "agent", "agent": "researcher"}, "research"),
        event("model.called", turn, "research"),
        event("artifact", {"shape": "Findings", "artifact": artifact}, "research"),
        event("artifact.rejected", {"reasons": ["12 is in no receipt"]}, "research"),
        event("step.done", {"output": {}}, "research"),
        event("step.skipped", {"when": "false"}, "note"),
        event("run.waiting", {"reason": "approval"}),
        event("run.resumed", {"reason": "approval"}),
        event("run.failed", {"error": {"message": "no more"}}),
        event("run.done", {"outputs": {}}),
    ]
    lines = [line for each in story for line in narrator(each)]
    assert [line.text.strip() for line in lines] == [
        "brief: run r1 started",
        "with days=7",
        "researcher starts",
        "hands in Findings “Week 47”, 2 points",
        "the Verifier sends it back: not all of it can be traced to a receipt",
        "- 12 is in no receipt",
        "done (1 turn of offline/writer, 1,234 tokens)",
        "skipped, since this does not hold: false",
        "waiting: approval",
        "goes on (it had stopped for: approval)",
        "failed: no more",
        "done",
    ]


def test_a_wait_for_quota_is_one_line_beforehand() -> None:
    """How long, and for which quota; what it took in the end is for the log."""
    said = {"bucket": "hex-api", "seconds": 59.7, "tool": "HEX_GET_PROJECT"}
    lines = Narrator()(event("quota.waits", said, call="research.1"))
    assert lines[-1].text == "  waits about 60 s for its turn: quota hex-api is used up"
    assert Narrator()(event("quota.waited", {"bucket": "hex-api", "seconds": 59.9})) == []


def test_a_wait_for_another_run_names_it() -> None:
    """Who waits because another run writes in the same place can look at that run."""
    lines = Narrator()(event("place.waits", {"run": "r2", "tool": "HEX_CREATE_CELL"}, call="research.1"))
    assert lines[-1].text == "  waits until run r2 knows what it wrote in the same place"


def test_events_of_a_later_version_are_passed_over() -> None:
    """An event that this version does not know is no line and no error."""
    assert Narrator()(event("quota.granted", {})) == []


def test_the_step_is_named_once_for_as_long_as_it_stays() -> None:
    """The page repeats no step name, and names it again after another one spoke."""
    page = Page(4)
    assert [page(Line(step, "x")) for step in ("a", "a", "b", "a")] == [
        "a    x",
        "     x",
        "b    x",
        "a    x",
    ]
