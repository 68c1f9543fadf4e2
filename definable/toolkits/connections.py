"""Connections to one product: one for each request under way, kept for a while, and what each request says.

The HTTP library's client does more than an attempt may: it follows redirects, keeps cookies, asks for
passwords. So requests are handed right to its transports, which do none of that. Each transport here has one
connection: in a pool that all share, every request looks at all of them, twice.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import httpx

from definable import __version__

IDLE = 2.0
"""Seconds that a connection is kept without a request: fewer than any server keeps it. One that a server ends
while a request leaves is an answer that never comes."""


class Connections:
    """Hands out what performs one request at a time; `stand_in` takes the place of the network in tests."""

    def __init__(self, stand_in: httpx.AsyncBaseTransport | None = None) -> None:
        """Open nothing yet."""
        self._stand_in = stand_in
        self._idle: deque[tuple[float, httpx.AsyncBaseTransport]] = deque()
        """Since when, and which; the one that was used last is the last."""
        self._busy: set[httpx.AsyncBaseTransport] = set()
        self._closed = False

    @asynccontextmanager
    async def one(self) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """Give the one that was used last, whose connection is the freshest, or a new one."""
        if self._closed:
            raise RuntimeError("the connections to this product were closed")
        if self._stand_in is not None:
            yield self._stand_in
            return
        transport = self._idle.pop()[1] if self._idle else _new()
        self._busy.add(transport)
        try:
            yield transport
        except BaseException:
            # One that was interrupted may be left with a connection that is neither free nor closed.
            self._busy.discard(transport)
            await transport.aclose()
            raise
        self._busy.discard(transport)
        if _said_more(transport):
            await transport.aclose()
        else:
            self._idle.append((time.monotonic(), transport))
        await self._tidy()

    async def aclose(self) -> None:
        """Close all of them, those in use too; nothing is sent after that."""
        self._closed = True
        if self._stand_in is not None:
            await self._stand_in.aclose()
        for transport in list(self._busy):
            await transport.aclose()
        await self._tidy()

    async def _tidy(self) -> None:
        """Close those that were not used for a while, and all of them at the end."""
        now = time.monotonic()
        while self._idle and (self._closed or now - self._idle[0][0] > IDLE):
            await self._idle.popleft()[1].aclose()


def _said_more(transport: httpx.AsyncBaseTransport) -> bool:
    """Whether more has come than an answer: the next request would take it for its own.

    The HTTP library drops a connection on which something waits to be read, but not what it has read already,
    and has no public way to ask for that; a test holds that there is this one.
    """
    pool = getattr(transport, "_pool", None)
    states = [getattr(each, "_connection", None) for each in getattr(pool, "connections", ())]
    found = [getattr(each, "_h11_state", None) for each in states]
    return any(each is not None and each.trailing_data[0] for each in found)


def _new() -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE)
    return httpx.AsyncHTTPTransport(verify=_certificates(), trust_env=False, limits=limits)


@cache
def introduction() -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers of every request: who asks, and what we can read.

    How answers may be compressed depends on what is installed, and only a client tells; it opens nothing.
    """
    given = {"accept": "application/json", "user-agent": f"definable/{__version__}"}
    client = httpx.AsyncClient(headers=given, trust_env=False, transport=httpx.AsyncBaseTransport())
    return tuple(client.headers.raw)


@cache
def _certificates() -> ssl.SSLContext:
    """Who is trusted, read once in a process: it takes 15 ms."""
    return httpx.create_ssl_context(trust_env=False)
