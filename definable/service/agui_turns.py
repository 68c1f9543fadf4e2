"""Which turn an AG-UI client means: one that it has taken already, answers to what is open, or new inputs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ag_ui.core import ResumeEntry, RunAgentInput

from definable.calls import Decision, digest
from definable.errors import UsageError
from definable.service.access import Caller
from definable.service.answers import BY_PEOPLE, answer, denial
from definable.service.desk import Desk
from definable.spec.inputs import read_text
from definable.spec.workflow import Workflow
from definable.store import AskRow, RunRow, RunStatus, TurnRow

PAIR = re.compile(r"\s*(?:[-*]\s+)?([A-Za-z_][\w-]*)\s*[:=]\s*(.*?)\s*")
"""One input in a message: `name: value`."""


class Refused(Exception):
    """A turn that cannot be taken; the client is told in the stream, where its people see it."""

    def __init__(self, code: str, message: str) -> None:
        """Keep what the client is told."""
        super().__init__(message)
        self.code = code


async def take(desk: Desk, workflow: Workflow, wish: RunAgentInput, who: Caller) -> TurnRow:
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
        return await answered(desk, row, TurnRow(thread=thread, name=name, run=row.id), wish.resume, who)
    if row is not None:
        refuse_open(desk, row)
    key = f"agui:{digest([thread, name])[:32]}"
    new = await desk.submit(workflow, inputs(workflow, wish), key=key)
    return desk.store.take_turn(TurnRow(thread=thread, name=name, run=new.id))


def refuse_open(desk: Desk, row: RunRow) -> None:
    """Refuse new input while a run waits for people: the next turn has to answer them."""
    if waiting := _open(desk, row):
        ids = ", ".join(waiting)
        raise Refused(
            "open_interrupts", f"run {row.id} waits for an answer; send `resume` with answers to: {ids}"
        )


def _open(desk: Desk, row: RunRow) -> dict[str, AskRow]:
    """Return the open questions of a run that waits for people, by id."""
    if row.status is not RunStatus.WAITING:
        return {}
    return {each.id: each for each in desk.store.open_asks(row.id) if each.ask.reason in BY_PEOPLE}


async def answered(
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
        said = in_words(workflow, text_of(last.content)) if last and last.role == "user" else {}
    return {**(given if isinstance(given, Mapping) else {}), **said}


def text_of(content: Any) -> str:
    """Return the text of a message's content; what is no text is left out."""
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
