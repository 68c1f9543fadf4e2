"""The things in verified results: what each is called, what it belongs to, what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from definable.verify.names import CARRIERS, singular, words
from definable.verify.shape import Json
from definable.verify.vocabulary import NAMES, norm

STARTS = ("startTime", "startedAt", "startDate", "createdAt", "date", "day", "timestamp")
ENDS = ("endTime", "endedAt", "endDate", "finishedAt", "completedAt")
VERBS = frozenset({"list", "get", "search", "find", "read", "fetch", "describe", "show", "query"})
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Thing:
    """One entry of a result, or the one thing that a result is. `about` are its names and its owners'."""

    kind: str
    name: str
    id: str
    fields: Mapping[str, Any]
    call: str
    parents: tuple[str, ...]
    about: frozenset[str] = frozenset()
    scale: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    """Path of a number → its factor to seconds, where the beginning and end of such things show it."""
    there: bool = True
    """False for the one that stands for an empty list: nothing of this kind was found."""

    @cached_property
    def leaves(self) -> list[tuple[tuple[str, ...], Json]]:
        """Each plain value in its fields, with the names that lead to it."""
        return leaves(self.fields)

    @cached_property
    def date(self) -> str:
        """The day it began, YYYY-MM-DD; empty when that is not known."""
        said = next((self.fields[k] for k in STARTS if isinstance(self.fields.get(k), str)), "")
        return said[:10] if _DAY.match(said) else ""

    @cached_property
    def lasted(self) -> float | None:
        """Seconds between its beginning and its end; None when one is not known."""
        start, end = (
            next((self.fields[k] for k in keys if isinstance(self.fields.get(k), str)), "")
            for keys in (STARTS, ENDS)
        )
        try:
            return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
        except (ValueError, TypeError):
            return None


def things(results: Mapping[str, Json]) -> list[Thing]:
    """Return the things in all results, each with the names of what it belongs to."""
    found = [each for call, entry in results.items() if isinstance(entry, dict) for each in _in(call, entry)]
    by_id = {each.id: each for each in found if each.id and each.name}
    scales = {kind: _scale([t for t in found if t.kind == kind]) for kind in {t.kind for t in found}}
    return [replace(_owned(each, by_id), scale=scales[each.kind]) for each in found]


def _scale(found: list[Thing]) -> dict[tuple[str, ...], float]:
    """Return which numbers are the length of these things, in ms or s: as long as from beginning to end."""
    seen: dict[tuple[str, ...], set[float]] = {}
    for thing in found:
        lasted = thing.lasted
        for path, value in thing.leaves if lasted else ():
            if isinstance(value, int | float) and lasted:
                near = {f for f in (0.001, 1.0) if abs(value * f - lasted) <= 0.05 * lasted + 1}
                seen[path] = seen.get(path, near) & near
    return {path: factors.pop() for path, factors in seen.items() if len(factors) == 1}


def _owned(thing: Thing, by_id: Mapping[str, Thing]) -> Thing:
    names = {norm(thing.name)} if thing.name else set()
    left, seen = [*thing.parents], {thing.id}
    while left:
        if (parent := by_id.get(left.pop())) is not None and parent.id not in seen:
            seen.add(parent.id)
            names.add(norm(parent.name))
            left += parent.parents
    return replace(thing, about=frozenset(names))


def _in(call: str, entry: Mapping[str, Json]) -> Iterator[Thing]:
    result, tool = entry.get("result"), str(entry.get("tool", ""))
    asked = entry.get("arguments") or {}
    parents = tuple(v for k, v in asked.items() if isinstance(v, str) and words(k)[-1:] == ("id",))
    if not isinstance(result, dict):
        return
    lists = {k: v for k, v in result.items() if _entries(v) and not _is_thing(result)}
    for key, entries in lists.items():
        kind = _of_tool(tool) if words(key)[-1:] and words(key)[-1] in CARRIERS else singular(words(key)[-1])
        for fields in entries:
            yield _thing(kind, fields, call, parents)
    for key in (k for k, v in result.items() if v == [] and not _is_thing(result)):
        kind = _of_tool(tool) if words(key)[-1:] and words(key)[-1] in CARRIERS else singular(words(key)[-1])
        yield replace(_thing(kind, {}, call, parents), there=False)
    if not lists and (_is_thing(result) or any(k in result for k in NAMES)):
        yield _thing(_of_tool(tool), result, call, parents)


def _thing(kind: str, fields: Mapping[str, Any], call: str, parents: tuple[str, ...]) -> Thing:
    name = next((fields[k] for k in NAMES if isinstance(fields.get(k), str) and fields[k].strip()), "")
    identifier = str(fields.get("id") or fields.get(f"{kind}Id") or "")
    ids = {k: v for k, v in fields.items() if isinstance(v, str) and k.endswith("Id") and v != identifier}
    return Thing(kind, " ".join(name.split()), identifier, fields, call, (*ids.values(), *parents))


def _of_tool(tool: str) -> str:
    """Return the kind of thing that a tool reads: X_LIST_PROJECTS → project."""
    said = [each.lower() for each in re.findall(r"[A-Za-z]+", tool)]
    at = next((n for n, word in enumerate(said) if word in VERBS), -1)
    return singular(said[-1]) if said[at + 1 :] else "thing"


def _is_thing(value: Mapping[str, Json]) -> bool:
    return any(
        words(key)[-1:] == ("id",) and key != "traceId" and isinstance(value[key], str) for key in value
    )


def _entries(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def leaves(value: Json, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Json]]:
    """Return each plain value in nested JSON, with the names that lead to it."""
    out: list[tuple[tuple[str, ...], Json]] = []
    _gather(value, path, out)
    return out


def _gather(value: Json, path: tuple[str, ...], out: list[tuple[tuple[str, ...], Json]]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, (dict, list, tuple)):
                _gather(inner, (*path, key), out)
            else:
                out.append(((*path, key), inner))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _gather(inner, path, out)
    else:
        out.append((path, value))
