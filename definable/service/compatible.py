"""What the two halves of OpenAI's API share: models, whose conversation it is, a turn, and what it comes to.

Each workflow is a model of its name, which is given its inputs; `definable` is the concierge, which finds the
workflow. A run may take longer than a client waits: then the answer says how to look again.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from definable.calls import Receipt, digest
from definable.service import conversation, telling
from definable.service.access import Caller
from definable.service.concierge import Line
from definable.service.conversation import Said
from definable.service.desk import Desk
from definable.service.follow import follow
from definable.service.problems import OpenAIError, Refusal
from definable.store import AskRow, Event, MessageRow, RunRow, RunStatus, ThreadRow

CONCIERGE = "definable"
"""The model that finds the workflow."""

WAIT, LONGEST = 10.0, 600.0
"""Seconds that a request waits for a run unless it says otherwise in `metadata.wait`, and at most."""

STREAM = 24 * 3600.0
"""Seconds that a stream goes on."""

ERRORS: dict[int | str, dict[str, Any]] = {
    "default": {"model": OpenAIError, "description": "What is wrong, and what to do"}
}
"""For every route here: errors are OpenAI's."""

Parts = str | list[dict[str, Any]] | None


class Wish(BaseModel):
    """What both kinds of requests say; what is not known here does not matter to a workflow."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(max_length=200)
    stream: bool = False
    user: str | None = Field(None, max_length=500)
    metadata: dict[str, Any] | None = None

    def wait(self) -> float:
        """Return the seconds that the client waits for a run."""
        said = (self.metadata or {}).get("wait")
        if said is None:
            return STREAM if self.stream else WAIT
        try:
            seconds = float(said)
        except (TypeError, ValueError):
            seconds = -1.0
        if not 0.0 <= seconds <= LONGEST:
            raise Refusal(400, f"metadata.wait is {said!r}", f"give seconds from 0 to {LONGEST:g}")
        return seconds

    def named(self) -> str | None:
        """Return what the client calls the conversation."""
        said = (self.metadata or {}).get("thread_id")
        return str(said) if said else None


def text_of(content: Parts) -> str:
    """Return the text of a message's content. Refusal for parts that are no text."""
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for part in content:
        if part.get("type") not in ("text", "input_text", "output_text") or not isinstance(
            part.get("text"), str
        ):
            raise Refusal(400, f"a part of the type {part.get('type')!r} cannot be read", "send text")
        texts.append(part["text"])
    return "\n".join(texts)


async def check_model(desk: Desk, model: str) -> str | None:
    """Return the workflow that a model is; None for the concierge. Refusal when there is no such model."""
    if model == CONCIERGE:
        return None
    if model not in desk.fresh().workflows():
        raise Refusal(404, f"there is no model {model!r}", "see /v1/models", code="model_not_found")
    return (await desk.workflow(model)).name


def the_thread(
    desk: Desk,
    who: Caller,
    names: Mapping[str, str | None],
    lines: Sequence[Line],
    user: str | None,
    key: str | None,
) -> ThreadRow:
    """Return the conversation that a request belongs to: by the first name there is, or by its user.

    Two people who ask the same thing are told apart by `user` only; without it each request is by itself,
    unless it is sent again with its idempotency key.
    """
    kind, name = next(((kind, name) for kind, name in names.items() if name), ("", ""))
    first = next((line.text for line in lines if line.role == "user"), "")
    if not name and user:
        kind, name = "user", digest([user, first])
    mark = f"{kind}:{digest([who.id, name])}" if name else None
    if mark is None:
        mark = f"once:{digest([who.id, key])}" if key else None
    made = conversation.new_thread(who.id)
    return desk.store.open_thread(made.model_copy(update={"mark": mark or f"once:{made.id}"}))


TASK = re.compile(r"^\s*### Task:")
"""How a chat client's hidden requests begin: for a title, tags, follow-up questions."""

HISTORY = re.compile(r"<chat_history>\s*(?:USER:\s*)?(.*?)\s*(?:ASSISTANT:.*)?</chat_history>", re.DOTALL)


def hidden(lines: Sequence[Line]) -> str | None:
    """Return the answer to a client's hidden request, which never starts anything; None for any other."""
    if len([line for line in lines if line.role != "system"]) != 1 or not TASK.match(lines[-1].text):
        return None
    asked = lines[-1].text
    history = HISTORY.search(asked)
    words = (history[1] if history else "").split()
    title = " ".join(words[:6]) or "Definable"
    answers: dict[str, Any] = {"title": title, "tags": ["Definable"], "follow_ups": [], "queries": []}
    found = {name: value for name, value in answers.items() if f'"{name}"' in asked}
    return json.dumps(found, ensure_ascii=False) if found else title


@dataclass
class Account:
    """What an answer comes to, as it is told."""

    message: MessageRow
    text: str
    row: RunRow | None = None
    asks: Sequence[AskRow] = ()
    events: list[Event] = field(default_factory=list)
    """Of the run since what was told before."""
    base: str = "/"

    @property
    def at(self) -> int:
        """When it was begun, in seconds."""
        return int(datetime.fromisoformat(self.message.at).timestamp())

    @property
    def tokens(self) -> tuple[int, int]:
        """Input and output tokens of the concierge's turn and of the run's turns in it."""
        turns = [each.data for each in self.events if each.type == "model.called"]
        return (
            self.message.tokens_in + sum(each["input_tokens"] for each in turns),
            self.message.tokens_out + sum(each["output_tokens"] for each in turns),
        )

    @property
    def receipts(self) -> list[Receipt]:
        """The evidence for calls that were settled in it."""
        return [
            Receipt.model_validate(each.data.get("receipt", each.data))
            for each in self.events
            if each.type == "receipt"
        ]

    def facts(self) -> dict[str, str]:
        """Return where the run stands, for programs."""
        if self.row is None:
            return {}
        link = f"{self.base.rstrip('/')}/runs/{self.row.id}"
        return {"run": self.row.id, "status": self.row.status.value, "reason": self.row.reason, "link": link}


async def tell(
    desk: Desk, message: MessageRow, seconds: float, base: str
) -> AsyncGenerator[str | Account | None]:
    """Yield pieces of an answer as they come, None while there is none, and last what it comes to.

    What the run asks a person is noted as shown: the next turn of the conversation may answer it.
    """
    account = Account(message, message.text, base=base)
    yield message.text
    if message.run is None:
        yield account
        return
    yield "\n\n"
    async with aclosing(follow(desk, message.run, message.seen, seconds)) as events:
        async for event in events:
            if event is not None:
                account.events.append(event)
            yield telling.progress(event) if event is not None else None
    account.row = row = desk.store.run(message.run)
    account.asks = desk.store.open_asks(row.id) if row.status is RunStatus.WAITING else ()
    if account.asks:
        desk.store.showed(message.thread, message.n, [each.id for each in account.asks])
    if (end := telling.standing(desk, row, base)) != message.text:
        account.text = f"{message.text}\n\n{end}"
        yield f"\n{end}"
    yield account


async def told(desk: Desk, message: MessageRow, seconds: float, base: str) -> Account:
    """Return what an answer comes to within so many seconds."""
    async with aclosing(tell(desk, message, seconds, base)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Account):
                return piece
    raise AssertionError("an account is always told last")


async def turn(desk: Desk, who: Caller, said: Said) -> MessageRow:
    """Take in a message and return the answer to it."""
    if not said.text.strip():
        raise Refusal(400, "the last message is empty", "say what is to be done, or give a workflow's inputs")
    return (await conversation.take(desk, who, said))[1]
