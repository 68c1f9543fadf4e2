"""What a 429 and a server's own figures teach: a pause for everybody, and a lower limit for a while.

Who else uses a quota, nobody says; but a refusal below our own count does, and so does a `remaining` that is
less than we left. Where we use all, nobody can come in to be noticed, so now and then a little of a window is
sent late. Then others keep what they had and a little more, what is left to us goes out in quarters
instead of all at once, so that what they do is noticed, and the limit is tried upwards slowly, and more
slowly each time that this was wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from definable.quota.claim import Allowance, Bucket
from definable.quota.hints import Hints

T = TypeVar("T", int, float)

FIRST_PAUSE = 1.0
"""Seconds of the first pause when the server does not say how long; doubled each time."""

LONGEST_PAUSE = 900.0

CALM = 2
"""Windows without a 429 after which a learned limit begins to return to the configured one."""

LONGEST_CALM = 16
"""Windows that this takes at most, doubled each time that the return met with a 429."""

FULL_PAUSE = 60.0
"""Seconds of the longest pause after an answer that no place is free."""

FULL = 2 * FULL_PAUSE
"""Seconds after such an answer in which places are taken one by one: each waits for the answer before it."""

PARTS = 4
"""In how many parts of a window what is shared with others goes out."""


ROOM = 2
"""Steps that are left to others besides what they had."""

LONG = 10
"""Windows in a row that are used up, after which a step of one goes out late."""

LATE = 0.75
"""By how much of a window it is late."""

SOON = 3
"""The same where others were met with not long ago."""

MEMORY = 64
"""Windows after a 429 for which it is remembered that there may be others."""

GAP = 2.5
"""Windows without a wait after which they are no longer in a row."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What was learned of one bucket. `ceilings`: one per window, 0 where nothing was learned."""

    paused: float = 0.0
    struck: float = 0.0
    strikes: int = 0
    ceilings: tuple[int, ...] = ()
    tries: int = 0
    """How often the limit was tried upwards and met with a 429."""
    trying: float = 0.0
    """Until when, at the latest, whoever finds out whether a place is free again has its answer."""
    full: tuple[float, ...] = ()
    """Since when each window has been used up again and again; 0 for one that is not."""
    seen: tuple[float, ...] = ()
    """When that was last noted, once per window."""
    parting: tuple[float, ...] = ()
    """Until when a step of each window is kept back, so that others who came meanwhile get in."""


def ceiling(allowance: Allowance, standing: Standing | None, index: int, now: float) -> int:
    """Return the limit of a window as it is taken to be now: learned, or on its way back."""
    if standing is None or not allowance.seconds:
        return allowance.limit
    learned = _at(standing.ceilings, index)
    if not learned:
        return allowance.limit
    quiet = int((now - standing.struck) / allowance.seconds) - _calm(standing) + 1
    return max(1, min(allowance.limit, learned + step(allowance) * max(0, quiet)))


def kept(allowance: Allowance, standing: Standing | None, index: int, now: float) -> tuple[int, float]:
    """Return how much of a window is kept back, and until when, to see whether somebody else is there."""
    until = _at(standing.parting, index) if standing else 0.0
    return (step(allowance) if now < until else 0, until)


def used_up(bucket: Bucket, standing: Standing, opens: Sequence[float], now: float) -> Standing:
    """Return the standing now that somebody has to wait, `opens` being when each window has room again.

    Who comes while we use all of a window is refused, and nothing tells us. So after ten windows in a row
    that were used up, or three where others were met not long ago, a step of one is sent three quarters of
    a window late, which costs four thousandths: who is there comes in, and what is late meets with a 429.
    It changes once per window at most, so that it is seldom written.
    """
    full, seen, parting = (_row(row, bucket) for row in (standing.full, standing.seen, standing.parting))
    for index, allowance in enumerate(bucket.allowances):
        length = allowance.seconds
        if not length or opens[index] <= now or now < seen[index] + length:
            continue
        if ceiling(allowance, standing, index, now) < allowance.limit:
            continue  # what is paced sees the others anyway
        if now > seen[index] + GAP * length:
            full[index] = now
        elif now >= full[index] + _every(allowance, standing, now) * length:
            full[index], parting[index] = now, opens[index] + LATE * length
        seen[index] = now
    if seen == _row(standing.seen, bucket):
        return standing
    return replace(standing, full=tuple(full), seen=tuple(seen), parting=tuple(parting))


def _every(allowance: Allowance, standing: Standing, now: float) -> float:
    """How many windows are used up before one is late; more where a step is more than a twentieth."""
    windows = SOON if _remembered(standing, allowance.seconds, now) else LONG
    return windows * max(1.0, 20 * step(allowance) / allowance.limit)


def _remembered(standing: Standing, length: float, now: float) -> bool:
    """Whether there may be others still: a learned limit may have come back without meeting them."""
    return any(standing.ceilings) and now - standing.struck < MEMORY * length


def step(allowance: Allowance) -> int:
    """Return by how much a limit returns per quiet window, and the room that is left to others."""
    return max(1, allowance.limit // 20)


def paced(allowance: Allowance, limit: int) -> Allowance:
    """Return what may go out in a part of a window of which others use something, `limit` in all of it."""
    return Allowance(-(-limit // PARTS), allowance.seconds / PARTS)


def strike(
    bucket: Bucket, standing: Standing, used: Sequence[int], now: float, asked: float | None
) -> Standing:
    """Return the standing after a 429 that came though `used` (per window, accepted) was within the limits.

    The fullest window is smaller than thought, or used by others too: its limit becomes what we had of it,
    less a little room, at once when that was half of it, else at the second refusal in a row after a pause,
    and never less than half of what it was and a third of what is configured: a server that says no at
    random must not stop a run. Where it was on its way back, it is a step more than where it came from: what
    others were kept from meanwhile must not count for what they want. `asked`: seconds from `Retry-After`.
    """
    fresh = now >= standing.paused
    strikes = standing.strikes
    if fresh:
        strikes = 1 if now - standing.struck > CALM * bucket.longest else standing.strikes + 1
    pause = min(FIRST_PAUSE * 2.0 ** min(strikes - 1, 20), max(bucket.longest, FIRST_PAUSE))
    until = max(standing.paused, now + min(asked if asked is not None else pause, LONGEST_PAUSE))
    struck = replace(standing, paused=until, struck=now, strikes=strikes)
    if not bucket.longest:
        return struck
    limits = [ceiling(each, standing, index, now) for index, each in enumerate(bucket.allowances)]
    worst = _worst(bucket, used, limits, asked)
    limit, allowance = limits[worst], bucket.allowances[worst]
    learned = _at(standing.ceilings, worst)
    again = bool(learned) and _remembered(standing, allowance.seconds, now)
    rising = again and learned < limit
    if fresh:
        struck = replace(struck, tries=standing.tries + rising if again else 0)
    ceilings = _padded(standing, bucket)
    ceilings[worst] = limit if limit < allowance.limit else 0
    if (fresh and strikes > 1) or used[worst] * 2 >= allowance.limit:
        least = max(1, allowance.limit // 3, limit // 2)
        ceilings[worst] = min(limit, max(least, used[worst] - ROOM * step(allowance)))
    if rising:
        ceilings[worst] = min(limit, ceilings[worst] or limit, learned + step(allowance))
    return replace(struck, ceilings=tuple(ceilings))


def crowd(standing: Standing, now: float, asked: float | None) -> Standing:
    """Return the standing of places after the server said that none is free, though we hold fewer than ours.

    Others use some, which nobody tells us. All who want one pause: `asked` seconds, else 1, 2, 4 … 60.
    """
    strikes = standing.strikes
    if now >= standing.paused:
        strikes = strikes + 1 if crowded(standing, now) else 1
    pause = min(FIRST_PAUSE * 2.0 ** min(max(strikes - 1, 0), 20), FULL_PAUSE)
    until = max(standing.paused, now + min(asked if asked is not None else pause, LONGEST_PAUSE))
    return replace(standing, paused=until, struck=now, strikes=strikes, trying=0.0)


def crowded(standing: Standing, now: float) -> bool:
    """Whether places were all taken not long ago, so that one at a time tries whether they still are."""
    return bool(standing.struck) and now - standing.struck < FULL


def tried(standing: Standing, accepted: bool) -> Standing:
    """Return the standing once whoever tried has its answer; when it got a place, the pause is over.

    The next pause is still a longer one: the places that we give back ourselves end it anyway.
    """
    if not standing.trying:
        return standing  # it left before the answer that all are taken, and says nothing of what is free now
    if accepted:
        return replace(standing, paused=0.0, trying=0.0)
    return replace(standing, trying=0.0)


def meant(hint: Hints, buckets: Sequence[Bucket], fullest: Bucket | None) -> tuple[Bucket, int] | None:
    """Return the bucket and the number of its window that a server's figures are about; None for none.

    Of several windows as long as the hint's, it is the one whose limit comes next above what it says. A hint
    without a length is about the window with just this limit, or about the bucket that is nearest to its end.
    """
    windows = [
        (allowance, bucket, index)
        for bucket in buckets
        for index, allowance in enumerate(bucket.allowances)
        if allowance.seconds and hint.window in (None, allowance.seconds)
    ]
    if hint.window is None:
        same = [each for each in windows if each[0].limit == hint.limit]
        near = [each for each in windows if each[1] == fullest]
        found = same[:1] if len(same) == 1 else near[:1]
    else:
        found = sorted((each for each in windows if each[0].limit >= (hint.limit or 0)), key=_limit)[:1]
        found = found or sorted(windows, key=_limit)[-1:]
    return (found[0][1], found[0][2]) if found else None


def _limit(window: tuple[Allowance, Bucket, int]) -> int:
    return window[0].limit


def hinted(
    bucket: Bucket, index: int, standing: Standing, hint: Hints, now: float, sent: int | None = None
) -> Standing:
    """Return the standing after figures about a window: they lower its limit or set a pause, never more.

    `sent` is all that we had sent in that window, answered or not: what the server counted beyond it, in a
    window that is surely this one, others sent.
    """
    learned, allowance = standing, bucket.allowances[index]
    limit = ceiling(allowance, standing, index, now)
    room = hint.limit if hint.limit and hint.window and hint.limit < limit else 0
    if (
        sent is not None
        and hint.remaining is not None
        and hint.limit == allowance.limit > hint.remaining + sent
    ):
        left = max(hint.remaining + sent - step(allowance), allowance.limit // 4, 1)
        room = left if left <= limit else 0
    if room:
        ceilings = _padded(standing, bucket)
        ceilings[index] = room
        learned = replace(learned, struck=now, ceilings=tuple(ceilings))
    if hint.remaining == 0 and hint.reset is not None:
        until = now + min(hint.reset, allowance.seconds)
        learned = replace(learned, paused=max(learned.paused, until))
    return learned


def _worst(bucket: Bucket, used: Sequence[int], limits: Sequence[int], asked: float | None) -> int:
    """The window that was fullest, among those long enough for the wait that was asked for."""
    windows = range(len(limits))
    long = [index for index in windows if bucket.allowances[index].seconds >= (asked or 0.0) - 1]
    return max(long or windows, key=lambda index: used[index] / limits[index])


def _calm(standing: Standing) -> int:
    return min(CALM << min(standing.tries, 10), LONGEST_CALM)


def _padded(standing: Standing, bucket: Bucket) -> list[int]:
    return [_at(standing.ceilings, index) for index in range(len(bucket.allowances))]


def _row(known: Sequence[float], bucket: Bucket) -> list[float]:
    return [_at(known, index) for index in range(len(bucket.allowances))]


def _at(known: Sequence[T], index: int) -> T:
    """The entry of a window, 0 where there is none yet."""
    return known[index] if index < len(known) else 0
