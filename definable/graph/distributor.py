"""The Distributor: the only node that touches a product. One order, one attempt, nothing decided here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langgraph.runtime import Runtime
from pydantic import TypeAdapter

from definable.calls import Exchange, Order, Outcome, Phase, Send
from definable.errors import LimitReached
from definable.graph.alone import keep, take
from definable.graph.context import Context, Door
from definable.graph.desk import Desk
from definable.graph.governor import Governor
from definable.graph.keys import PATIENCE, confirmed, look_after
from definable.graph.parking import LASTING, LONG_DELAY, PARK_AFTER, ROOM, CallParked, Parked, Reason
from definable.graph.state import Dispatch
from definable.quota.admission import Wait
from definable.spec.toolkit import Toolkit
from definable.verify.changes import as_sent

ORDER: TypeAdapter[Order] = TypeAdapter(Order)

WORTH_TELLING = 1.0
"""Seconds of a wait for quota that the run log tells of beforehand."""


async def distributor(dispatch: Dispatch, runtime: Runtime[Desk]) -> dict[str, Any]:
    """The node performs the one attempt it is handed and puts the exchange into the run log."""
    context = runtime.context.context
    order = ORDER.validate_python(dispatch["order"])
    assert isinstance(order, Send)  # noqa: S101
    call, n = dispatch["call"], dispatch["n"]
    came: dict[str, Any] = {"from": "distributor", "call": call, "n": n}
    if not context.is_answered(call, n):
        try:
            outcome = await _in_time(context, dispatch, order)
        except CallParked as wait:
            context.parked[call] = wait.parked
            return {"came": [{**came, "parked": wait.parked.due}]}
        if context.lessons:
            outcome = outcome.model_copy(update={"known": context.lessons.refresh()})
        outcome = await _meant(context, dispatch, order, outcome)
        context.record(Exchange(call=call, n=n, order=order, reply=outcome))
        await _look_after_key(context, dispatch, order)
    return {"came": [came]}


async def _look_after_key(context: Context, dispatch: Dispatch, order: Send) -> None:
    toolkit, _ = context.catalog[order.tool]
    door, call = context.doors[toolkit.toolkit], dispatch["call"]

    async def asks() -> Outcome | None:
        return await ask_whose(toolkit, door, context.governor, context.run.id, call)

    await look_after(context, toolkit, asks, context.calls[call].step, call)


async def _meant(context: Context, dispatch: Dispatch, order: Send, outcome: Outcome) -> Outcome:
    """Find out whether a refused key is refused: a 401 that was not meant is said to be one."""
    toolkit, _ = context.catalog[order.tool]
    ring, call = context.rings.get(toolkit.toolkit), dispatch["call"]
    if ring is None or outcome.status != 401:
        return outcome
    door, step = context.doors[toolkit.toolkit], context.calls[call].step

    async def asks(send: Send, patience: float) -> Outcome | None:
        waits = ring.still_asking
        reply = await ask(
            toolkit, door, send, context.governor, f"{context.run.id}/key", call, patience, waits
        )
        facts = {"source": outcome.credential, "after": 401, "status": reply.status if reply else None}
        context.log("key.checked", facts, step=step, call=call)
        return reply

    return await confirmed(toolkit, ring, outcome, asks)


class _Later(Exception):
    """The quota is used up, and asking about a key must not hold anything up."""


async def ask_whose(
    toolkit: Toolkit, door: Door, governor: Governor | None, run: str, call: str
) -> Outcome | None:
    """Ask a product whose key is in use and when it ends, once, within the quotas; the door notes the answer.

    None when its quota would hold that up for longer than it is worth.
    """
    why = "whose key it is and when it ends is not known"
    order = Send(tool=toolkit.who or "", arguments={}, role="who", why=why)
    return await ask(toolkit, door, order, governor, run, call, PATIENCE)


async def ask(
    toolkit: Toolkit,
    door: Door,
    order: Send,
    governor: Governor | None,
    run: str,
    call: str,
    patience: float,
    waits: Callable[[], None] = lambda: None,
) -> Outcome | None:
    """Send a question about a key within the quotas; None when they hold it up longer than `patience`.

    `waits` is called ahead of each sleep.
    """
    claim = governor.claim(toolkit, toolkit.tools[order.tool], run, call, -1) if governor else None
    if governor is None or claim is None:
        return await door.attempt(order)

    def before(wait: Wait, waited: float) -> None:
        if waited + wait.expected > patience:
            raise _Later
        waits()

    try:
        await governor.admit(claim, before)
    except _Later:
        return None
    waits()
    outcome = await door.attempt(order)
    governor.learn(toolkit.toolkit, order.tool, claim, outcome)
    return outcome


async def _in_time(context: Context, dispatch: Dispatch, order: Send) -> Outcome:
    """Perform the attempt when its time has come. CallParked, before anything is sent, when that is far."""
    place = (dispatch["call"], dispatch["n"])
    if place not in context.paid_for:
        _spend(context, order)
        context.paid_for.add(place)
    await _alone(context, dispatch["call"], order, order.delay, park=context.run.priority is not None)
    await _wait(context, place, order)
    return await _guarded(context, dispatch, order)


async def _wait(context: Context, place: tuple[str, int], order: Send) -> None:
    """Wait as long as the order says; what lasts is noted, so that it ends at the same time elsewhere."""
    step = context.calls[place[0]].step
    due = context.delays.get(place)
    left = order.delay if due is None else due - context.now()
    context.check_wait(step, left, order.tool, order.why or "its time is over")
    if left <= 0:
        return
    reason = _reason(context, place)
    parked = left > (PARK_AFTER if reason == "quota" else LONG_DELAY)
    if due is None and left > LASTING:
        due = context.delays[place] = context.now() + left
        data = {"n": place[1], "until": due, "seconds": round(left, 3), "why": order.why}
        context.log("call.parked" if parked else "call.delayed", data, step=step, call=place[0])
    if parked and due is not None:
        raise CallParked(Parked(due, reason, order.why or order.tool))
    await context.sleep(left)


def _reason(context: Context, place: tuple[str, int]) -> Reason:
    """What an order is put off for: a quota when the answer before it was that there is no room."""
    before = context.store.exchange(context.run.id, place[0], place[1] - 1)
    if before is None or not isinstance(before.reply, Outcome):
        return "retry"
    refused = before.reply.status in (429, *context.catalog[before.order.tool][1].rejects)
    return "quota" if refused else "retry"


async def _alone(context: Context, call: str, order: Send, ahead: float, *, park: bool = False) -> bool:
    """Take or keep the call's place; return whether others were there since its first look.

    Who is there may wait for a worker itself: with `park`, this run makes room for it.
    """
    step, told = context.calls[call].step, False

    def before(seconds: float, other: str, adrift: bool) -> None:
        nonlocal told
        why = f"run {other} writes in the same place; definable runs show {other}"
        context.check_wait(step, seconds, order.tool, why)
        if not told:
            context.log("place.waits", {"run": other, "tool": order.tool}, step=step, call=call)
        told = True
        if park and adrift:
            raise CallParked(Parked(context.now() + ROOM, "retry", why))

    return await keep(context, call, order, ahead, before)


def _spend(context: Context, order: Send) -> None:
    """Take one of the run's retries where the order is one. LimitReached when none is left."""
    if order.retry and not context.retries.spend():
        size = context.retries.size
        raise LimitReached(
            f"the run may send again {size} times after transient failures, and one more for every ten "
            f"answers; that is used up, and {order.tool} would have to be sent again: {order.why}",
            hint="resume the run when the service is well again, or raise `limits.retries`; "
            "what is done stays done",
            limit="retries",
        )


async def _guarded(context: Context, dispatch: Dispatch, order: Send) -> Outcome:
    """Perform the attempt once its host is not known to fail; note what the run has left then."""
    toolkit, tool = context.catalog[order.tool]
    call = context.calls[dispatch["call"]]
    guard = context.guard
    if guard is None:
        return await _governed(context, dispatch, order)
    gate = guard.gate(toolkit, tool, context.places[toolkit.toolkit])
    began, place = guard.now(), (call.id, dispatch["n"])
    while (passed := guard.ask(gate)).seconds:
        context.check_wait(call.step, passed.seconds, order.tool, f"{gate.name} fail too often until then")
        if place not in context.held and passed.seconds >= WORTH_TELLING:
            context.held[place] = guard.now()
            data = {"n": place[1], "at": guard.now(), "gate": gate.name, "tool": order.tool}
            seconds = round(passed.seconds, 3)
            context.log("breaker.waits", {**data, "seconds": seconds}, step=call.step, call=call.id)
        if passed.seconds > LONG_DELAY:
            raise CallParked(Parked(guard.now() + passed.seconds, "retry", f"{gate.name} fail too often"))
        await context.sleep(passed.seconds)
    held = guard.now() - context.held.get(place, began)
    try:
        outcome = await _governed(context, dispatch, order)
    except CallParked:
        guard.back(gate, passed)
        raise
    if opened := guard.came(gate, passed, tool, outcome):
        data = {"gate": gate.name, "seconds": round(opened.opens - guard.now(), 3), "trips": opened.trips}
        context.log("breaker.opened", data, step=call.step, call=call.id)
    return _noted(context, call.step, outcome, held)


def _noted(context: Context, step: str, outcome: Outcome, held: float) -> Outcome:
    """Add to an outcome what it waited for and what the run has left."""
    if outcome.status is not None:
        context.retries.earn()
    longest = "breaker" if held > outcome.waited else outcome.held_by
    margin = context.margin(next(s for s in context.workflow.steps if s.id == step))
    facts = {"waited": round(outcome.waited + held, 3), "held_by": longest, "margin": margin}
    return outcome.model_copy(update=facts)


async def _governed(context: Context, dispatch: Dispatch, order: Send) -> Outcome:
    """Perform the attempt once its quotas have room for it."""
    toolkit, tool = context.catalog[order.tool]
    governor, call, n = context.governor, dispatch["call"], dispatch["n"]
    claim = governor.claim(toolkit, tool, context.run.id, call, n) if governor else None
    if governor is None or claim is None:
        return await _attempt(context, dispatch, order)
    step = context.calls[call].step

    def before(wait: Wait, waited: float) -> None:
        context.check_wait(
            step, wait.expected, order.tool, f"its quota {wait.bucket!r} is used up until then"
        )
        if (call, n) not in context.waits:
            context.waits[call, n] = (governor.now(), wait.bucket)
            if wait.expected >= WORTH_TELLING:
                facts: dict[str, Any] = {"n": n, "at": governor.now(), "tool": order.tool}
                facts |= {"bucket": wait.bucket, "seconds": round(wait.expected, 3)}
                context.log("quota.waits", facts, step=step, call=call)
        if order.alone:
            take(context, call, order, wait.expected)

    seconds, bucket = await governor.admit(claim, before, PARK_AFTER)
    if (call, n) in context.waits:
        since, first = context.waits[call, n]
        seconds, bucket = governor.now() - since, bucket or first
    if seconds and bucket:
        context.log("quota.waited", {"bucket": bucket, "seconds": round(seconds, 3)}, step=step, call=call)
    outcome = await _attempt(context, dispatch, order)
    governor.learn(toolkit.toolkit, order.tool, claim, outcome, recorded=True)
    return outcome.model_copy(update={"waited": seconds, "held_by": bucket}) if seconds else outcome


async def _attempt(context: Context, dispatch: Dispatch, order: Send) -> Outcome:
    last = _last_attempt(context, order)
    if order.effect is not None and last >= order.attempt:
        return Outcome(
            phase=Phase.UNKNOWN,
            cause="crash",
            error="the process ended after this was sent and before an answer was noted",
            at=context.clock().isoformat(),
        )
    shared = await _alone(context, dispatch["call"], order, 0.0)
    if shared and order.effect is not None and not last:
        return Outcome(
            phase=Phase.NOT_SENT,
            cause="others",
            error="not sent: another run wrote in the same place since it was looked at",
            at=context.clock().isoformat(),
        )
    toolkit, _ = context.catalog[order.tool]
    order = context.lessons.worded(order) if context.lessons else order
    outcome = await context.doors[toolkit.toolkit].attempt(order, _leaving(context, dispatch["call"], order))
    facts: dict[str, Any] = {"reworded": order.changes} if order.changes else {}
    return (
        outcome.model_copy(update={**facts, "shared": True} if shared else facts)
        if facts or shared
        else outcome
    )


def _last_attempt(context: Context, order: Send) -> int:
    """Return the number of the last attempt of an effect that left, whoever sent it; 0 for none."""
    known = context.store.effect(order.effect) if order.effect is not None else None
    return known.attempt if known is not None else 0


def _leaving(context: Context, call: str, order: Send) -> Callable[[], object]:
    """Return what is done right before the first byte leaves; from a run that was taken over, none does."""
    store, run = context.store, context.run.id
    if (effect := order.effect) is None:
        return store.check

    ours = order.arguments
    sending = as_sent(context.catalog[order.tool][1], ours, order.changes)

    def into_the_ledger() -> None:
        with store.together(run, effect, durable=True):
            for each in [ours, sending] if order.changes else [ours]:
                store.intend(effect, run, call, order.tool, each, attempt=order.attempt)
            store.sent(effect, order.attempt)

    return into_the_ledger
