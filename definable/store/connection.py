"""SQLite behind the port of database.py: one file that processes may share.

A transaction has the file to itself (BEGIN IMMEDIATE), whatever locks it names.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import IO

from definable.errors import StoreError, StoreRefused
from definable.store.database import Row, Values
from definable.store.lockfile import broken_in, grasped, named
from definable.store.schema import missing

APPLICATION_ID = 0x44464E42
"""`DFNB`, where SQLite keeps the mark of the program a file belongs to; `user_version` counts migrations."""

ELSEWHERE = "set DEFINABLE_HOME to another folder"

LOCKS = "locks"
"""The folder of locks beside the file."""

EAR = 0.02
"""Seconds between two looks whether another connection has written; one takes some microseconds."""

EAGER, NEXT = 200, 0.0001
"""How often it is looked, without a pause, whether another process has let go of the gate, which it holds for
a tenth of a millisecond; and the seconds between two looks after that. SQLite's own waiting sleeps 1, 2, 5, …
milliseconds."""

STUCK = 1.0
"""Seconds after which whoever holds the gate does not go on, stopped by a signal: it is passed by then."""

flush = getattr(os, "fdatasync", os.fsync)

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
        self.place = path
        self._lock = threading.RLock()
        self._db = connect(path, patience)
        self._file = path.resolve()  # beside which SQLite has its log, too, when `path` is a link
        self._gate = _gate(self._file)
        self._inode = self._found()
        self._written: IO[bytes] | None = None
        self._version = 0

    @contextmanager
    def transaction(
        self, *locks: str, durable: bool, first: str = "", values: Values = ()
    ) -> Iterator[list[Row]]:
        """One transaction, alone in the file."""
        with self._lock:
            with self._alone():
                try:
                    self._db.execute("BEGIN IMMEDIATE")
                    yield self._db.execute(first, values).fetchall() if first else []
                    self._db.execute("COMMIT")
                except sqlite3.Error as error:
                    self._db.rollback()
                    raise explain(error, self.place) from error
                except BaseException:
                    self._db.rollback()
                    raise
            if durable:
                self._flush()

    def _flush(self) -> None:
        """Wait until all that was committed is on the disk.

        With `synchronous = FULL`, SQLite does just this to its write-ahead log before it lets the next
        transaction begin; so they go on meanwhile. The log is the same file as long as a connection is open.
        """
        try:
            if self._written is None:
                self._written = open(f"{self._file}-wal", "rb", buffering=0)  # noqa: SIM115 - as long as this
            flush(self._written.fileno())
        except OSError as error:
            what, hint = REASONS[sqlite3.SQLITE_IOERR]
            raise StoreError(
                f"{self.place} {what} ({error.strerror})", hint=hint, path=str(self.place)
            ) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Go through the gate, where writers wait for each other. SQLite's own lock has the last word."""
        pauses = count(-EAGER)
        end = time.monotonic() + STUCK
        while not grasped(self._gate) and time.monotonic() < end:
            if next(pauses) < 0:
                os.sched_yield()
            else:
                time.sleep(NEXT)
        try:
            yield
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)

    def execute(self, query: str, values: Values = ()) -> sqlite3.Cursor:
        """Run one statement."""
        return self._db.execute(query, values)

    def read(self, query: str, values: Values = ()) -> list[Row]:
        """Return the rows of a query."""
        try:
            with self._lock:
                return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise explain(error, self.place) from error

    @contextmanager
    def held(self, name: str, *, at_once: bool = False) -> Iterator[bool]:
        """Hold a name among the processes of this machine until the block or the process ends."""
        with ExitStack() as stack:
            with self._locking():
                got = stack.enter_context(named(self._file.parent / LOCKS, name))
            yield got

    @property
    def session(self) -> int:
        """No server, no number."""
        return 0

    def break_in(self, session: int, names: Iterable[str]) -> None:
        """Free names of who holds them, and holds nothing by it from now on."""
        with self._locking():
            for name in names:
                broken_in(self._file.parent / LOCKS, name)

    @contextmanager
    def _locking(self) -> Iterator[None]:
        """Turn what the system refuses into a StoreError that names the file or the folder."""
        try:
            yield
        except OSError as error:
            where = error.filename or self._file.parent / LOCKS
            raise StoreError(
                f"{where} cannot be locked ({error.strerror})",
                hint="give yourself write access to the folder, or this process more open files: ulimit -n",
                path=str(where),
            ) from error

    def tell(self) -> None:
        """Nothing is done: whoever waits sees each commit."""

    def _found(self) -> tuple[int, int] | None:
        """Which file is there now."""
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def heard(self, seconds: float) -> bool:
        """Wait until another connection has written. StoreError once the file was taken away."""
        if self._found() != self._inode:
            raise StoreError(
                f"{self.place} is not the file any more that was opened: it was moved, deleted or replaced",
                hint="stop its workers before a file is moved; they go on with the one that is there now",
                path=str(self.place),
            )
        until = time.monotonic() + seconds
        while (version := self.read("PRAGMA data_version")[0]["data_version"]) == self._version:
            if time.monotonic() >= until:
                return False
            time.sleep(EAR)
        self._version = version
        return True

    def give_back(self, pages: int) -> None:
        """Give free pages back; nothing happens in a file that was made without incremental vacuum."""
        with self._lock, explained(self.place):
            # One step of this statement gives one page back, and `execute` makes one step only.
            self._db.executescript(f"PRAGMA incremental_vacuum({pages:d})")

    def now(self) -> datetime:
        """Return the time of this machine."""
        return datetime.now(UTC)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
        self._gate.close()
        if self._written is not None:
            self._written.close()


def _gate(path: Path) -> IO[str]:
    """Open the lock file beside a database, where writers wait for each other."""
    gate = path.with_name(f"{path.name}-gate")
    try:
        return gate.open("a")
    except OSError as error:
        raise StoreError(
            f"{gate} cannot be opened ({error.strerror})",
            hint="give yourself write access to the file and its folder",
            path=str(gate),
        ) from error


def explain(error: sqlite3.Error, path: Path) -> StoreError:
    """Return what a person can do about an error of SQLite's."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code not in REASONS:
        return StoreRefused(f"{path} refused ({error})", path=str(path), code=code)
    what, hint = REASONS[code]
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
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # heeded in a new file only
    _write_ahead(db, patience)  # a copy that SQLite has made may have another journal
    db.execute("PRAGMA synchronous = NORMAL")  # what has to wait for the disk does, after its transaction
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


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring the file up to date, in one transaction; whoever comes second finds it done."""
    if not pending(db, path):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _version(db, path)
        statements = missing(version, str(path), ELSEWHERE)
        for migration in statements:
            for statement in migration:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {version + len(statements)}")
    except BaseException:
        db.rollback()
        raise
    db.commit()


def pending(db: sqlite3.Connection, path: Path) -> bool:
    """Tell whether migrations are due; StoreError for a file of a newer Definable or of another program."""
    db.execute("BEGIN")  # one snapshot: another process may be making the tables right now
    try:
        return bool(missing(_version(db, path), str(path), ELSEWHERE))
    finally:
        db.rollback()


def _version(db: sqlite3.Connection, path: Path) -> int:
    owner: int = db.execute("PRAGMA application_id").fetchone()[0]
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if owner != APPLICATION_ID and (owner or db.execute("SELECT 1 FROM sqlite_schema").fetchone()):
        raise StoreError(
            f"{path} is a database of another program",
            hint="set DEFINABLE_HOME to a folder of its own",
            path=str(path),
        )
    return version
