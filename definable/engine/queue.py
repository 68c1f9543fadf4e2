"""The port to the engine: a queue of segments that outlives the processes that work on it.

A run is a chain of segments, each one stretch of work that ends when the run ends or waits. The queue knows
their names and nothing else: what a run is, and where it stands, is in the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

Perform = Callable[[str], Awaitable[str]]
"""Works on a run until it ends or waits, and returns where it stands then. It raises nothing."""

Waiting = tuple[str, str, int]
"""A segment, its run, and its priority."""

HISTORY = 1
"""The version of what is written into a run's log; it grows when older code could not go on with that."""

ATTEMPTS = 15
"""How many processes in a row may end with a run that got nowhere in them before it is given up."""

URGENT, NORMAL, BULK = 1, 10, 20
"""Priorities, the lowest number first: somebody looks on, somebody asked, one of a batch.

What was at work and was interrupted, or holds what others wait for, is as urgent as can be.
"""


def segment(run: str, line: int) -> str:
    """Return the name of the segment that begins at a line of a run's log: for all who ask the same."""
    return f"{run}#{line}"


class Queue(Protocol):
    """What the engine asks of a durable queue. One worker has it open in each process at most."""

    async def put(self, *segments: Waiting) -> None:
        """Put segments into the queue; nothing happens to one that was put there before, or has ended."""

    async def take(self) -> None:
        """Begin with segments, the first first, while this worker has room."""

    async def drop(self, run: str) -> None:
        """Take the segments of a run out of the queue; what is at work on one is not stopped by it."""

    async def holders(self) -> set[str]:
        """Return the workers that have taken segments and not finished them, dead ones among them."""

    async def holds(self, run: str) -> bool:
        """Return whether a segment of a run is in the queue, or taken by some worker."""

    async def recover(self, worker: str) -> None:
        """Put back what a dead worker had taken, so that others take it before all else.

        Of the worker that asks: what the queue says it has taken, while it never got to know of it.
        """

    async def forget(self, older: float, limit: int) -> int:
        """Forget up to `limit` segments that ended more than `older` seconds ago, and say how many."""

    async def close(self, grace: float) -> None:
        """Take nothing more, wait up to `grace` seconds for what is being worked on, and let go."""
