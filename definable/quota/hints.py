"""What response headers say of quotas: draft-ietf-httpapi-ratelimit-headers and `x-ratelimit-*`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

EPOCH = 1_000_000_000.0
"""A reset beyond this is a time, not a number of seconds."""

LONGEST = 900.0
"""Seconds of a reset that are believed: all of this is a hint, and hints are capped."""

_PART = re.compile(r";\s*([a-z]+)\s*=\s*([0-9.]+)", re.I)


@dataclass(frozen=True, slots=True)
class Hints:
    """What a server says: `limit` per `window` seconds, `remaining` of it, `reset` in so many seconds."""

    limit: int | None = None
    window: float | None = None
    remaining: int | None = None
    reset: float | None = None


def hints(headers: Mapping[str, str], now: float) -> Hints | None:
    """Return what `headers` (lower-case names) say; what cannot be read is ignored. `now`: epoch seconds."""
    if not any("ratelimit" in name for name in headers):
        return None
    policy, state = _parts(headers.get("ratelimit-policy", "")), _parts(headers.get("ratelimit", ""))
    limit = _number(policy.get("q") or _plain(headers, "limit"))
    remaining = _number(state.get("r") or _plain(headers, "remaining"))
    reset = _number(state.get("t") or _plain(headers, "reset"))
    if reset is not None and reset > EPOCH:
        reset -= now
    return Hints(
        limit=int(limit) if limit and limit >= 1 else None,
        window=_number(policy.get("w", "")),
        remaining=None if remaining is None else int(remaining),
        reset=None if reset is None else min(max(reset, 0.0), LONGEST),
    )


def _parts(text: str) -> dict[str, str]:
    """The parameters of the first policy: which of several is meant, nobody says."""
    return {name.lower(): value for name, value in _PART.findall(text.split(",", maxsplit=1)[0])}


def _plain(headers: Mapping[str, str], what: str) -> str:
    return headers.get(f"ratelimit-{what}") or headers.get(f"x-ratelimit-{what}") or ""


def _number(text: str) -> float | None:
    try:
        value = float(text.split(",", maxsplit=1)[0].split(";", maxsplit=1)[0])
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
