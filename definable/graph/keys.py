"""What is asked about keys: whose they are, when they end, and whether a refused one is good all the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from definable.calls import Failure, Outcome, Send
from definable.graph.context import Context
from definable.spec.toolkit import Toolkit
from definable.toolkits.credentials import Key, KeyRing
from definable.toolkits.key import SOON, rfc3339
from definable.verify.classify import classify

PATIENCE = 5.0
"""Seconds of a wait for quota that asking about a key is worth; else it is done after a later call."""

LAST_PATIENCE = 75.0
"""The same where the last key was refused, and everything would stop: longer than a window of a minute."""

Asks = Callable[[], Awaitable[Outcome | None]]
"""Asks the product whose key is in use; None when that has to wait."""


async def confirmed(
    toolkit: Toolkit,
    ring: KeyRing,
    outcome: Outcome,
    asks: Callable[[Send, float], Awaitable[Outcome | None]],
) -> Outcome:
    """Return a 401 as what it is, once the product was asked about the key: meant, or `stray`.

    `asks` sends the question, after so many seconds of waiting for quota at most; None when it took longer.
    One question settles all that was under way with the key. Unless it is answered well, the key is refused.
    """

    async def good(key: Key) -> bool:
        why = f"{key.name} was refused by {ring.host}: is it good all the same?"
        order = Send(tool=toolkit.who or "", arguments={}, role="check", why=why)
        reply = await asks(order, PATIENCE if ring.has_other(key) else LAST_PATIENCE)
        if reply is None:
            return False
        said = classify(toolkit, toolkit.tools[order.tool], reply).failure
        return said in (Failure.OK, Failure.PERMISSION)

    if outcome.status != 401 or not await ring.settled(outcome.credential, good):
        return outcome
    words = f"{outcome.credential} was refused here, and accepted by {toolkit.who} right after"
    return outcome.model_copy(update={"stray": True, "error": words})


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
