"""A run's events as server-sent events, which a browser reads again from where it lost them.

Each event has its number as `id`; `Last-Event-ID` (or `after`) is the last one that the client has. When the
run has ended there is an `end` event with where it stands, after which there is nothing to come back for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from definable.service.feed import Feed
from definable.store import RunRow

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]

Standing = Callable[[], RunRow]


class EventStream(Response):
    """An ASGI response: the events of a run after a number, until it has ended or the client is gone.

    It is written out by hand since there may be a thousand: one task each, and no copy of an event each.
    """

    def __init__(self, feed: Feed, run: str, after: int, standing: Standing) -> None:
        """Stream from `feed`; `standing` says where the run stands."""
        super().__init__(media_type="text/event-stream")
        self.feed = feed
        self.run = run
        self.after = after
        self.standing = standing
        self._waiter: asyncio.Future[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        channel = self.feed.open(self.run)
        leaving = asyncio.ensure_future(_gone(receive))
        leaving.add_done_callback(self._left)
        try:
            await _write(send, b"retry: 1000\n\n")
            while not (channel.closed or leaving.done()):
                if channel.last <= self.after:
                    self._waiter = channel.waiter()
                    await self._waiter
                chunk, self.after = channel.chunk(self.after), max(self.after, channel.last)
                await _write(send, chunk or b": still here\n\n")
                if channel.settled and self._over():
                    await _write(send, self._end())
                    break
            if not leaving.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            leaving.cancel()
            self.feed.leave(channel)

    def _left(self, _: asyncio.Future[None]) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _over(self) -> bool:
        return self.standing().status.ended

    def _end(self) -> bytes:
        row = self.standing()
        data = json.dumps({"run": row.id, "status": row.status.value, "reason": row.reason})
        return f"event: end\ndata: {data}\n\n".encode()


async def _write(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
