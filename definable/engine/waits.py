"""Waits that can end by themselves: a run that waits for a key goes on when there is one.

A run that waits holds nothing, so that another process may go on with it; whoever waits here sees that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from definable.quota.admission import NAP
from definable.store import Event, RunRow, Store
from definable.toolkits.credentials import KeyRing, Rings
from definable.toolkits.where import base_url
from definable.workspace import Workspace

Watch = Callable[[Event], None]
Sleep = Callable[[float], Awaitable[None]]

FIRST_TRIAL, LONGEST_TRIAL = 60.0, 1800.0
"""Seconds after which a refused key that has not changed is tried once more: at first, and at most."""

PARKED = ("quota", "retry")
"""Reasons of waits whose end is known."""

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


async def turn_comes(store: Store, row: RunRow, sleep: Sleep, now: Callable[[], float]) -> bool:
    """Wait until a parked run is due, or its turn comes before that. False when somebody else moved it."""
    due = datetime.fromisoformat(row.until).timestamp() if row.until else now()
    seq = max((event.seq for event in store.events(row.id)), default=0)
    while (left := due - now()) > 0 and not store.ready(row.id, now()):
        await sleep(min(left, NAP))
        if store.events(row.id, after=seq):
            return False
    return True


def may_come(rings: Sequence[KeyRing]) -> bool:
    """Whether each of the rings has a key, or may have one later while this process runs."""
    return bool(rings) and all(ring.current() is not None or ring.may_change for ring in rings)


async def key_comes(store: Store, row: RunRow, rings: Sequence[KeyRing], watch: Watch, sleep: Sleep) -> bool:
    """Wait until each of the rings has a key again. False at once where none can come.

    The variables of a process never change; files do, and commands are run again, with pauses that grow. A
    key that stays as it is, is tried once more from time to time: services refuse by mistake.
    """
    if not may_come(rings):
        return False
    tries = trials(store, row.id, rings[0].book.clock)

    async def come() -> bool:
        return await have_keys(rings, tries)

    sources = {name: state for ring in rings for name, state in ring.states().items() if state != "not set"}
    return await until(
        store, row.id, note(store, row.id, watch, "key.awaited", {"sources": sources}), sleep, come
    )


def lacking(
    store: Store, row: RunRow, workspace: Workspace, rings: Rings, environ: Mapping[str, str]
) -> list[KeyRing]:
    """Return the rings whose keys a run waits for; none where no key can come."""
    asks = [ask.ask.tool for ask in store.open_asks(row.id) if ask.ask.reason == "auth"]
    if row.options.get("sandbox") or not all(asks):
        return []  # a simulator's keys, or a model's, do not change
    kits = {kit.toolkit: kit for kit in map(workspace.toolkit_of, asks)}
    return [rings.of(kit, base_url(kit, environ), environ) for kit in kits.values()]


async def have_keys(rings: Sequence[KeyRing], tries: Iterator[bool]) -> bool:
    """Whether each of the rings has a key; refused ones are tried once more when `tries` says so."""
    if next(tries):
        for ring in rings:
            ring.anew()
    return all([await ring.ready() is not None for ring in rings])


def trials(store: Store, run: str, clock: Callable[[], float]) -> Iterator[bool]:
    """Say, look by look, whether to try refused keys once more: later with each wait of the run."""
    waits = sum(event.type == "key.awaited" for event in store.events(run))
    pause = min(LONGEST_TRIAL, FIRST_TRIAL * 2.0 ** min(waits, 10))
    due = clock() + pause
    while True:
        now = clock()
        yield now >= due
        due = now + pause if now >= due else due
