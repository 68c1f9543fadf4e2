"""When a schedule is due: cron's five fields, read as wall-clock time in a time zone.

`croniter` reads the fields and knows the calendar; it is given no time zone, for what it makes of one is not
what people expect on the two days of the year on which clocks change. Those days are dealt with here, as
Vixie's cron does:

- A time that the clocks skip is due the moment they have skipped it: 02:30 becomes 03:00.
- A time that comes twice is due once, at first.
- Where the hour is `*`, nothing is at a time of day: whatever the clocks do, `*/15 * * * *` is due every
  quarter of an hour, and `30 * * * *` whenever a clock shows half past.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from croniter import croniter
from croniter.croniter import CroniterError

_FIELDS: Final = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, L for the last"),
    ("month", "1 to 12, or JAN to DEC"),
    ("day of the week", "0 to 7 with 0 and 7 for Sunday, or SUN to SAT"),
)
_CHANCE: Final = re.compile(r"\b[hr]\b", re.IGNORECASE)
"""Signs that croniter reads as a time by chance, which would be another one in each process."""

_LARGEST_STEP: Final = timedelta(hours=26)
"""More than any zone ever moved its clocks at once: Samoa left out a day in 2011."""

_SPANS: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=367))


def cron_problem(cron: str) -> str:
    """Return what is wrong with a schedule, or an empty text."""
    fields = cron.split()
    if len(fields) != len(_FIELDS):
        names = ", ".join(name for name, _ in _FIELDS)
        return f"five fields are expected ({names}), not {len(fields)}"
    for index, (field, (name, known)) in enumerate(zip(fields, _FIELDS, strict=True)):
        alone = " ".join(field if i == index else "*" for i in range(5))
        if _CHANCE.search(field) or not _readable(alone):
            return f"{field!r} is no {name}: {known}"
    return "" if _readable(cron) else f"{cron!r} never comes"


def _readable(cron: str) -> bool:
    try:
        croniter(cron, datetime(2000, 1, 1)).get_next(datetime)
    except (CroniterError, ValueError, KeyError, TypeError):
        return False
    return True


def times(cron: str, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the moments, in UTC, at which a schedule is due after a moment; each once, in order."""
    last = after
    for moment in _in_order(cron, zone, _begin(zone, after)):
        if moment > last:
            yield moment
            last = moment


def _begin(zone: ZoneInfo, after: datetime) -> datetime:
    """What a clock shows at a moment, or earlier where it is about to be, or was just, put back."""
    near = {
        (after + shift).astimezone(zone).utcoffset() for shift in (-_LARGEST_STEP, timedelta(), _LARGEST_STEP)
    }
    wall = after.astimezone(zone).replace(tzinfo=None, microsecond=0)
    return wall if len(near) == 1 else wall - _LARGEST_STEP


def _in_order(cron: str, zone: ZoneInfo, begin: datetime) -> Iterator[datetime]:
    hourly = cron.split()[1].startswith("*")
    walls = croniter(cron, begin)
    ahead: list[datetime] = []
    while (wall := _next(walls)) is not None:
        moments, earliest = _moments(wall, zone, hourly=hourly)
        while ahead and ahead[0] < earliest:
            yield heapq.heappop(ahead)
        for moment in moments:
            heapq.heappush(ahead, moment)
    yield from sorted(ahead)


def _next(walls: croniter) -> datetime | None:
    try:
        found: datetime = walls.get_next(datetime)
    except CroniterError:  # never again
        return None
    return found


def _moments(wall: datetime, zone: ZoneInfo, *, hourly: bool) -> tuple[list[datetime], datetime]:
    """When a clock shows `wall`, and before when nothing later on the clock can be."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None) != wall:  # skipped
        change = _change(second, first, zone)
        return ([] if hourly else [change]), change
    return ([first, second] if hourly and first != second else [first]), first


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The first second, between two moments, at which the clocks show another offset than before."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        middle = middle.replace(microsecond=0)
        before, after = (middle, after) if middle.astimezone(zone).utcoffset() == old else (before, middle)
    return after


def upcoming(cron: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return when a schedule is due next after a moment, in UTC; None when it never is again."""
    return next(times(cron, zone, after), None)


def passed(cron: str, zone: ZoneInfo, after: datetime, until: datetime) -> list[datetime]:
    """Return when a schedule was due after a moment and not after `until`, in order."""
    found = []
    for moment in times(cron, zone, after):
        if moment > until:
            break
        found.append(moment)
    return found


def latest(cron: str, zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """Return the last of what `passed` returns, however long that is; None when there is nothing."""
    for span in _SPANS:
        since = max(after, until - span)
        if found := passed(cron, zone, since, until):
            return found[-1]
        if since == after:
            return None
    return next(reversed(passed(cron, zone, after, until)), None)
