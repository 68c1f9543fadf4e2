"""The sandbox as an ASGI application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from definable.sandbox.control import Control
from definable.sandbox.faults import Faults
from definable.sandbox.gateway import Gateway, Request
from definable.sandbox.pages import Pages
from definable.sandbox.wire import Delivery, HangUp, deliver
from definable.sandbox.world import World

LARGEST_BODY = 10_000_000


class Api:
    """The ASGI application under /api. `close` breaks connections; serve.py knows how."""

    def __init__(self, gateway: Gateway, close: HangUp | None = None) -> None:
        """Answer for a gateway."""
        self.gateway = gateway
        self.close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = await _body(receive)
        if body is None:
            return
        if len(body) > LARGEST_BODY:
            await deliver(Delivery(413), scope, receive, send, self.close)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        request = Request(
            method=scope["method"],
            path=scope["path"].removeprefix(scope.get("root_path", "")) or "/",
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
            base=f"{scope['scheme']}://{headers.get('host', 'sandbox')}",
        )
        await deliver(self.gateway.handle(request), scope, receive, send, self.close)


def app(world: World, faults: Faults | None = None, close: HangUp | None = None) -> Starlette:
    """Return the ASGI application: Hex under /api, pages under /hex, the levers under /_sandbox.

    Without `close`, a fault that breaks the connection raises `wire.ConnectionCut` out of the application.
    """
    gateway = Gateway(world, faults)
    pages = Pages(world)
    return Starlette(
        routes=[
            Mount("/api", Api(gateway, close)),
            Mount("/_sandbox", routes=Control(gateway).routes()),
            Route("/hex/{project}", pages.project),
            Route("/hex/{project}/{rest:path}", pages.project),
            Route("/", pages.index),
        ]
    )


async def _body(receive: Receive) -> bytes | None:
    """Return the body, one byte too long at most; None when the client has left."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        parts.append(part)
        if not message.get("more_body") or size > LARGEST_BODY:
            return b"".join(parts)
