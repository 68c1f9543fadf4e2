"""One request, sent until the server has taken it, has refused it, or nobody knows what it did with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from definable.calls import Ask, Decision, Failure, Heal, Outcome, Phase, Rewording, Send, Verdict, digest
from definable.spec.model import Evidence
from definable.spec.toolkit import Tool, Toolkit
from definable.verify.case import Case, Flow
from definable.verify.changes import as_sent, placed
from definable.verify.classify import classify, insisted, spoken_of
from definable.verify.contracts import Contract
from definable.verify.judge import Judge
from definable.verify.plan import REREADS, TRANSIENT, TRIES, Move, asked, backoff, plan
from definable.verify.readback import unmet
from definable.verify.record import patch_id
from definable.verify.repair import Repair
from definable.verify.request import Adapted, Proof, Unadaptable, known_before, understand
from definable.verify.rows import names
from definable.verify.standing import unguarded

ADAPTATIONS = 5
"""In how many forms a request is sent, at most, after the server has refused it."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where a request stands. `body` is the validated response when `move` is ACCEPT."""

    move: Move
    verdict: Verdict
    body: Any = None


@dataclass
class _Way:
    """How one request is on its way: what was changed in it, and what is noted once it has come through."""

    case: Case
    slug: str
    arguments: dict[str, Any]
    role: Any
    changes: tuple[Rewording, ...] = ()
    refused: set[str] = field(default_factory=set)
    """The forms in which the server has refused it."""
    rereads: int = 0
    retries: int = 0
    waits: int = 0
    stray: str = ""
    """The source of the key with which it was refused although that key is good."""
    heals: list[Heal] = field(default_factory=list)

    def left(self, outcome: Outcome) -> None:
        """Take in how it left: the record may have known how the server wants it."""
        if not self.changes and outcome.reworded:
            self.heals += known_before(self.slug, outcome.reworded)
        self.changes = outcome.reworded or self.changes

    def move(self, verdict: Verdict) -> Move:
        """Return what the table says, and FAIL once it has been tried often enough; tries are counted."""
        move = plan(verdict, self.case.catalog[self.slug][1].effect)
        self.retries += move is Move.RETRY
        self.rereads += move is Move.REREAD
        return Move.FAIL if move is Move.RETRY and self.retries >= TRIES else move

    def is_odd(self, verdict: Verdict, outcome: Outcome) -> Verdict:
        """Return the verdict on a 401 for a good key: the second with the same key is not about the key."""
        if verdict.failure is Failure.AUTH_EXPIRED:
            self.stray = ""
        if verdict.failure is not Failure.AUTH_STRAY:
            return verdict
        before, self.stray = self.stray, outcome.credential
        return insisted(*self.case.catalog[self.slug], verdict) if before == self.stray else verdict

    def once_more(self, verdict: Verdict, who: str) -> float:
        """Note that it is sent again because the key is good after all; return after how long."""
        delay = backoff(f"{self.case.call.id}/{self.slug}/stray", 0, base=1.0, cap=1.0)
        detail = f"{self.stray} was refused here and accepted by {who}; sent again after {delay:g} s"
        self.heals.append(Heal(failure=verdict.failure, rule="key_is_good", detail=detail))
        return delay

    def again(self, verdict: Verdict, n: int) -> float:
        """Note that it is sent again after a failure, for the n-th time (from 0); return after how long."""
        delay = backoff(f"{self.case.call.id}/{self.slug}", n, base=1.0, cap=30.0)
        self.heals.append(Heal(failure=verdict.failure, rule="retry", detail=f"sent again after {delay:g} s"))
        return delay


Doubt = Callable[[Move, Verdict, float, bool], Flow[Delivered | bool]]
"""Looks, after so many seconds and with a fresh key or not, whether a refused request was done all the same.

It returns how the request is settled when it was; else whether anybody could look.
"""


def deliver(
    case: Case,
    slug: str,
    arguments: dict[str, Any],
    role: Any,
    *,
    delay: float = 0.0,
    fresh: bool = False,
    why: str = "",
    retry: bool = False,
    doubt: Doubt | None = None,
) -> Flow[Delivered]:
    """Send until ACCEPT, LOOK (the effect is in doubt) or FAIL; waits, retries, new keys and other words are
    seen to here.

    The first attempt is made after `delay` seconds, for the reason in `why`; with `retry` it repeats one that
    a transient failure spoiled. With `doubt` a refusal is looked into before anything is sent again, in the
    time and with the key that the next attempt would have had. WAIT: nothing was sent, for others were in the
    call's place since its first look, which has to be made again.
    """
    way = _Way(case, slug, arguments, role)
    while True:
        order = _order(way, delay=delay, fresh=fresh, retry=retry, why=why)
        outcome = yield from _attempt(case, order)
        if outcome.cause == "others":
            return Delivered(Move.WAIT, classify(*case.catalog[slug], outcome))
        way.left(outcome)
        verdict, body = examine(case, order.model_copy(update={"changes": way.changes}), outcome)
        verdict = way.is_odd(verdict, outcome)
        case.saw(order, outcome, verdict)
        move = way.move(verdict)
        delay, fresh = _pace(way, move, verdict, outcome)
        retry, why = move is Move.RETRY and verdict.failure in TRANSIENT, verdict.message
        if doubt is not None and verdict.phase is Phase.REJECTED:
            seen = yield from doubt(move, verdict, delay, fresh)
            if isinstance(seen, Delivered):
                case.heals += [heal for heal in way.heals if heal.rewording is None]
                return seen
            delay, fresh = (0.0, False) if seen else (delay, fresh)
        if move in (Move.ACCEPT, Move.LOOK, Move.FAIL):
            case.heals += way.heals if move is Move.ACCEPT else []
            return Delivered(move, verdict, body)
        if not (yield from _onward(way, move, verdict, body, outcome)):
            return Delivered(Move.FAIL, verdict)


def _pace(way: _Way, move: Move, verdict: Verdict, outcome: Outcome) -> tuple[float, bool]:
    """Return after how long the next attempt is made, and whether it takes another key."""
    if move is Move.RETRY:
        return way.again(verdict, way.retries - 1), False
    if move is Move.REREAD and way.rereads <= REREADS:
        return way.again(verdict, way.rereads - 1), False
    if move is Move.WAIT:
        way.waits += 1
        return _pause(way.case, verdict, way.waits - 1), False
    if move is Move.REFRESH:
        way.case.heal(verdict.failure, "next_source", f"{outcome.credential or 'the key'} was refused")
        return 0.0, True
    if move is Move.RESEND:
        return way.once_more(verdict, way.case.catalog[way.slug][0].who or ""), False
    return 0.0, False


def _onward(way: _Way, move: Move, verdict: Verdict, reading: Any, outcome: Outcome) -> Flow[bool]:
    """Do what is to be done before the next attempt. False: there is none."""
    if move is Move.PARK:
        yield from _park(way.case, way.slug, verdict)
    elif move is Move.REREAD and way.rereads > REREADS:
        return (yield from _odd(way, verdict))
    elif move is Move.ADAPT:
        return (yield from _adapt(way, verdict, reading, outcome))
    return True


def _odd(way: _Way, verdict: Verdict) -> Flow[bool]:
    """The answer stays one that cannot be read: True when a person says that it is to be read once more."""
    if verdict.failure is not Failure.DRIFT:
        return False
    toolkit = way.case.catalog[way.slug][0]
    return (
        yield from _review(
            way,
            f"{toolkit.title} answers {way.slug} in another form than agreed: {verdict.message}",
            verdict.diff,
            yes="read it again, once it is well or the toolkit's file fits it",
            no="the read fails",
        )
    )


def _adapt(way: _Way, verdict: Verdict, reading: Adapted | Unadaptable, outcome: Outcome) -> Flow[bool]:
    """Put a refused request into the server's own words. False: it fails as it is.

    By its word a 4xx did nothing, and no look that could be made has shown otherwise. A write is changed only
    where both sides were named, or nothing but casing and type, and where what was written can be read back;
    anything less a person decides, and what a person has rejected.
    """
    kit, tool = way.case.catalog[way.slug]
    way.refused.add(digest(as_sent(tool, way.arguments, way.changes)))
    changes = (*way.changes, *(reading.changes if isinstance(reading, Adapted) else ()))
    tried = digest(as_sent(tool, way.arguments, changes)) in way.refused or len(way.refused) > ADAPTATIONS
    if isinstance(reading, Adapted) and not tried:
        heals = reading.heals(way.slug, verdict.message)
        rejected = way.case.catalog.record.rejected(kit.toolkit, outcome.known)
        seen = not tool.effect.writes or (
            reading.proof is not Proof.LIKELY and tool.evidence is Evidence.STATE
        )
        seen = seen and not any(patch_id(way.slug, h.drift, h.detail) in rejected for h in heals)
        if seen or (yield from _review(way, *_asked(way, verdict), yes="send it like that", no="it fails")):
            way.changes = changes
            way.heals += [heal for heal in heals if heal not in way.heals]
            return True
        return False
    return (
        yield from _review(
            way,
            *_asked(way, verdict),
            yes="send it again as it was, once the server takes it",
            no="the call fails, and nothing was done",
        )
    )


def _asked(way: _Way, verdict: Verdict) -> tuple[str, tuple[str, ...]]:
    toolkit = way.case.catalog[way.slug][0]
    words = f"{toolkit.title} takes {way.slug} in another form than agreed: {verdict.message}"
    return words, verdict.diff


def _review(way: _Way, question: str, diff: tuple[str, ...], *, yes: str, no: str) -> Flow[bool]:
    """Ask a person what no rule can decide; the run holds nothing meanwhile."""
    case = way.case
    reply = yield Ask(
        reason="review",
        question=question,
        tool=way.slug,
        arguments=way.arguments,
        arguments_hash=digest([way.slug, way.arguments])[:32],
        diff=diff,
        yes=yes,
        no=no,
    )
    assert isinstance(reply, Decision), "an Ask is answered by a Decision"  # noqa: S101
    case.decided_by = reply.by
    return reply.approve


def _order(way: _Way, **how: Any) -> Send:
    """Return the order for the next attempt; one of the call itself is counted."""
    case, called = way.case, way.role == "call"
    case.attempts += called
    writes = called and case.catalog[way.slug][1].effect.writes
    return Send(
        tool=way.slug,
        arguments=way.arguments,
        changes=way.changes,
        role=way.role,
        attempt=case.attempts if called else 1,
        effect=case.call.effect_id if writes else None,
        alone=case.place if case.alone else "",
        **how,
    )


def _attempt(case: Case, order: Send) -> Flow[Outcome]:
    reply = yield order
    assert isinstance(reply, Outcome), "a Send is answered by an Outcome"  # noqa: S101
    if order.role == "call" and reply.phase is not Phase.NOT_SENT:
        case.sends += 1
    case.shared = reply.shared if order.role == "before" else case.shared or reply.shared
    return reply


def _pause(case: Case, verdict: Verdict, waits: int) -> float:
    if verdict.retry_after is not None:
        # The server's clock may cut a window a moment later than it says.
        delay = asked(verdict.retry_after + 0.05, case.call.id, waits)
        rule = "retry_after"
    else:
        delay = backoff(case.call.id, waits, base=2.0, cap=60.0)
        rule = "backoff"
    case.heal(verdict.failure, rule, f"waited {delay:g} s")
    return delay


def _park(case: Case, slug: str, verdict: Verdict) -> Flow[None]:
    """Wait for a key, however long it takes; the run holds nothing meanwhile."""
    toolkit = case.catalog[slug][0]
    reply = yield Ask(
        reason="auth",
        question=f"{toolkit.title} accepts none of the keys that are set: {verdict.message}",
        tool=slug,
        arguments=case.arguments,
        arguments_hash=case.arguments_hash,
    )
    assert isinstance(reply, Decision), "an Ask is answered by a Decision"  # noqa: S101
    if not reply.approve:
        raise case.ended("failed", Failure.AUTH_EXPIRED, verdict.message)
    case.heal(Failure.AUTH_EXPIRED, "resumed", "waited for a new key")


def examine(case: Case, order: Send, outcome: Outcome) -> tuple[Verdict, Any]:
    """Return the verdict and, for a success, the body after validation and repair.

    A read whose answer is about something else than was asked for is no success. With REQUEST_DRIFT comes how
    the request may be put into the server's words.
    """
    toolkit, tool = case.catalog[order.tool]
    verdict, body = _validated(case, order.tool, order.arguments, outcome)
    if verdict.failure is Failure.INVALID_INPUT and outcome.status in (400, 422):
        return _understood(toolkit, tool, order, outcome, verdict)
    if verdict.failure is not Failure.OK or tool.effect.writes:
        return verdict, body
    if wrong := unmet(tool.expect, {"arguments": order.arguments, "result": body}):
        return Verdict(failure=Failure.DRIFT, phase=verdict.phase, message="; ".join(wrong)), None
    return verdict, body


def _understood(
    toolkit: Toolkit, tool: Tool, order: Send, outcome: Outcome, verdict: Verdict
) -> tuple[Verdict, Adapted | Unadaptable | None]:
    query, body = placed(tool, order.arguments, order.changes)
    contract = Contract.of_arguments(toolkit, tool)
    reading = understand(contract, {**query, **body}, frozenset(query), outcome.body, order.arguments)
    if reading is None:
        return verdict, None
    return verdict.model_copy(update={"failure": Failure.REQUEST_DRIFT, "diff": reading.diff}), reading


def _validated(case: Case, slug: str, arguments: dict[str, Any], outcome: Outcome) -> tuple[Verdict, Any]:
    toolkit, tool = case.catalog[slug]
    verdict = classify(toolkit, tool, outcome, case.catalog.hosts.get(toolkit.toolkit, ""))
    if verdict.failure is Failure.WRONG_HOST and toolkit.toolkit in case.spoken:
        verdict = verdict.model_copy(update={"failure": spoken_of(verdict)})
    if verdict.failure is not Failure.OK:
        return verdict, None
    contract = Contract.of_response(toolkit, tool)
    if contract is None:
        _note_status(case, slug, outcome)
        return verdict, None
    if twice := [name for name in outcome.doubled if name in names(contract)]:
        words = (
            f"{outcome.status}, but {' and '.join(map(repr, twice))} is there twice, with different values"
        )
        return Verdict(failure=Failure.DRIFT, phase=verdict.phase, message=words), None
    known = case.catalog.record.at(toolkit, slug, outcome.known, outcome.at)
    judge = Judge(contract, tool, slug, arguments, known, case.follows)
    case.reading = frozenset()
    if outcome.media == "json" and judge.settled(outcome.body):
        _note_status(case, slug, outcome)
        return verdict, outcome.body
    return _mend(case, slug, judge, outcome, verdict)


def _mend(case: Case, slug: str, judge: Judge, outcome: Outcome, verdict: Verdict) -> tuple[Verdict, Any]:
    if outcome.media != "json":
        shown = repr(outcome.body[:120]) if isinstance(outcome.body, str) else "nothing"
        words = f"{outcome.status}, but the body is no JSON: {shown}"
        return Verdict(failure=Failure.DRIFT, phase=verdict.phase, message=words), None
    mended = judge(outcome.body)
    if isinstance(mended, Repair):
        case.reading = frozenset(heal.detail for heal in mended.heals if unguarded(heal.change))
        told = {(heal.rule, heal.detail, heal.tool) for heal in case.heals}
        case.heals += [heal for heal in mended.heals if (heal.rule, heal.detail, heal.tool) not in told]
        case.doubts += mended.doubts
        _note_status(case, slug, outcome)
        return verdict, mended.body
    words = f"{outcome.status}, but the response is not what it was: {mended.message}"
    return Verdict(failure=Failure.DRIFT, phase=verdict.phase, message=words, diff=mended.diff), None


def _note_status(case: Case, slug: str, outcome: Outcome) -> None:
    tool = case.catalog[slug][1]
    if outcome.status not in tool.success:
        expected = ", ".join(map(str, tool.success))
        case.heals.append(
            Heal(
                failure=Failure.DRIFT,
                rule="success_code",
                detail=f"{outcome.status} where {expected} was promised",
                drift="success_code_changed",
                tool=slug,
                evidence="the body keeps to its contract" if tool.response else "a success all the same",
            )
        )
