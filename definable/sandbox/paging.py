"""Cursors: opaque to clients, and still right when entries come and go between two pages."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence

from definable.sandbox.answers import Json, bad

Key = tuple[Json, str]
"""What a list is sorted by, and the entry's id, which makes it unique."""


def page(
    name: str,
    entries: Sequence[dict[str, Json]],
    key: Callable[[dict[str, Json]], Json],
    params: dict[str, Json],
    descending: bool = False,
) -> tuple[list[dict[str, Json]], dict[str, str | None]]:
    """Return one page of the entries, sorted, and its `pagination`. 400 for the cursor of another list.

    `name` says which list it is, with its sort order; `params` holds limit, after and before.
    """

    def keyed(entry: dict[str, Json]) -> Key:
        return (key(entry), entry["id"])

    ordered = sorted(entries, key=keyed, reverse=descending)
    after, before = params.get("after"), params.get("before")
    if after and before:
        raise bad("Only one of after and before may be given", "after: cannot be combined with before")
    first, last = _bounds(
        [keyed(entry) for entry in ordered], name, after, before, params["limit"], descending
    )
    shown = ordered[first:last]
    if not shown:
        return [], {"after": None, "before": None}
    return shown, {
        "after": _cursor(name, keyed(shown[-1])) if last < len(ordered) else None,
        "before": _cursor(name, keyed(shown[0])) if first > 0 else None,
    }


def _bounds(
    keys: list[Key], name: str, after: str | None, before: str | None, limit: int, descending: bool
) -> tuple[int, int]:
    def earlier(one: Key, other: Key) -> bool:
        return one > other if descending else one < other

    if after:
        mark = _read(name, after, "after", keys)
        first = sum(1 for key in keys if earlier(key, mark) or key == mark)
        return first, min(first + limit, len(keys))
    if before:
        mark = _read(name, before, "before", keys)
        last = sum(1 for key in keys if earlier(key, mark))
        return max(0, last - limit), last
    return 0, min(limit, len(keys))


def _cursor(name: str, key: Key) -> str:
    text = json.dumps([name, *key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(name: str, cursor: str, field: str, keys: list[Key]) -> Key:
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        parts = None
    kind = str if keys and isinstance(keys[0][0], str) else int | float
    right = isinstance(parts, list) and len(parts) == 3 and parts[0] == name and isinstance(parts[2], str)
    if not right or (keys and not isinstance(parts[1], kind)):
        raise bad("Invalid cursor", f"{field}: {cursor!r} is not a cursor of this list in this order")
    return (parts[1], parts[2])
