"""A request put into the server's own words: what is sent changes, what is meant does not.

The arguments of a call stay in the toolkit's names, for conditions, looks and the effect's id. A `Rewording`
says how one place of them is sent; changes are applied one after the other, each to what came out of those
before.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from definable.calls import Rewording
from definable.spec.paths import MISSING, parse
from definable.spec.toolkit import Tool
from definable.verify.coerce import coerced
from definable.verify.shape import Json, kind, read


def applied(arguments: Mapping[str, Json], changes: Iterable[Rewording]) -> dict[str, Json]:
    """Return `arguments` as they are sent; a change that finds nothing to change changes nothing."""
    sent: dict[str, Any] = dict(arguments)
    for change in changes:
        sent = copy.deepcopy(sent)
        if change.rule == "rename":
            _move(sent, parse(change.path), parse(change.to))
        else:
            _replace(sent, parse(change.path), _caster(change))
    return sent


def placed(
    tool: Tool, arguments: Mapping[str, Json], changes: Iterable[Rewording] = ()
) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return what goes into the query and what into the body, changed; what is part of the path is neither.

    GET and DELETE send all of it in the query, other methods in the body but for what `query` names. What has
    another name now goes where it went before.
    """
    changes = tuple(changes)
    rest = {name: value for name, value in arguments.items() if f"{{{name}}}" not in tool.path}
    asked = tool.method in ("GET", "DELETE")
    query = {name: value for name, value in rest.items() if asked or name in tool.query}
    body = {name: value for name, value in rest.items() if name not in query}
    return applied(query, changes), applied(body, changes)


def as_sent(tool: Tool, arguments: Mapping[str, Json], changes: Iterable[Rewording] = ()) -> dict[str, Json]:
    """Return all arguments as they leave, those of the path included."""
    changes = tuple(changes)
    if not changes:
        return dict(arguments)
    in_path = {name: value for name, value in arguments.items() if f"{{{name}}}" in tool.path}
    query, body = placed(tool, arguments, changes)
    return {**in_path, **query, **body}


def cast(value: Json, to: str) -> Json:
    """Return `value` as the JSON type `to`, or MISSING when something would be lost or made up.

    Here the server itself has said which type it wants, so that a number may become its text and one value a
    list of one; null, and what is written in two ways, stay as they are.
    """
    if isinstance(value, float) and to == "integer":
        return int(value) if value.is_integer() else MISSING
    if value is None or kind(value) == to or (kind(value) == "integer" and to == "number"):
        return MISSING
    if to == "array":
        return [value]
    if to == "string":
        return json.dumps(value) if isinstance(value, bool | int | float) else MISSING
    return coerced(read({"type": to}, {}), value, "")


def _caster(change: Rewording) -> Callable[[Json], Json]:
    if change.rule == "word":
        return lambda value: change.to if value == change.of else MISSING
    return lambda value: cast(value, change.to)


def _move(sent: dict[str, Json], source: tuple[str, ...], target: tuple[str, ...]) -> None:
    shared = 0
    while shared < min(len(source), len(target)) - 1 and source[shared] == target[shared]:
        shared += 1
    rest, new = source[shared:], target[shared:]
    for anchor in _objects(sent, source[:shared]):
        holder = next(iter(_objects(anchor, rest[:-1])), {})
        if rest[-1] in holder and "*" not in (*rest, *new) and _free(anchor, new):
            _put(anchor, new, holder.pop(rest[-1]))


def _free(body: Json, path: tuple[str, ...]) -> bool:
    """Whether a value can be put there without taking the place of another."""
    for name in path[:-1]:
        if not isinstance(body, dict):
            return False
        if name not in body:
            return True
        body = body[name]
    return isinstance(body, dict) and path[-1] not in body


def _put(body: dict[str, Json], path: tuple[str, ...], value: Json) -> None:
    for name in path[:-1]:
        body = body.setdefault(name, {})
    body[path[-1]] = value


def _replace(sent: dict[str, Json], path: tuple[str, ...], new: Callable[[Json], Json]) -> None:
    if path[-1] == "*":
        for holder in _objects(sent, path[:-2]):
            entries = holder.get(path[-2])
            if isinstance(entries, list):
                holder[path[-2]] = [each if (n := new(each)) is MISSING else n for each in entries]
        return
    for holder in _objects(sent, path[:-1]):
        if path[-1] in holder and (found := new(holder[path[-1]])) is not MISSING:
            holder[path[-1]] = found


def _objects(body: Json, path: tuple[str, ...]) -> Iterator[dict[str, Json]]:
    """Yield every object at a path; `*` goes through all entries of a list."""
    if not path:
        if isinstance(body, dict):
            yield body
    elif path[0] == "*":
        for entry in body if isinstance(body, list) else ():
            yield from _objects(entry, path[1:])
    elif isinstance(body, dict) and path[0] in body:
        yield from _objects(body[path[0]], path[1:])
