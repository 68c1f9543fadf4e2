"""What a run's log says of where it stands: the memory of a new process."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from definable.calls import ToolCall
from definable.graph.context import Context
from definable.limits import Spent, Usage
from definable.quota.breaker import RetryBudget
from definable.store import Event, Store

SEGMENT = ("run.started", "run.resumed")
"""Events with which a stretch of work begins."""


def recall(context: Context) -> None:
    """Fill `context` with what the log of its run has."""
    events = context.store.events(context.run.id)
    for number, event in enumerate(events, start=1):
        _note(context, event)
        if event.type == "step.started":
            context.begun[event.step or ""] = seconds_at_work(events[:number])
    if events:
        context.receipts.update((each.call, each) for each in context.store.receipts(context.run.id))
    context.spent = context.spent.at(seconds_at_work(events))
    context.shown = events[-1].seq if events else 0
    context.started = any(event.type == "run.started" for event in events)


def _note(context: Context, event: Event) -> None:
    data, step = event.data, event.step or ""
    if (took := _took(event)) is not None:
        context.spent = context.spent.plus(took)
        context.by_step[step] = context.by_step.get(step, Spent()).plus(took)
    if event.type in ("call.proposed", "call.taken"):
        call = ToolCall.model_validate(data)
        context.calls[call.id] = call
    elif event.type == "model.called":
        context.turns[data["key"]] = data
    elif event.type in ("call.parked", "call.delayed"):
        context.delays[event.call or "", data["n"]] = data["until"]
    elif event.type == "breaker.waits" and "n" in data:
        context.held[event.call or "", data["n"]] = data["at"]
    elif event.type == "quota.waits" and "n" in data:
        context.waits[event.call or "", data["n"]] = (data["at"], data["bucket"])
    elif event.type in ("step.done", "step.skipped"):
        context.outputs[step] = data.get("output")
    elif event.type == "exchange":
        context.answered[event.call or ""] = data["n"] + 1
        _retried(context, event.call or "", data)
    elif event.type == "receipt":
        context.settled[event.call or ""] = context.chances
    elif event.type in ("run.limited", "run.failed"):
        context.retries = RetryBudget(context.retries.size)  # whoever resumes it gives it all of them again
        context.failures.clear()
        context.chances += event.type == "run.failed"
    else:
        _judged(context, event)


def _judged(context: Context, event: Event) -> None:
    """Take in what the Verifier made of an agent's turn."""
    data = event.data
    if event.type == "call.refused":
        context.refused[data["key"], data["use"]] = data["why"]
    elif event.type == "artifact.rejected" and "key" in data:
        context.judged[data["key"]] = data["reasons"]
    elif event.type == "verdict" and "key" in data:
        context.failures[data["key"]] = data["n"], data["until"]
    elif event.type == "decision" and not event.call:
        context.unlocked += 1


def _retried(context: Context, call: str, exchange: dict[str, Any]) -> None:
    """Count what an exchange took of the run's retries, and what it brought."""
    if exchange["order"].get("retry"):
        context.retries.spend()
        context.paid_for.add((call, exchange["n"]))
    if exchange["reply"].get("status") is not None:
        context.retries.earn()


def _took(event: Event) -> Spent | None:
    """What one event spent; None when it is none that spends."""
    if event.type == "call.proposed":
        return Spent().after_calls()
    data = event.data
    if event.type not in ("model.called", "verdict") or "input_tokens" not in data:
        return None
    usage = Usage(input_tokens=data["input_tokens"], output_tokens=data["output_tokens"])
    return Spent().after_model(data["model"], usage)


def seconds_at_work(events: list[Event]) -> float:
    """Return the seconds of work on a run: each stretch from its first event to its last, or to a wait.

    A wait of its own, for a quota, is work as well, up to when it was over.
    """
    total, own = 0.0, 0.0
    began: datetime | None = None
    last: datetime | None = None
    waited: datetime | None = None
    for event in events:
        at = datetime.fromisoformat(event.at)
        if event.type in SEGMENT:
            total += (last - began).total_seconds() if began and last else 0.0
            total += min(own, (at - waited).total_seconds()) if own and waited else 0.0
            began, own = at, 0.0
        last = at
        if event.type == "run.waiting" and began:
            # What is logged from here on, such as an answer after hours, is no work.
            total, began = total + (last - began).total_seconds(), None
            waited, own = at, float(event.data.get("seconds", 0.0))
    return total + ((last - began).total_seconds() if began and last else 0.0)


def used(store: Store, run: str) -> Spent:
    """Return what a run has used, from its log."""
    total = Spent()
    events = store.events(run)
    for event in events:
        total = total.plus(_took(event) or Spent())
    return total.at(round(seconds_at_work(events), 3))


def spent(store: Store, run: str) -> dict[str, Any]:
    """Return what a run has used: `tokens`, `usd` (None when a price is not known), `calls`, `seconds`."""
    total = used(store, run)
    return {
        "tokens": total.tokens,
        "usd": None if total.unpriced else float(total.usd),
        "calls": total.calls,
        "seconds": total.seconds,
    }
