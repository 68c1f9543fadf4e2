"""What a handler says: an answer, or a refusal in one of Hex's two error envelopes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = Any
"""A JSON value. `Any` stands at the JSON border only."""

CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    422: "UNPROCESSABLE_CONTENT",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_SERVER_ERROR",
    503: "SERVICE_UNAVAILABLE",
}
"""`code` in the newer envelope. Hex documents no body for 429; this one is ours."""


class Envelope(StrEnum):
    """Which error body an operation uses: `{reason, details?, traceId}` or `{code, message, issues?}`."""

    OLDER = "older"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: its status and its JSON body (None: no body at all)."""

    status: int
    body: Json = None
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """The request is refused with `status`; `issues` name single fields. `body` stands for the envelope."""

    def __init__(self, status: int, message: str, issues: tuple[str, ...] = (), *, body: Json = None) -> None:
        """Keep what the envelope needs."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.issues = issues
        self.body = body


def refuse(refusal: Refusal, envelope: Envelope, trace: str) -> Answer:
    """Return the refusal in the operation's envelope. Only the older one carries the trace id in its body."""
    if refusal.body is not None:
        return Answer(refusal.status, refusal.body)
    if envelope is Envelope.OLDER:
        body: dict[str, Json] = {"reason": refusal.message, "traceId": trace}
        if refusal.issues:
            body["details"] = "; ".join(refusal.issues)
        return Answer(refusal.status, body)
    body = {"code": CODES.get(refusal.status, "INTERNAL_SERVER_ERROR"), "message": refusal.message}
    if refusal.issues:
        body["issues"] = [{"message": issue} for issue in refusal.issues]
    return Answer(refusal.status, body)


def bad(message: str, *issues: str) -> Refusal:
    """Return a 400."""
    return Refusal(400, message, issues)


def missing(what: str, key: str) -> Refusal:
    """Return the 404 that an unknown id and a forbidden one share."""
    return Refusal(404, f"{what} {key} was not found, or this token may not see it")


def forbidden(message: str) -> Refusal:
    """Return a 403."""
    return Refusal(403, message)


def unprocessable(message: str) -> Refusal:
    """Return a 422."""
    return Refusal(422, message)
