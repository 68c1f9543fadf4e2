"""The port to a database: what the store asks of SQLite, and of PostgreSQL.

Queries are the SQL that both understand, with `?` and `:name` where values go. Tables have a `rowid` that
counts up unless they are made WITHOUT ROWID; integers have 64 bits, and truth is 0 or 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from definable.store.place import Place

Values = Sequence[object] | Mapping[str, object]


class Row(Protocol):
    """One row of an answer, by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any: ...

    def keys(self) -> Iterable[str]:
        """Return the names."""


class Rows(Protocol):
    """What a statement answers."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""

    def fetchone(self) -> Any:
        """Return the next Row, or None."""

    def fetchall(self) -> list[Any]:
        """Return the Rows that are left."""


class Database(Protocol):
    """One connection. StoreError, with the place and what to do, whenever the database refuses."""

    @property
    def place(self) -> Place:
        """Where it is."""

    def transaction(
        self, *locks: str, durable: bool, first: str = "", values: Values = ()
    ) -> AbstractContextManager[Sequence[Row]]:
        """One transaction: all of it, or nothing when the block raises. Give the rows of the query `first`.

        `locks` name what it decides on: a run, an effect, the owner of a quota. Nobody else's transaction
        with one of these names runs meanwhile, and each query sees what those before it have committed.
        `durable`: it, and all that was committed before it, is on the disk when the block has ended.
        """

    def execute(self, query: str, values: Values = ()) -> Rows:
        """Run one statement, inside a transaction."""

    def read(self, query: str, values: Values = ()) -> Sequence[Row]:
        """Return the rows of a query, inside a transaction or on its own."""

    def held(self, name: str, *, at_once: bool = False) -> AbstractContextManager[bool]:
        """Hold a name until the block or the process ends; give False when another block holds it.

        Unless `at_once`, a holder that was killed a moment ago is waited for until the server has noticed.
        """

    @property
    def session(self) -> int:
        """The number by which the server knows this connection; 0 without a server."""

    def break_in(self, session: int, names: Iterable[str]) -> None:
        """Free these names of a holder that is stopped or cut off, outside a transaction."""

    def tell(self) -> None:
        """Wake those who wait in `heard`, once the transaction that this is in has ended."""

    def heard(self, seconds: float) -> bool:
        """Wait until somebody else may have told something, `seconds` at most; False when nobody has."""

    def give_back(self, pages: int) -> None:
        """Give up to so many free pages of a file back, outside a transaction."""

    def now(self) -> datetime:
        """Return the time, in UTC, by the clock that all who share the database go by."""

    def close(self) -> None:
        """Let go of the connection; closing twice is allowed."""
