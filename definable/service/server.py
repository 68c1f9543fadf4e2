"""The server: uvicorn, told to end its streams first when it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from definable.errors import UsageError
from definable.service.app import Serving, app, opened

LAST = 5
"""Seconds that answers have which are being written when the server is told to stop."""


class Server(uvicorn.Server):
    """Closes the feed before it waits for its clients: a stream would be waited for until it ends."""

    ending: Callable[[], None]

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals that mean to stop, from now to the end of the process.

        uvicorn would raise them again when its clients are gone: before runs have come to rest.
        """
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._told)
        yield

    def _told(self, number: int, frame: FrameType | None) -> None:
        if self.should_exit:
            os._exit(128 + number)  # told twice: what is at work is taken up by the next process
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests, end the streams, and let the rest be answered."""
        self.ending()
        await super().shutdown(sockets)


async def serve(serving: Serving, listening: socket.socket, ready: Callable[[Server], None]) -> None:
    """Serve until told to stop, by a signal or by `should_exit` of what `ready` is given.

    Then runs have the grace that they are given.
    """
    async with opened(serving) as desk:
        config = uvicorn.Config(
            app(desk, serving.hosts),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=LAST,
            timeout_keep_alive=30,
        )
        server = Server(config)
        server.ending = desk.feed.close
        serving_ = asyncio.create_task(server.serve([listening]))
        while not (server.started or serving_.done()):  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        ready(server)
        await serving_


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; UsageError when it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(2048)
    except OSError as error:
        made.close()
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="give another --port, or --port 0 for any",
        ) from error
    made.setblocking(False)
    return made
