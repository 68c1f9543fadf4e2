"""Following a run from a request: its events as they come, until it rests or the time is over."""

from __future__ import annotations

import asyncio
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
        while not (channel.closed or rests(desk.store.run(run)) or time.monotonic() >= ends):
            if channel.last <= last:
                left = min(LOOK, ends - time.monotonic())
                await asyncio.wait((channel.waiter(),), timeout=max(0.0, left))
            new = [event for event in channel.events if event.seq > last]
            last = max(last, channel.last)
            if not new:
                yield None
            for event in new:
                yield event
        if not channel.closed:
            for event in desk.store.events(run, after=last):
                yield event
    finally:
        desk.feed.leave(channel)
