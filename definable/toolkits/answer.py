"""What is kept of a response: headers that matter, the body as JSON or text, and how far the attempt got."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal

from jiter import from_json

from definable.calls import Phase
from definable.redaction import MARK
from definable.spec.inputs import no_constant
from definable.spec.lookup import Json
from definable.spec.toolkit import Tool

HEADERS = (
    "date",
    "retry-after",
    "retry-after-ms",
    "x-trace-id",
    "www-authenticate",
    "content-type",
    "location",
)
HEADER_STARTS = ("ratelimit", "x-ratelimit-", "x-rate-limit-")
LONGEST_TEXT = 2000
"""Characters kept of a body that is not JSON: enough to recognise an error page."""

LONGEST_HEADER = 1000

Media = Literal["json", "text", "none"]


GAVE_UP = frozenset({408, 499})
"""A 4xx by which something on the way says that it waited no longer; what was behind it may have done it."""


def phase_of(tool: Tool, status: int) -> Phase:
    """Return how far an attempt got: 2xx committed, 3xx and 4xx rejected, 5xx unknown unless promised.

    A timeout that is told as a 4xx is as unknown as a 504.
    """
    if 200 <= status < 300:
        return Phase.COMMITTED
    if status in tool.rejects or (300 <= status < 500 and status not in GAVE_UP):
        return Phase.REJECTED
    return Phase.UNKNOWN


def kept_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers that matter for healing and tracing, by lower-case name; repeated ones joined."""
    kept: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        if name in HEADERS or name.startswith(HEADER_STARTS):
            kept[name] = f"{kept[name]}, {value}" if name in kept else value
    return {name: value[:LONGEST_HEADER] for name, value in kept.items()}


def read_body(raw: bytes, content_type: str) -> tuple[Json, Media]:
    """Return the body and what it is. What is not JSON becomes text, cut off, with bad bytes replaced.

    A body that looks like JSON is read as JSON whatever the header says: headers drift too.
    """
    body, media, _ = read_closely(raw, content_type, closely=False)
    return body, media


def read_closely(raw: bytes, content_type: str, closely: bool = True) -> tuple[Json, Media, tuple[str, ...]]:
    """Return the body, what it is, and the names that it has twice with different values.

    The last one wins, as everywhere. To look for them takes as long again as to parse: `closely` says so.
    """
    if not raw.strip():
        return None, "none", ()
    if "json" in content_type.lower() or raw.lstrip()[:1] in (b"{", b"["):
        try:
            body, doubled = _json(raw, closely)
            return body, "json", doubled
        except (ValueError, RecursionError):
            pass
    return raw[: LONGEST_TEXT * 4].decode("utf-8", "replace")[:LONGEST_TEXT], "text", ()


def _json(raw: bytes, closely: bool) -> tuple[Json, tuple[str, ...]]:
    """Return the value, by the fast parser; what that refuses (marks, surrogates, doubles) by the other."""
    with suppress(ValueError):
        return from_json(raw, allow_inf_nan=False, catch_duplicate_keys=closely), ()
    text = raw.decode("utf-8-sig")
    doubled: dict[str, None] = {}

    def pairs(found: list[tuple[str, Json]]) -> Json:
        value = dict(found)
        doubled.update({name: None for name, each in found if json.dumps(each) != json.dumps(value[name])})
        return value

    value = json.loads(text, parse_constant=no_constant, object_pairs_hook=pairs)
    # A lone surrogate is JSON, but no text that can be stored.
    return (_storable(value) if "\\ud" in text.lower() else value), tuple(doubled)


def _storable(value: Json) -> Json:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_storable(k): _storable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_storable(each) for each in value]
    return value


def hide(value: Json, keys: frozenset[str]) -> Json:
    """Return `value` with what stands under any of `keys` (lower-case names) replaced; null stays null."""
    if isinstance(value, Mapping):
        return {k: _hidden(v) if k.lower() in keys else hide(v, keys) for k, v in value.items()}
    if isinstance(value, list):
        return [hide(each, keys) for each in value]
    return value


def _hidden(value: Any) -> Any:
    return None if value is None else MARK
