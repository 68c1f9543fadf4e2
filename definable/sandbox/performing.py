"""Runs one operation and writes its answer down as bytes."""

from __future__ import annotations

import json

from definable.sandbox.answers import Answer, Envelope, Refusal, refuse
from definable.sandbox.clock import http_date
from definable.sandbox.context import Context
from definable.sandbox.operations import Operation
from definable.sandbox.wire import Delivery


def run(ctx: Context, operation: Operation) -> Answer:
    """Return what the handler says, refusals included."""
    try:
        ctx.caller.demand(operation.scope, operation.role)
        return operation.handler(ctx)
    except Refusal as refusal:
        return refuse(refusal, operation.envelope, ctx.trace)


def reject(ctx: Context, operation: Operation, refusal: Refusal) -> Delivery:
    """Return a refusal in the operation's envelope as it goes out."""
    return render(
        refuse(refusal, operation.envelope, ctx.trace), operation.envelope, ctx.trace, ctx.world.now()
    )


def render(answer: Answer, envelope: Envelope, trace: str, now: float) -> Delivery:
    """Return an answer as bytes, with a Date, and the trace id where the newer operations have it."""
    headers = {"date": http_date(now), **answer.headers}
    if envelope is Envelope.NEWER:
        headers["x-trace-id"] = trace
    body = b""
    if answer.body is not None and answer.status != 204:
        headers["content-type"] = "application/json; charset=utf-8"
        body = json.dumps(answer.body, ensure_ascii=False).encode()
    return Delivery(answer.status, headers, body)
