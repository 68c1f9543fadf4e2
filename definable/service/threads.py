"""Conversations over HTTP: what the chat page speaks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from definable.errors import UsageError
from definable.service import conversation
from definable.service.access import Caller
from definable.service.conversation import Said
from definable.service.desk import Desk
from definable.service.door import AtDesk, Operator, Viewer
from definable.service.problems import Refusal
from definable.service.runs import Key
from definable.store import MessageRow, ThreadRow

router = APIRouter(prefix="/api/threads", tags=["threads"])

ThreadId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="A conversation's id")]


class Opening(BaseModel):
    """A conversation to be opened; it needs nothing."""

    model_config = ConfigDict(extra="forbid")


class Words(BaseModel):
    """What a person says."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=100_000)


class Form(BaseModel):
    """A run, as a form has it."""

    model_config = ConfigDict(extra="forbid")

    workflow: str = Field(max_length=200)
    inputs: dict[str, Any] = Field(default_factory=dict)


class MessageView(BaseModel):
    """What somebody said."""

    n: int
    at: str
    role: str
    text: str
    """Markdown."""
    run: str | None = None
    """The run that it started, or is about."""
    workflow: str | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    """What is known of the workflow's inputs."""
    missing: list[str] = Field(default_factory=list)
    """Inputs that are asked for."""
    offline: bool = False
    """An offline model took the turn."""
    tokens: int = 0
    usd: float | None = None
    """What the turn cost; null where no model was asked, or its price is not known."""


class ThreadBrief(BaseModel):
    """A conversation in a list."""

    id: str
    title: str
    """What was said first."""
    at: str


class ThreadView(ThreadBrief):
    """A conversation."""

    messages: list[MessageView]


class Exchange(BaseModel):
    """What was said, and the answer."""

    messages: list[MessageView]


@router.post("", status_code=201)
async def open_(desk: AtDesk, who: Operator, opening: Opening | None = None) -> ThreadBrief:
    """Open a conversation."""
    return _brief(desk.store.open_thread(conversation.new_thread(who.id)))


@router.get("")
async def find(
    desk: AtDesk, who: Viewer, limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> list[ThreadBrief]:
    """Return the caller's conversations, the newest first."""
    return [_brief(row) for row in desk.store.threads(who.id, limit)]


@router.get("/{thread}")
async def show(thread: ThreadId, desk: AtDesk, who: Viewer) -> ThreadView:
    """Show a conversation."""
    row = own(desk, who, thread)
    said = [_message(each) for each in desk.store.messages(row.id)]
    return ThreadView(**_brief(row).model_dump(), messages=said)


@router.delete("/{thread}", status_code=204)
async def forget(thread: ThreadId, desk: AtDesk, who: Operator) -> None:
    """Forget a conversation; its runs stay."""
    desk.store.drop_thread(own(desk, who, thread).id)


@router.post("/{thread}/messages", status_code=201)
async def say(thread: ThreadId, words: Words, desk: AtDesk, who: Operator, key: Key = None) -> Exchange:
    """Say something. The answer has a `run` when one was started, `missing` when something is asked back.

    `approve` and `deny: why` answer what the conversation has shown of its run's questions, `status` shows
    how it stands. With an `Idempotency-Key`, however often this is sent, it is said once.
    """
    return _exchange(await conversation.take(desk, who, Said(own(desk, who, thread), words.text, key)))


@router.post("/{thread}/runs", status_code=201)
async def begin(thread: ThreadId, form: Form, desk: AtDesk, who: Operator, key: Key = None) -> Exchange:
    """Start a run from a form: no model is asked."""
    row = own(desk, who, thread)
    return _exchange(await conversation.begin(desk, row, form.workflow, form.inputs, key))


def own(desk: Desk, who: Caller, thread: str) -> ThreadRow:
    """Return a conversation of the caller's. Refusal when there is none, or it is somebody else's.

    What was said before there were keys is the administrators'.
    """
    try:
        row = desk.store.thread(thread)
    except UsageError as error:
        raise Refusal(404, error.message, "see /api/threads") from error
    if row.owner != who.id and not (row.owner == "" and who.may("admin")):
        raise Refusal(404, f"there is no conversation {thread!r}", "see /api/threads")
    return row


def _brief(row: ThreadRow) -> ThreadBrief:
    return ThreadBrief(id=row.id, title=row.title, at=row.at)


def _message(row: MessageRow) -> MessageView:
    tokens = row.tokens_in + row.tokens_out
    return MessageView(**row.model_dump(include=set(MessageView.model_fields)), tokens=tokens)


def _exchange(said: tuple[MessageRow, MessageRow]) -> Exchange:
    return Exchange(messages=[_message(each) for each in said])
