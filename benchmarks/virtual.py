"""A loop in which time passes at once, and servers that count requests in the four usual ways."""

from __future__ import annotations

import asyncio
import heapq
import math
import random
import selectors
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

T = TypeVar("T")
Kind = Literal["fixed", "token", "sliding", "rejects count"]
KINDS: tuple[Kind, ...] = ("fixed", "token", "sliding", "rejects count")


class _Selector(selectors.SelectSelector):
    """Lets the time pass instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_000_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.time += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next thing that is due. Nothing in it may use the network."""

    def __init__(self) -> None:
        """Start at a million seconds."""
        self.virtual = _Selector()
        super().__init__(self.virtual)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self.virtual.time


def in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, on a clock of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def now() -> float:
    """Return the time of the running loop."""
    return asyncio.get_running_loop().time()


class Answer(NamedTuple):
    """The status, what `Retry-After` says, and what `RateLimit` says remains."""

    status: int
    after: float | None
    left: int | None = None


@dataclass
class Server:
    """Lets `limit` requests through in `window` seconds, counted when they arrive, halfway of `latency`."""

    kind: Kind
    limit: int = 20
    window: float = 60.0
    latency: float = 0.3
    header: bool = True
    """Whether a 429 says `Retry-After`, in whole seconds."""
    tells: bool = False
    """Whether each answer says `RateLimit`: what remained when it was counted."""
    seen: deque[float] = field(default_factory=deque)
    tokens: float | None = None
    at: float = 0.0
    requests: int = 0
    refused: int = 0
    jitter: random.Random = field(default_factory=lambda: random.Random(1))

    async def ask(self) -> Answer:
        """Return what a request is answered."""
        way = self.latency * (0.5 + self.jitter.random()) / 2
        await asyncio.sleep(way)
        wait, left = self._count(now()), self._left() if self.tells else None
        self.requests += 1
        self.refused += wait is not None
        await asyncio.sleep(way)
        if wait is None:
            return Answer(200, None, left)
        return Answer(429, float(max(1, math.ceil(wait))) if self.header else None, left)

    def _left(self) -> int:
        return int(self.tokens or 0) if self.kind == "token" else max(0, self.limit - len(self.seen))

    def uncounted(self, now: float) -> bool:
        """Take a request of somebody else's; return whether it came through."""
        return self._count(now) is None

    def _count(self, now: float) -> float | None:
        """Count a request; return the seconds until the next may come, when it is refused."""
        if self.kind == "token":
            return self._token(now)
        if self.kind == "fixed":
            if not self.seen or now >= self.seen[0] + self.window:
                self.seen.clear()
        else:
            while self.seen and self.seen[0] + self.window <= now:
                self.seen.popleft()
        if len(self.seen) < self.limit:
            self.seen.append(now)
            return None
        if self.kind == "rejects count":
            self.seen.append(now)
            return heapq.nsmallest(1, self.seen)[0] + self.window - now
        return self.seen[0] + self.window - now

    def _token(self, now: float) -> float | None:
        rate = self.limit / self.window
        had = self.limit if self.tokens is None else self.tokens + (now - self.at) * rate
        self.tokens, self.at = min(float(self.limit), had), now
        if self.tokens >= 1 - 1e-9:
            self.tokens -= 1
            return None
        return (1 - self.tokens) / rate
