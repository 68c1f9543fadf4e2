"""The tables, as a list of migrations that is only ever added to, one for all databases.

They are written for SQLite; TEXT, INTEGER, REAL, WITHOUT ROWID and AUTOINCREMENT have their counterparts
elsewhere. Queries name the columns that they fill, so that columns may be added.

`user_version` in the file counts the migrations it has seen; `application_id` says that the file is ours.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from definable.errors import StoreError

APPLICATION_ID = 0x44464E42
"""`DFNB`, where SQLite keeps the mark of the program a file belongs to."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            id TEXT PRIMARY KEY, workflow TEXT NOT NULL, definition TEXT NOT NULL, inputs TEXT NOT NULL,
            status TEXT NOT NULL, reason TEXT NOT NULL, outputs TEXT, error TEXT, options TEXT NOT NULL,
            created_at TEXT NOT NULL, ended_at TEXT
        )""",
        "CREATE INDEX runs_by_age ON runs (created_at)",
        """CREATE TABLE log (
            run TEXT NOT NULL REFERENCES runs, seq INTEGER NOT NULL, at TEXT NOT NULL, type TEXT NOT NULL,
            step TEXT, call TEXT, data TEXT NOT NULL, PRIMARY KEY (run, seq)
        )""",
        """CREATE TABLE exchanges (
            run TEXT NOT NULL, call TEXT NOT NULL, n INTEGER NOT NULL, seq INTEGER NOT NULL,
            PRIMARY KEY (run, call, n), FOREIGN KEY (run, seq) REFERENCES log
        ) WITHOUT ROWID""",
        """CREATE TABLE receipts (
            run TEXT NOT NULL REFERENCES runs, call TEXT NOT NULL, receipt TEXT NOT NULL,
            UNIQUE (run, call)
        )""",
        """CREATE TABLE effects (
            effect TEXT NOT NULL UNIQUE, run TEXT NOT NULL REFERENCES runs, call TEXT NOT NULL,
            tool TEXT NOT NULL, arguments TEXT NOT NULL, sending TEXT NOT NULL, state TEXT NOT NULL,
            attempt INTEGER NOT NULL, evidence TEXT, adopted TEXT NOT NULL, note TEXT NOT NULL,
            created_at TEXT NOT NULL, at TEXT NOT NULL
        )""",
        "CREATE INDEX effects_by_run ON effects (run)",
        """CREATE TABLE asks (
            id TEXT NOT NULL UNIQUE, run TEXT NOT NULL REFERENCES runs, call TEXT NOT NULL,
            n INTEGER NOT NULL, ask TEXT NOT NULL, asked_at TEXT NOT NULL, expires_at TEXT,
            decision TEXT, UNIQUE (run, call, n)
        )""",
    ),
    (
        """CREATE TABLE quota_slots (
            owner TEXT NOT NULL, bucket TEXT NOT NULL, answered REAL NOT NULL, ticket TEXT NOT NULL,
            refused INTEGER NOT NULL, PRIMARY KEY (owner, bucket, answered, ticket)
        ) WITHOUT ROWID""",
        "CREATE INDEX quota_slots_by_ticket ON quota_slots (ticket)",
        """CREATE TABLE quota_queue (
            number INTEGER PRIMARY KEY AUTOINCREMENT, ticket TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
            source TEXT NOT NULL, turn INTEGER NOT NULL, wakes REAL NOT NULL, buckets TEXT NOT NULL
        )""",
        "CREATE INDEX quota_queue_by_owner ON quota_queue (owner)",
        """CREATE TABLE quota_lessons (
            owner TEXT NOT NULL, bucket TEXT NOT NULL, standing TEXT NOT NULL, PRIMARY KEY (owner, bucket)
        ) WITHOUT ROWID""",
        """CREATE TABLE quota_turns (
            owner TEXT NOT NULL, source TEXT NOT NULL, turn INTEGER NOT NULL, at REAL NOT NULL,
            PRIMARY KEY (owner, source)
        ) WITHOUT ROWID""",
        "CREATE TABLE quota_owners (mark TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID",
    ),
    ("ALTER TABLE runs ADD COLUMN until TEXT",),
    ("CREATE TABLE breakers (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID",),
)
"""Index + 1 is the schema version that the statements lead to."""


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Bring the file up to date, in one transaction; whoever comes second finds it done."""
    if not pending(db, path):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        for statements in _missing(db, path):
            for statement in statements:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        db.rollback()
        raise
    db.commit()


def pending(db: sqlite3.Connection, path: Path) -> bool:
    """Tell whether migrations are due; StoreError for a file of a newer Definable or of another program."""
    db.execute("BEGIN")  # one snapshot: another process may be making the tables right now
    try:
        return bool(_missing(db, path))
    finally:
        db.rollback()


def _missing(db: sqlite3.Connection, path: Path) -> tuple[tuple[str, ...], ...]:
    owner: int = db.execute("PRAGMA application_id").fetchone()[0]
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if owner != APPLICATION_ID and (owner or db.execute("SELECT 1 FROM sqlite_schema").fetchone()):
        raise StoreError(
            f"{path} is a database of another program",
            hint="set DEFINABLE_HOME to a folder of its own",
            path=str(path),
        )
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} has schema {version}; this version of Definable knows up to {len(MIGRATIONS)}",
            hint="upgrade Definable, or set DEFINABLE_HOME to another folder",
            path=str(path),
            version=version,
        )
    return MIGRATIONS[version:]
