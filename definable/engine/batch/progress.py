"""How far a batch is, as data that can be shown. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

WINDOW = 60.0
"""Seconds that the rate looks back."""


@dataclass(frozen=True)
class Progress:
    """Where a batch stands."""

    total: int
    done: int
    failed: int
    waiting: int
    """Items that wait for a person."""
    running: int
    """Items whose runs are in the queue, at work, or wait for a time that comes."""
    quota: int
    """Those of them that wait for a quota."""
    healed: int
    usd: float
    unpriced: int
    """Runs whose price is not known; `usd` is without them."""
    rate: float | None = None
    """Items that end in a second; None while nothing can be said."""
    paused: str = ""
    """Why nothing new is begun now."""
    floor: float = 0.0
    """Seconds that quotas make the rest take at least, as far as it is known."""

    @property
    def left(self) -> int:
        """Items that have not ended and wait for nobody."""
        return self.total - self.done - self.failed - self.waiting

    @property
    def eta(self) -> float | None:
        """Seconds until the rest has ended, at the present rate, where quotas let it last."""
        return max(self.left / self.rate if self.rate else 0.0, self.floor) or None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "total": self.total,
            "done": self.done,
            "failed": self.failed,
            "waiting": self.waiting,
            "left": self.left,
            "healed": self.healed,
            "usd": None if self.unpriced else round(self.usd, 6),
            "usd_known": round(self.usd, 6),
        }


@dataclass(frozen=True)
class Floor:
    """How long quotas make a batch take at least, as it was known when it began.

    The rate does not tell: it is that of a burst, which they allow at first.
    """

    began: float = 0.0
    seconds: float = 0.0
    items: int = 0
    """Items whose requests are counted."""

    def of(self, now: float, left: int) -> float:
        """Return the seconds of that which are left, with so many items."""
        part = min(1.0, left / self.items) if self.items else 0.0
        return max(0.0, min(self.began + self.seconds - now, self.seconds * part))


@dataclass
class Rate:
    """How many items end in a second, of late."""

    began: float
    _ends: deque[tuple[float, int]] = field(default_factory=deque)

    def of(self, now: float, ended: int) -> float | None:
        """Return the rate, given how many have ended since the beginning."""
        ends = self._ends
        if not ends or now - ends[-1][0] >= 1.0:
            ends.append((now, ended))
        while len(ends) > 2 and now - ends[0][0] > WINDOW:
            ends.popleft()
        then, before = ends[0] if now - self.began > WINDOW else (self.began, 0)
        return (ended - before) / (now - then) if now - then >= 1.0 and ended > before else None


def counted(stands: Mapping[tuple[Any, str], int]) -> dict[str, int]:
    """Return how many items are where, in the words that are shown: `waiting (approval)`."""
    found: dict[str, int] = {}
    for (status, reason), n in sorted(stands.items()):
        name = f"{status} ({reason})" if status == "waiting" and reason else str(status)
        found[name] = found.get(name, 0) + n
    return found
