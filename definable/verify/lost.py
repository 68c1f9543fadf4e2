"""A write whose answer was lost: find out whether it happened before anything is sent again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from definable.calls import Ask, Decision, Failure, digest
from definable.spec.paths import MISSING, lookup, render
from definable.spec.toolkit import Lost
from definable.verify.case import Case, Flow, Scope
from definable.verify.look import Unseen, see
from definable.verify.readback import Ambiguous, matching, unmet


@dataclass(frozen=True, slots=True)
class Found:
    """The effect happened, and this is its result."""

    result: Any


@dataclass(frozen=True, slots=True)
class Absent:
    """The effect is proven not to have happened (or a second one does no harm): it may be sent again."""


def recover(case: Case, before: Scope, why: str) -> Flow[Found | Absent]:
    """Return whether the effect is there, by the tool's recipe; asks a person when nobody can tell."""
    lost = case.tool.lost or Lost(how="ask")
    if not case.starts(before):
        return Absent()
    case.alone = True
    try:
        if lost.how == "new":
            return (yield from _look_for_new(case, lost, before, why))
        if lost.how == "state":
            return (yield from _look_at_state(case, lost, before, why))
    except (Unseen, Ambiguous) as blind:
        return (yield from _ask(case, f"{why}; and a look does not tell: {blind}", []))
    if lost.how == "resend":
        if lost.warn and lost.warn not in case.notes:
            case.notes.append(lost.warn)
        return Absent()
    return (yield from _ask(case, f"{why}; nobody can look whether it happened", []))


def _look_for_new(case: Case, lost: Lost, before: Scope, why: str) -> Flow[Found | Absent]:
    for delay in _twice(case.tool.settle):
        fresh = yield from new_ones(case, lost, before, delay)
        if len(fresh) > 1:
            return (yield from _ask(case, f"{why}; {len(fresh)} that match are new", fresh))
        if fresh and case.shared:
            words = "another run of Definable wrote in the same place meanwhile"
            return (yield from _ask(case, f"{why}; one that matches is new, but {words}", fresh))
        if fresh and lost.foreign and case.toolkit.toolkit not in case.catalog.exclusive:
            return (yield from _ask(case, f"{why}; one that matches is new, but {lost.foreign}", fresh))
        if fresh:
            return Found(_adopted(case, lost, before, fresh[0]))
    return Absent()


def place_of(case: Case) -> str:
    """Return where a lost effect of this call would be looked for; empty when nothing new is looked for.

    Two calls whose looks are the same are of one place: one could take the other's effect for its own.
    """
    lost = case.tool.lost
    if lost is None or lost.how != "new":
        return ""
    look, scope = case.tool.before[lost.look or ""], case.scope()
    seen = render(look.arguments, scope, missing="drop")
    return digest([case.toolkit.toolkit, scope["web"], look.call, seen])[:16]


def new_ones(case: Case, lost: Lost, before: Scope, delay: float) -> Flow[list[Any]]:
    """Return the entries that match the effect and were not there before the first send."""
    name = lost.look or ""
    seen = yield from see(
        case, {name: case.tool.before[name]}, before, delay=delay, why="looking for what was sent"
    )
    known = {lookup(item, lost.id or "id") for item in lookup(before, lost.in_ or "") or []}
    matches = matching(lookup(seen, lost.in_ or ""), lost.where, seen) or []
    return [item for item in matches if lookup(item, lost.id or "id") not in known]


def _look_at_state(case: Case, lost: Lost, before: Scope, why: str) -> Flow[Found | Absent]:
    for delay in _twice(case.tool.settle):
        scope = yield from see(
            case, case.tool.after, before, delay=delay, why="looking whether it is so already"
        )
        if not unmet(case.conditions, scope):
            return Found(_adopted(case, lost, scope, None))
    return Absent()


def _adopted(case: Case, lost: Lost, scope: Scope, item: Any) -> Any:
    result = render(lost.adopt, {**scope, "item": item}, missing="drop")
    return None if result is MISSING else result


def _twice(settle: float) -> tuple[float, ...]:
    """Look at once; absence counts only after the settle time."""
    return (0.0, settle) if settle else (0.0,)


def _ask(case: Case, question: str, candidates: list[Any]) -> Flow[Found | Absent]:
    lost = case.tool.lost or Lost(how="ask")
    named = tuple({"id": lookup(c, lost.id or "id"), "seen": c} for c in candidates)
    reply = yield Ask(
        reason="review",
        question=question,
        tool=case.slug,
        arguments=case.arguments,
        arguments_hash=case.arguments_hash,
        candidates=named,
    )
    assert isinstance(reply, Decision), "an Ask is answered by a Decision"  # noqa: S101
    case.decided_by = reply.by
    if not reply.approve:
        raise case.ended("needs_review", Failure.UNKNOWN_OUTCOME, question)
    if reply.adopt is None:
        case.heal(Failure.UNKNOWN_OUTCOME, "resent_by_person", reply.by)
        return Absent()
    chosen = next((c for c in candidates if str(lookup(c, lost.id or "id")) == reply.adopt), None)
    if chosen is None:
        raise case.ended(
            "needs_review", Failure.UNKNOWN_OUTCOME, f"{reply.adopt!r} is no candidate; {question}"
        )
    return Found(_adopted(case, lost, case.scope(), chosen))
