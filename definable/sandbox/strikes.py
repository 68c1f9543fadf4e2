"""What each fault does to a request: before the handler, around its commit, and to its response."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Any

from definable.sandbox import drift, kinds, wishes
from definable.sandbox.answers import Answer, Json, Refusal
from definable.sandbox.auth import unauthorized
from definable.sandbox.clock import http_date
from definable.sandbox.context import Context
from definable.sandbox.faults import Fault
from definable.sandbox.late import put_off
from definable.sandbox.operations import Operation
from definable.sandbox.performing import reject, run
from definable.sandbox.wire import Delivery, Ending

HTML = b"<!doctype html><html><head><title>Just a moment</title></head><body><h1>502</h1></body></html>"
LISTS = ("sharing.upsert.users", "sharing.upsert.groups", "sharing.upsert.collections", "sharing", "files")
"""Where the entries stand of requests that can fail in part."""


NOES = {
    "forbidden": Refusal(403, "You do not have permission to do this"),
    "not_found": Refusal(404, "Not found"),
    "capacity": Refusal(503, "All kernels are in use; no run was started"),
}
"""Fault → how a request is refused."""


def adapt(ctx: Context, faults: Iterable[Fault]) -> Refusal | None:
    """Let the server want other fields: return the refusal, or None with the request in the old words."""
    for fault in faults:
        due = fault.due()
        if fault.open() and (refusal := wishes.adapt(ctx, fault, due)) is not None:
            return refusal
    return None


def before(ctx: Context, operation: Operation, fault: Fault) -> Delivery:
    """Return what goes out instead of the handler's answer."""
    name = fault.entry.fault
    if name == "reset":
        return Delivery(0, ending=Ending.RESET)
    if name in ("unauthorized", "revoke", "expire"):
        if name != "unauthorized":
            {"revoke": ctx.world.revoke, "expire": ctx.world.expire}[name](ctx.caller.token)
        status, headers, body = unauthorized(True)
        return Delivery(status, {**headers, "date": http_date(ctx.world.now())}, body)
    if name == "rate_limit":
        return _limited(ctx, operation, fault.given(kinds.RateLimit))
    refusal = NOES.get(name) or Refusal(fault.given(kinds.Status).status, "Something went wrong")
    return reject(ctx, operation, refusal)


def commit(ctx: Context, operation: Operation, fault: Fault | None) -> Answer:
    """Perform the request, or only seem to, as the fault wants it."""
    name = fault.entry.fault if fault else ""
    if fault is None or name not in ("noop", "stall", "late_commit", "partial"):
        return run(ctx, operation)
    if name == "stall" and fault.given(kinds.Stall).commit:
        return run(ctx, operation)
    if name == "partial":
        return _partial(ctx, operation, fault.given(kinds.Partial).entries)
    answer = _rehearse(ctx, operation)
    if name == "late_commit" and answer.status < 400 and not operation.reads:
        put_off(ctx, fault.given(kinds.Late))
    return answer


def after(ctx: Context, operation: Operation, fault: Fault, delivery: Delivery) -> Delivery:
    """Return what really goes out once the handler has answered."""
    name, params = fault.entry.fault, fault.params
    failed = reject(ctx, operation, Refusal(getattr(params, "status", 500), "Something went wrong"))
    closed = dataclasses.replace(delivery, ending=Ending.CLOSED)
    half = len(delivery.body) // 2
    if name == "cut":
        shown = fault.given(kinds.Cut).after
        shown = half if shown is None else min(shown, max(0, len(delivery.body) - 1))
        return dataclasses.replace(delivery, ending=Ending.CUT, shown=shown) if delivery.body else closed
    if name == "late_commit":
        return closed if fault.given(kinds.Late).answer == "lost" else failed
    if name in ("stall", "slow"):
        return dataclasses.replace(
            closed if name == "stall" else delivery, wait=fault.given(kinds.Seconds).seconds
        )
    shapes: dict[str, Callable[[], Delivery]] = {
        "refused_but_done": lambda: _refused(ctx, operation, fault.given(kinds.Refused)),
        "error_after": lambda: failed,
        "lost_answer": lambda: closed,
        "garbage": lambda: Delivery(200, {**delivery.headers, "content-type": "text/html"}, HTML),
        "truncated": lambda: _with(delivery, delivery.body[: half or 1] or b'{"'),
        "empty": lambda: _with(delivery, b""),
        "huge": lambda: dataclasses.replace(
            _with(delivery, delivery.body), fill=fault.given(kinds.Huge).bytes
        ),
    }
    return shapes[name]() if name in shapes else delivery


def reshape(answer: Answer, faults: Iterable[Fault]) -> Answer:
    """Return the answer as a product that has drifted gives it. One that changes nothing is not used up."""
    for fault in faults:
        if (fault.entry.fault == "drift_errors") != (answer.status >= 400) or not fault.due():
            continue
        changed = _drifted(answer, fault)
        if (changed.status, json.dumps(changed.body)) != (answer.status, json.dumps(answer.body)):
            fault.hits += 1
            answer = changed
    return answer


DRIFTS: dict[str, Callable[[Json, Any], Json]] = {
    "drift_rename": lambda body, p: drift.move(body, p.from_, p.to),
    "drift_move": lambda body, p: drift.move(body, p.from_, p.to),
    "drift_retype": lambda body, p: drift.retype(body, p.path, p.to),
    "drift_null": lambda body, p: drift.retype(body, p.path, "null"),
    "drift_remove": lambda body, p: drift.remove(body, p.path),
    "drift_add": lambda body, p: drift.add(body, p.path, p.value),
    "drift_enum": lambda body, p: drift.change(body, p.path, lambda _: p.to),
    "drift_case": lambda body, p: drift.snake(body),
    "drift_wrap": lambda body, p: {p.key: body},
    "drift_unwrap": lambda body, p: drift.unwrap(body, p.key),
    "drift_paging": lambda body, p: drift.paging(body, p.to),
}


def _drifted(answer: Answer, fault: Fault) -> Answer:
    name = fault.entry.fault
    if name == "drift_status":
        swapped = {200: 201, 201: 200, 202: 200, 204: 200}[answer.status]
        return dataclasses.replace(answer, status=fault.given(kinds.Success).status or swapped)
    if name == "drift_errors":
        form = fault.given(kinds.Errors).form
        return dataclasses.replace(answer, body=drift.errors(answer.body, answer.status, form))
    if name == "drift_body":
        if answer.body is not None:
            return Answer(204, None, answer.headers)
        return Answer(200, fault.given(kinds.Body).body or {"success": True}, answer.headers)
    if answer.body is None:
        return answer
    return dataclasses.replace(answer, body=DRIFTS[name](answer.body, fault.params))


def _limited(ctx: Context, operation: Operation, params: kinds.RateLimit) -> Delivery:
    delivery = reject(ctx, operation, Refusal(429, "Rate limit exceeded"))
    server = ctx.world.now() + params.skew
    headers = {**delivery.headers, "date": http_date(server)}
    if params.retry_after == "date":
        headers["retry-after"] = formatdate(server + params.seconds, usegmt=True)
    elif params.retry_after == "garbage":
        headers["retry-after"] = "soon, perhaps"
    elif params.retry_after != "none":
        headers["retry-after"] = f"{params.retry_after:g}"
    return dataclasses.replace(delivery, headers=headers)


def _refused(ctx: Context, operation: Operation, params: kinds.Refused) -> Delivery:
    """Return a refusal in the words in which such a one is meant."""
    if params.status == 401:
        status, headers, body = unauthorized(True)
        return Delivery(status, {**headers, "date": http_date(ctx.world.now())}, body)
    said = {refusal.status: refusal.message for refusal in NOES.values()}
    words = said.get(params.status, "Rate limit exceeded" if params.status == 429 else "Something is wrong")
    delivery = reject(ctx, operation, Refusal(params.status, words))
    wait = {} if params.retry_after is None else {"retry-after": f"{params.retry_after:g}"}
    return dataclasses.replace(delivery, headers={**delivery.headers, **wait})


def _rehearse(ctx: Context, operation: Operation) -> Answer:
    with ctx.world.rehearsal():
        return run(ctx, operation)


def _partial(ctx: Context, operation: Operation, entries: int) -> Answer:
    body = _json(ctx)
    if any(_at(body, path.split(".")) for path in LISTS):
        ctx.refuse = entries
        return run(ctx, operation)
    answer = _rehearse(ctx, operation)
    if answer.status >= 400 or not isinstance(answer.body, dict):
        return answer
    return dataclasses.replace(
        answer, body={**answer.body, "errors": [{"reason": "The change could not be made"}]}
    )


def _with(delivery: Delivery, body: bytes) -> Delivery:
    status = 200 if delivery.status == 204 and body else delivery.status
    headers = {**delivery.headers, "content-type": "application/json; charset=utf-8"}
    return dataclasses.replace(delivery, status=status, headers=headers, body=body)


def _json(ctx: Context) -> Json:
    try:
        return json.loads(ctx.body)
    except ValueError:
        return None


def _at(body: Json, path: list[str]) -> bool:
    for name in path:
        if not (isinstance(body, dict) and name in body):
            return False
        body = body[name]
    return True
