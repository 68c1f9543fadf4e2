"""A call's place: while a write looks for what is new, no other run writes where it looks.

The place is taken before the first look and kept, by renewing it, until the call is settled. Whoever dies or
waits for long loses it after a while, and is told so when it goes on (docs/decisions/0021).
"""

from __future__ import annotations

from collections.abc import Callable

from definable.calls import Send
from definable.graph.context import Context
from definable.quota.claim import MARGIN

GLANCE = 0.2
"""Seconds between two looks whether a place is free."""

SELDOM = 5
"""Every so many looks it is asked what becomes of the run that is there."""

SPARE = 30.0
"""Seconds for which a place is taken beyond what the next attempt may need, so that few renewals do."""


async def keep(
    context: Context, call: str, order: Send, ahead: float, before: Callable[[float, str, bool], None]
) -> bool:
    """Wait until the place that an order wants is its call's; return whether others were there meanwhile.

    It is kept for `ahead` seconds, the attempt, and the time after which its effect shows. `before` is told
    the seconds of each wait, whom it is for, and now and then that this one waits for a worker itself; it may
    raise to give up.
    """
    if not order.alone:
        if order.role == "poll" and call in context.kept:
            del context.kept[call]
            context.store.vacate(context.run.id, call)
        return False
    looks = 0
    while (other := take(context, call, order, ahead)) is not None:
        before(GLANCE, other, looks % SELDOM == 0 and context.store.adrift(other))
        await context.sleep(GLANCE)
        looks += 1
    return context.kept[call][1]


def take(context: Context, call: str, order: Send, ahead: float) -> str | None:
    """Take the place, or keep it for `ahead` seconds more; return the run that is there, else None."""
    anew = order.role == "before"
    toolkit, tool = context.catalog[context.calls[call].tool]
    needed = ahead + tool.settle + 2 * toolkit.timeout + MARGIN
    until, shared = context.kept.get(call, (0.0, False))
    now = context.now()
    if until - now >= needed and not (anew and shared):
        return None
    until = now + needed + SPARE
    place = context.store.occupy(order.alone, context.run.id, call, now, until, anew=anew)
    if not place.held_by:
        context.kept[call] = (until, place.shared)
    return place.held_by or None
