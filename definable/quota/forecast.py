"""How long a number of requests takes at least, from the quotas alone: known before any of them is sent.

The k-th request of a bucket can leave one window after the answer of the one that is `limit` before it, in
each of the bucket's windows, and so on from the slots that are taken now. That is what the governor does,
with answers that take no time: the forecast is a floor, and close where answers are short beside the windows.
Requests of several buckets wait in all of them at the same time, so the longest of these waits counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from definable.quota.admission import Waiter, slack
from definable.quota.claim import Allowance, Bucket
from definable.quota.learning import Standing, ceiling, paced

EXACT = 20_000
"""Requests of a bucket that are followed one by one; beyond them, each round takes as long as the last."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What is used of an owner's quotas at one moment, by everybody who shares the store."""

    now: float
    slots: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Bucket → when each of its slots was answered, oldest first; later than `now` while it is on its way."""
    standings: Mapping[str, Standing] = field(default_factory=dict)
    waiting: tuple[Waiter, ...] = ()
    """The queue, first first."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the last request can leave, in `seconds` from now at the earliest, and what it waits for most."""

    seconds: float = 0.0
    bucket: str = ""
    """The bucket that lets it go last; empty when all can leave at once."""
    limit: int = 0
    window: float = 0.0
    """What most of that time is waited for: `limit` requests in any `window` seconds."""
    others: int = 0
    """Requests of other runs that wait for this bucket now and have their turns among ours."""


def forecast(
    demand: Mapping[Bucket, int], taken: Taken, source: str = "", held: Mapping[str, float] | None = None
) -> Forecast:
    """Return how long requests take to leave, so many of each bucket, if nothing else comes.

    `source` is the run that they belong to: what it has in the queue is part of `demand`. `held` are the
    seconds for which a place is held, by bucket of places; where that is not known, none are waited for.
    """
    found = [_last(bucket, count, taken, source, held or {}) for bucket, count in demand.items() if count > 0]
    return max(found, key=lambda each: each.seconds, default=Forecast())


def _last(bucket: Bucket, count: int, taken: Taken, source: str, held: Mapping[str, float]) -> Forecast:
    """When the last of `count` requests of one bucket leaves."""
    others = _others(bucket, count, taken, source)
    ahead = count + others
    windows = [(each, _length(each, held.get(bucket.name, 0.0))) for each in bucket.allowances]
    if not all(length for _, length in windows):
        return Forecast()
    slowest, length = max(windows, key=lambda each: each[1] / each[0].limit)
    rounds = max(0, ahead - EXACT) // slowest.limit
    at, most = _follow(bucket, windows, ahead - rounds * slowest.limit, taken)
    seconds = at - taken.now + rounds * length
    if seconds <= 0:
        return Forecast()
    binding = slowest if rounds else most
    return Forecast(seconds, bucket.name, binding.limit, binding.seconds, others)


def _follow(
    bucket: Bucket, windows: list[tuple[Allowance, float]], count: int, taken: Taken
) -> tuple[float, Allowance]:
    """Let requests leave one after the other; return when the last does, and the window waited for most."""
    standing = taken.standings.get(bucket.name)
    # What is on its way is answered now at the earliest.
    left = [min(at, taken.now) for at in taken.slots.get(bucket.name, ())]
    at = max(taken.now, standing.paused if standing else 0.0)
    waits: dict[Allowance, float] = {windows[0][0]: at - taken.now}
    for _ in range(count):
        opens, window = at, windows[0][0]
        for index, (each, length) in enumerate(windows):
            if (other := _opens(left, each, length, standing, index, at)) > opens:
                opens, window = other, each
        if opens > at:
            waits[window] = waits.get(window, 0.0) + opens - at
            at = opens
        left.append(at)
    return at, max(waits, key=lambda each: waits[each])


def _opens(
    left: list[float], window: Allowance, length: float, standing: Standing | None, index: int, at: float
) -> float:
    """When a window has room again, for the one that comes after all of `left`."""
    limit = ceiling(window, standing, index, at)
    opens = left[-limit] + length if len(left) >= limit else at
    if limit < window.limit:
        part = paced(window, limit)
        if len(left) >= part.limit:
            opens = max(opens, left[-part.limit] + part.seconds + slack(part.seconds))
    return opens


def _length(window: Allowance, held: float) -> float:
    """Seconds after which a slot of a window is free; 0 for a place of which nobody knows when it is."""
    return window.seconds + slack(window.seconds) if window.seconds else held


def _others(bucket: Bucket, count: int, taken: Taken, source: str) -> int:
    """How many requests of other runs go before the last of ours: each run has one in each turn."""
    waiting = Counter(each.source for each in taken.waiting if bucket in each.buckets)
    return sum(min(count, theirs) for name, theirs in waiting.items() if name != source)
