"""One key, what may be one, and when it ends."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

EARLIEST, LATEST = 1e9, 1e11
"""Seconds since 1970: a number between these is a time in seconds; up to a thousandfold, in milliseconds."""

MARGIN = 60.0
"""Seconds before its end in which a key is used only when there is no other; at most a fifth of its life."""


SOON = 7 * 86400.0
"""Seconds before its end from which a person is told to make a new key."""


class Unusable(Exception):
    """A source is set, but what it holds cannot be a key. Never leaves this room."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: the name of its source, and its value, which no text form shows.

    `expires` and `issued` are in seconds since 1970, as the source itself says; None when it does not.
    `generation` counts the refusals that were known when the key was taken for an attempt.
    """

    name: str
    secret: SecretStr
    expires: float | None = None
    issued: float | None = None
    generation: int = field(default=0, compare=False)

    @property
    def mark(self) -> str:
        """Tells one value from another without keeping it."""
        return hashlib.sha256(self.secret.get_secret_value().encode()).hexdigest()

    def leave_at(self, expires: float | None) -> float:
        """Return when to move on from this key, if it ends at `expires`."""
        if expires is None:
            return math.inf
        life = expires - self.issued if self.issued is not None else math.inf
        return expires - min(MARGIN, max(0.0, life) / 5)


def checked(value: str) -> str:
    """Return `value`; Unusable when it would break a request's header."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise Unusable("holds spaces or characters that no key has")
    return value


def moment(value: Any) -> float | None:
    """Return a time in seconds since 1970 from RFC 3339 or a number; None for what is no time.

    Numbers are seconds, the way of JWT's `exp`; those a thousand times too large for that are milliseconds.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        seconds = value / 1000 if LATEST <= value < LATEST * 1000 else float(value)
        return seconds if EARLIEST <= seconds < LATEST else None
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value.strip())
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    return None


def rfc3339(at: float) -> str:
    """Return a time as data has it, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def second(at: float) -> str:
    """Return a time of this day to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")


def stamp(at: float) -> str:
    """Return a time as people read it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
