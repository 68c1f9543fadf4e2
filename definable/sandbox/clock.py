"""The sandbox's clock: real time, shifted and sped up on demand."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate


class Clock:
    """Tells seconds since the epoch. `speed` 10 lets ten seconds pass in one; `source` is real time."""

    def __init__(
        self, now: float | None = None, speed: float = 1.0, source: Callable[[], float] = time.time
    ) -> None:
        """Start at `now` (real time when None)."""
        self._source = source
        self._real = source()
        self._virtual = self._real if now is None else now
        self._speed = speed

    @property
    def speed(self) -> float:
        """How many sandbox seconds pass in one real one; setting it does not move the time."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._virtual, self._real = self.now(), self._source()
        self._speed = speed

    def now(self) -> float:
        """Return the sandbox's time in seconds since the epoch."""
        return self._virtual + (self._source() - self._real) * self._speed

    def advance(self, seconds: float) -> float:
        """Move the time on by `seconds` and return it. Time never goes back."""
        if seconds < 0:
            raise ValueError(f"the clock cannot go back: advance={seconds!r}")
        self._virtual += seconds
        return self.now()

    def snapshot(self) -> dict[str, float]:
        """Return what `restore` needs; sandbox time passes while a snapshot lies around."""
        return {"virtual": self._virtual, "real": self._real, "speed": self._speed}

    def restore(self, data: dict[str, float]) -> None:
        """Go on as the clock that was saved."""
        self._virtual, self._real, self._speed = data["virtual"], data["real"], data["speed"]


def iso(seconds: float | None) -> str | None:
    """Return RFC 3339 in UTC with milliseconds, or None for None."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamp(seconds: float) -> str:
    """Return RFC 3339 in UTC for a time that is known."""
    return iso(seconds) or ""


def http_date(seconds: float) -> str:
    """Return an HTTP-date (RFC 9110), as in `Date` and `Retry-After`."""
    return formatdate(seconds, usegmt=True)
