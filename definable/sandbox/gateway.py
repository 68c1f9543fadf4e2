"""The way of one request under /api: token, route, quota, faults, handler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from definable.sandbox.answers import Envelope, Refusal, refuse
from definable.sandbox.auth import identify, unauthorized
from definable.sandbox.clock import http_date
from definable.sandbox.context import Context
from definable.sandbox.faults import Faults
from definable.sandbox.kinds import Stage
from definable.sandbox.late import settle, watch
from definable.sandbox.operations import Operation, match
from definable.sandbox.performing import reject, render
from definable.sandbox.strikes import adapt, after, before, commit, reshape
from definable.sandbox.wire import Delivery, Ending
from definable.sandbox.world import World

Found = tuple[Operation, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request under /api. `path` is decoded and without `/api`, header names are lower-case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base: str = "http://sandbox"


class Gateway:
    """Lets requests in and performs them, one at a time under the world's lock."""

    def __init__(self, world: World, faults: Faults | None = None) -> None:
        """Serve a world, with faults."""
        self.world = world
        self.faults = faults or Faults()
        world.settler = settle

    def handle(self, request: Request) -> Delivery:
        """Return what goes out for one request. What was put off until now is done first."""
        with self.world.lock, self.world.moment():
            settle(self.world)
            found = match(request.method, request.path)
            delivery = self._admit(request, found)
            answered = delivery.ending in (Ending.WHOLE, Ending.CUT)
            self.world.saw(
                found[0].tool if found else "unknown", str(delivery.status) if answered else "none"
            )
            if found and found[0].reads and answered:
                watch(self.world)
            return delivery

    def _admit(self, request: Request, found: Found | None) -> Delivery:
        world, trace = self.world, self.world.trace()
        header = request.headers.get("authorization")
        caller = identify(world.state, header, world.now())
        if caller is None:
            status, headers, body = unauthorized(header is not None)
            return Delivery(status, {**headers, "date": http_date(world.now())}, body)
        if found is None:
            nowhere = refuse(Refusal(404, f"Cannot {request.method} {request.path}"), Envelope.NEWER, trace)
            return render(nowhere, Envelope.NEWER, trace, world.now())
        operation, path = found
        query = parse_qs(request.query, keep_blank_values=True)
        ctx = Context(
            world, caller, operation.tool, path, query, request.headers, request.body, request.base, trace
        )
        if world.quota.take(caller.owner, operation.group, world.now()) is not None:
            return reject(ctx, operation, Refusal(429, "Rate limit exceeded"))
        return self._perform(ctx, operation)

    def _perform(self, ctx: Context, operation: Operation) -> Delivery:
        refusal = adapt(ctx, self.faults.of(ctx.tool, Stage.REQUEST))
        if refusal is not None:
            return reject(ctx, operation, refusal)
        fault = self.faults.strike(ctx.tool, (Stage.EDGE, Stage.COMMIT))
        if fault is not None and fault.kind.stage is Stage.EDGE:
            return before(ctx, operation, fault)
        answer = commit(ctx, operation, fault)
        answer = reshape(answer, self.faults.of(ctx.tool, Stage.RESPONSE))
        delivery = render(answer, operation.envelope, ctx.trace, ctx.world.now())
        return after(ctx, operation, fault, delivery) if fault else delivery
