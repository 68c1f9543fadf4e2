"""The steps that an effect may take, as data.

    intended ──▶ sent ──▶ committed ──────────────▶ verified
       ▲          ├────▶ rejected ──┐                  ▲
       │          └────▶ unknown ───┴──▶ reconciled ───┘
       │                    └──▶ needs_review ──▲
       └── rejected, unknown, committed, needs_review: the next attempt

An attempt that never left goes from `sent` back to `intended`. `committed` becomes `unknown` when a read-back
cannot find it, and `needs_review` when a read-back cannot tell. `rejected` becomes `reconciled` when a look
finds that it was done all the same, by this attempt or an earlier one, and `needs_review` when the look finds
what may be it. Nothing leads back from `sent` to the next attempt, so nothing
goes out twice while an answer is owed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from definable.calls import Exchange, Phase, Send
from definable.errors import Fenced, LedgerError


class State(StrEnum):
    """Where an effect stands."""

    INTENDED = "intended"
    SENT = "sent"
    COMMITTED = "committed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    RECONCILED = "reconciled"
    NEEDS_REVIEW = "needs_review"
    VERIFIED = "verified"


class Verb(StrEnum):
    """What can be said of an effect."""

    INTEND = "intend"
    SEND = "send"
    NOT_SENT = "not_sent"
    COMMIT = "commit"
    REJECT = "reject"
    LOSE = "lose"
    RECONCILE = "reconcile"
    REVIEW = "review"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Move:
    """From any state of `after`, the effect goes to `to`."""

    after: frozenset[State]
    to: State


def _move(to: State, *after: State) -> Move:
    return Move(frozenset(after), to)


MOVES: Mapping[Verb, Move] = MappingProxyType(
    {
        Verb.INTEND: _move(
            State.INTENDED, State.INTENDED, State.REJECTED, State.UNKNOWN, State.COMMITTED, State.NEEDS_REVIEW
        ),
        Verb.SEND: _move(State.SENT, State.INTENDED),
        Verb.NOT_SENT: _move(State.INTENDED, State.SENT, State.INTENDED),
        Verb.COMMIT: _move(State.COMMITTED, State.SENT, State.COMMITTED),
        Verb.REJECT: _move(State.REJECTED, State.SENT, State.REJECTED),
        Verb.LOSE: _move(State.UNKNOWN, State.SENT, State.COMMITTED, State.UNKNOWN),
        Verb.RECONCILE: _move(
            State.RECONCILED, State.UNKNOWN, State.REJECTED, State.NEEDS_REVIEW, State.RECONCILED
        ),
        Verb.REVIEW: _move(
            State.NEEDS_REVIEW, State.UNKNOWN, State.REJECTED, State.COMMITTED, State.NEEDS_REVIEW
        ),
        Verb.VERIFY: _move(State.VERIFIED, State.COMMITTED, State.RECONCILED, State.VERIFIED),
    }
)
"""Verb → the states it may follow, and where it leads. All but `send` may be said twice, as a crash does."""

OUTCOMES: Mapping[Phase, Verb] = MappingProxyType(
    {
        Phase.NOT_SENT: Verb.NOT_SENT,
        Phase.UNKNOWN: Verb.LOSE,
        Phase.REJECTED: Verb.REJECT,
        Phase.COMMITTED: Verb.COMMIT,
    }
)
"""How far an attempt got → what that says of its effect."""

HINTS: Mapping[State, str] = MappingProxyType(
    {
        State.SENT: "an attempt is out and its answer is not known yet: record its outcome first",
        State.VERIFIED: "it has happened and was verified: doing it again would do it twice",
    }
)
"""What to know about the states in which a mistake would cost most."""


def move(effect: str, now: State, verb: Verb) -> State:
    """Return the state that `verb` leads to from `now`; LedgerError when it may not follow."""
    step = MOVES[verb]
    if now in step.after:
        return step.to
    allowed = ", ".join(v for v, m in MOVES.items() if now in m.after)
    raise LedgerError(
        f"effect {effect!r} is {now.value!r}: {verb.value!r} may not follow (what may: {allowed})",
        hint=HINTS.get(now, ""),
        effect=effect,
        state=now.value,
        verb=verb.value,
    )


def fence(effect: str, last: int, attempt: int) -> None:
    """Raise LedgerError unless `attempt` is newer than the `last` that went out: a replay sends nothing."""
    if attempt <= last:
        raise LedgerError(
            f"attempt {attempt} of effect {effect!r} has been sent before (the last one was {last})",
            hint="its exchange is in the run log: replay that, and number the next attempt higher",
            effect=effect,
            attempt=attempt,
            last=last,
        )


def hold(run: str, token: int, newest: int) -> None:
    """Raise Fenced unless `token` is the newest of the run: whoever began before sends and writes nothing."""
    if token < newest:
        raise Fenced(
            f"run {run} was taken over by another process, so this one has stopped",
            hint=f"nothing is lost; where it stands: definable runs show {run}",
            run=run,
            token=token,
            newest=newest,
        )


def lasting(exchange: Exchange) -> bool:
    """Whether it cannot be had again: the answer to a send with an effect, or a person's."""
    return not isinstance(exchange.order, Send) or exchange.order.effect is not None


def effect_of(exchange: Exchange) -> list[str]:
    """Return the effect whose attempt an exchange was, if it was one."""
    order = exchange.order
    return [order.effect] if isinstance(order, Send) and order.effect else []
