"""Serves a sandbox over real HTTP, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from definable.errors import UsageError
from definable.sandbox.app import app
from definable.sandbox.faults import Faults
from definable.sandbox.wire import hang_up
from definable.sandbox.world import World

PORT = 8808
"""Where a sandbox is served unless something else is there."""


@dataclass(frozen=True, slots=True)
class Served:
    """A sandbox that is being served. `base_url` ends in `/api`; `token` is the administrator's."""

    url: str
    world: World

    @property
    def base_url(self) -> str:
        """Where the API is, as in HEX_BASE_URL."""
        return f"{self.url}/api"

    @property
    def token(self) -> str:
        """The default token: personal, of the seed's administrator."""
        return self.world.token


@contextmanager
def serve(
    world: World, faults: Faults | None = None, host: str = "127.0.0.1", port: int = 0
) -> Iterator[Served]:
    """Serve a world until the block ends; `port` 0 takes a free one. UsageError when it is taken."""
    listener = _listen(host, port)
    server = _server(world, faults)
    thread = threading.Thread(target=server.run, args=([listener],), name="hex-sandbox", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        shown = f"[{host}]" if ":" in host else host
        yield Served(f"http://{shown}:{listener.getsockname()[1]}", world)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


class _Server(uvicorn.Server):
    def open(self) -> list[asyncio.Transport]:
        """Return the transports of all open connections."""
        found = [getattr(connection, "transport", None) for connection in self.server_state.connections]
        return [transport for transport in found if isinstance(transport, asyncio.Transport)]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop at once: stalled answers are not waited for."""
        for transport in self.open():
            transport.abort()
        await super().shutdown(sockets)


def _server(world: World, faults: Faults | None) -> _Server:
    application = app(world, faults, lambda scope, reset: close(scope, reset))
    config = uvicorn.Config(
        application,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=600,  # a client that waits out a quota must find its connection open
    )
    server = _Server(config)
    close = hang_up(server.open)
    return server


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
        # asyncio does this only for sockets that name their protocol; without it every answer waits 40 ms
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise UsageError(
            f"the sandbox cannot listen on {host}:{port}: {error.strerror or error}",
            hint="take another --port, or 0 for any free one",
        ) from error
