"""The log as a stream: each event of a run that somebody watches is read once, and encoded once, for all.

One thread looks for new events, over a connection of its own, whoever wrote them: a worker in this process or
on another machine. A run that is watched has a channel, which holds its events from the first one on.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from definable.errors import StoreError
from definable.store import Event, Place, Server, Store, open_store

LOOK = 0.02
"""Seconds between two looks for new events of the runs that are watched."""

GLANCE = 0.004
"""Seconds between two questions whether a file has changed at all; one takes some microseconds."""

AWAY = 1.0
"""Seconds between two tries while the database is not there."""

REST = 15.0
"""Seconds between two signs that a stream still stands."""

SETTLED = frozenset({"run.done", "run.failed", "run.limited", "run.cancelled"})
"""Events after which a run has ended; one that failed or reached a limit may be told to go on."""


class Channel:
    """The events of one run so far, encoded, for all who watch it."""

    def __init__(self, run: str) -> None:
        """Begin with nothing; the feed fills it."""
        self.run = run
        self.events: list[Event] = []
        self.watchers = 0
        self.closed = False
        self._lines: list[bytes] = []
        self._waiting: set[asyncio.Future[None]] = set()
        self._chunk: tuple[tuple[int, int], bytes] = (0, 0), b""

    @property
    def last(self) -> int:
        """The number of the last event."""
        return self.events[-1].seq if self.events else 0

    @property
    def settled(self) -> bool:
        """Whether the run has ended, as far as its log says."""
        return bool(self.events) and self.events[-1].type in SETTLED

    def chunk(self, after: int) -> bytes:
        """Return the events after a number as lines of a stream; those who are at one place share them."""
        if self._chunk[0] != (after, self.last):
            first = bisect_right(self.events, after, key=lambda event: event.seq)
            self._chunk = (after, self.last), b"".join(self._lines[first:])
        return self._chunk[1]

    def take(self, events: list[Event]) -> None:
        """Take in what is new, and wake whoever waits."""
        new = [event for event in events if event.seq > self.last]
        self.events += new
        self._lines += map(line, new)
        if new:
            self.wake()

    def wake(self) -> None:
        """Wake whoever waits, for there is more, or for nothing came in a while."""
        waiting, self._waiting = self._waiting, set()
        for each in waiting:
            if not each.done():
                each.set_result(None)

    def waiter(self) -> asyncio.Future[None]:
        """Return what is done the next time that whoever waits is woken; anybody may wake it before."""
        made: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(made)
        return made


def line(event: Event) -> bytes:
    """Return an event as EventSource reads it, with its number as the id."""
    return b"id: %d\ndata: %s\n\n" % (event.seq, encoded(event))


def encoded(event: Event) -> bytes:
    """Return an event as JSON on one line."""
    return json.dumps(event.model_dump(mode="json"), separators=(",", ":")).encode()


class Feed:
    """Looks for new events of the runs that are watched. Open it in the loop that its watchers are in."""

    def __init__(self, place: Place) -> None:
        """Look in the database at `place`; nothing is opened before somebody watches."""
        self._place = place
        self._channels: dict[str, Channel] = {}
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="definable-feed", daemon=True)
        self._thread.start()
        self._resting = asyncio.create_task(self._rest())

    @property
    def watchers(self) -> int:
        """How many streams are open."""
        return sum(channel.watchers for channel in self._channels.values())

    def open(self, run: str) -> Channel:
        """Return the channel of a run, and count one more who watches."""
        channel = self._channels.get(run)
        if channel is None:
            channel = self._channels[run] = Channel(run)
            self._wanted.set()
        channel.watchers += 1
        return channel

    def leave(self, channel: Channel) -> None:
        """Say that one who watched is gone; nobody left, and the channel is forgotten."""
        channel.watchers -= 1
        if not channel.watchers and self._channels.get(channel.run) is channel:
            del self._channels[channel.run]

    async def watch(self, run: str, after: int = 0) -> AsyncGenerator[list[Event]]:
        """Yield the events of a run after a number, as they come; now and then an empty list.

        It ends when the feed is closed, and never by itself: a run that has ended may be told to go on.
        """
        channel = self.open(run)
        try:
            while not channel.closed:
                if channel.last <= after:
                    await channel.waiter()
                new = [event for event in channel.events if event.seq > after]
                after = max(after, channel.last)
                yield new
        finally:
            self.leave(channel)

    async def _rest(self) -> None:
        """Wake all who watch now and then, so that they see whether their client is still there."""
        while True:
            await asyncio.sleep(REST)
            for channel in list(self._channels.values()):
                channel.wake()

    def close(self) -> None:
        """End all streams, and the thread."""
        self._resting.cancel()
        self._stop.set()
        self._wanted.set()
        for channel in self._channels.values():
            channel.closed = True
            channel.wake()

    # In the thread

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wanted.wait()
            try:
                with open_store(self._place) as store:
                    self._follow(store)
            except StoreError:
                self._stop.wait(AWAY)

    def _follow(self, store: Store) -> None:
        known: set[str] = set()
        while not self._stop.is_set():
            channels = list(self._channels.values())
            if not channels:
                self._wanted.clear()
                if not self._channels:  # nobody came between the two looks
                    self._wanted.wait()
                continue
            new = [channel for channel in channels if channel.run not in known]
            for channel in channels if self._changed(store, bool(new)) else new:
                if events := store.events(channel.run, after=channel.last):
                    self._call(channel.take, events)
            known = {channel.run for channel in channels}

    def _changed(self, store: Store, hurry: bool) -> bool:
        """Wait a moment; False when nothing can have been written. A file tells that, a server does not."""
        if isinstance(self._place, Server):
            return not self._stop.wait(0 if hurry else LOOK)
        until = time.monotonic() + (0 if hurry else LOOK)
        while not (changed := store.heard(0)) and time.monotonic() < until:
            self._stop.wait(GLANCE)
        return changed

    def _call(self, done: Callable[[list[Event]], None], events: list[Event]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(done, events)
