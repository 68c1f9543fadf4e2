"""One request, sent until the server has taken it, has refused it, or nobody knows what it did with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from definable.calls import Ask, Decision, Failure, Heal, Outcome, Phase, Send, Verdict
from definable.verify.case import Case, Flow
from definable.verify.classify import classify
from definable.verify.contracts import Contract
from definable.verify.judge import Judge
from definable.verify.plan import TRANSIENT, TRIES, Move, backoff, plan
from definable.verify.readback import unmet
from definable.verify.repair import Repair


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where a request stands. `body` is the validated response when `move` is ACCEPT."""

    move: Move
    verdict: Verdict
    body: Any = None


def deliver(
    case: Case,
    slug: str,
    arguments: dict[str, Any],
    role: Any,
    *,
    delay: float = 0.0,
    why: str = "",
    retry: bool = False,
) -> Flow[Delivered]:
    """Send until ACCEPT, LOOK (the effect is in doubt) or FAIL; waits, retries and new keys are seen to here.

    The first attempt is made after `delay` seconds, for the reason in `why`; with `retry` it repeats one that
    a transient failure spoiled. WAIT: nothing was sent, for others were in the call's place since its first
    look, which has to be made again.
    """
    tool = case.catalog[slug][1]
    fresh = False
    waits = 0
    retries: list[Heal] = []
    while True:
        order = _order(case, slug, arguments, role, delay=delay, fresh=fresh, retry=retry, why=why)
        outcome = yield from _attempt(case, order)
        if outcome.cause == "others":
            return Delivered(Move.WAIT, classify(*case.catalog[slug], outcome))
        verdict, body = examine(case, slug, arguments, outcome)
        move = plan(verdict, tool.effect)
        case.saw(order, outcome, verdict)
        delay, fresh, retry, why = 0.0, False, False, verdict.message
        if move is Move.RETRY:
            if len(retries) + 1 >= TRIES:
                return Delivered(Move.FAIL, verdict)
            delay = backoff(f"{case.call.id}/{slug}", len(retries), base=1.0, cap=30.0)
            retry = verdict.failure in TRANSIENT
            again = f"sent again after {delay:g} s"
            retries.append(Heal(failure=verdict.failure, rule="retry", detail=again))
        elif move is Move.WAIT:
            delay = _pause(case, verdict, waits)
            waits += 1
        elif move is Move.REFRESH:
            fresh = True
            case.heal(verdict.failure, "next_source", f"{outcome.credential or 'the key'} was refused")
        elif move is Move.PARK:
            yield from _park(case, slug, verdict)
        else:
            case.heals += retries if move is Move.ACCEPT else []
            return Delivered(move, verdict, body)


def _order(case: Case, slug: str, arguments: dict[str, Any], role: Any, **how: Any) -> Send:
    """Return the order for the next attempt; one of the call itself is counted."""
    case.attempts += role == "call"
    writes = role == "call" and case.catalog[slug][1].effect.writes
    return Send(
        tool=slug,
        arguments=arguments,
        role=role,
        attempt=case.attempts if role == "call" else 1,
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
        delay = verdict.retry_after + 0.05
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


def examine(case: Case, slug: str, arguments: dict[str, Any], outcome: Outcome) -> tuple[Verdict, Any]:
    """Return the verdict and, for a success, the body after validation and repair.

    A read whose answer is about something else than was asked for is no success.
    """
    tool = case.catalog[slug][1]
    verdict, body = _validated(case, slug, arguments, outcome)
    if verdict.failure is not Failure.OK or tool.effect.writes:
        return verdict, body
    if wrong := unmet(tool.expect, {"arguments": arguments, "result": body}):
        return Verdict(failure=Failure.DRIFT, phase=verdict.phase, message="; ".join(wrong)), None
    return verdict, body


def _validated(case: Case, slug: str, arguments: dict[str, Any], outcome: Outcome) -> tuple[Verdict, Any]:
    toolkit, tool = case.catalog[slug]
    verdict = classify(toolkit, tool, outcome)
    if verdict.failure is not Failure.OK:
        return verdict, None
    contract = Contract.of_response(toolkit, tool)
    if contract is None:
        _note_status(case, slug, outcome)
        return verdict, None
    known = case.catalog.record.at(toolkit, slug, outcome.known, outcome.at)
    judge = Judge(contract, tool, slug, arguments, known, case.follows)
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
        case.heals += [heal for heal in mended.heals if heal not in case.heals]
        case.doubts += mended.doubts
        _note_status(case, slug, outcome)
        return verdict, mended.body
    words = f"{outcome.status}, but the response is not what it was: {mended.message}"
    return Verdict(failure=Failure.DRIFT, phase=verdict.phase, message=words), None


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
