"""AG-UI 1.0: each workflow is an agent. Its threads are conversations, its runs turns of them.

A turn is named by the client, and is one stretch of one run's log: asked for again under the same name, it is
the same one, from its beginning. Nobody who leaves stops a run.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Annotated, Any

from ag_ui.core import BaseEvent, ResumeEntry, RunAgentInput, RunErrorEvent, RunStartedEvent
from fastapi import APIRouter, Path, Response
from starlette.responses import StreamingResponse

from definable.calls import Decision, digest
from definable.engine.decide import editable
from definable.errors import UsageError
from definable.service.access import Caller
from definable.service.agui_events import Projection, Turn
from definable.service.answers import BY_PEOPLE, answer, denial
from definable.service.desk import Desk
from definable.service.door import AtDesk, Operator
from definable.service.problems import Refusal
from definable.spec.inputs import read_text
from definable.spec.workflow import Workflow
from definable.store import AskRow, RunRow, RunStatus, TurnRow

router = APIRouter(include_in_schema=False)
"""Described by its own specification, not by our API's."""

CONCIERGE = "definable"
"""Not a workflow's: the agent that chooses one."""

MEDIA = "text/event-stream"

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}

PAIR = re.compile(r"\s*(?:[-*]\s+)?([A-Za-z_][\w-]*)\s*[:=]\s*(.*?)\s*")
"""One input in a message: `name: value`."""


class Refused(Exception):
    """A turn that cannot be taken; the client is told in the stream, where its people see it."""

    def __init__(self, code: str, message: str) -> None:
        """Keep what the client is told."""
        super().__init__(message)
        self.code = code


@router.post("/agui/{workflow}", response_class=Response)
async def take_turn(
    workflow: Annotated[str, Path(max_length=200)], wish: RunAgentInput, desk: AtDesk, who: Operator
) -> Response:
    """Run a workflow as an AG-UI agent, or go on with what a person was asked; the answer is a stream.

    Inputs come from `forwardedProps.inputs`, or else the last message (JSON, or `name: value` lines); what
    they do not say, `state.inputs` does.
    """
    desk.refuse_crowd(who)
    if workflow == CONCIERGE:
        raise Refusal(404, f"there is no agent {workflow!r} yet", "see /api/workflows")
    found = await desk.workflow(workflow)
    if wish.resume and not who.may("approver"):
        raise Refusal(403, f"the key {who.name!r} is for a {who.level}; to answer needs approver")
    turn = Turn(wish.thread_id, wish.run_id, wish.protocol_version is not None, _known(wish))
    try:
        taken = await _taken(desk, found, wish, who)
    except Refused as error:
        return _stream(_refused(turn, error.code, str(error)))
    except UsageError as error:
        return _stream(_refused(turn, "invalid_input", str(error)))
    return _stream(_told(desk, turn, taken))


def _stream(events: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(events, media_type=MEDIA, headers=HEADERS)


async def _taken(desk: Desk, workflow: Workflow, wish: RunAgentInput, who: Caller) -> TurnRow:
    """Return the turn that is meant: the one of this name, an answer to what is open, or a new run."""
    thread = digest(["agui", who.id, workflow.name, wish.thread_id])[:32]
    name = digest(wish.run_id)[:32]
    if known := desk.store.turn(thread, name):
        return known
    last = desk.store.last_turn(thread)
    row = desk.store.run(last.run) if last else None
    if wish.resume:
        if row is None:
            raise Refused("unknown_interrupt", "nothing waits for an answer in this thread")
        return await _answered(desk, row, TurnRow(thread=thread, name=name, run=row.id), wish.resume, who)
    if row is not None and (waiting := _open(desk, row)):
        ids = ", ".join(waiting)
        raise Refused(
            "open_interrupts", f"run {row.id} waits for an answer; send `resume` with answers to: {ids}"
        )
    key = f"agui:{digest([thread, name])[:32]}"
    new = await desk.submit(workflow, inputs(workflow, wish), key=key)
    return desk.store.take_turn(TurnRow(thread=thread, name=name, run=new.id))


def _open(desk: Desk, row: RunRow) -> dict[str, AskRow]:
    """Return the open questions of a run that waits for people, by id."""
    if row.status is not RunStatus.WAITING:
        return {}
    return {each.id: each for each in desk.store.open_asks(row.id) if each.ask.reason in BY_PEOPLE}


async def _answered(
    desk: Desk, row: RunRow, turn: TurnRow, entries: list[ResumeEntry], who: Caller
) -> TurnRow:
    """Keep the answers to all that is open, or none of them; the turn shows what comes of it."""
    waiting = _open(desk, row)
    if missing := sorted(set(waiting) - {each.interrupt_id for each in entries}):
        raise Refused("open_interrupts", f"answers are missing: {', '.join(missing)}")
    decisions = [(ask, _decision(desk, ask, entry, who)) for ask, entry in _asked(desk, row, entries)]
    log = desk.store.events(row.id)
    asked = max(
        e.seq for e in log if e.type == "ask" and e.data["id"] in {each.interrupt_id for each in entries}
    )
    since = next((e.seq for e in log if e.seq > asked and e.type == "run.waiting"), asked)
    for ask, decision in decisions:
        if ask.decision is None:
            await desk.decide(ask, decision)
    return desk.store.take_turn(turn.model_copy(update={"since": since}))


def _asked(desk: Desk, row: RunRow, entries: list[ResumeEntry]) -> list[tuple[AskRow, ResumeEntry]]:
    found = []
    for entry in entries:
        try:
            ask = desk.store.asked(entry.interrupt_id)
        except UsageError:
            ask = None
        if ask is None or ask.run != row.id:
            raise Refused("unknown_interrupt", f"there is no question {entry.interrupt_id!r} in this thread")
        found.append((ask, entry))
    return found


def _decision(desk: Desk, ask: AskRow, entry: ResumeEntry, who: Caller) -> Decision:
    """Return the answer in an entry. Refused when somebody has answered otherwise meanwhile."""
    if entry.status == "cancelled":
        given = denial(who.name, "it was dismissed")
    else:
        given = answer(desk, ask, entry.payload, who.name)
    if ask.decision is not None and ask.decision.approve != given.approve:
        said = "approved" if ask.decision.approve else "denied"
        raise Refused("answered", f"{ask.decision.by} has {said} this already, at {ask.decision.at}")
    return given


def inputs(workflow: Workflow, wish: RunAgentInput) -> dict[str, Any]:
    """Return the workflow's inputs that a client gives: in its state, over which go those of this turn.

    These are its program's, in `forwardedProps`, or else what a person has said last.
    """
    state = wish.state if isinstance(wish.state, Mapping) else {}
    props = wish.forwarded_props if isinstance(wish.forwarded_props, Mapping) else {}
    given, said = state.get("inputs"), props.get("inputs")
    if not isinstance(said, Mapping):
        last = wish.messages[-1] if wish.messages else None
        said = in_words(workflow, _text(last.content)) if last and last.role == "user" else {}
    return {**(given if isinstance(given, Mapping) else {}), **said}


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content or () if getattr(part, "type", "") == "text")


def in_words(workflow: Workflow, text: str) -> dict[str, Any]:
    """Return the inputs in a message: a JSON object, or lines of `name: value`; none in any other text."""
    text = text.strip()
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"the message begins like JSON, but is none: {error}") from error
        return dict(found)
    pairs = [PAIR.fullmatch(line) for line in text.splitlines() if line.strip()]
    given = {}
    for pair in pairs:
        if pair is None:
            return {}
        try:
            given[pair[1]] = read_text(workflow.inputs.get(pair[1]), pair[2])
        except ValueError as error:
            raise UsageError(f"{pair[1]}: {error}") from error
    return given


def _known(wish: RunAgentInput) -> frozenset[str]:
    """Return what the client has already, as far as it has come whole."""
    ids: set[str] = set()
    for message in wish.messages:
        if message.role in ("assistant", "tool") and message.content:
            ids.add(message.id)
        if message.role == "assistant":
            ids.update(each.id for each in message.tool_calls or () if each.function.arguments)
    return frozenset(ids)


async def _told(desk: Desk, turn: Turn, taken: TurnRow) -> AsyncIterator[bytes]:
    """Yield a turn as server-sent events, to its end."""
    row = desk.store.run(taken.run)
    if row.pruned:
        async for chunk in _refused(turn, "pruned", f"the log of run {row.id} was deleted"):
            yield chunk
        return
    log = desk.store.events(row.id) if taken.since else []
    told = Projection(
        turn,
        row,
        lambda call: desk.store.receipt(row.id, call),
        lambda ask: editable(desk.store, desk.store.asked(ask), desk.workspace),
    )
    yield _lines(told.opening(event for event in log if event.seq <= taken.since))
    async with aclosing(desk.feed.watch(row.id, taken.since)) as news:
        async for events in news:
            found = [each for event in events for each in told.take(event)]
            if found or not events:
                yield _lines(found) or b": still here\n\n"
            if told.ended:
                return


async def _refused(turn: Turn, code: str, message: str) -> AsyncIterator[bytes]:
    begun = RunStartedEvent(thread_id=turn.thread, run_id=turn.name)
    yield _lines([begun, RunErrorEvent(code=code, message=message)])


def _lines(events: list[BaseEvent]) -> bytes:
    """Return events as they are sent; all but ASCII escaped, so that a broken text breaks nothing."""
    return "".join(
        f"data: {json.dumps(each.model_dump(mode='json', by_alias=True), separators=(',', ':'))}\n\n"
        for each in events
    ).encode()
