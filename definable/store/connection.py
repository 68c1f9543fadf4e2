"""SQLite behind the port of database.py: one file that processes may share.

A transaction has the file to itself (BEGIN IMMEDIATE), whatever locks it names.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from definable.errors import StoreError
from definable.store.database import Row, Values
from definable.store.schema import migrate, pending

BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

REASONS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        sqlite3.SQLITE_BUSY: ("is locked by another process", "end that process, or try again"),
        sqlite3.SQLITE_LOCKED: ("is locked by another process", "end that process, or try again"),
        sqlite3.SQLITE_READONLY: (
            "cannot be written",
            "give yourself write access to the file and its folder",
        ),
        sqlite3.SQLITE_PERM: ("may not be opened", "give yourself access to the file and its folder"),
        sqlite3.SQLITE_CANTOPEN: (
            "cannot be opened",
            "check that it is a file, and that you may read and write it and its folder",
        ),
        sqlite3.SQLITE_FULL: (
            "cannot grow: the disk is full",
            "free some space; nothing that was kept is lost",
        ),
        sqlite3.SQLITE_IOERR: ("cannot be read or written: the disk failed", "check the disk"),
        sqlite3.SQLITE_CORRUPT: (
            "is damaged",
            "move it away or restore a copy; a new one is made when it is gone",
        ),
        sqlite3.SQLITE_NOTADB: ("is not a database", "move it away; a new one is made when it is gone"),
    }
)
"""SQLite's primary result code → what is so, and what to do."""


class Sqlite:
    """A `Database` in the file at `path`; made with its folder when it is not there."""

    def __init__(self, path: Path, patience: float = 10.0) -> None:
        """Open the file; wait `patience` seconds at most for other processes. StoreError when refused."""
        self.path = path
        self._lock = threading.RLock()
        self._db = connect(path, patience)
        self._durable: bool | None = None

    @contextmanager
    def transaction(self, *locks: str, durable: bool) -> Iterator[None]:
        """One transaction, alone in the file."""
        with self._lock, explained(self.path):
            if durable is not self._durable:
                self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._db.rollback()
                raise

    def execute(self, query: str, values: Values = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self._db.execute(query, values)

    def read(self, query: str, values: Values = ()) -> list[Row]:
        """Return the rows of a query."""
        with self._lock, explained(self.path):
            return self.execute(query, values).fetchall()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def explain(error: sqlite3.Error, path: Path) -> StoreError:
    """Return what a person can do about an error of SQLite's."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    what, hint = REASONS.get(code, ("refused", ""))
    return StoreError(f"{path} {what} ({error})", hint=hint, path=str(path), code=code)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn every error of SQLite's into a StoreError that names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """Open or make the file, its folder too; wait up to `patience` seconds for other processes."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{path.parent} cannot be made ({error.strerror})",
            hint="set DEFINABLE_HOME to a folder that you may write to",
            path=str(path),
        ) from error
    with explained(path):
        # isolation_level=None: transactions are begun and ended here, never behind our back.
        db = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
        try:
            _prepare(db, path, patience)
        except BaseException:
            db.close()
            raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, patience: float) -> None:
    db.row_factory = sqlite3.Row
    if pending(db, path):  # before anything is changed in a file that may not be ours
        _write_ahead(db, patience)
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    migrate(db, path)


def _write_ahead(db: sqlite3.Connection, patience: float) -> None:
    # Two processes that switch at the same moment get "database is locked" at once, whatever SQLite's own
    # waiting time is, so the waiting is done here.
    deadline = time.monotonic() + patience
    while db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if (error.sqlite_errorcode & 0xFF) not in BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
