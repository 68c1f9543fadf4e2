"""Forgets old runs, a little at a time: what is kept are the runs themselves, their effects and receipts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

from definable.engine.checkpoints import Checkpoints
from definable.errors import UsageError
from definable.store import Store
from definable.store.records import stamp

PIECE = 20
"""Runs that are forgotten in one go."""


async def prune(
    store: Store,
    older: float,
    *,
    keep_failed: bool = False,
    most: int | None = None,
    each: Callable[[str], None] = lambda run: None,
) -> int:
    """Forget runs that ended more than `older` seconds ago, at most `most`, and say how many.

    Whoever else uses the database, or the loop, has its turn after each piece; `each` is told of each run.
    """
    before, done, busy = _before(store, older), 0, 0
    while most is None or done < most:
        found = store.prunable(before, PIECE + busy, keep_failed=keep_failed)[busy:]
        for run in found[: None if most is None else most - done]:
            try:
                await _forget(store, run)
            except UsageError:  # another worker forgets it, or somebody goes on with it at this moment
                busy += 1
                continue
            done += 1
            each(run)
        if len(found) < PIECE:
            break
    if done:
        store.give_back()
    return done


def would_be_pruned(store: Store, older: float, *, keep_failed: bool = False) -> list[str]:
    """Return the runs that `prune` would forget."""
    return store.prunable(_before(store, older), None, keep_failed=keep_failed)


async def _forget(store: Store, run: str) -> None:
    with store.alone(run):
        store.prune(run)
        with closing(Checkpoints(store.place)) as kept, kept.of(lambda: None) as saver:
            saver.delete_thread(run)
        while store.prune(run):  # noqa: ASYNC110 - that is the work
            await asyncio.sleep(0)


def _before(store: Store, older: float) -> str:
    return stamp(datetime.fromtimestamp(store.time(), UTC) - timedelta(seconds=older))
