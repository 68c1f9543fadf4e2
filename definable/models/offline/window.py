"""The days that a question is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from definable.models.offline.seen import Seen

ASKED = re.compile(r"\b(?:last|past)\s+(\d{1,3})\s+days", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Window:
    """The last `days` days before a run's date. `since` is YYYY-MM-DD, empty when nobody said."""

    days: int = 0
    since: str = ""

    @property
    def words(self) -> str:
        """` in the last 7 days`, to be put behind a sentence; empty when there is no window."""
        return f" in the last {self.days} days" if self.since else ""

    def holds(self, day: str) -> bool:
        """Whether a day, YYYY-MM-DD, is in it. Without a window every day is."""
        return day >= self.since


def window(seen: Seen) -> Window:
    """Return the window that the inputs (`days`) or the prompt (`the last 7 days`) name."""
    found = ASKED.search(seen.prompt)
    days = seen.inputs.get("days", int(found[1]) if found else None)
    today = str((seen.context.get("run") or {}).get("date") or "")
    if not isinstance(days, int) or not re.fullmatch(r"\d{4}-\d\d-\d\d", today):
        return Window()
    return Window(days, (date.fromisoformat(today) - timedelta(days=days)).isoformat())
