"""How a worker comes by runs: it takes as many as it has room for, when there may be some.

Whoever submits a run, or ends one, rings: the process itself, and others by way of the database. The looks in
between are for what nobody could ring for: a connection that was lost, a command that was killed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from definable.errors import DefinableError

log = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between two looks when nobody rings."""

BREATH = 0.02
"""Seconds after a look in which those who ring are served together."""


class Intake:
    """Looks for runs, again and again, while the worker works."""

    def __init__(self, take: Callable[[], object], rung: asyncio.Event) -> None:
        """Begin with what `take` finds, at once when `rung` is set."""
        self._take = take
        self._rung = rung

    async def keep(self) -> None:
        """Look until cancelled; what the database refuses is looked at again."""
        while True:
            self._rung.clear()
            try:
                self._take()
            except DefinableError as error:
                log.warning("could not take runs: %s", error.message)
            await asyncio.sleep(BREATH)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), TICK)
