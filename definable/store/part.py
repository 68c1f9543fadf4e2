"""What each part of the store in SQL has of the whole: see sql.py."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from definable.calls import Receipt
from definable.store.database import Database, Row
from definable.store.rows import RunRow


class Part:
    """A part of a `Store`; the whole has all that is declared here."""

    _db: Database

    def _writing(self, *locks: str, durable: bool = True) -> AbstractContextManager[Database]:
        """One transaction that decides on `locks`. A durable one waits for the disk: see contract.py."""
        raise NotImplementedError

    def _read(self, query: str, *values: object) -> Sequence[Row]:
        """Return the rows of a query."""
        raise NotImplementedError

    def _log(self, run: str, type: str, data: str, step: str | None, call: str | None) -> int:
        """Add an event to a run's log, in a transaction, and return its number."""
        raise NotImplementedError

    def _now(self) -> str:
        """Return the time as it stands in rows."""
        raise NotImplementedError

    def run(self, run: str) -> RunRow:
        """Return a run."""
        raise NotImplementedError

    def receipts(self, run: str) -> list[Receipt]:
        """Return the receipts of a run."""
        raise NotImplementedError

    def alone(self, run: str) -> AbstractContextManager[None]:
        """Be the only one who works on a run."""
        raise NotImplementedError

    def time(self) -> float:
        """Return the time that all go by, in seconds since the epoch."""
        raise NotImplementedError
