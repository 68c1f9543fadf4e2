"""Waits that nobody stands for: a call that cannot go for a while is parked, and so is its run in the end.

The Distributor parks a call by answering without an exchange, so that its siblings go on. When all that a run
could do is parked, its segment ends with `RunParked` and holds nothing. Whoever goes on with it later sends
the same orders again: what waits for a quota has kept its place in the queue, what waits for a time has it in
the run log, as has everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal["quota", "retry"]

PARK_AFTER = 5.0
"""Seconds of a wait for a quota that are stood; a longer one parks the call."""

LONG_DELAY = 30.0
"""Seconds of any other wait that are stood: products show an effect, or end a run, within so many."""

LASTING = 2.0
"""Seconds from which on a wait is noted, so that it does not begin anew when its process ends in it."""

ROOM = 1.0
"""Seconds for which a run makes room for one that is in its way, and waits for a worker."""

PLACE = 60.0
"""Seconds until a call that waits for a place looks for it again: when one comes free, nobody can tell."""


@dataclass(frozen=True, slots=True)
class Parked:
    """Until when a call is parked, in seconds since the epoch, and what for."""

    due: float
    reason: Reason
    what: str
    """The quota, or why it waits, for people."""


class CallParked(Exception):
    """Raised on the way to an attempt, and taken by the Distributor: nothing was sent."""

    def __init__(self, parked: Parked) -> None:
        """Keep until when, and why."""
        super().__init__(parked.what)
        self.parked = parked


class RunParked(Exception):
    """All that a run could do now is parked until `parked.due`: the segment ends here."""

    def __init__(self, parked: Parked) -> None:
        """Keep until when, and why."""
        super().__init__(parked.what)
        self.parked = parked
