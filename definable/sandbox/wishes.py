"""What a changed server wants of a request, how it says so, and the request in its old words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from definable.sandbox import drift
from definable.sandbox.answers import Json, Refusal
from definable.sandbox.context import Context
from definable.sandbox.faults import Fault


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing wrong with a request: a field is `unknown`, `missing`, of another `type`, another `word`."""

    field: str
    what: str
    expected: str = ""
    found: str = ""


def adapt(ctx: Context, fault: Fault, due: bool) -> Refusal | None:
    """Return the refusal of a request that is not as the changed server wants it, when it is due to refuse.

    Else None, and the request is in the old words, so that the handler knows it.
    """
    complaints = WISHES[fault.entry.fault](ctx, fault.params)
    if not complaints or not due:
        return None
    fault.hits += 1
    params: Any = fault.params
    if params.words == "issues":
        return Refusal(params.status, "Invalid request body", tuple(map(_issue, complaints)))
    return Refusal(params.status, "Invalid request", body=SAID[params.words](complaints))


def _renamed(ctx: Context, params: Any) -> list[Complaint]:
    if _has(ctx, params.from_):
        return [Complaint(params.from_, "unknown"), Complaint(params.to, "missing")]
    if _has(ctx, params.to):
        _rename(ctx, params.to, params.from_)
    return []


def _required(ctx: Context, params: Any) -> list[Complaint]:
    return [] if _has(ctx, params.field) else [Complaint(params.field, "missing")]


def _cased(ctx: Context, params: Any) -> list[Complaint]:
    body = _json(ctx)
    names = [*ctx.query, *(body if isinstance(body, dict) else ())]
    odd = [name for name in names if _snake(name) != name]
    if odd:
        wrong = [(Complaint(name, "unknown"), Complaint(_snake(name), "missing")) for name in odd]
        return [each for pair in wrong for each in pair]
    for name in names:
        if (old := re.sub(r"_([a-z])", lambda m: m[1].upper(), name)) != name:
            _rename(ctx, name, old)
    return []


def _retyped(ctx: Context, params: Any) -> list[Complaint]:
    if not _has(ctx, params.field):
        return []
    value = _value(ctx, params.field)
    now = {str: "string", bool: "boolean", list: "array", dict: "object", int: "number"}.get(
        type(value), "null"
    )
    if now != params.to:
        return [Complaint(params.field, "type", params.to, now)]
    old = value[0] if isinstance(value, list) else json.loads(value) if isinstance(value, str) else str(value)
    _change(ctx, params.field, old)
    return []


def _worded(ctx: Context, params: Any) -> list[Complaint]:
    value = _value(ctx, params.field) if _has(ctx, params.field) else None
    if not isinstance(value, str):
        return []
    if value != value.lower():
        return [Complaint(params.field, "word", f"other, {value.lower()}", value)]
    _change(ctx, params.field, value.upper())
    return []


WISHES: dict[str, Callable[[Context, Any], list[Complaint]]] = {
    "request_rename": _renamed,
    "request_required": _required,
    "request_case": _cased,
    "request_retype": _retyped,
    "request_word": _worded,
}


def _issue(each: Complaint) -> str:
    said = {"unknown": "Unrecognized key", "missing": "Required"}
    said |= {"type": f"Expected {each.expected}, received {each.found}"}
    said |= {"word": f"must be one of {each.expected}"}
    return f"{each.field}: {said[each.what]}"


def _sentence(each: Complaint) -> str:
    said = {"unknown": f"Unknown field '{each.field}'.", "missing": f"Missing required field '{each.field}'."}
    said |= {"type": f"'{each.field}' must be a valid {each.expected}."}
    said |= {"word": f"'{each.field}' must be one of: {each.expected}."}
    return said[each.what]


def _keyed(each: Complaint) -> Json:
    path: list[str] = drift.segments(each.field)
    if each.what == "unknown":
        return {
            "code": "unrecognized_keys",
            "keys": path[-1:],
            "path": path[:-1],
            "message": "Unrecognized key",
        }
    if each.what == "missing":
        return {"code": "invalid_type", "expected": "string", "received": "undefined", "path": path}
    if each.what == "word":
        return {"code": "invalid_value", "options": each.expected.split(", "), "path": path}
    return {"code": "invalid_type", "expected": each.expected, "received": each.found, "path": path}


def _located(each: Complaint) -> Json:
    kind, said = {
        "unknown": ("extra_forbidden", "Extra inputs are not permitted"),
        "missing": ("missing", "Field required"),
        "type": (f"{each.expected}_type", f"Input should be a valid {each.expected}"),
        "word": ("enum", "Input should be " + " or ".join(f"'{w}'" for w in each.expected.split(", "))),
    }[each.what]
    return {"loc": ["body", *drift.segments(each.field)], "msg": said, "type": kind}


SAID: dict[str, Callable[[list[Complaint]], Json]] = {
    "sentences": lambda all_: {"error": {"code": "bad_request", "message": " ".join(map(_sentence, all_))}},
    "text": lambda all_: "; ".join(map(_issue, all_)),
    "keys": lambda all_: [_keyed(each) for each in all_],
    "loc": lambda all_: {"detail": [_located(each) for each in all_]},
    "fields": lambda all_: {"errors": {each.field: [_issue(each).partition(": ")[2]] for each in all_}},
}
"""Form of words → the body in which a server says what it does not like."""


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def _json(ctx: Context) -> Json:
    try:
        return json.loads(ctx.body)
    except ValueError:
        return None


def _value(ctx: Context, path: str) -> Json:
    if path in ctx.query:
        return ctx.query[path][-1]
    body = _json(ctx)
    for name in drift.segments(path):
        body = body[name]
    return body


def _has(ctx: Context, path: str) -> bool:
    if path in ctx.query:
        return True
    body = _json(ctx)
    for name in drift.segments(path):
        if not (isinstance(body, dict) and name in body):
            return False
        body = body[name]
    return True


def _change(ctx: Context, path: str, value: Json) -> None:
    if path in ctx.query:
        ctx.query = {**ctx.query, path: [value]}
    else:
        ctx.body = json.dumps(drift.change(_json(ctx), path, lambda _: value)).encode()


def _rename(ctx: Context, source: str, target: str) -> None:
    if source in ctx.query:
        ctx.query = {(target if name == source else name): value for name, value in ctx.query.items()}
    else:
        ctx.body = json.dumps(drift.move(_json(ctx), source, target)).encode()
