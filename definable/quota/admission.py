"""Who may send now, and when the next one may: windows, turns and pauses, from facts alone.

A slot is taken before a request is sent and counts until one window after its *answer*: when the server
counted it, between the two, nobody here knows. So no more than `limit` requests can arrive in any window,
whatever the latencies, and whether the server's window is fixed, sliding or a token bucket (in any time `t`
at most `limit * (t / window + 1)` arrive, which is what such a bucket lets through).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from definable.quota.claim import Allowance, Bucket
from definable.quota.learning import Standing, ceiling, kept, paced

NAP = 5.0
"""Seconds that a waiting request sleeps at most: somebody before it may have given up."""

GLANCE = 0.5
"""Seconds between two looks for a place that may be released at any moment."""

GRACE = 5.0
"""Seconds that a waiting request may oversleep before its place in the queue is given up."""

Newest = Callable[[str, int], float | None]
"""(bucket, n) → when its n-th newest slot was answered; a time to come while it is on its way, at the
latest then; None when there are fewer than n."""


@dataclass(frozen=True, slots=True)
class Waiter:
    """A request in the queue: whose, its turn, when it looks again, and what it needs."""

    ticket: str
    source: str
    turn: int
    number: int
    """Which came first, over all."""
    wakes: float
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: how long until it is worth asking again, when it will probably be its turn, and for what."""

    seconds: float
    expected: float
    bucket: str


def slack(window: float) -> float:
    """Return the seconds by which two clocks may differ over a window (100 ppm), with a moment to spare."""
    return window * 1e-4 + 0.002 if window else 0.0


def in_order(waiters: Iterable[Waiter], now: float) -> list[Waiter]:
    """Return who waits, first first; those that did not wake when they said are gone."""
    alive = (each for each in waiters if each.wakes + GRACE >= now)
    return sorted(alive, key=lambda each: (each.turn, each.number))


def turn(source: str, waiting: Sequence[Waiter], served: Mapping[str, int], burst: int) -> int:
    """Return the turn of a newcomer: one after its own run's last, and not before those that are next.

    Each run has one request in each turn (fair queueing), so runs alternate, however many requests each has.
    `served` are the last turns of runs: who took all that was free has the others go first afterwards, by
    `burst` turns at most, so that nobody pays for long for having used what nobody else wanted.
    """
    mine = max((each.turn + 1 for each in waiting if each.source == source), default=0)
    mine = max(mine, served.get(source, -1) + 1)
    if waiting:
        return max(mine, min(each.turn for each in waiting))
    return max(mine, max(served.values(), default=0) - burst)


def ahead_of(ticket: str, turn: int, waiting: Sequence[Waiter]) -> list[Waiter]:
    """Return who goes before a request with this turn, which may be in the queue or not yet."""
    number = next((each.number for each in waiting if each.ticket == ticket), None)
    return [
        each
        for each in waiting
        if each.ticket != ticket
        and (each.turn < turn or (each.turn == turn and (number is None or each.number < number)))
    ]


@dataclass
class Room:
    """What is free at one moment, and what those before have of it."""

    now: float
    newest: Newest
    standings: Mapping[str, Standing] = field(default_factory=dict)
    given: Counter[str] = field(default_factory=Counter)

    def opens(self, buckets: tuple[Bucket, ...], ahead: Counter[str]) -> tuple[float, str]:
        """Return when there is room in all of `buckets`, at the earliest, and which is the last to open."""
        at, which = self.now, ""
        for bucket in buckets:
            standing = self.standings.get(bucket.name)
            opening = standing.paused if standing else 0.0
            if standing and standing.trying > self.now:
                opening = max(opening, self.now + GLANCE)
            before = ahead.get(bucket.name, 0)
            for index, allowance in enumerate(bucket.allowances):
                limit = ceiling(allowance, standing, index, self.now)
                opening = max(opening, self._opens(bucket.name, limit, allowance, before))
                if standing is None:
                    continue
                if (back := kept(allowance, standing, index, self.now))[0]:
                    less = self._opens(bucket.name, max(1, limit - back[0]), allowance, before)
                    opening = max(opening, min(less, back[1]))
                if limit < allowance.limit:
                    part = paced(allowance, limit)
                    opening = max(opening, self._opens(bucket.name, part.limit, part, before))
            if opening > at:
                at, which = opening, bucket.name
        return at, which

    def _opens(self, name: str, limit: int, allowance: Allowance, ahead: int) -> float:
        rounds, rest = divmod(ahead, limit)
        length = allowance.seconds + slack(allowance.seconds)
        answered = self.newest(name, limit - rest)
        if answered is None:
            return self.now + rounds * length
        if answered > self.now and not allowance.seconds:
            return self.now + GLANCE
        # What is still on its way is answered now at the earliest.
        return max(self.now, min(answered, self.now) + length) + rounds * length

    def room(self, bucket: Bucket) -> list[float]:
        """Return when each window of a bucket has room again for somebody who is the first."""
        standing = self.standings.get(bucket.name)
        limits = [ceiling(each, standing, n, self.now) for n, each in enumerate(bucket.allowances)]
        each = zip(limits, bucket.allowances, strict=True)
        return [self._opens(bucket.name, limit, allowance, 0) for limit, allowance in each]

    def give(self, buckets: tuple[Bucket, ...]) -> bool:
        """Give somebody a slot in each bucket if there is room now."""
        if self.opens(buckets, self.given)[0] > self.now:
            return False
        self.given.update(bucket.name for bucket in buckets)
        return True


def admit(buckets: tuple[Bucket, ...], before: Sequence[Waiter], room: Room) -> Wait | None:
    """Return None when a request may go now, after all `before` it that may; else how long it waits.

    Who cannot go yet takes nothing from those behind it that need other buckets: nothing free lies idle.
    """
    ahead: Counter[str] = Counter()
    stuck: set[tuple[Bucket, ...]] = set()
    for waiter in before:
        ahead.update(bucket.name for bucket in waiter.buckets)
        # What is given only grows, so whoever needs the same as one that is stuck is stuck too.
        if waiter.buckets not in stuck and not room.give(waiter.buckets):
            stuck.add(waiter.buckets)
    at, which = room.opens(buckets, room.given)
    if at <= room.now:
        return None
    expected, last = room.opens(buckets, ahead)
    seconds = max(at, expected) - room.now
    return Wait(min(NAP, seconds), seconds, last or which)
