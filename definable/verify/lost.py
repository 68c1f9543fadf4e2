"""A write whose answer was lost: find out whether it happened before anything is sent again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from definable.calls import Ask, Decision, Failure, digest
from definable.spec.paths import MISSING, lookup, render
from definable.spec.toolkit import Lost
from definable.verify.case import Case, Flow, Scope
from definable.verify.look import Unseen, see
from definable.verify.readback import Ambiguous, matching, resembles, unmet


@dataclass(frozen=True, slots=True)
class Found:
    """The effect happened, and this is its result."""

    result: Any


@dataclass(frozen=True, slots=True)
class Absent:
    """The effect is proven not to have happened (or a second one does no harm): it may be sent again."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person's answer does, in words, where that is not plain; and whether a yes sends it again."""

    yes: str = "it did not happen: send it again"
    no: str = "it stays in doubt, and nothing is sent"
    again: bool = True


PLAIN = Choice()


def recover(case: Case, before: Scope, why: str, made: Any = None) -> Flow[Found | Absent]:
    """Return whether the effect is there, by the tool's recipe; asks a person when nobody can tell.

    `made` is the result that an answer told, if there was one: what is there under its id was made.
    """
    lost = case.tool.lost or Lost(how="ask")
    if not case.starts(before):
        return Absent()
    case.alone = True
    try:
        if lost.how == "new":
            return (yield from _look_for_new(case, lost, before, why, made))
        if lost.how == "state":
            return (yield from _look_at_state(case, lost, before, why))
    except (Unseen, Ambiguous) as blind:
        return (yield from ask(case, f"{why}; and a look does not tell: {blind}", []))
    if lost.how == "resend":
        if lost.warn and lost.warn not in case.notes:
            case.notes.append(lost.warn)
        return Absent()
    return (yield from ask(case, f"{why}; nobody can look whether it happened", []))


def told_before(case: Case, before: Scope, result: Any) -> str:
    """Say that an answer tells of what was there before the first send; empty when it does not.

    A cache on the way, or a server that takes one request for another, answers like that; it proves nothing.
    """
    lost = case.tool.lost
    if lost is None or lost.how != "new" or not case.starts(before):
        return ""
    own = lookup(result, lost.id or "id")
    was = {lookup(item, lost.id or "id") for item in lookup(before, lost.in_ or "") or []} - {MISSING}
    return f"accepted, but the answer tells of {own}, which was there before" if own in was else ""


def _look_for_new(case: Case, lost: Lost, before: Scope, why: str, made: Any) -> Flow[Found | Absent]:
    blind, there = "", None
    for delay in _twice(case.tool.settle):
        found, blind, there = yield from _look(case, lost, before, delay, made)
        if found:
            return (yield from only(case, lost, before, why, found))
    if there is not None:
        return (yield from _take_as_it_is(case, lost, before, f"{why}; {blind}", there))
    if blind:
        return (yield from ask(case, f"{why}; nothing that matches is new, but {blind}", []))
    return Absent()


def only(
    case: Case, lost: Lost, before: Scope, why: str, found: list[Any], choice: Choice = PLAIN
) -> Flow[Found | Absent]:
    """Take what is new for ours when it can be nothing else; else a person says which it is, if any."""
    if len(found) == 1 and not matching(found, lost.where, before):
        words = f"{why}; one is new that matches but for its spelling"
        return (yield from _take_as_it_is(case, lost, before, words, found[0], choice))
    words = ""
    if len(found) > 1:
        words = f"{len(found)} that match are new"
    elif case.shared:
        words = "one that matches is new, but another run of Definable wrote in the same place meanwhile"
    elif lost.foreign and case.toolkit.toolkit not in case.catalog.exclusive:
        words = f"one that matches is new, but {lost.foreign}"
    if words:
        return (yield from ask(case, f"{why}; {words}", found, choice))
    return Found(adopted(case, lost, before, found[0]))


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


LOOKING = "looking for what was sent"


def new_ones(
    case: Case, lost: Lost, before: Scope, delay: float, *, fresh: bool = False, why: str = LOOKING
) -> Flow[list[Any]]:
    """Return the entries that match the effect and were not there before the first send.

    Ambiguous when there are none and the list shows what was there before in another way, too.
    """
    found, blind, _ = yield from _look(case, lost, before, delay, fresh=fresh, why=why)
    if blind and not found and lookup(before, lost.in_ or ""):
        raise Ambiguous(blind)
    return found


def _look(
    case: Case, lost: Lost, before: Scope, delay: float, made: Any = None, why: str = LOOKING, **how: Any
) -> Flow[tuple[list[Any], str, Any]]:
    """Return the new entries that match, or else do but for their spelling, since servers trim and normalise;
    why finding none would prove nothing, if it would not; and what was made, when it is there and does not
    match: new ones that do are others' then.
    """
    name = lost.look or ""
    seen = yield from see(case, {name: case.tool.before[name]}, before, delay=delay, why=why, **how)
    was = {lookup(item, lost.id or "id"): item for item in lookup(before, lost.in_ or "") or []}
    now = lookup(seen, lost.in_ or "") or []
    # What others add while a list is read moves things to a page that comes later: it is still one thing.
    ids = {lookup(item, lost.id or "id"): item for item in now}
    new = [item for at, item in ids.items() if at not in was]
    fresh = matching(new, lost.where, seen) or []
    own = lookup(made, lost.id or "id")
    there = next((item for item in now if lookup(item, lost.id or "id") == own), None)
    if own is MISSING or own in was or there is None or there in fresh:
        fresh = fresh or matching(new, lost.where, seen, resembles) or []
        return fresh, _blind(lost, was, now, seen), None
    return [], f"{own} is new, as the answer said: it was made, and is there in another form", there


def _blind(lost: Lost, was: dict[Any, Any], now: list[Any], scope: Scope) -> str:
    """Say why a list does not prove that something is not in it: it shows known things in another way too."""
    paths = [path for path, raw in lost.where.items() if render(raw, scope, missing="drop") is not MISSING]
    new = [item for item in now if lookup(item, lost.id or "id") not in was]
    both = [(was[at], item) for item in now if (at := lookup(item, lost.id or "id")) in was]
    if len(both) * 2 < len(was):
        return f"of {len(was)} that were there before, {len(both)} are"
    for path in paths if new else ():
        pairs = [(lookup(old, path), lookup(item, path)) for old, item in both]
        told = [old != item for old, item in pairs if old not in (None, MISSING)]
        if told and all(told):
            return f"{path} is another than before, in all that were there"
        bare = [item for item in new if lookup(item, path) in (None, MISSING)]
        if any(matching([item], _without(lost.where, path), scope) for item in bare):
            return f"what is new has no {path}"
    return (
        "there is something new, and nothing was there before to compare it with" if new and not was else ""
    )


def _without(where: dict[str, Any], path: str) -> dict[str, Any]:
    return {name: raw for name, raw in where.items() if name != path}


def _look_at_state(case: Case, lost: Lost, before: Scope, why: str) -> Flow[Found | Absent]:
    for delay in _twice(case.tool.settle):
        scope = yield from see(
            case, case.tool.after, before, delay=delay, why="looking whether it is so already"
        )
        if not unmet(case.conditions, scope):
            return Found(adopted(case, lost, scope, None))
    return Absent()


def adopted(case: Case, lost: Lost, scope: Scope, item: Any) -> Any:
    """Return the result of an effect that was found, as the tool's file says it is put together."""
    result = render(lost.adopt, {**scope, "item": item}, missing="drop")
    return None if result is MISSING else result


def _twice(settle: float) -> tuple[float, ...]:
    """Look at once; absence counts only after the settle time."""
    return (0.0, settle) if settle else (0.0,)


def _take_as_it_is(
    case: Case, lost: Lost, before: Scope, question: str, there: Any, choice: Choice = PLAIN
) -> Flow[Found | Absent]:
    """Let a person take what was made in another form; to make another one is never the plain yes."""
    own = lookup(there, lost.id or "id")
    again = "send it again: a second one is made, and the first stays" if choice.again else ""
    taken = yield from take(case, question, own, ({"id": own, "seen": there},), again)
    return Found(adopted(case, lost, before, there)) if taken else Absent()


def take(
    case: Case, question: str, what: Any, candidates: tuple[dict[str, Any], ...] = (), again: str = ""
) -> Flow[bool]:
    """Ask a person whether what is there is taken as it is; False: it is to be sent again."""
    reply = yield Ask(
        reason="review",
        question=question,
        tool=case.slug,
        arguments=case.arguments,
        arguments_hash=case.arguments_hash,
        candidates=candidates,
        yes=f"take {what} as it is: the call is done",
        no=f"{what} stays, the call ends in doubt, and nothing is sent",
        again=again,
    )
    assert isinstance(reply, Decision), "an Ask is answered by a Decision"  # noqa: S101
    case.decided_by = reply.by
    if not reply.approve:
        raise case.ended("needs_review", Failure.UNKNOWN_OUTCOME, question)
    if reply.again:
        case.heal(Failure.UNKNOWN_OUTCOME, "resent_by_person", reply.by)
        return False
    case.heal(Failure.FALSE_SUCCESS, "taken_by_person", f"{reply.by} took {what} as it is")
    case.taken = True
    return True


def ask(case: Case, question: str, candidates: list[Any], choice: Choice = PLAIN) -> Flow[Found | Absent]:
    """Let a person say which of the candidates it is, or that it is none; a no leaves it in doubt."""
    lost = case.tool.lost or Lost(how="ask")
    named = tuple({"id": lookup(c, lost.id or "id"), "seen": c} for c in candidates)
    reply = yield Ask(
        reason="review",
        question=question,
        tool=case.slug,
        arguments=case.arguments,
        arguments_hash=case.arguments_hash,
        candidates=named,
        yes=choice.yes,
        no=choice.no,
    )
    assert isinstance(reply, Decision), "an Ask is answered by a Decision"  # noqa: S101
    case.decided_by = reply.by
    if not reply.approve:
        raise case.ended("needs_review", Failure.UNKNOWN_OUTCOME, question)
    if reply.adopt is None:
        if choice.again:
            case.heal(Failure.UNKNOWN_OUTCOME, "resent_by_person", reply.by)
        return Absent()
    chosen = next((c for c in candidates if str(lookup(c, lost.id or "id")) == reply.adopt), None)
    if chosen is None:
        raise case.ended(
            "needs_review", Failure.UNKNOWN_OUTCOME, f"{reply.adopt!r} is no candidate; {question}"
        )
    return Found(adopted(case, lost, case.scope(), chosen))


def no_double(case: Case, before: Scope, result: Any, resends: int) -> Flow[None]:
    """After a resend: an earlier attempt may have come through late; then a person has to know.

    The look is made one settle time after the answer, so that what was late by less than two is seen.
    """
    lost = case.tool.lost
    if not resends or lost is None or lost.how != "new" or not case.starts(before):
        return
    try:
        twins = yield from new_ones(case, lost, before, case.tool.settle)
    except (Unseen, Ambiguous) as blind:
        message = f"done, but whether an earlier attempt came through late cannot be read: {blind}"
        failure = blind.failure if isinstance(blind, Unseen) else Failure.UNKNOWN_OUTCOME
        raise case.ended("needs_review", failure, message, result) from None
    if len(twins) > 1:
        ids = ", ".join(str(lookup(t, lost.id or "id")) for t in twins)
        message = f"an earlier attempt came through late, so it is there {len(twins)} times: {ids}"
        if lost.foreign:
            message = f"{len(twins)} that match are new, and {lost.foreign}: {ids}"
        raise case.ended("needs_review", Failure.UNKNOWN_OUTCOME, message, result)
