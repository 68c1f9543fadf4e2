"""`/v1/responses`, as OpenAI's clients speak it: calls are `mcp_call` items, questions approval requests."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from definable.service import compatible, conversation
from definable.service.access import Caller
from definable.service.compatible import Account, Parts, Wish, text_of
from definable.service.completions import SHOWN, SSE
from definable.service.concierge import Line
from definable.service.conversation import Given, Said
from definable.service.desk import Desk
from definable.service.door import AtDesk, Operator, Viewer
from definable.service.problems import Refusal
from definable.service.runs import Key
from definable.service.threads import own
from definable.store import MessageRow, ThreadRow

router = APIRouter(prefix="/v1/responses", tags=["openai"], responses=compatible.ERRORS)

ID = re.compile(r"^resp_([0-9a-f]{16})_(\d{1,9})$")

APPROVAL = "mcpr_"
"""What the id of an approval request begins with; the question's id follows."""


class Item(BaseModel):
    """A message, or an answer to an approval request."""

    model_config = ConfigDict(extra="allow")

    type: str = "message"
    role: str = "user"
    content: Parts = None
    approval_request_id: str = ""
    approve: bool = False
    reason: str | None = None


class Conversation(BaseModel):
    """What a client calls the conversation."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(max_length=200)


class Response(Wish):
    """A response that is asked for."""

    input: str | list[Item]
    previous_response_id: str | None = Field(None, max_length=200)
    conversation: str | Conversation | None = None
    background: bool = False

    def items(self) -> list[Item]:
        """Return what is said."""
        return [Item(content=self.input)] if isinstance(self.input, str) else self.input

    def lines(self) -> list[Line]:
        """Return the messages in it."""
        said = [each for each in self.items() if each.type == "message" and each.role in SHOWN]
        return [Line(SHOWN[each.role], text_of(each.content)) for each in said]

    def called(self) -> str | None:
        """Return what the client calls the conversation."""
        given = self.conversation
        return given.id if isinstance(given, Conversation) else given

    def answers(self) -> list[Given]:
        """Return the answers to approval requests."""
        return [
            Given(each.approval_request_id.removeprefix(APPROVAL), each.approve, each.reason or "")
            for each in self.items()
            if each.type == "mcp_approval_response"
        ]


@router.post("", response_model=None)
async def create(wish: Response, desk: AtDesk, who: Operator, request: Request, key: Key = None) -> Any:
    """Take a message, or answers to approval requests. With `background` the run is not waited for."""
    fixed = await compatible.check_model(desk, wish.model)
    wait = 0.0 if wish.background and not wish.stream else wish.wait()
    if (answer := compatible.hidden(lines := wish.lines())) is not None:
        return _words(wish, answer)
    if wish.stream:
        desk.refuse_crowd(who)
    base = str(request.base_url)
    message = await _turn(wish, desk, who, lines, fixed, key, base)
    if wish.stream:
        return StreamingResponse(
            _stream(desk, wish, message, wait, base), media_type="text/event-stream", headers=SSE
        )
    return _whole(desk, wish, await compatible.told(desk, message, wait, base))


@router.get("/{response}", response_model=None)
async def look(
    response: Annotated[str, Path(max_length=100)], desk: AtDesk, who: Viewer, request: Request
) -> Any:
    """Look at a response again: it tells where its run stands now."""
    message = _known(desk, who, response, 404)[1]
    model = message.workflow if message.workflow and message.run else compatible.CONCIERGE
    wish = Response(model=model, input="", background=True)
    return _whole(desk, wish, await compatible.told(desk, message, 0.0, str(request.base_url)))


def _known(desk: Desk, who: Caller, response: str, status: int) -> tuple[ThreadRow, MessageRow]:
    """The conversation of a response and the message that it is. Refusal when there is none."""
    refusal = Refusal(status, f"there is no response {response!r}", code="previous_response_not_found")
    if (found := ID.match(response)) is None:
        raise refusal
    try:
        thread = own(desk, who, found[1])
    except Refusal:
        raise refusal from None
    said = {each.n: each for each in desk.store.messages(thread.id)}
    message = said.get(int(found[2]))
    if message is None or message.role != "assistant":
        raise refusal
    return thread, message


async def _turn(
    wish: Response, desk: Desk, who: Caller, lines: list[Line], fixed: str | None, key: str | None, base: str
) -> MessageRow:
    before: list[Line] | None = lines[:-1]
    if wish.previous_response_id:
        thread, _ = _known(desk, who, wish.previous_response_id, 400)
        before = None
    else:
        names = {"thread": wish.named(), "conversation": wish.called()}
        thread = compatible.the_thread(desk, who, names, lines, wish.user, key)
        if thread.title and (wish.called() or wish.named()) and len(lines) == 1:
            before = None  # it was kept here
    if given := wish.answers():
        return await conversation.take_answers(desk, who, thread, given, key)
    if not lines or lines[-1].role != "user":
        raise Refusal(400, "the input does not end with a user's message", "say what is to be done")
    return await compatible.turn(desk, who, Said(thread, lines[-1].text, key, before, fixed, base))


def _body(
    wish: Response, ident: str, created: int, status: str, output: list[Any], **more: Any
) -> dict[str, Any]:
    called = wish.called()
    return {
        "id": ident,
        "object": "response",
        "created_at": created,
        "status": status,
        "background": wish.background,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": wish.model,
        "output": output,
        "parallel_tool_calls": False,
        "previous_response_id": wish.previous_response_id,
        "conversation": {"id": called} if called else None,
        "reasoning": None,
        "store": True,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": None,
        "user": wish.user,
        "metadata": {},
        **more,
    }


def _usage(taken: int, given: int) -> dict[str, Any]:
    return {
        "input_tokens": taken,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": given,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": taken + given,
    }


def _message(ident: str, text: str, status: str = "completed") -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {
        "type": "message",
        "id": f"msg_{ident}",
        "role": "assistant",
        "status": status,
        "content": content if status == "completed" else [],
    }


def _ident(message: MessageRow) -> str:
    return f"{message.thread}_{message.n}"


def _items(desk: Desk, account: Account) -> list[dict[str, Any]]:
    """The calls that were settled, each with its receipt, and what a person is asked."""
    ident = _ident(account.message)
    calls = [
        {
            "type": "mcp_call",
            "id": f"mcp_{ident}_{each.call}",
            "server_label": _label(desk, each.tool),
            "name": each.tool,
            "arguments": json.dumps(each.arguments, ensure_ascii=False),
            "output": json.dumps(each.brief(), ensure_ascii=False),
            "error": None,
            "status": "completed" if each.status == "verified" else "failed",
        }
        for each in account.receipts
    ]
    asked = [
        {
            "type": "mcp_approval_request",
            "id": f"{APPROVAL}{each.id}",
            "server_label": _label(desk, each.ask.tool),
            "name": each.ask.tool,
            "arguments": json.dumps(each.ask.arguments, ensure_ascii=False),
        }
        for each in account.asks
    ]
    return [*calls, *asked]


def _label(desk: Desk, tool: str) -> str:
    """Which product a tool is of; a call of a run that is old may be of none that there is."""
    return desk.workspace.toolkit_of(tool).toolkit if tool in desk.workspace.tools() else "definable"


def _ended(desk: Desk, wish: Response, account: Account, text: str) -> dict[str, Any]:
    """The response, with this text."""
    row = account.row
    still = row is not None and not (row.status.ended or account.asks)
    return _body(
        wish,
        f"resp_{_ident(account.message)}",
        account.at,
        "in_progress" if still and wish.background else "completed",
        [_message(_ident(account.message), text), *_items(desk, account)],
        usage=_usage(*account.tokens),
        metadata=account.facts(),
    )


def _whole(desk: Desk, wish: Response, account: Account) -> dict[str, Any]:
    return _ended(desk, wish, account, account.text)


@dataclass
class _Events:
    """Writes the events of one streamed response, numbered."""

    number: int = 0

    def __call__(self, type: str, **data: Any) -> bytes:
        body = json.dumps({"type": type, "sequence_number": self.number, **data}, ensure_ascii=False)
        self.number += 1
        return f"event: {type}\ndata: {body}\n\n".encode()


def _words(wish: Response, text: str) -> Any:
    """An answer that is no turn of any conversation."""
    whole = _body(wish, "resp_hidden", 0, "completed", [_message("hidden", text)], usage=_usage(0, 0))
    if not wish.stream:
        return whole

    async def pieces() -> AsyncIterator[bytes]:
        said = _Text(wish, "hidden", 0)
        for line in (*said.begin(), said.piece(text), *said.end(whole)):
            yield line

    return StreamingResponse(pieces(), media_type="text/event-stream", headers=SSE)


class _Text:
    """Writes the events of one streamed response."""

    def __init__(self, wish: Response, ident: str, created: int) -> None:
        self.event = _Events()
        self.begun = _body(wish, f"resp_{ident}", created, "in_progress", [])
        self.item = _message(ident, "", "in_progress")
        self.where = {"item_id": self.item["id"], "output_index": 0, "content_index": 0}

    def begin(self) -> list[bytes]:
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        return [
            self.event("response.created", response=self.begun),
            self.event("response.in_progress", response=self.begun),
            self.event("response.output_item.added", output_index=0, item=self.item),
            self.event("response.content_part.added", **self.where, part=part),
        ]

    def piece(self, text: str) -> bytes:
        return self.event("response.output_text.delta", **self.where, delta=text, logprobs=[])

    def end(self, response: dict[str, Any]) -> list[bytes]:
        """The end of the text, the other items, and the whole response."""
        message, *others = response["output"]
        part = message["content"][0]
        lines = [
            self.event("response.output_text.done", **self.where, text=part["text"], logprobs=[]),
            self.event("response.content_part.done", **self.where, part=part),
            self.event("response.output_item.done", output_index=0, item=message),
        ]
        for number, item in enumerate(others, start=1):
            lines.append(self.event("response.output_item.added", output_index=number, item=item))
            lines.append(self.event("response.output_item.done", output_index=number, item=item))
        return [*lines, self.event("response.completed", response=response)]


async def _stream(
    desk: Desk, wish: Response, message: MessageRow, wait: float, base: str
) -> AsyncIterator[bytes]:
    said, text = "", _Text(wish, _ident(message), Account(message, "").at)
    for line in text.begin():
        yield line
    async with aclosing(compatible.tell(desk, message, wait, base)) as pieces:
        async for piece in pieces:
            if piece is None:
                yield b": still here\n\n"
            elif isinstance(piece, Account):
                for line in text.end(_ended(desk, wish, piece, said)):
                    yield line
            elif piece:
                said += piece
                yield text.piece(piece)
