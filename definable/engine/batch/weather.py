"""Whether the services that a batch needs are there: a row of failures by them is a pause. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STREAK = 3
"""Runs in a row that fail by a service before nothing new is begun."""

FIRST, LONGEST = 15.0, 300.0
"""Seconds of a pause: at first, and at most. Each that did not help is followed by one twice as long."""

PATIENCE = 3600.0
"""Seconds after which a batch ends where nothing has come through since the first failure."""

TRIES = 3
"""How often an item goes on that failed by a service while others came through."""

AWAY = frozenset({"UpstreamError", "CredentialsError", "StoreUnreachable"})

OF_MODELS = frozenset(
    {"rate_limited", "capacity", "auth_expired", "no_credentials", "permission", "upstream_5xx", "network"}
)
"""Failures of a model that say nothing of the item."""


def away(error: Mapping[str, Any] | None) -> bool:
    """Whether a run's error (its JSON) is a service's that was away, and would have met any other item."""
    if not error:
        return False
    kind, facts = error.get("error"), error.get("facts") or {}
    if kind == "ModelError":
        return facts.get("failure") in OF_MODELS
    return kind in AWAY or (kind == "LimitReached" and facts.get("limit") == "retries")


@dataclass
class Weather:
    """What the last runs tell. Times are seconds of one clock."""

    streak: int = 0
    since: float = 0.0
    """When the first failure of this streak came."""
    until: float = 0.0
    """When a paused batch tries again; 0 while it is not paused."""
    pauses: int = 0

    @property
    def paused(self) -> bool:
        """Whether nothing new is begun, but for one item at a time that tries."""
        return bool(self.until)

    def well(self) -> None:
        """Take in a run that came through, or failed by its own fault."""
        self.streak, self.until, self.pauses = 0, 0.0, 0

    def bad(self, now: float) -> None:
        """Take in a run that failed by a service."""
        self.streak += 1
        if self.streak == 1:
            self.since = now
        if self.streak >= STREAK and now >= self.until:
            self.until = now + min(FIRST * 2.0**self.pauses, LONGEST)
            self.pauses = min(self.pauses + 1, 10)

    def hopeless(self, now: float) -> bool:
        """Whether it has lasted too long."""
        return self.paused and now - self.since > PATIENCE

    def room(self, wanted: int, open_: int, now: float) -> int:
        """Return how many of the wanted items may begin, while so many are open."""
        if not self.paused:
            return wanted
        return min(wanted, 1) if now >= self.until and not open_ else 0
