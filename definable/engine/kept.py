"""What a process keeps from one run to the next: checkpoints, the record of contracts, ways to products."""

from __future__ import annotations

import time
from collections.abc import Iterable

from definable.engine.checkpoints import Checkpoints
from definable.redaction import Redactor
from definable.spec.toolkit import Toolkit
from definable.store import Place
from definable.toolkits.adapter import Adapter
from definable.toolkits.credentials import KeyRing
from definable.verify.record import Record

READ_ANEW = 3600.0
"""Seconds after which the record of contracts is read anew: the store forgets samples, memory would not."""


class Kept:
    """Made with the first run that needs it. Nothing in it is of one run."""

    def __init__(self, where: Place) -> None:
        """Open nothing yet."""
        self.checkpoints = Checkpoints(where)
        self._record, self._read = Record(), time.monotonic()
        self._doors: dict[tuple[int, str, int], tuple[Adapter, Redactor, Toolkit, KeyRing]] = {}

    @property
    def record(self) -> Record:
        """The record of contracts, as far as this process has read it. A run keeps the one it began with."""
        if time.monotonic() - self._read > READ_ANEW:
            self._record, self._read = Record(), time.monotonic()
        return self._record

    def door(self, kit: Toolkit, place: str, ring: KeyRing, secrets: Iterable[str]) -> Adapter:
        """Return the way to a product with the keys of a ring; what it notes has none of these secrets."""
        key = (id(kit), place, id(ring))
        if key not in self._doors:
            redactor = Redactor()
            # Both objects are kept in the entry: an id is free for others only when its object is gone.
            self._doors[key] = (Adapter(kit, place, ring, redactor), redactor, kit, ring)
        door, redactor, *_ = self._doors[key]
        redactor.learn(*secrets)
        return door

    async def aclose(self) -> None:
        """Close all connections."""
        self.checkpoints.close()
        for door, *_ in self._doors.values():
            await door.aclose()
