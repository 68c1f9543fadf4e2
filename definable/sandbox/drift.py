"""Changes of a body that a product might make overnight. Pure: the body given is left alone."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator

from definable.sandbox.answers import Json

Segments = list[str]
NOTHING = object()

CASTS: dict[str, Callable[[Json], Json]] = {
    "string": lambda value: value if isinstance(value, str) else str(value),
    "number": lambda value: _number(value),
    "boolean": lambda value: bool(value),
    "list": lambda value: [value],
    "object": lambda value: {"value": value},
    "null": lambda value: None,
}


def segments(path: str) -> Segments:
    """Return `values[*].id` as `values`, `*`, `id`."""
    return [part for part in re.split(r"[.\[\]]+", path) if part]


def move(body: Json, source: str, target: str) -> Json:
    """Return the body with `source` moved to `target`: a new last name, or a path with the same list."""
    taken, given = segments(source), segments(target)
    if len(given) == 1:
        given = taken[:-1] + given
    shared = 0
    while shared < min(len(taken), len(given)) - 1 and taken[shared] == given[shared]:
        shared += 1
    out = copy.deepcopy(body)
    for anchor in _objects(out, taken[:shared]):
        holders = list(_holders(anchor, taken[shared:]))
        if len(holders) == 1:
            _put(anchor, given[shared:], holders[0].pop(taken[-1]))
    return out


def change(body: Json, path: str, new: Callable[[Json], Json]) -> Json:
    """Return the body with every value at `path` replaced by `new` of it."""
    out, parts = copy.deepcopy(body), segments(path)
    for holder in _holders(out, parts):
        holder[parts[-1]] = new(holder[parts[-1]])
    return out


def remove(body: Json, path: str) -> Json:
    """Return the body without the fields at `path`."""
    out, parts = copy.deepcopy(body), segments(path)
    for holder in _holders(out, parts):
        del holder[parts[-1]]
    return out


def add(body: Json, path: str, value: Json) -> Json:
    """Return the body with a field at `path`, in each entry where the path goes through a list."""
    out, parts = copy.deepcopy(body), segments(path)
    for holder in _objects(out, parts[:-1]):
        holder[parts[-1]] = copy.deepcopy(value)
    return out


def retype(body: Json, path: str, to: str) -> Json:
    """Return the body with every value at `path` cast to another JSON type."""
    return change(body, path, CASTS[to])


def snake(body: Json) -> Json:
    """Return the body with all keys in snake_case."""
    if isinstance(body, dict):
        return {re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", key).lower(): snake(v) for key, v in body.items()}
    return [snake(entry) for entry in body] if isinstance(body, list) else body


def unwrap(body: Json, key: str) -> Json:
    """Return only what stands under `key`, if the body has it."""
    return body[key] if isinstance(body, dict) and key in body else body


def paging(body: Json, to: str) -> Json:
    """Return the body with the way to the next page under another name."""
    if isinstance(body, dict) and "nextPage" in body:
        return move(body, "nextPage", to)
    if not (isinstance(body, dict) and isinstance(body.get("pagination"), dict)):
        return body
    out = copy.deepcopy(body)
    _put(out, segments(to), out["pagination"].pop("after", None))
    if not out["pagination"].keys() - {"before"}:
        del out["pagination"]
    return out


def errors(body: Json, status: int, form: str) -> Json:
    """Return an error body in a form that Hex has never had."""
    text = body.get("message") or body.get("reason") if isinstance(body, dict) else str(body)
    if form == "text":
        return text
    error = {"type": f"error_{status}", "detail": text}
    return {"errors": [error]} if form == "list" else {"error": error}


def _number(value: Json) -> Json:
    try:
        return float(value)
    except (TypeError, ValueError):
        return len(str(value))


def _objects(body: Json, path: Segments) -> Iterator[dict[str, Json]]:
    """Yield every object at a path; lists on the way are gone through, with or without `*`."""
    if isinstance(body, list):
        rest = path[1:] if path and (path[0] == "*" or path[0].isdigit()) else path
        chosen = body[int(path[0]) : int(path[0]) + 1] if path and path[0].isdigit() else body
        for entry in chosen:
            yield from _objects(entry, rest)
    elif not path:
        if isinstance(body, dict):
            yield body
    elif isinstance(body, dict) and path[0] in body:
        yield from _objects(body[path[0]], path[1:])


def _holders(body: Json, path: Segments) -> Iterator[dict[str, Json]]:
    yield from (holder for holder in _objects(body, path[:-1]) if path[-1] in holder)


def _put(body: dict[str, Json], path: Segments, value: Json) -> None:
    for name in path[:-1]:
        body = body.setdefault(name, {})
    body[path[-1]] = value
