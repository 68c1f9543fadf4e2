"""Circuit breakers and the retry budget: when sending more would only make it worse.

A breaker stands before one host and one class of operations (reads, writes, runs), and is sized in calls, not
in seconds: at 30 calls a minute, a window of time would either hold nothing or come minutes late. When most
of the last calls failed it opens: nothing is sent until a while has passed, then one attempt tries. What says
nothing of the host's health does not count: a 429, a 401, a refusal, a drifted answer.

The budget bounds what is sent again in a run, whatever the reason: some retries to begin with, and one more
for every ten answers. Waits for quota and for keys do not count, nor does reading a drifted answer again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace

from definable.calls import Outcome
from definable.spec.model import Effect
from definable.spec.toolkit import Tool

WINDOW = 8
"""Calls that a breaker looks back on."""

TRIP = 5
"""Failures among them that open it."""

FIRST = 15.0
"""Seconds that it stays open at first; doubled each time that the one who tries fails."""

LONGEST = 300.0

EARNED = 0.1
"""Retries that one answer adds: over a long run, one in ten."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """Where a breaker stands. `opens` is 0 while it is closed, else when the next attempt may try."""

    opens: float = 0.0
    trips: int = 0
    trying: float = 0.0
    """One attempt is out to try, and has its answer by then at the latest; 0: nobody is."""

    def wait(self, now: float) -> float:
        """Return the seconds until somebody may go; 0 when it is closed, or when whoever asks may try."""
        return max(0.0, self.opens - now, self.trying - now)

    def tried(self, now: float, lease: float) -> Breaker:
        """Return it with one attempt out to try."""
        return replace(self, trying=now + lease)

    def tripped(self, now: float) -> Breaker:
        """Return it open, for twice as long as the last time."""
        length = min(FIRST * 2.0 ** min(self.trips, 20), LONGEST)
        return Breaker(opens=now + length, trips=self.trips + 1)

    def dumped(self) -> str:
        """Return it as text; empty while it is closed."""
        return json.dumps(asdict(self), sort_keys=True) if self.opens else ""


def loaded(text: str) -> Breaker:
    """Return what `dumped` made text of."""
    return Breaker(**json.loads(text)) if text else Breaker()


def trips(recent: list[bool]) -> bool:
    """Whether the last calls (True: failed) are reason enough to stop; the list is cut to the window."""
    del recent[:-WINDOW]
    return sum(recent) >= TRIP


def failed(tool: Tool, outcome: Outcome) -> bool | None:
    """Whether an attempt speaks against its host's health; None when it says nothing of it."""
    if outcome.status is None:
        return None if outcome.cause in ("no_credentials", "crash", "too_large") else True
    if outcome.status in tool.rejects or outcome.status == 429:
        return None
    return outcome.status >= 500


def operations(effect: Effect) -> str:
    """Return the class that an effect belongs to: products fail in one of them and work in another."""
    if not effect.writes:
        return "reads"
    return "runs" if effect is Effect.RUN else "writes"


@dataclass
class RetryBudget:
    """What a run may still send again; `size` is what it begins with, and never has more than."""

    size: int
    left: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin with all of it."""
        self.left = float(self.size)

    def spend(self) -> bool:
        """Take one retry; False when none is left."""
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def earn(self) -> None:
        """Count an answer."""
        self.left = min(float(self.size), self.left + EARNED)
