"""What goes out on the wire, and how a connection is broken for real."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from starlette.types import Receive, Scope, Send

CHUNK = 65_536


class Ending(StrEnum):
    """How an exchange ends."""

    WHOLE = "whole"
    """The response is sent."""
    CLOSED = "closed"
    """The connection is closed without an answer."""
    RESET = "reset"
    """The connection is reset without an answer."""
    CUT = "cut"
    """The connection is closed in the middle of the body."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A response as it goes out. `wait` is in real seconds; `fill` pads the body to so many bytes."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ending: Ending = Ending.WHOLE
    wait: float = 0.0
    fill: int = 0
    shown: int = 0
    """How many bytes of the body arrive when the ending is CUT."""


class ConnectionCut(ConnectionError):
    """The sandbox breaks the connection on purpose. Raised where no server is known that could."""


HangUp = Callable[[Scope, bool], bool]
"""Closes (True: resets) the connection of a scope; returns False when it is not known."""


def hang_up(transports: Callable[[], list[asyncio.Transport]]) -> HangUp:
    """Return a HangUp over a server's open transports."""

    def close(scope: Scope, reset: bool) -> bool:
        for transport in transports():
            peer = transport.get_extra_info("peername")
            if peer and tuple(peer[:2]) == tuple(scope.get("client") or ()):
                _close(transport, reset)
                return True
        return False

    return close


async def deliver(
    delivery: Delivery, scope: Scope, receive: Receive, send: Send, close: HangUp | None
) -> None:
    """Send a response, or break the connection as told. Returns early when the client leaves."""
    if delivery.wait and await _left(receive, delivery.wait):
        return
    if delivery.ending in (Ending.CLOSED, Ending.RESET):
        await _break(scope, receive, close, delivery.ending is Ending.RESET)
        return
    length = max(len(delivery.body), delivery.fill)
    headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in delivery.headers.items()]
    if delivery.status != 204:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": delivery.status, "headers": headers})
    if delivery.ending is Ending.CUT:
        await send({"type": "http.response.body", "body": delivery.body[: delivery.shown], "more_body": True})
        await _break(scope, receive, close, False)
        return
    await _stream(delivery.body, length, send)


async def _stream(body: bytes, length: int, send: Send) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": length > len(body)})
    for sent in range(len(body), length, CHUNK):
        size = min(CHUNK, length - sent)
        await send({"type": "http.response.body", "body": b" " * size, "more_body": sent + size < length})


async def _left(receive: Receive, seconds: float) -> bool:
    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), seconds)
    except TimeoutError:
        return False
    return True


async def _break(scope: Scope, receive: Receive, close: HangUp | None, reset: bool) -> None:
    if close is None or not close(scope, reset):
        raise ConnectionCut("the sandbox broke this connection on purpose")
    await _left(receive, 5.0)


def _close(transport: asyncio.Transport, reset: bool) -> None:
    raw = transport.get_extra_info("socket")
    if not reset:
        transport.close()
        return
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
