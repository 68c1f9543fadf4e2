"""Anthropic's Messages API (https://docs.anthropic.com/en/api/messages), through its own SDK."""

from __future__ import annotations

import json
from typing import Any, cast

import anthropic
import httpx2
from anthropic.types import ToolParam
from pydantic import BaseModel, ValidationError

from definable.calls import Json
from definable.limits import Usage
from definable.models import failures, wire
from definable.models.neutral import Request, Round, ToolSpec, ToolUse, Turn

BASE_URL = "https://api.anthropic.com"


class Anthropic:
    """One account at Anthropic, or whatever speaks its API at `base_url`."""

    def __init__(self, key: str, base_url: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        """Build the SDK's client. Its own retries are off, and no trace header leaves."""
        self.client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=base_url or BASE_URL,
            max_retries=0,
            timeout=wire.TIMEOUT,
            http_client=wire.http_client(transport),
            open_telemetry={"propagation": False},
        )

    async def turn(self, request: Request) -> Turn:
        """Make one request. Raises ModelError."""
        with wire.watching() as seen:
            try:
                message = await self._parse(request)
                parsed = message.parsed_output
            except anthropic.AnthropicError as error:
                raise failures.from_sdk("anthropic", request.model, error) from error
            except wire.TRIPS:
                parsed = None  # also a word of text before tool calls; `_read` looks at what really came
        return wire.end(request, _read(request, *wire.body(seen)), parsed)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.close()

    async def _parse(self, request: Request) -> Any:
        return await self.client.messages.parse(
            model=request.model.partition("/")[2],
            system=request.system,
            messages=cast(Any, _messages(request)),
            tools=[_tool(t) for t in request.tools],
            output_format=request.hands_in,
            max_tokens=request.max_output_tokens,
        )


class _Usage(BaseModel):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Message(BaseModel):
    """The little that is read from a message besides the artifact."""

    content: list[dict[str, Any]]
    stop_reason: str | None = None
    usage: _Usage = _Usage()


def _tool(tool: ToolSpec) -> ToolParam:
    return {"name": tool.name, "description": tool.description, "input_schema": tool.schema}


def _messages(request: Request) -> list[Json]:
    said: list[Json] = [{"role": "user", "content": request.prompt}]
    for past in request.history:
        said += [{"role": "assistant", "content": past.turn.items}, {"role": "user", "content": _reply(past)}]
    return said


def _reply(past: Round) -> list[Json]:
    blocks: list[Json] = [
        {
            "type": "tool_result",
            "tool_use_id": result.id,
            "content": json.dumps(result.content, ensure_ascii=False),
            "is_error": result.error,
        }
        for result in past.results
    ]
    return [*blocks, {"type": "text", "text": past.say}] if past.say else blocks


def _read(request: Request, body: Json, text: str) -> wire.Parts:
    try:
        message = _Message.model_validate(body)
    except ValidationError as error:
        raise failures.unreadable("anthropic", request.model, text) from error
    usage = _total(message.usage)
    said = "\n".join(str(b.get("text", "")) for b in message.content if b.get("type") == "text")
    if message.stop_reason == "refusal":
        raise failures.refused(request.model, said, usage)
    if message.stop_reason in ("max_tokens", "model_context_window_exceeded"):
        raise failures.cut_off(request.model, message.stop_reason, request.max_output_tokens, usage)
    uses = [_use(request, b, usage) for b in message.content if b.get("type") == "tool_use"]
    return wire.Parts(uses=uses, text=said, usage=usage, items=message.content)


def _total(usage: _Usage) -> Usage:
    # `input_tokens` comes without what was read from or written to the cache
    cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
    return Usage(input_tokens=usage.input_tokens + cached, output_tokens=usage.output_tokens)


def _use(request: Request, block: dict[str, Any], usage: Usage) -> ToolUse:
    name, said = str(block.get("name", "")), block.get("input")
    if not isinstance(said, dict):
        raise failures.invalid(
            request.model, f"its arguments for {name} are not a JSON object", json.dumps(said), usage
        )
    return ToolUse(id=str(block.get("id", "")), name=name, arguments=said)
