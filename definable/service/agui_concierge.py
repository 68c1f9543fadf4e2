"""The concierge as an AG-UI agent: a thread is a conversation, a turn its answer in words or a run's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ag_ui.core import (
    PROTOCOL_VERSION,
    BaseEvent,
    ResumeEntry,
    RunAgentInput,
    RunFinishedEvent,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    TokenUsage,
)

from definable.calls import digest
from definable.errors import UsageError
from definable.service import agui_turns, conversation
from definable.service.access import Caller
from definable.service.agui_events import Turn
from definable.service.agui_turns import Refused
from definable.service.conversation import Said
from definable.service.desk import Desk
from definable.store import MessageRow, RunRow, TurnRow

OFFLINE = "_An offline model took this turn._"
"""Said where people read it: few clients show what else a message has."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a turn came to: words, a run that is shown, or words and the run that they start."""

    said: MessageRow | None = None
    shows: TurnRow | None = None


async def take(desk: Desk, wish: RunAgentInput, who: Caller, base: str) -> Taken:
    """Return the turn that is meant: the one of this name, an answer to what is open, or what was said."""
    mark, name = digest(["agui", who.id, wish.thread_id]), digest(wish.run_id)[:32]
    thread = desk.store.open_thread(conversation.new_thread(who.id, f"agui:{mark}"))
    if known := desk.store.turn(thread.id, name):
        return Taken(shows=known)
    before = desk.store.messages(thread.id)
    kept = next((each for each in before if each.key == name), None)
    if kept is None and wish.resume:
        row = _asking(desk, before, wish.resume)
        turn = TurnRow(thread=thread.id, name=name, run=row.id)
        return Taken(shows=await agui_turns.answered(desk, row, turn, wish.resume, who))
    if kept is None:
        _refuse_open(desk, before)
    text = _last(wish) if kept is None else kept.text
    _, said = await conversation.take(desk, who, Said(thread, text, name, base=base))
    if said.run is None or said.seen:  # words, or words about a run that was started before
        return Taken(said)
    return Taken(said, TurnRow(thread=thread.id, name=name, run=said.run))


def _asking(desk: Desk, before: Sequence[MessageRow], entries: Sequence[ResumeEntry]) -> RunRow:
    """Return the run of this thread whose questions are answered."""
    runs = {each.run for each in before if each.run}
    for entry in entries:
        try:
            ask = desk.store.asked(entry.interrupt_id)
        except UsageError:
            continue
        if ask.run in runs:
            return desk.store.run(ask.run)
    raise Refused("unknown_interrupt", f"there is no question {entries[0].interrupt_id!r} in this thread")


def _refuse_open(desk: Desk, before: Sequence[MessageRow]) -> None:
    """Refuse more words while any run of the thread waits for people."""
    runs = {each.run for each in before if each.run}
    for run in dict.fromkeys(ask.run for ask in desk.store.inbox() if ask.run in runs):
        agui_turns.refuse_open(desk, desk.store.run(run))


def _last(wish: RunAgentInput) -> str:
    last = wish.messages[-1] if wish.messages else None
    text = agui_turns.text_of(last.content) if last is not None and last.role == "user" else ""
    if not text.strip():
        raise Refused("no_message", "the last message is no text of a user's; say what is to be done")
    return text


def words(turn: Turn, said: MessageRow) -> list[BaseEvent]:
    """Return an answer as a text message; none when the client has it already. An offline model's says so."""
    name = f"{said.thread}/{said.n}"
    if name in turn.known:
        return []
    text = f"{said.text}\n\n{OFFLINE}" if said.offline else said.text
    at = round(datetime.fromisoformat(said.at).timestamp() * 1000)
    about = {"offline": True} if said.offline else None
    return [
        TextMessageStartEvent(message_id=name, role="assistant", metadata=about, timestamp=at),
        TextMessageContentEvent(message_id=name, delta=text, timestamp=at),
        TextMessageEndEvent(message_id=name, timestamp=at),
    ]


def usage(said: MessageRow) -> dict[str, TokenUsage]:
    """Return what the concierge's model took, if it was asked; its name was not kept."""
    taken, given = said.tokens_in, said.tokens_out
    provider = "offline" if said.offline else None
    used = TokenUsage(provider=provider, input_tokens=taken, output_tokens=given, total_tokens=taken + given)
    return {"concierge": used} if used.total_tokens else {}


def whole(turn: Turn, said: MessageRow) -> list[BaseEvent]:
    """Return a turn that is words only; its result says what is known of the workflow, and missing."""
    facts = {"workflow": said.workflow, "inputs": said.inputs, "missing": list(said.missing)}
    facts |= {"run": said.run} if said.run else {}
    return [
        RunStartedEvent(
            thread_id=turn.thread,
            run_id=turn.name,
            protocol_version=PROTOCOL_VERSION if turn.modern else None,
        ),
        *words(turn, said),
        RunFinishedEvent(
            thread_id=turn.thread,
            run_id=turn.name,
            result=facts if said.workflow else None,
            outcome=RunFinishedSuccessOutcome(type="success"),
            usage=list(usage(said).values()) or None,
        ),
    ]
