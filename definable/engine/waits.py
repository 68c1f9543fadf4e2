"""Waits that can end by themselves: a run that waits for a key goes on when there is one.

A run that waits holds nothing, so that another process may go on with it; whoever waits here sees that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from definable.store import Event, RunRow, Store
from definable.toolkits.credentials import KeyRing

Watch = Callable[[Event], None]
Sleep = Callable[[float], Awaitable[None]]

TICK = 1.0
"""Seconds between two looks at what a run waits for."""


def note(store: Store, run: str, watch: Watch, type: str, data: dict[str, Any]) -> int:
    """Append an event to the log of a run that waits, show it, and return its number."""
    seq = store.append(run, type, data)
    for event in store.events(run, after=seq - 1):
        watch(event)
    return seq


async def until(store: Store, run: str, seq: int, sleep: Sleep, come: Callable[[], Awaitable[bool]]) -> bool:
    """Wait until `come` says so. False when somebody else moved the run first: the log goes on."""
    while not await come():
        await sleep(TICK)
        if store.events(run, after=seq):
            return False
    return True


async def key_comes(store: Store, row: RunRow, rings: Sequence[KeyRing], watch: Watch, sleep: Sleep) -> bool:
    """Wait until each of the rings has a key that was not there before.

    False at once where none can come: the variables of a process never change, files do.
    """
    rings = [ring for ring in rings if ring.may_change]
    if not rings:
        return False
    known = {key.mark for ring in rings for key in ring.set_now()}
    sources = [name for ring in rings for name in ring.states()]

    async def come() -> bool:
        return all(any(key.mark not in known for key in ring.set_now()) for ring in rings)

    return await until(
        store, row.id, note(store, row.id, watch, "key.awaited", {"sources": sources}), sleep, come
    )
