"""The approval node: the only one with an interrupt. It holds nothing while people take their time."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from definable.calls import Ask, Decision, Exchange
from definable.graph.desk import Desk
from definable.graph.state import State


async def approval(state: State, runtime: Runtime[Desk]) -> dict[str, Any]:
    """The node stops the run until at least one question has an answer, and logs each answer once."""
    context = runtime.context.context
    known = {ask["id"]: context.store.asked(ask["id"]).decision for ask in state["asks"]}
    answers: dict[str, Any] = {
        name: decision.model_dump(mode="json") for name, decision in known.items() if decision
    }
    # What was answered while the run waited for something else needs no interrupt.
    answers = answers or interrupt(state["asks"])
    came = []
    for ask in state["asks"]:
        if ask["id"] not in answers:
            continue
        decision = Decision.model_validate(answers[ask["id"]])
        if ask["call"]:
            order = Ask.model_validate(ask["ask"])
            context.record(Exchange(call=ask["call"], n=ask["n"], order=order, reply=decision))
        came.append(_answer(ask, decision))
    context.tell()
    return {"came": came, "asks": []}


def _answer(ask: dict[str, Any], decision: Decision) -> dict[str, Any]:
    """Return an answer for the Verifier; what belongs to a call is in its exchange."""
    out = {"from": "approval", "call": ask["call"], "approve": decision.approve}
    if not ask["call"]:
        asked = Ask.model_validate(ask["ask"])
        out |= {
            "reason": asked.reason,
            "arguments": asked.arguments,
            "arguments_hash": decision.arguments_hash,
        }
        out |= {"by": decision.by, "why": decision.reason}
    return out
