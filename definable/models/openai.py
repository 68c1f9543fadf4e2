"""OpenAI's Responses API (https://platform.openai.com/docs/api-reference/responses), through its own SDK."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import httpx2
import openai
from openai.types.responses import FunctionToolParam, ResponseIncludable
from pydantic import BaseModel

from definable.calls import Json
from definable.limits import Usage
from definable.models import failures, wire
from definable.models.neutral import Request, Round, ToolSpec, ToolUse, Turn

BASE_URL = "https://api.openai.com/v1"

REASONS = re.compile(r"^(o\d|gpt-([5-9]|\d\d))(?!.*-chat)")
"""Models that think in reasoning items. Others refuse to be asked for them in encrypted form."""


class OpenAI:
    """One account at OpenAI, or whatever speaks its API at `base_url`."""

    def __init__(self, key: str, base_url: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        """Build the SDK's client. Its own retries are off: the Verifier decides those."""
        self.client = openai.AsyncOpenAI(
            api_key=key,
            base_url=base_url or BASE_URL,
            max_retries=0,
            timeout=wire.TIMEOUT,
            http_client=wire.http_client(transport),
        )

    async def turn(self, request: Request) -> Turn:
        """Make one request. Raises ModelError."""
        with wire.watching() as seen:
            try:
                response = await self._parse(request)
                parsed = response.output_parsed
            except openai.OpenAIError as error:
                raise failures.from_sdk("openai", request.model, error) from error
            except wire.TRIPS:
                parsed = None  # `_read` looks at what really came and says what is wrong
        return wire.end(request, _read(request, *wire.body(seen)), parsed)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.close()

    async def _parse(self, request: Request) -> Any:
        name = request.model.partition("/")[2]
        include: list[ResponseIncludable] = ["reasoning.encrypted_content"] if REASONS.match(name) else []
        return await self.client.responses.parse(
            model=name,
            instructions=request.system,
            input=cast(Any, _input(request)),
            tools=[_tool(t) for t in request.tools],
            text_format=request.hands_in,
            max_output_tokens=request.max_output_tokens,
            store=False,
            include=include,
        )


class _Incomplete(BaseModel):
    reason: str | None = None


class _Error(BaseModel):
    code: str = "unknown"
    message: str = ""


class _Response(BaseModel):
    """The little that is read from a response besides the artifact."""

    status: str | None = None
    incomplete_details: _Incomplete | None = None
    error: _Error | None = None
    output: list[dict[str, Any]]
    usage: Usage | None = None


class _Usage(BaseModel):
    usage: dict[str, Any] | None = None


def _tool(tool: ToolSpec) -> FunctionToolParam:
    # not strict: our schemas are ordinary JSON Schema, and our own validator is the judge
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.schema,
        "strict": False,
    }


def _input(request: Request) -> list[Json]:
    said: list[Json] = [{"role": "user", "content": request.prompt}]
    for past in request.history:
        said += _round(past)
    return said


def _round(past: Round) -> list[Json]:
    # nothing is stored over there, so a reasoning item without its encrypted content leads nowhere
    items = [i for i in past.turn.items or [] if i.get("type") != "reasoning" or i.get("encrypted_content")]
    for result in past.results:
        output = json.dumps(result.content, ensure_ascii=False)
        items.append({"type": "function_call_output", "call_id": result.id, "output": output})
    if past.say:
        items.append({"role": "user", "content": past.say})
    return items


def _read(request: Request, body: Json, text: str) -> wire.Parts:
    try:
        usage = _usage(body)
        response = _Response.model_validate({**body, "usage": usage})
        _whole(request, response, usage)
        return _parts(request, response, usage)
    except wire.TRIPS as error:
        raise failures.unreadable("openai", request.model, text) from error


def _usage(body: Json) -> Usage:
    said = _Usage.model_validate(body).usage or {}
    return Usage(input_tokens=said.get("input_tokens") or 0, output_tokens=said.get("output_tokens") or 0)


def _whole(request: Request, response: _Response, usage: Usage) -> None:
    if response.status == "failed":
        error = response.error or _Error()
        raise failures.from_response("openai", request.model, error.code, error.message, usage)
    if response.status == "incomplete":
        reason = (response.incomplete_details or _Incomplete()).reason or "no reason given"
        if reason == "content_filter":
            raise failures.refused(request.model, "the content filter stopped it", usage)
        raise failures.cut_off(request.model, reason, request.max_output_tokens, usage)


def _parts(request: Request, response: _Response, usage: Usage) -> wire.Parts:
    uses: list[ToolUse] = []
    texts: list[str] = []
    for item in response.output:
        if item.get("type") == "function_call":
            arguments = wire.arguments(request.model, str(item["name"]), str(item["arguments"]), usage)
            uses.append(ToolUse(id=str(item["call_id"]), name=str(item["name"]), arguments=arguments))
        for part in item.get("content") or []:
            if part.get("type") == "refusal":
                raise failures.refused(request.model, str(part.get("refusal", "")), usage)
            if part.get("type") == "output_text" and item.get("phase") in (None, "final_answer"):
                texts.append(str(part.get("text", "")))
    return wire.Parts(uses=uses, text="\n".join(texts), usage=usage, items=response.output)
