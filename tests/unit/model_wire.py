"""Providers that answer what a test tells them to, behind the real SDKs."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from definable.models import Models, Request, Round, ToolSpec, Turn
from definable.spec.artifacts import Draft

KEYS = {"OPENAI_API_KEY": "sk-canary-openai", "ANTHROPIC_API_KEY": "sk-ant-canary"}
MODELS = {"openai": "openai/gpt-5.5", "anthropic": "anthropic/claude-opus-4-7"}
TOOL = ToolSpec(
    "HEX_GET_CELL", "Get a cell", {"type": "object", "properties": {"cellId": {"type": "string"}}}
)

Json = Any


class Provider:
    """Answers each request with the next of its responses, and keeps what was asked."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        """Keep the answers in order; an exception is raised instead of answering."""
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def bodies(self) -> list[Json]:
        """The JSON of each request."""
        return [json.loads(r.content) for r in self.requests]


def asked(provider: str, *history: Round, tools: tuple[ToolSpec, ...] = (TOOL,)) -> Request:
    """Return a request for a draft."""
    return Request(
        MODELS[provider], "You write.", "Write.", Draft, tools, tuple(history), max_output_tokens=900
    )


async def turn(provider: str, wire: Provider, *history: Round) -> Turn:
    """Return one turn of a provider."""
    async with Models(KEYS, transport=httpx2.MockTransport(wire)) as models:
        return await models.turn(asked(provider, *history))


def openai_says(*output: Json, status: str = "completed", **other: Json) -> httpx2.Response:
    """Return a response of `/v1/responses` with these output items."""
    usage = {"input_tokens": 11, "output_tokens": 5, "total_tokens": 16, "input_tokens_details": None}
    body = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5.5", "status": status}
    body |= {
        "output": list(output),
        "usage": usage,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    return httpx2.Response(200, json={**body, **other})


def openai_text(text: str, **other: Json) -> Json:
    """Return a message item with one text."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
        **other,
    }


def anthropic_says(*content: Json, stop_reason: str = "end_turn", **other: Json) -> httpx2.Response:
    """Return a response of `/v1/messages` with these blocks."""
    usage = {"input_tokens": 11, "output_tokens": 5, "cache_read_input_tokens": 100}
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-7", "usage": usage}
    return httpx2.Response(200, json={**body, "content": list(content), "stop_reason": stop_reason, **other})


def anthropic_text(text: str) -> Json:
    """Return a block of text."""
    return {"type": "text", "text": text}


SAYS = {
    "openai": lambda text: openai_says(openai_text(text)),
    "anthropic": lambda text: anthropic_says(anthropic_text(text)),
}
"""A response that holds one text, by provider."""
