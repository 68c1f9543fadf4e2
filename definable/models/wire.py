"""The raw side of both providers: their HTTP client, the response as it came, and the end of a turn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import httpx2
from pydantic import BaseModel, ValidationError

from definable.calls import Json
from definable.limits import Usage
from definable.models import failures
from definable.models.neutral import Request, ToolUse, Turn
from definable.spec.inputs import is_text, no_constant

TIMEOUT = httpx2.Timeout(600.0, connect=10.0)
"""A reasoning model may think for minutes before the first byte."""

TRIPS = (ValidationError, ValueError, TypeError, AttributeError, KeyError, RecursionError)
"""What the SDKs' `parse` throws on a body that they did not expect: they trust the wire."""

_seen: ContextVar[list[httpx2.Response] | None] = ContextVar("definable_model_responses", default=None)


class Parts(BaseModel):
    """What one response holds, in the neutral form."""

    uses: list[ToolUse]
    text: str
    usage: Usage
    items: list[Json]


def http_client(transport: httpx2.AsyncBaseTransport | None) -> httpx2.AsyncClient:
    """Return an HTTP client for an SDK that also keeps each response for `watching`."""
    hooks = {"response": [_keep]}
    if transport is None:
        return httpx2.AsyncClient(timeout=TIMEOUT, follow_redirects=True, event_hooks=hooks)
    return httpx2.AsyncClient(timeout=TIMEOUT, transport=transport, event_hooks=hooks)


@contextmanager
def watching() -> Iterator[list[httpx2.Response]]:
    """Collect the responses of the calls made inside, in this task only."""
    seen: list[httpx2.Response] = []
    token = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(token)


def body(seen: list[httpx2.Response]) -> tuple[Json, str]:
    """Return the last response as JSON (None when it is not) and as text."""
    text = seen[-1].text if seen else ""
    try:
        return _json(text), text
    except TRIPS:
        return None, text


def _json(text: str) -> Json:
    """Return JSON that can be stored and sent on: no NaN, no half of a character. Raises one of TRIPS."""
    value = json.loads(text, parse_constant=no_constant)
    if not is_text(value):
        raise ValueError("half of a character stands in it")
    return value


def arguments(model: str, name: str, said: str, usage: Usage) -> dict[str, Json]:
    """Return the arguments a model wrote for a tool; ModelError when they are no JSON object."""
    try:
        value = _json(said or "{}")
    except TRIPS:
        value = None
    if not isinstance(value, dict):
        raise failures.invalid(model, f"its arguments for {name} are not a JSON object", said, usage)
    return value


def end(request: Request, parts: Parts, parsed: BaseModel | None) -> Turn:
    """Return the turn: the calls when there are any, else the artifact; ModelError when there is neither."""
    if len({use.id for use in parts.uses}) < len(parts.uses):
        ids = ", ".join(use.id for use in parts.uses)
        raise failures.invalid(request.model, "its calls have no ids of their own", ids, parts.usage)
    if parts.uses:
        return Turn(uses=tuple(parts.uses), usage=parts.usage, items=parts.items)
    if parsed is not None:
        return Turn(artifact=parsed.model_dump(mode="json"), usage=parts.usage, items=parts.items)
    shape = request.hands_in.__name__
    what = f"its answer is not {shape}" if parts.text else f"it handed in nothing instead of {shape}"
    raise failures.invalid(request.model, what, parts.text, parts.usage)


async def _keep(response: httpx2.Response) -> None:
    seen = _seen.get()
    if seen is not None:
        await response.aread()
        seen.append(response)
