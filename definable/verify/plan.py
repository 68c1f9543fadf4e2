"""From a verdict to the next move: one table, first matching row wins. It is printed in docs/healing.md."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from definable.calls import Failure, Phase, Verdict
from definable.spec.model import Effect


class Move(StrEnum):
    """What happens next to a call."""

    ACCEPT = "accept"
    WAIT = "wait"
    RETRY = "retry"
    REREAD = "reread"
    ADAPT = "adapt"
    REFRESH = "refresh"
    RESEND = "resend"
    PARK = "park"
    LOOK = "look"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: when it applies (None: whatever it is), what is done, and why."""

    failure: Failure
    phase: Phase | None
    writes: bool | None
    move: Move
    why: str


TABLE: tuple[Row, ...] = (
    Row(Failure.OK, None, None, Move.ACCEPT, "validate, then read back what was written"),
    Row(Failure.RATE_LIMITED, None, None, Move.WAIT, "refused for now: wait as long as the run may last"),
    Row(Failure.CAPACITY, Phase.REJECTED, None, Move.WAIT, "refused for now: wait for a free place"),
    Row(Failure.AUTH_EXPIRED, None, None, Move.REFRESH, "the key was refused: take the next source"),
    Row(Failure.AUTH_STRAY, None, None, Move.RESEND, "the key is good all the same: once more"),
    Row(Failure.NO_CREDENTIALS, None, None, Move.PARK, "no key is left: the run waits for one"),
    Row(Failure.NETWORK, Phase.NOT_SENT, None, Move.RETRY, "not a byte was sent: safe to send again"),
    Row(Failure.NETWORK, None, False, Move.RETRY, "a read changes nothing: safe to send again"),
    Row(Failure.UPSTREAM_5XX, None, False, Move.RETRY, "a read changes nothing: safe to send again"),
    Row(Failure.UPSTREAM_5XX, None, True, Move.LOOK, "it may have happened: look before sending again"),
    Row(Failure.UNKNOWN_OUTCOME, None, None, Move.LOOK, "it may have happened: look before sending again"),
    Row(Failure.DRIFT, None, False, Move.REREAD, "it may have been one bad answer; if not, a person decides"),
    Row(Failure.DRIFT, None, True, Move.LOOK, "accepted, but the answer cannot be read: look instead"),
    Row(
        Failure.WRONG_HOST, Phase.COMMITTED, True, Move.LOOK, "a web page said yes: look whether it happened"
    ),
    Row(
        Failure.WRONG_HOST,
        None,
        None,
        Move.REREAD,
        "it may have been one odd page; if not, it is not the API",
    ),
    Row(Failure.REQUEST_DRIFT, None, None, Move.ADAPT, "refused as it is: send it in the server's words"),
    Row(Failure.TOO_LARGE, None, None, Move.FAIL, "it would be as large again: ask for less at a time"),
    Row(Failure.PERMISSION, None, None, Move.FAIL, "waiting does not help"),
    Row(Failure.NOT_FOUND, None, None, Move.FAIL, "waiting does not help"),
    Row(Failure.INVALID_INPUT, None, None, Move.FAIL, "the same request would be refused again"),
    Row(Failure.CONFLICT, None, None, Move.FAIL, "the same request would be refused again"),
    Row(Failure.FALSE_SUCCESS, None, None, Move.FAIL, "the server did not do all that it accepted"),
)

TRIES = 7
"""Attempts for transient failures (`retry`). Waits for quota and keys are not counted.

Five open the breaker; those after it come 15, 30 and 60 s later, so that an outage of a minute or so passes.
"""

REREADS = 2
"""How often an answer that cannot be read is asked for again (`reread`)."""

TRANSIENT = frozenset({Failure.NETWORK, Failure.UPSTREAM_5XX, Failure.UNKNOWN_OUTCOME})
"""Failures that may pass by themselves: to send again after one takes one of the run's retries."""


def plan(verdict: Verdict, effect: Effect) -> Move:
    """Return the move for `verdict` on a tool of this effect kind."""
    for row in TABLE:
        if row.failure is not verdict.failure or row.phase not in (None, verdict.phase):
            continue
        if row.writes in (None, effect.writes):
            return row.move
    return Move.LOOK if effect.writes else Move.FAIL


def backoff(key: str, n: int, *, base: float, cap: float) -> float:
    """Return the n-th wait (from 0) in seconds: exponential, half of it jitter by `key`."""
    jitter = int.from_bytes(hashlib.sha256(f"{key}/{n}".encode()).digest()[:4], "big") / 2**32
    return round(min(cap, base * 2.0 ** min(n, 20)) * (0.5 + jitter / 2), 3)


def asked(seconds: float, key: str, n: int) -> float:
    """Return the wait that a server asked for; up to 2 s where it was shorter and n of them did not help.

    Some say `Retry-After: 0`, or a time that is over, for as long as they refuse.
    """
    return max(seconds, backoff(key, n - 1, base=0.1, cap=2.0)) if n else seconds


def table_as_markdown() -> str:
    """Return the table as the documentation prints it."""
    lines = ["| class | phase | effect | next | why |", "|---|---|---|---|---|"]
    effects = {None: "any", True: "write", False: "read"}
    for row in TABLE:
        phase = row.phase.value if row.phase else "any"
        lines.append(f"| {row.failure} | {phase} | {effects[row.writes]} | {row.move} | {row.why} |")
    return "\n".join(lines) + "\n"
