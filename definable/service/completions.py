"""`/v1/models` and `/v1/chat/completions`, as OpenAI's clients speak them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from definable.service import compatible
from definable.service.access import Caller
from definable.service.compatible import CONCIERGE, Account, Parts, Wish, text_of
from definable.service.concierge import Line, offered
from definable.service.conversation import Said
from definable.service.desk import Desk
from definable.service.door import AtDesk, Operator, Viewer
from definable.service.problems import Refusal
from definable.service.runs import Key
from definable.store import MessageRow

router = APIRouter(prefix="/v1", tags=["openai"], responses=compatible.ERRORS)

SSE = {"cache-control": "no-store", "x-accel-buffering": "no"}

SHOWN = {"user": "user", "assistant": "assistant"}
"""Roles whose words are the conversation; instructions of a client change no workflow."""


class ModelView(BaseModel):
    """A model: a workflow, or the concierge."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "definable"
    description: str = ""


class Models(BaseModel):
    """What can be asked."""

    object: Literal["list"] = "list"
    data: list[ModelView]


class Message(BaseModel):
    """A message of the conversation, the client's copy of it."""

    model_config = ConfigDict(extra="allow")

    role: str
    content: Parts = None


class StreamOptions(BaseModel):
    """How it is streamed."""

    model_config = ConfigDict(extra="allow")

    include_usage: bool = False


class Completion(Wish):
    """A chat completion that is asked for."""

    messages: list[Message] = Field(min_length=1)
    stream_options: StreamOptions | None = None

    def lines(self) -> list[Line]:
        """Return the conversation as text. Refusal when a user has not the last word."""
        lines = [Line(SHOWN[m.role], text_of(m.content)) for m in self.messages if m.role in SHOWN]
        if not lines or lines[-1].role != "user":
            raise Refusal(400, "the last message is not a user's", "end `messages` with what is to be done")
        return lines


@router.get("/models")
async def models(desk: AtDesk, who: Viewer) -> Models:
    """Return the models: the concierge, and each workflow."""
    about = "Finds the workflow that a conversation asks for"
    found = [ModelView(id=CONCIERGE, description=about)]
    for name, workflow in (await offered(desk)).items():
        if name != CONCIERGE:
            found.append(ModelView(id=name, description=workflow.description))
    return Models(data=found)


@router.get("/models/{model}")
async def model(model: Annotated[str, Path(max_length=200)], desk: AtDesk, who: Viewer) -> ModelView:
    """Return a model."""
    name = await compatible.check_model(desk, model)
    return ModelView(id=model, description=(await desk.workflow(name)).description if name else "")


@router.post("/chat/completions", response_model=None)
async def complete(
    wish: Completion,
    desk: AtDesk,
    who: Operator,
    request: Request,
    key: Key = None,
    chat: Annotated[str | None, Header(alias="X-OpenWebUI-Chat-Id", max_length=200)] = None,
) -> Any:
    """Take the last message of a conversation: start a run, answer a run's question, or answer in words."""
    fixed, lines, wait = await compatible.check_model(desk, wish.model), wish.lines(), wish.wait()
    if (answer := compatible.hidden(lines)) is not None:
        return _words(wish, answer)
    if wish.stream:
        desk.refuse_crowd(who)
    base = str(request.base_url)
    message = await _turn(wish, desk, who, lines, fixed, key, chat, base)
    if wish.stream:
        return StreamingResponse(
            _stream(desk, wish, message, wait, base), media_type="text/event-stream", headers=SSE
        )
    return _whole(wish, await compatible.told(desk, message, wait, base))


async def _turn(
    wish: Completion,
    desk: Desk,
    who: Caller,
    lines: list[Line],
    fixed: str | None,
    key: str | None,
    chat: str | None,
    base: str,
) -> MessageRow:
    names = {"chat": chat, "thread": wish.named()}
    thread = compatible.the_thread(desk, who, names, lines, wish.user, key)
    return await compatible.turn(desk, who, Said(thread, lines[-1].text, key, lines[:-1], fixed, base))


def _id(message: MessageRow) -> str:
    return f"chatcmpl-{message.thread}-{message.n}"


def _usage(account: Account) -> dict[str, Any]:
    taken, given = account.tokens
    return {"prompt_tokens": taken, "completion_tokens": given, "total_tokens": taken + given}


def _body(ident: str, created: int, wish: Wish, text: str, usage: dict[str, Any]) -> dict[str, Any]:
    said = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": ident,
        "object": "chat.completion",
        "created": created,
        "model": wish.model,
        "choices": [{"index": 0, "message": said, "finish_reason": "stop", "logprobs": None}],
        "usage": usage,
    }


def _whole(wish: Wish, account: Account) -> dict[str, Any]:
    body = _body(_id(account.message), account.at, wish, account.text, _usage(account))
    return {**body, "definable": account.facts()}


def _words(wish: Completion, text: str) -> Any:
    """An answer that is no turn of any conversation."""
    now, usage = int(time.time()), {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    if not wish.stream:
        return _body("chatcmpl-hidden", now, wish, text, usage)

    async def pieces() -> AsyncIterator[bytes]:
        chunks = _Chunks(wish, "chatcmpl-hidden", now)
        for chunk in (chunks.text(text, role=True), chunks.end(), *chunks.usage(usage), DONE):
            yield chunk

    return StreamingResponse(pieces(), media_type="text/event-stream", headers=SSE)


DONE = b"data: [DONE]\n\n"


class _Chunks:
    """Writes the pieces of one streamed completion."""

    def __init__(self, wish: Completion, ident: str, created: int) -> None:
        self.head = {"id": ident, "object": "chat.completion.chunk", "created": created, "model": wish.model}
        self.counted = wish.stream_options is not None and wish.stream_options.include_usage

    def _line(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        if self.counted:
            more = {"usage": None, **more}
        return b"data: %s\n\n" % json.dumps({**self.head, "choices": choices, **more}).encode()

    def text(self, text: str, role: bool = False) -> bytes:
        delta = {"role": "assistant", "content": text} if role else {"content": text}
        return self._line([{"index": 0, "delta": delta, "finish_reason": None, "logprobs": None}])

    def end(self, **more: Any) -> bytes:
        return self._line([{"index": 0, "delta": {}, "finish_reason": "stop", "logprobs": None}], **more)

    def usage(self, usage: dict[str, Any]) -> list[bytes]:
        return [self._line([], usage=usage)] if self.counted else []


async def _stream(
    desk: Desk, wish: Completion, message: MessageRow, wait: float, base: str
) -> AsyncIterator[bytes]:
    chunks = _Chunks(wish, _id(message), Account(message, "").at)
    yield chunks.text("", role=True)
    async with aclosing(compatible.tell(desk, message, wait, base)) as pieces:
        async for piece in pieces:
            if piece is None:
                yield b": still here\n\n"
            elif isinstance(piece, Account):
                yield chunks.end(definable=piece.facts())
                for chunk in chunks.usage(_usage(piece)):
                    yield chunk
            elif piece:
                yield chunks.text(piece)
    yield DONE
