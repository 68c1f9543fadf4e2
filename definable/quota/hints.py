"""What response headers say of quotas, in every spelling that is about. All of it is a hint, and capped.

- `RateLimit-Policy: "burst";q=20;w=60, "day";q=900;w=86400` with `RateLimit: "burst";r=0;t=37`, the
  structured fields of draft-ietf-httpapi-ratelimit-headers, and its older forms: `RateLimit: limit=20,
  remaining=3, reset=37` with `RateLimit-Policy: 20;w=60`, and `RateLimit-Limit`, `-Remaining`, `-Reset`.
- `X-RateLimit-Limit` and its kin, also `X-Rate-Limit-…`, and by window: `X-RateLimit-Limit-Minute`.
- A reset in seconds, as a time (epoch in seconds or milliseconds, HTTP-date), or as `1m30s`.

`x-should-retry` is not read: whether something is sent again follows from the class of the failure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

EPOCH = 1_000_000_000.0
"""A reset beyond this is a time, not a number of seconds; beyond a thousand times this, in milliseconds."""

LONGEST = 900.0
"""Seconds of a reset that are believed."""

MOST = 8
"""Policies that are looked at."""

WINDOWS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "requests": None}
"""Endings of header names → the window they are about; `requests` says nothing of it."""

PLAIN = ("limit", "remaining", "reset")

_MEMBER = re.compile(r'(?:[^,"]|"[^"]*")+')
_PARAMETER = re.compile(r'\s*([a-z][a-z0-9_-]*)\s*=\s*"?([^;,"]*)"?\s*$', re.I)
_PLAIN = re.compile(r"(?:x-)?rate-?limit-(limit|remaining|reset)(?:-(second|minute|hour|day|requests))?$")
_LASTING = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?$")


@dataclass(frozen=True, slots=True)
class Hints:
    """What a server says: `limit` per `window` seconds, `remaining` of it, `reset` in so many seconds."""

    limit: int | None = None
    window: float | None = None
    remaining: int | None = None
    reset: float | None = None


def hints(headers: Mapping[str, str], now: float) -> tuple[Hints, ...]:
    """Return what `headers` (lower-case names) say of each policy; what cannot be read is left out.

    `now` (epoch seconds) is what times are taken against when the response has no `Date`.
    """
    related = {name: text for name, text in headers.items() if "ratelimit" in name or "rate-limit" in name}
    if not related:
        return ()
    now = moment(headers.get("date", "")) or now
    found = [*_structured(related, now), *_plain(related, now)]
    return tuple(dict.fromkeys(each for each in found if each != Hints()))[:MOST]


def _structured(headers: Mapping[str, str], now: float) -> Iterator[Hints]:
    policies, states = _members(headers.get("ratelimit-policy", "")), _members(headers.get("ratelimit", ""))
    said = {name: parameters["="] for name, parameters in states if "=" in parameters}
    if said:  # the dictionary of older drafts: one policy, without a name
        states = [("", dict(zip("qrt", (said.get(each, "") for each in PLAIN), strict=True)))]
    left = dict(states)
    for name, policy in policies:
        state = left.pop(name, None) or (left.pop("", None) if len(policies) == 1 else None) or {}
        yield _hint(policy.get("q") or name, policy.get("w", ""), state.get("r", ""), state.get("t", ""), now)
    for state in left.values():
        yield _hint(state.get("q", ""), "", state.get("r", ""), state.get("t", ""), now)


def _plain(headers: Mapping[str, str], now: float) -> Iterator[Hints]:
    groups: dict[str, dict[str, str]] = {}
    for name, text in headers.items():
        if match := _PLAIN.match(name):
            groups.setdefault(match[2] or "", {})[match[1]] = text
    for ending, said in groups.items():
        limits = _members(said.get("limit", "")) or [("", {})]
        window = str(WINDOWS.get(ending) or "") or limits[0][1].get("w", "")
        remaining, reset = (_first(said.get(each, "")) for each in ("remaining", "reset"))
        yield _hint(limits[0][0], window, remaining, reset, now)


def _hint(limit: str, window: str, remaining: str, reset: str, now: float) -> Hints:
    most, length, left = _number(limit), _number(window), _number(remaining)
    return Hints(
        limit=int(most) if most and most >= 1 else None,
        window=length or None,
        remaining=None if left is None else int(left),
        reset=_reset(reset, now),
    )


def _members(text: str) -> list[tuple[str, dict[str, str]]]:
    """The members of a list: name and parameters; of a dictionary, the value is the parameter `=`."""
    found = []
    for member in _MEMBER.findall(text)[:MOST]:
        first, *rest = member.split(";")
        matches = [match for each in rest if (match := _PARAMETER.match(each))]
        parameters = {match[1].lower(): match[2].strip() for match in matches}
        if match := _PARAMETER.match(first):
            first, parameters["="] = match[1].lower(), match[2].strip()
        found.append((first.strip().strip('"'), parameters))
    return found


def _first(text: str) -> str:
    """The first of several values; a date has a comma of its own."""
    return text if moment(text) else text.split(",", maxsplit=1)[0].strip()


def _reset(text: str, now: float) -> float | None:
    value = _number(text)
    if value is None:
        lasting = _LASTING.match(text.strip()) if text.strip() else None
        at = moment(text)
        value = at - now if at else _seconds(lasting) if lasting else None
    elif value > EPOCH * 1000:
        value = value / 1000 - now
    elif value > EPOCH:
        value -= now
    return None if value is None else min(max(value, 0.0), LONGEST)


def _seconds(lasting: re.Match[str]) -> float:
    parts = zip(lasting.groups(), (3600.0, 60.0, 1.0, 0.001), strict=True)
    return sum(float(number) * unit for number, unit in parts if number)


def moment(text: str) -> float | None:
    """Return an HTTP-date (RFC 9110 5.6.7, in all three forms) in seconds since the epoch, or None."""
    try:
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError, OSError):
        return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
