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


def hinted(bucket: Bucket, standing: Standing, hints: Hints, now: float) -> Standing:
    """Return the standing after figures of the server's: they lower a limit or set a pause, never more."""
    learned = standing
    ceilings = _padded(standing, bucket)
    for index, allowance in enumerate(bucket.allowances):
        if hints.limit and hints.window == allowance.seconds and hints.limit < allowance.limit:
            ceilings[index] = hints.limit
            learned = replace(learned, struck=now, ceilings=tuple(ceilings))
    if hints.remaining == 0 and hints.reset is not None and bucket.longest:
        until = now + min(hints.reset, bucket.longest)
        learned = replace(learned, paused=max(learned.paused, until))
    return learned


def _padded(standing: Standing, bucket: Bucket) -> list[int]:
    known = standing.ceilings
    return [known[index] if index < len(known) else 0 for index in range(len(bucket.allowances))]
