"""PostgreSQL behind the port of database.py: one database that machines may share.

What a transaction decides on is locked by name (advisory locks), so others that decide on something else go
on meanwhile. The write-ahead log is in order: a commit that waits for the disk takes all before it along.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from psycopg.types.string import StrDumperUnknown

from definable.errors import UsageError
from definable.store.database import Rows, Values
from definable.store.place import Server
from definable.store.postgres_errors import LOST, explained
from definable.store.postgres_schema import SCHEMA, Connection, migrate

DEFAULTS = {
    "application_name": "definable",
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""How to connect, unless the URL says otherwise; half a minute without a sign of life ends a connection."""

SESSION = f"""
SET search_path = {SCHEMA};
SET client_min_messages = warning;
SET idle_in_transaction_session_timeout = '60s';
SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
"""
"""The other way round as well: the locks of a machine that has vanished are free within half a minute."""

CHANNEL = "definable"
"""On which the server passes on what is told."""

NOTICED = 0.2
"""Seconds in which the server has noticed that a process was killed, and has freed what it held."""

OUTSIDE = (TransactionStatus.IDLE, TransactionStatus.UNKNOWN)
"""No transaction is open; the second once a connection is known to be lost."""

FRESH = 30.0
"""Seconds after which the server is asked for the time again."""


class Text(StrDumperUnknown):
    """Text on its way into the database, which cannot hold a NUL."""

    def dump(self, obj: str) -> Buffer | None:
        """Return the text with each NUL replaced."""
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))


class Postgres:
    """A `Database` on a server; its tables are made when they are not there."""

    def __init__(self, server: Server, patience: float = 10.0) -> None:
        """Connect; wait `patience` seconds at most for what others have locked. StoreError when refused."""
        self.place = server
        self.patience = patience
        self._lock = threading.RLock()
        self._held: set[str] = set()
        self._time: tuple[float, datetime] | None = None
        self._listens = False
        self._db = self._open()

    def _open(self) -> Connection:
        db = connect(self.place)
        self._listens = False
        try:
            with explained(self.place):
                db.execute(f"SET lock_timeout = '{int(self.patience * 1000)}ms'".encode())
                migrate(db, self.place)
        except BaseException:
            db.close()
            raise
        return db

    @contextmanager
    def transaction(
        self, *locks: str, durable: bool, first: str = "", values: Values = ()
    ) -> Iterator[list[dict[str, Any]]]:
        """One transaction, alone with what it names; it begins with one message to the server."""
        with self._lock, explained(self.place):
            try:
                begun = self._first(b"; ".join([*_beginning(locks, durable), *self._bound(first, values)]))
                while begun.nextset():
                    pass
                yield begun.fetchall() if first else []
                self._db.execute("COMMIT")
            except BaseException:
                self._undo()
                raise

    def execute(self, query: str, values: Values = ()) -> Rows:
        """Run one statement."""
        return self._db.execute(translated(query), values)

    def read(self, query: str, values: Values = ()) -> list[dict[str, Any]]:
        """Return the rows of a query."""
        with self._lock, explained(self.place):
            if self._db.info.transaction_status in OUTSIDE:
                return self._first(translated(query), values).fetchall()
            return self._db.execute(translated(query), values).fetchall()

    @contextmanager
    def held(self, name: str, *, at_once: bool = False) -> Iterator[bool]:
        """Hold a name among all machines until the block, the process or the connection ends."""
        key = _key("held", name)
        free = self._take(name, key, 0.0 if at_once else NOTICED)
        try:
            yield free
        finally:
            if free:
                self._let_go(name, key)

    @property
    def session(self) -> int:
        """The process on the server that holds what this connection holds."""
        return self._db.info.backend_pid

    def break_in(self, session: int, names: Iterable[str]) -> None:
        """End a connection of ours, and wait a moment until the server has freed what it held."""
        ours = "pid = ? AND usename = current_user AND datname = current_database()"
        with self._lock, explained(self.place):
            self._first(
                translated(f"SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE {ours}"),  # noqa: S608
                (session,),
            )

    def tell(self) -> None:
        """Notify, with the transaction."""
        self._db.execute(f"NOTIFY {CHANNEL}".encode())

    def heard(self, seconds: float) -> bool:
        """Wait for a notification; True as well where one may have been missed."""
        with self._lock, explained(self.place):
            if not self._listens:
                self._first(f"LISTEN {CHANNEL}".encode())
                self._listens = True
                return True
            return bool(list(self._db.notifies(timeout=seconds, stop_after=1)))

    def give_back(self, pages: int) -> None:
        """Nothing is done: the server uses free space again, and gives back what it can by itself."""

    def now(self) -> datetime:
        """Return the server's time: the clock that all machines share."""
        if self._time is None or time.monotonic() - self._time[0] > FRESH:
            asked = time.monotonic()
            (row,) = self.read("SELECT clock_timestamp() AS now")
            self._time = (asked + time.monotonic()) / 2, row["now"].astimezone(UTC)
        then, told = self._time
        return told + timedelta(seconds=time.monotonic() - then)

    def close(self) -> None:
        """Let go of the connection."""
        self._db.close()

    def _first(self, query: bytes, values: Values | None = None) -> psycopg.Cursor[dict[str, Any]]:
        """Run what may be said again on a new connection, should the old one be gone.

        Not while a run is held: another process may have it by now, so whoever works on it has to stop.
        """
        try:
            return self._db.execute(query, values)
        except LOST:
            if self._held or not self._db.closed:
                raise
        self._db.close()
        self._db = self._open()
        return self._db.execute(query, values)

    def _bound(self, query: str, values: Values) -> list[bytes]:
        """Return a query with its values in it, as one of several in a message; none without a query."""
        if not query:
            return []
        return [psycopg.ClientCursor(self._db).mogrify(translated(query), values).encode()]

    def _undo(self) -> None:
        with suppress(*LOST):
            if not self._db.closed and self._db.info.transaction_status is not TransactionStatus.IDLE:
                self._db.execute("ROLLBACK")

    def _take(self, name: str, key: int, patience: float) -> bool:
        with self._lock, explained(self.place):
            if name in self._held:  # to the server, one connection may hold a lock twice
                return False
            until = time.monotonic() + patience
            while not self._tried(key):
                if time.monotonic() >= until:
                    return False
                time.sleep(0.02)
            self._held.add(name)
            return True

    def _tried(self, key: int) -> bool:
        row = self._first(f"SELECT pg_try_advisory_lock({key}) AS free".encode()).fetchone()
        return bool(row and row["free"])

    def _let_go(self, name: str, key: int) -> None:
        with self._lock, suppress(*LOST):  # the server lets go by itself of what a lost connection held
            self._held.discard(name)
            if not self._db.closed:
                self._db.execute(f"SELECT pg_advisory_unlock({key})".encode())


def connect(server: Server) -> Connection:
    """Connect to the database, in our schema. StoreError with what to do, UsageError for a bad URL."""
    try:
        given = conninfo_to_dict(server.url)
    except psycopg.Error:
        # Its message may quote a part of the password.
        raise UsageError(
            f"the URL of the {server} cannot be read",
            hint="in DEFINABLE_DATABASE, write a % in a password as %25, @ as %40, / as %2F",
        ) from None
    defaults = {name: value for name, value in DEFAULTS.items() if name not in given}
    with explained(server):
        db = psycopg.connect(server.url, autocommit=True, row_factory=dict_row, **defaults)  # type: ignore[arg-type]
        try:
            db.adapters.register_dumper(str, Text)
            db.execute(SESSION.encode())
        except BaseException:
            db.close()
            raise
    return db


@lru_cache(maxsize=512)
def translated(query: str) -> bytes:
    """Return a query with the driver's marks where values go."""
    return re.sub(r"\?|:(\w+)", lambda found: f"%({found[1]})s" if found[1] else "%s", query).encode()


def _key(*name: str) -> int:
    """Return the number by which the server knows a lock."""
    digest = hashlib.blake2b("\0".join(name).encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def locking(*names: str) -> list[bytes]:
    """Return what locks these names until the end of a transaction."""
    # In one order for everybody: two transactions never wait for each other.
    keys = sorted({_key("decides", name) for name in names})
    return [f"SELECT pg_advisory_xact_lock({key})".encode() for key in keys]


def _beginning(locks: tuple[str, ...], durable: bool) -> list[bytes]:
    begin = [b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"]
    if not durable:
        begin.append(b"SET LOCAL synchronous_commit = off")
    return [*begin, *locking(*locks)]
