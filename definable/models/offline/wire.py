"""The wire JSON of both providers: requests read into `Seen`, answers written as their servers write them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from definable.calls import Json
from definable.models.offline.seen import Result, Seen, Tool, Use, result, split

Body = dict[str, Any]
Answer = list[Use] | dict[str, Json]


def read_openai(body: Body) -> Seen:
    """Return what a request to `/v1/responses` shows."""
    said: list[str] = []
    calls: dict[str, Use] = {}
    results: list[Result] = []
    for item in body["input"]:
        if item.get("role") == "user":
            said.append(str(item["content"]))
        elif item.get("type") == "function_call":
            calls[item["call_id"]] = Use(item["name"], json.loads(item["arguments"]))
        elif item.get("type") == "function_call_output":
            use = calls.get(item["call_id"], Use("", {}))
            results.append(result(use, str(item["output"]), failed=False))
    tools = tuple(Tool(t["name"], t["parameters"]) for t in body.get("tools", ()))
    return _seen(said, body["text"]["format"]["schema"], tools, calls, results)


def read_anthropic(body: Body) -> Seen:
    """Return what a request to `/v1/messages` shows."""
    said: list[str] = []
    calls: dict[str, Use] = {}
    results: list[Result] = []
    for block in (b for m in body["messages"] for b in _blocks(m)):
        if block["type"] == "tool_use":
            calls[block["id"]] = Use(block["name"], block["input"])
        elif block["type"] == "tool_result":
            use = calls.get(block["tool_use_id"], Use("", {}))
            results.append(result(use, str(block["content"]), bool(block.get("is_error"))))
        elif block["role"] == "user":
            said.append(block["text"])
    tools = tuple(Tool(t["name"], t["input_schema"]) for t in body.get("tools", ()))
    return _seen(said, body["output_config"]["format"]["schema"], tools, calls, results)


def write_openai(body: Body, answer: Answer) -> Body:
    """Return the answer as `/v1/responses` gives it."""
    output = _items(_mark(body), answer)
    tokens_in, tokens_out = _tokens(body), _tokens(output)
    return {
        "id": f"resp_{_mark(body)}",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": body["model"],
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": tokens_in,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": tokens_out,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": tokens_in + tokens_out,
        },
    }


def write_anthropic(body: Body, answer: Answer) -> Body:
    """Return the answer as `/v1/messages` gives it."""
    mark = _mark(body)
    if isinstance(answer, list):
        content = [
            {"type": "tool_use", "id": f"toolu_{mark}_{n}", "name": use.tool, "input": use.arguments}
            for n, use in enumerate(answer)
        ]
    else:
        content = [{"type": "text", "text": json.dumps(answer, ensure_ascii=False)}]
    return {
        "id": f"msg_{mark}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": "tool_use" if isinstance(answer, list) else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": _tokens(body), "output_tokens": _tokens(content)},
    }


def _items(mark: str, answer: Answer) -> list[Json]:
    if isinstance(answer, list):
        return [
            {
                "type": "function_call",
                "id": f"fc_{mark}_{n}",
                "call_id": f"call_{mark}_{n}",
                "name": use.tool,
                "arguments": json.dumps(use.arguments),
                "status": "completed",
            }
            for n, use in enumerate(answer)
        ]
    text = {"type": "output_text", "text": json.dumps(answer, ensure_ascii=False), "annotations": []}
    message = {"type": "message", "id": f"msg_{mark}", "role": "assistant", "status": "completed"}
    return [{**message, "content": [text]}]


def _seen(
    said: list[str],
    schema: dict[str, Any],
    tools: tuple[Tool, ...],
    calls: dict[str, Use],
    results: list[Result],
) -> Seen:
    prompt, context = split(said[0])
    reasons = [*map(str, context.get("reasons") or ()), *said[1:]]
    shape = frozenset(schema["properties"])
    return Seen(prompt, shape, tools, tuple(calls.values()), tuple(results), context, tuple(reasons))


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [{**block, "role": message["role"]} for block in blocks]


def _mark(body: Body) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def _tokens(value: Json) -> int:
    return len(json.dumps(value, ensure_ascii=False)) // 4


PROVIDERS: dict[str, tuple[Callable[[Body], Seen], Callable[[Body, Answer], Body]]] = {
    "openai": (read_openai, write_openai),
    "anthropic": (read_anthropic, write_anthropic),
}
"""How requests are read and answers written, by provider."""
