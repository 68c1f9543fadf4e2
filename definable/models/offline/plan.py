"""Which reads to ask for next: first what needs no id, then what hangs on the ids that came back.

All calls of one turn are independent of each other. A tool whose name does not say that it reads is never
called, and no call is made twice.
"""

from __future__ import annotations

from collections.abc import Iterator

from definable.calls import Json
from definable.models.offline.names import kind, lists, points_to, target, words
from definable.models.offline.question import question, relevance, terms
from definable.models.offline.records import Record, records
from definable.models.offline.seen import Seen, Tool, Use

WIDEST = 20
"""Calls of one tool at most: a brief needs no more, and quotas are shared."""

PAGE = 100
"""Entries asked for of each thing's own list, where the tool lets that be said."""

SEARCH = frozenset({"query", "q", "search", "text", "keyword", "keywords"})


def plan(seen: Seen) -> list[Use]:
    """Return the calls to make now, all independent; empty when there is nothing left to read."""
    if seen.shape == {"markdown"} or _has_enough(seen):
        return []
    read = [t for t in seen.tools if target(t.name)]
    found = records(seen.results)
    asked = [use for tool in read for use in _uses(tool, seen, read, found)]
    return [use for n, use in enumerate(asked) if use not in seen.uses and use not in asked[:n]]


def _has_enough(seen: Seen) -> bool:
    # who draws or changes something reads for himself only when nothing was handed over
    return seen.shape != {"title", "points", "markdown"} and any(seen.given)


def _uses(tool: Tool, seen: Seen, read: list[Tool], found: list[Record]) -> Iterator[Use]:
    if not tool.required:
        yield Use(tool.name, {})
        return
    ids = [p for p in tool.required if points_to(p)]
    fixed = _fixed(tool, seen, ids)
    if fixed is None:
        return
    if len(ids) == 1:
        for value in _targets(tool, ids[0], seen, read, found):
            yield Use(tool.name, {ids[0]: value, **fixed})
    elif all(_given(p, seen) for p in ids):
        yield Use(tool.name, {**{p: _given(p, seen)[0] for p in ids}, **fixed})


def _fixed(tool: Tool, seen: Seen, ids: list[str]) -> dict[str, Json] | None:
    """Return the arguments that are the same in every call, or None when one cannot be known."""
    fixed: dict[str, Json] = {}
    for name in (p for p in tool.required if p not in ids):
        if name in seen.inputs:
            fixed[name] = seen.inputs[name]
        elif name in SEARCH and question(seen):
            fixed[name] = question(seen)
        else:
            return None
    size = tool.schema.get("properties", {}).get("limit")
    if ids and isinstance(size, dict):
        fixed["limit"] = min(PAGE, int(size.get("maximum", PAGE)))
    return fixed


def _targets(tool: Tool, parameter: str, seen: Seen, read: list[Tool], found: list[Record]) -> list[str]:
    given, whose = _given(parameter, seen), points_to(parameter)
    lister = {lists(t.name): t for t in read if lists(t.name)}
    same = lister.get(kind(tool.name))
    if same and not lists(tool.name):
        # one thing at a time, where a list has them all
        return given[:WIDEST] if same.required else []
    if not any(not lister[k].required for k in whose & lister.keys()):
        return given[:WIDEST]
    if not any(r.kind in whose for r in found):
        return []  # the list of them is being asked for in this very turn
    ids = [r.id for r in _ranked(seen, found) if r.kind in whose and _worth(tool, r)]
    return list(dict.fromkeys([*given, *filter(None, ids)]))[:WIDEST]


def _ranked(seen: Seen, found: list[Record]) -> list[Record]:
    wanted = terms(question(seen))
    return sorted(found, key=lambda r: -relevance(r, wanted)) if wanted else found


def _worth(tool: Tool, record: Record) -> bool:
    return not record.hidden and not (record.unpublished and kind(tool.name) == "run")


def _given(parameter: str, seen: Seen) -> list[str]:
    whose = points_to(parameter)
    values = [v for k, v in seen.inputs.items() if points_to(k) == whose or set(words(k)) == whose]
    flat = [x for v in values for x in (v if isinstance(v, list) else [v])]
    return [x for x in flat if isinstance(x, str) and x]
