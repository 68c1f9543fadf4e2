"""The points at which a process can die: before and after everything that is written, and everything sent."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from definable.engine.checkpoints import SqliteCheckpoints
from definable.engine.postgres_checkpoints import PostgresCheckpoints
from definable.store.sql import SqlStore
from definable.toolkits.adapter import Adapter


class Points:
    """Counts the points that this process passes, and kills it, as `kill -9` does, at the chosen one."""

    def __init__(self, chosen: int = 0, power: Path | None = None) -> None:
        """Die at the `chosen` point, counted from 1.

        With `power`, the database's write-ahead log, the machine dies: what was written since the disk was
        last waited for is gone.
        """
        self.chosen = chosen
        self.passed = 0
        self.wal = power
        self.flushed: int | None = None
        self._inside = False

    def choose(self, chosen: int) -> None:
        """Begin to count anew, towards another point."""
        self.chosen, self.passed = chosen, 0

    def here(self) -> None:
        """Pass a point, or not."""
        self.passed += 1
        if self.passed == self.chosen:
            if self.wal is not None and self.flushed is not None:
                os.truncate(self.wal, self.flushed)
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Stand before and after every transaction, every checkpoint and every attempt."""
        for name in ("put", "put_writes"):
            self.around(SqliteCheckpoints, name)
            self.around(PostgresCheckpoints, name)
        writing, attempt = SqlStore._writing, Adapter.attempt

        @contextmanager
        def counted(store: SqlStore, *locks: str, durable: bool = True) -> Iterator[Any]:
            if self._inside:  # a part of the transaction around it
                with writing(store, *locks, durable=durable) as db:
                    yield db
                return
            self._flush(first=True)
            self.here()
            self._inside = True
            try:
                with writing(store, *locks, durable=durable) as db:
                    yield db
            finally:
                self._inside = False
            if durable:
                self._flush()
            self.here()

        async def tried(adapter: Adapter, *how: Any) -> Any:
            self.here()
            outcome = await attempt(adapter, *how)
            self.here()
            return outcome

        changed: list[tuple[type, str, Any]] = [
            (SqlStore, "_writing", counted),
            (Adapter, "attempt", tried),
        ]
        for kind, what, method in changed:
            setattr(kind, what, method)

    def around(self, owner: type, name: str) -> None:
        """Stand before and after a method."""
        method: Callable[..., Any] = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.here()
            result = method(*args, **kwargs)
            self.here()
            return result

        setattr(owner, name, call)

    def _flush(self, first: bool = False) -> None:
        if self.wal is not None and not (first and self.flushed is not None):
            self.flushed = self.wal.stat().st_size
