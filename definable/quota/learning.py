"""What a 429 and a server's own figures teach: a pause for everybody, and a lower limit for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from definable.quota.claim import Allowance, Bucket
from definable.quota.hints import Hints

FIRST_PAUSE = 1.0
"""Seconds of the first pause when the server does not say how long; doubled each time."""

LONGEST_PAUSE = 900.0

CALM = 2
"""Windows without a 429 after which a learned limit begins to return to the configured one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What was learned of one bucket. `ceilings`: one per window, 0 where nothing was learned."""

    paused: float = 0.0
    struck: float = 0.0
    strikes: int = 0
    ceilings: tuple[int, ...] = ()


def ceiling(allowance: Allowance, standing: Standing | None, index: int, now: float) -> int:
    """Return the limit of a window as it is taken to be now: learned, or on its way back."""
    learned = standing.ceilings[index] if standing and index < len(standing.ceilings) else 0
    if not learned or standing is None or not allowance.seconds:
        return allowance.limit
    calm = int((now - standing.struck) / allowance.seconds) - CALM + 1
    step = max(1, allowance.limit // 10)
    return max(1, min(allowance.limit, learned + step * max(0, calm)))


def strike(
    bucket: Bucket, standing: Standing, used: Sequence[int], now: float, asked: float | None
) -> Standing:
    """Return the standing after a 429 that came though `used` (per window, accepted) was within the limits.

    One refusal after a calm time only pauses, and so do those that were on their way when it came: they say
    nothing of the limit. After another one, the fullest window is taken to be smaller than thought, or used
    by others too. Its limit becomes what we had of it, at least half of what it was and a quarter of what is
    configured: a server that says no at random must not stop a run. `asked`: seconds from `Retry-After`.
    """
    if now < standing.paused:
        strikes = standing.strikes
    else:
        strikes = 1 if now - standing.struck > CALM * bucket.longest else standing.strikes + 1
    pause = min(FIRST_PAUSE * 2.0 ** min(strikes - 1, 20), max(bucket.longest, FIRST_PAUSE))
    until = now + min(asked if asked is not None else pause, LONGEST_PAUSE)
    limits = [ceiling(each, standing, index, now) for index, each in enumerate(bucket.allowances)]
    ceilings = _padded(standing, bucket)
    if bucket.longest and strikes > 1 and now >= standing.paused:
        worst = max(range(len(limits)), key=lambda index: used[index] / limits[index])
        least = max(1, bucket.allowances[worst].limit // 4)
        ceilings[worst] = max(least, min(limits[worst], max(used[worst], limits[worst] // 2)))
    return Standing(max(standing.paused, until), now, strikes, tuple(ceilings))


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


def hinted(bucket: Bucket, index: int, standing: Standing, hint: Hints, now: float) -> Standing:
    """Return the standing after figures about a window: they lower its limit or set a pause, never more."""
    learned, allowance = standing, bucket.allowances[index]
    ceilings = _padded(standing, bucket)
    if hint.limit and hint.window and hint.limit < ceiling(allowance, standing, index, now):
        ceilings[index] = hint.limit
        learned = replace(learned, struck=now, ceilings=tuple(ceilings))
    if hint.remaining == 0 and hint.reset is not None:
        until = now + min(hint.reset, allowance.seconds)
        learned = replace(learned, paused=max(learned.paused, until))
    return learned


def _padded(standing: Standing, bucket: Bucket) -> list[int]:
    known = standing.ceilings
    return [known[index] if index < len(known) else 0 for index in range(len(bucket.allowances))]
