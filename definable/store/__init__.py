"""What outlives a process: runs, the run log, receipts, the effect ledger, questions to people."""

from __future__ import annotations

from pathlib import Path

from definable.store.connection import Sqlite
from definable.store.contract import Store
from definable.store.ledger import State
from definable.store.rows import AskRow, EffectRow, Event, RunRow, RunStatus
from definable.store.sql import Clock, SqlStore, now

__all__ = ["AskRow", "Clock", "EffectRow", "Event", "RunRow", "RunStatus", "State", "Store", "open_store"]


def open_store(path: Path, clock: Clock = now) -> Store:
    """Open the store in the file at `path`, and make it when it is not there.

    `clock` gives the times that are written down. StoreError, with the path and what to do, when the file is
    damaged, not ours, of a newer version, or not to be opened.
    """
    return SqlStore(Sqlite(path), clock)
