"""What a request asks of the governor: one slot in each of its buckets, and perhaps a place to hold."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from definable.spec.toolkit import Tool, Toolkit

HOLD = 900.0
"""Seconds after the last sign of life in which a held place is given up: its holder has crashed."""

MARGIN = 5.0
"""Seconds added to the longest time that an attempt may take, before its slot counts as answered."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """`limit` requests in any `seconds`; with 0 seconds, `limit` at a time."""

    limit: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is counted together: its name in the toolkit and all of its windows."""

    name: str
    allowances: tuple[Allowance, ...]

    @property
    def longest(self) -> float:
        """Seconds of the longest window."""
        return max((each.seconds for each in self.allowances), default=0.0)


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt that wants to leave. `source` is the run: first come first served within, fair between."""

    owner: str
    ticket: str
    """What its slots are known by: this attempt's alone."""
    source: str
    buckets: tuple[Bucket, ...]
    lease: float = 65.0
    """Seconds after which an attempt without an answer counts as answered: its process has crashed."""
    holder: str = ""
    """Who holds places until it is settled: the call, over all of its attempts."""
    holds: tuple[Bucket, ...] = ()
    """Buckets of places that are held; all of a holder's are given back together."""
    place: str = ""
    """What it is known by in the queue, in this process and in the next one; its ticket when empty."""

    @property
    def queued_as(self) -> str:
        """What it is known by in the queue."""
        return self.place or self.ticket

    def wanted(self, held: Collection[str] = ()) -> tuple[Bucket, ...]:
        """Every bucket it needs a place in, but for those whose places it has: `held`, by name."""
        return (*self.buckets, *(each for each in self.holds if each.name not in held))


def claim(
    toolkit: Toolkit,
    tool: Tool,
    share: float,
    *,
    owner: str,
    ticket: str,
    source: str,
    call: str,
    place: str = "",
) -> Claim | None:
    """Return what an attempt with `tool` claims of `share` (0 to 1) of each quota; None if none is known."""
    rates = [_rate(toolkit, name, share) for name in tool.quota if name in toolkit.quotas]
    holds: tuple[Bucket, ...] = ()
    if tool.holds and (size := toolkit.holds.get(tool.holds)):
        holds = (places(tool.holds, _part(size, share)),)
    buckets = tuple(rates)
    if not buckets and not holds:
        return None
    return Claim(
        owner=owner,
        ticket=ticket,
        source=source,
        buckets=buckets,
        lease=2 * toolkit.timeout + MARGIN,
        holder=holder(source, call),
        holds=holds,
        place=place,
    )


def places(name: str, limit: int) -> Bucket:
    """Return a bucket of places that are held until they are given back; `limit` of 1 is a lock."""
    return Bucket(name, (Allowance(limit, 0.0),))


def holder(run: str, call: str) -> str:
    """Return who holds a place for a call."""
    return f"{run}/{call}"


def owner_of(toolkit: str, base_url: str, who: str) -> str:
    """Return whose quota it is: a hash, so that no key and no person can be read from it."""
    return hashlib.sha256(f"{toolkit}\n{base_url}\n{who}".encode()).hexdigest()[:24]


def dumped(buckets: tuple[Bucket, ...]) -> str:
    """Return buckets as text, for the queue."""
    return json.dumps([[b.name, [[a.limit, a.seconds] for a in b.allowances]] for b in buckets])


@lru_cache(maxsize=256)
def loaded(text: str) -> tuple[Bucket, ...]:
    """Return the buckets that `dumped` made text of."""
    return tuple(
        Bucket(name, tuple(Allowance(limit, seconds) for limit, seconds in allowances))
        for name, allowances in json.loads(text)
    )


def _rate(toolkit: Toolkit, name: str, share: float) -> Bucket:
    return _bucket(name, tuple([(each.limit, each.window) for each in toolkit.quotas[name]]), share)


@lru_cache(maxsize=256)
def _bucket(name: str, windows: tuple[tuple[int, float], ...], share: float) -> Bucket:
    return Bucket(name, tuple(Allowance(_part(limit, share), seconds) for limit, seconds in windows))


def _part(limit: int, share: float) -> int:
    return max(1, math.floor(limit * share + 1e-9))
