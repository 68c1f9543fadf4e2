"""What a run learns of its keys by the way: whose they are, and when they end. None of it stops a run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from definable.calls import Outcome
from definable.graph.context import Context
from definable.spec.toolkit import Toolkit
from definable.toolkits.credentials import Key, KeyRing
from definable.toolkits.key import SOON, rfc3339

Asks = Callable[[], Awaitable[Outcome | None]]
"""Asks the product whose key is in use; None when that has to wait."""


async def look_after(context: Context, toolkit: Toolkit, asks: Asks, step: str, call: str) -> None:
    """After a call: let the product be asked about the key in use, once per key; say when it ends soon."""
    ring = context.rings.get(toolkit.toolkit)
    key = ring.current() if ring else None
    if ring is None or key is None:
        return
    if (
        toolkit.who
        and ring.host in ring.book.facts(key.mark).worked
        and ring.book.may_ask(key.mark, key.name)
    ):
        if (outcome := await asks()) is None:
            ring.book.ask_later(key.mark, key.name)
            return
        context.log("key.checked", {**about(ring, key), "status": outcome.status}, step=step, call=call)
    _warn(context, ring, key)


def about(ring: KeyRing, key: Key) -> dict[str, Any]:
    """Return what is known of a key: `source`, `expires` (RFC 3339 or None) and `whose`, never its value."""
    ends = ring.expires(key)
    at = rfc3339(ends) if ends is not None else None
    return {"source": key.name, "expires": at, "whose": ring.book.facts(key.mark).whose}


def _warn(context: Context, ring: KeyRing, key: Key) -> None:
    """Say once that a key ends soon; one that a command brings is renewed without anybody."""
    ends = None if ring.renews(key) else ring.expires(key)
    if ends is None or key.mark in context.warned:
        return
    left = ends - ring.book.clock()
    if left < SOON:
        context.warned.add(key.mark)
        context.log("key.expires", {**about(ring, key), "seconds": round(left)})
