"""One turn of a conversation, whichever door it came through: an answer to a run's question, a look at how it
goes, or words for the concierge. What is said is kept, so that a turn that is sent again is the same turn.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from definable.calls import Decision
from definable.engine.decide import chosen
from definable.errors import UsageError
from definable.service import telling
from definable.service.access import Caller
from definable.service.concierge import Advice, Line, advise
from definable.service.desk import Desk
from definable.service.problems import Refusal
from definable.spec.inputs import complete
from definable.store import AskRow, MessageRow, RunRow, RunStatus, ThreadRow

ANSWER = re.compile(r"^\s*(approve|deny)\b[ \t]*(.*)$", re.IGNORECASE | re.DOTALL)
"""`approve`, `deny: too early`, `approve deliver.1`."""

LOOK = re.compile(
    r"^\s*(?:status|progress|look again|any news|results?|is it (?:done|ready)(?: yet)?|"
    r"how(?: is|['\u2019]s) it going)\W*$",
    re.IGNORECASE,
)

NOTHING = (
    "Nothing in this conversation waits for an answer. What waits for a person stands at {base}/inbox. A "
    "client that keeps conversations itself has to name them: `metadata.thread_id`, or `user`."
)

_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class Said:
    """A message on its way into a conversation."""

    thread: ThreadRow
    text: str
    key: str | None = None
    before: Sequence[Line] | None = None
    """The conversation so far, where the client has it; else it is what was kept."""
    fixed: str | None = None
    """The one workflow that it is for."""
    base: str = "/"
    """Where the service is, for links."""


def new_thread(owner: str, mark: str | None = None) -> ThreadRow:
    """Return a conversation that is not kept yet."""
    return ThreadRow(id=secrets.token_hex(8), owner=owner, mark=mark)


async def take(desk: Desk, who: Caller, said: Said) -> tuple[MessageRow, MessageRow]:
    """Take in a message and return it with its answer. Sent again with its key, both are those of before."""
    async with _alone(said.thread):
        before = desk.store.messages(said.thread.id)
        if not _known(before, said.text, said.key) and ANSWER.match(said.text) and _asking(desk, before):
            _needs_approver(who)
        wanted = MessageRow(thread=said.thread.id, role="user", text=said.text, key=said.key)
        user = desk.store.say(wanted)
        if found := next((each for each in before if each.answers == user.n), None):
            return user, found
        answer = await _answer(desk, who, said, [each for each in before if each.n < user.n], user)
        return user, desk.store.say(answer.model_copy(update={"answers": user.n}))


def _alone(thread: ThreadRow) -> asyncio.Lock:
    """One turn of a conversation at a time."""
    return _locks.setdefault(thread.id, asyncio.Lock())


def _needs_approver(who: Caller) -> None:
    if not who.may("approver"):
        raise Refusal(
            403,
            f"the key {who.name!r} is for a {who.level}; an answer needs an approver's",
            "definable keys grant NAME --scope approver",
        )


@dataclass(frozen=True, slots=True)
class Given:
    """A person's answer to a question, by its id."""

    ask: str
    approve: bool
    reason: str = ""


async def take_answers(
    desk: Desk, who: Caller, thread: ThreadRow, given: Sequence[Given], key: str | None = None
) -> MessageRow:
    """Take in answers to questions that a conversation has shown, as one message. Refusal for any other."""
    _needs_approver(who)
    async with _alone(thread):
        before = desk.store.messages(thread.id)
        shown = {ask for each in before for ask in each.asks}
        if unknown := [each.ask for each in given if each.ask not in shown]:
            raise Refusal(400, f"{unknown[0]!r} is no question that this conversation has asked")
        asks = [desk.ask(each.ask) for each in given]
        words = [
            f"{'approve' if g.approve else 'deny'} {a.call}: {g.reason}".rstrip(": ")
            for g, a in zip(given, asks, strict=True)
        ]
        user = desk.store.say(MessageRow(thread=thread.id, role="user", text="\n".join(words), key=key))
        if found := next((each for each in before if each.answers == user.n), None):
            return found
        said = [
            await _decide(desk, who, thread.id, a, g.approve, g.reason)
            for g, a in zip(given, asks, strict=True)
        ]
        text = "\n".join(each.text for each in said)
        facts = {"text": text, "seen": said[0].seen, "answers": user.n}
        return desk.store.say(said[-1].model_copy(update=facts))


def _known(before: Sequence[MessageRow], text: str, key: str | None) -> bool:
    """Whether a message was said already under its key. Refusal when that has another text."""
    kept = next((each for each in before if key is not None and each.key == key), None)
    if kept is not None and kept.text != text:
        raise Refusal(
            409,
            f"the key {key!r} belongs to another message of this conversation",
            "give each message a key of its own",
        )
    return kept is not None


async def begin(
    desk: Desk, thread: ThreadRow, workflow: str, inputs: Mapping[str, Any], key: str | None = None
) -> tuple[MessageRow, MessageRow]:
    """Start a run that needs no model: what a form has, said in words. UsageError when inputs do not fit."""
    found = await desk.workflow(workflow)
    complete(found, inputs)
    shown = ", ".join(f"{name}={telling.text(value)}" for name, value in inputs.items())
    words = f"{workflow}{f' with {shown}' if shown else ''}"
    _known(desk.store.messages(thread.id), words, key)
    user = desk.store.say(MessageRow(thread=thread.id, role="user", text=words, key=key))
    if answer := next((m for m in desk.store.messages(thread.id) if m.answers == user.n), None):
        return user, answer
    started = await _started(desk, user, Advice(workflow=workflow, inputs=dict(inputs), start=True))
    return user, desk.store.say(started.model_copy(update={"answers": user.n}))


async def _answer(
    desk: Desk, who: Caller, said: Said, before: Sequence[MessageRow], user: MessageRow
) -> MessageRow:
    row = _last_run(desk, before)
    if given := ANSWER.match(said.text):
        if row is None or row.status is not RunStatus.WAITING:
            return MessageRow(
                thread=user.thread, role="assistant", text=NOTHING.format(base=said.base.rstrip("/"))
            )
        return await _decided(desk, who, said, before, row, given)
    if row is not None and LOOK.match(said.text):
        return _about(desk, said, row)
    kept = [Line(each.role, each.text) for each in before]
    conversation = [*(kept if said.before is None else said.before), Line("user", said.text)]
    advice = await advise(desk, conversation, said.fixed)
    if advice.start:
        return await _started(desk, user, advice)
    return _drafted(user, advice, advice.text)


def _drafted(user: MessageRow, advice: Advice, text: str, run: str | None = None) -> MessageRow:
    return MessageRow(
        thread=user.thread,
        role="assistant",
        text=text,
        run=run,
        workflow=advice.workflow,
        inputs=advice.inputs,
        missing=advice.missing,
        offline=advice.offline,
        tokens_in=advice.tokens[0],
        tokens_out=advice.tokens[1],
        usd=advice.usd,
    )


async def _started(desk: Desk, user: MessageRow, advice: Advice) -> MessageRow:
    """Submit the run: its key is the message's, so that a message starts one run at most."""
    workflow = await desk.workflow(advice.workflow or "")
    try:
        row = await desk.submit(workflow, advice.inputs, key=f"thread:{user.thread}:{user.n}")
    except UsageError as error:  # what a call would refuse is known before
        return _drafted(user, advice, f"{error.message}\n\n{error.hint}".strip())
    given = ", ".join(
        f"`{name}` {telling.text(value)}" for name, value in row.inputs.items() if value is not None
    )
    text = f"Started **{workflow.name}**{f' with {given}' if given else ''}."
    return _drafted(user, advice, text, row.id)


def _last_run(desk: Desk, before: Sequence[MessageRow]) -> RunRow | None:
    run = next((each.run for each in reversed(before) if each.run), None)
    if run is None:
        return None
    try:
        return desk.store.run(run)
    except UsageError:
        return None


def _asking(desk: Desk, before: Sequence[MessageRow]) -> list[AskRow]:
    row = _last_run(desk, before)
    return desk.store.open_asks(row.id) if row is not None and row.status is RunStatus.WAITING else []


def _about(desk: Desk, said: Said, row: RunRow) -> MessageRow:
    """Tell where a run stands; what it asks is shown from here on."""
    asks = desk.store.open_asks(row.id) if row.status is RunStatus.WAITING else []
    return MessageRow(
        thread=said.thread.id,
        role="assistant",
        text=telling.standing(desk, row, said.base),
        run=row.id,
        workflow=row.workflow,
        seen=_last_event(desk, row),
        asks=tuple(each.id for each in asks),
    )


def _last_event(desk: Desk, row: RunRow) -> int:
    events = desk.store.events(row.id)
    return events[-1].seq if events else 0


async def _decided(
    desk: Desk,
    who: Caller,
    said: Said,
    before: Sequence[MessageRow],
    row: RunRow,
    given: re.Match[str],
) -> MessageRow:
    """Pass a person's answer on, if it is to the question that was shown; else show what is asked now."""
    asks = desk.store.open_asks(row.id)
    call, reason = _addressed(asks, given[2])
    shown = {ask for each in before[-1:] for ask in each.asks}
    if not asks or (call is None and len(asks) > 1):
        return _about(desk, said, row)
    ask = chosen(row, asks, call)
    if ask.id not in shown:
        return _about(desk, said, row)
    return await _decide(desk, who, said.thread.id, ask, given[1].lower() == "approve", reason)


async def _decide(
    desk: Desk, who: Caller, thread: str, ask: AskRow, approve: bool, reason: str
) -> MessageRow:
    """Keep a person's answer and return what is said of it; the run goes on. UsageError when too late."""
    row = desk.store.run(ask.run)
    seen = _last_event(desk, row)
    await desk.decide(ask, Decision(approve=approve, by=who.name, reason=reason))
    left = tuple(each.id for each in desk.store.open_asks(row.id))
    word = "Approved" if approve else "Denied"
    return MessageRow(
        thread=thread,
        role="assistant",
        text=f"{word}: `{ask.ask.tool}` ({ask.call}).",
        run=row.id,
        workflow=row.workflow,
        seen=seen,
        asks=left,
    )


def _addressed(asks: Sequence[AskRow], rest: str) -> tuple[str | None, str]:
    """Return the call that an answer names, if any, and the reason that it gives."""
    first, _, after = rest.strip().partition(" ")
    if (name := first.strip("`:,.")) in {ask.call for ask in asks}:
        return name, after.strip(" :,-\n")
    return None, rest.strip(" :,-\n")
