"""How one call is settled, from the first look to the receipt: the healing, in the order in which it happens.

`settle` is a generator: it yields an `Order` (send this, ask a person), is sent the `Reply`, and returns the
`Receipt`. It does no I/O and reads no clock, so the same replies always lead to the same receipt; after a
crash the recorded exchanges are played into a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from definable.calls import (
    Ask,
    Decision,
    Exchange,
    Failure,
    Order,
    Outcome,
    Phase,
    Receipt,
    Reply,
    Send,
    ToolCall,
)
from definable.errors import ReplayError
from definable.spec.model import Effect, Evidence
from definable.spec.paths import lookup, render, truth
from definable.verify.case import Case, Catalog, Ended, Flow, Scope
from definable.verify.deliver import Delivered, deliver
from definable.verify.look import Unseen, read, see
from definable.verify.lost import Absent, Found, no_double, place_of, recover, take, told_before
from definable.verify.plan import TRANSIENT, Move
from definable.verify.readback import Ambiguous, about_result_only, matching, respelled, unmet
from definable.verify.refused import Refusals

LATER = "it was sent again: should an earlier attempt come through later still, it is there twice"
"""What a receipt says after a resend, for what comes after the last look is not seen."""

RESENDS = 3
"""How often a write that is proven not to have happened is sent again."""


def settle(call: ToolCall, catalog: Catalog, unlooked: frozenset[int] = frozenset()) -> Flow[Receipt]:
    """Settle one call and return its receipt; never raises for what a server or a person answers.

    `unlooked` are the attempts whose refusal was not looked into by the Definable that recorded them.
    """
    case = Case(call, catalog, slug=call.tool, arguments=dict(call.arguments), unlooked=unlooked)
    try:
        if not case.tool.effect.writes:
            return (yield from _read(case))
        return (yield from _write(case))
    except Ended as end:
        return end.receipt


def replay(
    call: ToolCall, catalog: Catalog, history: Iterable[Exchange]
) -> tuple[Flow[Receipt], Order | Receipt]:
    """Play recorded exchanges into a new flow; return it with the order that is open now, or its receipt.

    Raises ReplayError when today's code would have ordered something else than what was recorded.
    """
    history = tuple(history)
    flow = settle(call, catalog, _unlooked(history))
    step = advance(flow, None)
    for exchange in history:
        if isinstance(step, Receipt) or not _alike(step, exchange.order):
            now = "end" if isinstance(step, Receipt) else f"{step.kind} {step.tool!r}"
            raise ReplayError(
                f"call {call.id!r}, exchange {exchange.n}: recorded {exchange.order.kind} of "
                f"{exchange.order.tool!r}, but today's rules would {now} there",
                hint="nothing more is sent for this call; look at it with: definable runs show " + call.run,
            )
        step = advance(flow, exchange.reply)
    return flow, step


def _unlooked(history: Sequence[Exchange]) -> frozenset[int]:
    """Return the refused attempts after which no look was made: an older Definable recorded them."""
    found = set()
    for this, following in pairwise(history):
        order, reply, then = this.order, this.reply, following.order
        refused = isinstance(reply, Outcome) and reply.phase is Phase.REJECTED
        if isinstance(order, Send) and order.role == "call" and refused:
            looked = isinstance(then, Send) and then.role != "call"
            found |= set() if looked else {order.attempt}
    return frozenset(found)


def advance(flow: Flow[Receipt], reply: Reply | None) -> Order | Receipt:
    """Tell a flow what came of its last order (None to start it); return its next order or its receipt."""
    try:
        return flow.send(reply) if reply is not None else next(flow)
    except StopIteration as end:
        receipt: Receipt = end.value
        return receipt


def _alike(now: Order, then: Order) -> bool:
    changed = getattr(now, "changes", ()) != getattr(then, "changes", ())
    return not changed and (now.kind, now.tool, now.arguments) == (then.kind, then.tool, then.arguments)


def _read(case: Case) -> Flow[Receipt]:
    yield from _permit(case)
    got = yield from read(case, case.slug, case.arguments, "call")
    if got.move is not Move.ACCEPT:
        raise case.ended("failed", got.verdict.failure, got.verdict.message)
    return case.verified(got.body, Evidence.RESPONSE)


def _write(case: Case) -> Flow[Receipt]:
    case.place = place_of(case)
    if case.call.ensure:
        already = yield from _ensure(case)
        if already is not None:
            return already
    yield from _exact(case)
    yield from _permit(case)
    if case.call.ensure and case.call.approval == "needed":
        yield from _unchanged(case)
    before = yield from _before(case)
    resends, spoiled = 0, False
    while True:
        doubt = Refusals(case, before)
        sent = yield from deliver(case, case.slug, case.arguments, "call", retry=spoiled, doubt=doubt)
        if sent.move is Move.WAIT:
            before = yield from _before(case)
            continue
        result = yield from _taken(case, before, sent, resends, doubt.note)
        if not isinstance(result, Absent):
            result = yield from _finish(case, before, result, resends)
        if not isinstance(result, Absent):
            receipt = yield from _confirm(case, before, result, resends)
            if not isinstance(receipt, Absent):
                if case.tool.poll is None:
                    yield from no_double(case, before, receipt.result, resends)
                return receipt
        resends += 1
        if resends > RESENDS:
            raise case.ended(
                "failed", Failure.FALSE_SUCCESS, "accepted, but a look shows that it was not done"
            )
        spoiled = _reason(sent) in TRANSIENT
        case.heal(_reason(sent), "resent", _why_again(case))
        if LATER not in case.notes and case.tool.lost and case.tool.lost.how == "new":
            case.notes.append(LATER)


def _why_again(case: Case) -> str:
    if case.tool.lost is not None and case.tool.lost.how == "resend":
        return "doing it twice leaves the same"
    return f"no look showed it, the last {case.tool.settle:g} s after the first"


def _reason(sent: Delivered) -> Failure:
    return Failure.FALSE_SUCCESS if sent.move is Move.ACCEPT else Failure.UNKNOWN_OUTCOME


def _permit(case: Case) -> Flow[None]:
    """Ask a person where one is needed; what they approve is these exact arguments, once."""
    if case.call.approval != "needed":
        case.decided_by = "answered ahead" if case.call.approval == "given" else ""
        return
    question = case.call.concern or f"“{case.tool.title}” needs a person's yes"
    reply = yield Ask(
        reason="approval",
        question=question,
        tool=case.slug,
        arguments=case.arguments,
        arguments_hash=case.arguments_hash,
    )
    assert isinstance(reply, Decision), "an Ask is answered by a Decision"  # noqa: S101
    case.decided_by = reply.by
    if not reply.approve:
        raise case.ended("denied", Failure.PERMISSION, reply.reason or f"denied by {reply.by}")
    if reply.arguments is not None:
        case.edit(reply.arguments, reply.by)
        case.place = place_of(case)


def _before(case: Case) -> Flow[Scope]:
    """Record what is there before the first send."""
    try:
        return (yield from see(case, case.tool.before, case.scope(), "before"))
    except Unseen as blind:
        raise _unsent(case, blind) from None


def _exact(case: Case) -> Flow[None]:
    """Make arguments that are too wide exact, so that what is asked about is what is sent."""
    if case.tool.rewrite and truth(case.tool.rewrite.when, case.scope()):
        _rewrite(case, (yield from _before(case)))


def _unchanged(case: Case) -> Flow[None]:
    """While a person took their time, what was found may have changed, and the yes was to what was found."""
    approved = case.slug, case.arguments
    case.slug, case.arguments = case.call.tool, dict(case.call.arguments)
    done = yield from _ensure(case)
    if done is not None:
        raise Ended(done)
    if (case.slug, case.arguments) != approved:
        words = f"not sent: {approved[0]} was approved, and what is there has changed since"
        raise case.ended("failed", Failure.CONFLICT, words)


def _rewrite(case: Case, scope: Scope) -> None:
    rule = case.tool.rewrite
    assert rule is not None  # noqa: S101
    exact = render(rule.arguments, scope, missing="drop")
    case.arguments = {k: v for k, v in {**case.arguments, **exact}.items() if k not in rule.drop}
    if rule.empty and not case.arguments.get(rule.empty):
        raise Ended(case.verified(None, Evidence.EXISTENCE, "there was nothing to do"))


def _ensure(case: Case) -> Flow[Receipt | None]:
    """Look whether it is there: then bring it up to date instead of making another. None: go on and write."""
    rule = case.tool.ensure
    if rule is None:
        raise case.ended(
            "failed", Failure.INVALID_INPUT, f"{case.slug} has no way to ensure that it is there once"
        )
    try:
        scope = yield from see(case, {"there": rule.look}, case.scope(), "before")
    except Unseen as blind:
        raise _unsent(case, blind) from None
    where = {
        path: f"${{{{ arguments.{name} }}}}" for name, path in rule.match.items() if name in case.call.ensure
    }
    found = matching(lookup(scope, f"there.{rule.in_}"), where, scope) or []
    if not found:
        return None
    if len(found) > 1:
        ids = ", ".join(str(lookup(item, "id")) for item in found)
        what = " and ".join(case.call.ensure)
        raise case.ended("needs_review", Failure.CONFLICT, f"{len(found)} have this {what} already: {ids}")
    case.slug = rule.update.call
    case.arguments = render(rule.update.arguments, {**scope, "item": found[0]}, missing="drop")
    return (yield from _already(case))


def _unsent(case: Case, blind: Unseen) -> Ended:
    return case.ended("failed", blind.failure, f"not sent: what is there cannot be read: {blind}")


def _already(case: Case) -> Flow[Receipt | None]:
    """The receipt when everything is as wanted before anything is sent."""
    try:
        scope = yield from see(case, case.tool.after, case.scope(), "before")
        if unmet(case.conditions, scope):
            return None
    except (Unseen, Ambiguous):
        return None
    lost = case.tool.lost
    result = render(lost.adopt, scope, missing="drop") if lost else None
    return case.verified(result, case.tool.evidence, "it was so already, nothing was sent", scope)


def _taken(case: Case, before: Scope, sent: Delivered, resends: int, note: str) -> Flow[Any]:
    """The accepted response; after a lost answer what a look finds, or Absent.

    `note` says on what a refusal rests.
    """
    old = told_before(case, before, sent.body) if sent.move is Move.ACCEPT else ""
    if sent.move is Move.ACCEPT and not old:
        return sent.body
    if old or sent.move is Move.LOOK or resends:
        where = yield from recover(case, before, old or sent.verdict.message)
        if isinstance(where, Found):
            failure = _reason(sent) if old else sent.verdict.failure
            case.heal(
                failure, "adopted", "; ".join(filter(None, [old, "a look showed that it had happened"]))
            )
            return where.result
        if old or sent.move is Move.LOOK:
            return where
    rests = note if sent.verdict.phase is Phase.REJECTED else ""
    words = "; ".join(filter(None, [sent.verdict.message, rests]))
    raise case.ended("failed", sent.verdict.failure, words)


def _finish(case: Case, before: Scope, result: Any, resends: int) -> Flow[Any]:
    """Where the call only started something: look until that has ended. Absent when it never was."""
    poll = case.tool.poll
    if poll is None or not case.starts(before):
        return result
    yield from no_double(case, before, result, resends)  # as long as nobody else starts one
    arguments = render(poll.arguments, {**before, "result": result})
    unseen = 0
    delay = 0.0
    case.alone = False  # what was started is known by its id from here on
    while True:
        got = yield from deliver(case, poll.call, arguments, "poll", delay=delay)
        delay = poll.every
        if got.move is not Move.ACCEPT and got.verdict.failure is Failure.NOT_FOUND:
            unseen += 1
            if unseen * poll.every > case.tool.settle:
                return (yield from _never_started(case, before))
        elif got.move is not Move.ACCEPT:
            message = f"started, but how it goes cannot be read: {got.verdict.message}"
            raise case.ended("needs_review", got.verdict.failure, message, result)
        else:
            now = lookup(got.body, poll.at)
            if now in poll.done:
                return got.body
            if now in poll.failed:
                raise case.ended("failed", Failure.FALSE_SUCCESS, f"it was started and ended {now}", got.body)


def _never_started(case: Case, before: Scope) -> Flow[Any]:
    where = yield from recover(case, before, "accepted, but what was started is not there")
    return where.result if isinstance(where, Found) else where


def _confirm(case: Case, before: Scope, result: Any, resends: int) -> Flow[Receipt | Absent]:
    """Read back what was written. Absent: it is proven, after the settle time, that it was not done."""
    own = tuple(c for c in case.tool.expect if about_result_only(c))
    if failed := unmet(own, {**before, "result": result}):
        raise case.ended("failed", Failure.FALSE_SUCCESS, "; ".join(failed), result)
    wrong = yield from _read_back(case, before, result)
    if isinstance(wrong, Receipt):
        return wrong
    words = "; ".join(wrong)
    how = case.tool.lost.how if case.tool.lost else "ask"
    if case.tool.effect is not Effect.RUN and how != "ask" and not case.taken:
        case.notes = [note for note in case.notes if note != words]
        if how != "new" and not (resends and case.respelled):
            case.notes.append(words)
            return Absent()
        if how == "new":
            where = yield from recover(case, before, words, result)
            if isinstance(where, Absent):
                return where
            if where.result != result and not case.taken:
                again = yield from _read_back(case, before, where.result)
                if isinstance(again, Receipt):
                    return again
            if not (case.taken or case.respelled):
                made = f"it was made, as a list shows, and is read back as something else: {words}"
                raise case.ended("needs_review", Failure.FALSE_SUCCESS, made, where.result)
            result = where.result
        if case.respelled and not case.taken:  # made, or sent twice and twice there, as the server writes it
            yield from take(case, f"done, and there in another spelling: {words}", "it")
    if case.taken:
        taken = f"there in another form than asked for ({words}); {case.decided_by} took it as it is"
        return case.verified(result, Evidence.EXISTENCE, taken, before)
    raise case.ended("failed", Failure.FALSE_SUCCESS, words, result)


def _read_back(case: Case, before: Scope, result: Any) -> Flow[Receipt | list[str]]:
    """The receipt when what is seen is what was wanted, else what is wrong even after the settle time."""
    scope = {**before, "result": result}
    if not case.starts(before):
        return case.verified(result, Evidence.RESPONSE, "nothing was started, so there is nothing to look at")
    if not case.tool.after:
        return case.verified(result, case.tool.evidence or Evidence.RESPONSE, case.tool.basis, scope)
    wrong: list[str] = []
    for delay in (0.0, case.tool.settle):
        try:
            seen = yield from see(
                case, case.tool.after, scope, delay=delay, why="reading back what was written"
            )
            wrong = unmet(case.conditions, seen)
            case.respelled = respelled(case.conditions, seen)
        except Unseen as blind:
            if blind.failure is not Failure.NOT_FOUND or (delay and not _listed(case)):
                raise _unread(case, result, blind) from None
            wrong, case.respelled = [str(blind)], False
        except Ambiguous as twins:
            raise case.ended(
                "needs_review", Failure.UNKNOWN_OUTCOME, f"accepted, but {twins}", result
            ) from None
        if not wrong:
            return case.verified(result, case.tool.evidence, case.tool.basis, seen)
    return wrong


def _listed(case: Case) -> bool:
    """Whether a list can say that it is not there, so that a 404 is not the last word."""
    return case.tool.effect is Effect.CREATE and case.tool.lost is not None and case.tool.lost.how == "new"


def _unread(case: Case, result: Any, blind: Unseen) -> Ended:
    words = f"accepted, but it cannot be read back: {blind}"
    return case.ended("needs_review", blind.failure, words, result)
