"""Following a run from a request: its events as they come, until it rests or the time is over."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator

from definable.service.desk import Desk
from definable.service.telling import PERSONS
from definable.store import Event, RunRow, RunStatus

LOOK = 5.0
"""Seconds without an event after which it is looked where the run stands."""


def rests(row: RunRow) -> bool:
    """Whether nothing happens to a run unless somebody does something."""
    return row.status.ended or (row.status is RunStatus.WAITING and row.reason in PERSONS)


async def follow(desk: Desk, run: str, after: int, seconds: float) -> AsyncGenerator[Event | None]:
    """Yield the events of a run after a number, and None now and then while there is none.

    It ends when the run rests, the time is over or the service ends. Close it when it is left before.
    """
    ends, last = time.monotonic() + seconds, after
    channel = desk.feed.open(run)
    try:
        seen = 0
        while not (channel.closed or rests(desk.store.run(run)) or time.monotonic() >= ends):
            if not await channel.more(seen, max(0.0, min(LOOK, ends - time.monotonic()))):
                yield None
            new, seen = channel.events[seen:], len(channel.events)
            for event in new:
                if event.seq > last:
                    last = event.seq
                    yield event
        if not channel.closed:
            for event in desk.store.events(run, after=last):
                yield event
    finally:
        desk.feed.leave(channel)
