"""The tables, as a list of migrations that is only ever added to, one for all databases.

They are written for SQLite; TEXT, INTEGER, REAL, WITHOUT ROWID and AUTOINCREMENT have their counterparts
elsewhere. Queries name the columns that they fill, so that columns may be added."""

from __future__ import annotations

from definable.errors import StoreError

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
    (
        "CREATE TABLE fences (run TEXT PRIMARY KEY REFERENCES runs, token INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE places (
            place TEXT NOT NULL, run TEXT NOT NULL, call TEXT NOT NULL, until REAL NOT NULL,
            shared INTEGER NOT NULL, PRIMARY KEY (place, run, call)
        ) WITHOUT ROWID""",
        "CREATE INDEX places_by_call ON places (run, call)",
    ),
    (
        """CREATE TABLE contracts (
            seq INTEGER PRIMARY KEY, at TEXT NOT NULL, toolkit TEXT NOT NULL, tool TEXT NOT NULL,
            kind TEXT NOT NULL, data TEXT NOT NULL
        ) WITHOUT ROWID""",
    ),
    ("ALTER TABLE receipts ADD COLUMN n INTEGER",),
    (
        "ALTER TABLE runs ADD COLUMN key TEXT",
        "ALTER TABLE runs ADD COLUMN priority INTEGER",
        "ALTER TABLE runs ADD COLUMN deadline TEXT",
        "ALTER TABLE runs ADD COLUMN batch TEXT",
        "ALTER TABLE runs ADD COLUMN item TEXT",
        "ALTER TABLE runs ADD COLUMN history INTEGER NOT NULL DEFAULT 1",
        "CREATE UNIQUE INDEX runs_by_key ON runs (key)",
        "CREATE INDEX runs_by_batch ON runs (batch, item)",
        "CREATE INDEX runs_by_status ON runs (status, created_at)",
        "ALTER TABLE fences ADD COLUMN worker TEXT",
        """CREATE TABLE workers (
            id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, version TEXT NOT NULL,
            slots INTEGER NOT NULL, state TEXT NOT NULL, started_at TEXT NOT NULL, beat REAL NOT NULL,
            session INTEGER NOT NULL
        )""",
    ),
    (
        """CREATE TABLE triggers (
            id TEXT PRIMARY KEY, looked REAL NOT NULL, due REAL, run TEXT
        ) WITHOUT ROWID""",
        "ALTER TABLE runs ADD COLUMN pruned_at TEXT",
        "CREATE INDEX runs_to_prune ON runs (ended_at) WHERE pruned_at IS NULL",
    ),
    (
        """CREATE TABLE batches (
            id TEXT PRIMARY KEY, workflow TEXT NOT NULL, items TEXT NOT NULL, place TEXT NOT NULL,
            folder TEXT NOT NULL, created_at TEXT NOT NULL
        )""",
        """CREATE TABLE tallies (
            run TEXT PRIMARY KEY REFERENCES runs, batch TEXT NOT NULL, tokens INTEGER NOT NULL,
            usd REAL NOT NULL, unpriced INTEGER NOT NULL, calls INTEGER NOT NULL, seconds REAL NOT NULL,
            receipts INTEGER NOT NULL, verified INTEGER NOT NULL, healed INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX tallies_by_batch ON tallies (batch)",
    ),
    (
        "ALTER TABLE fences ADD COLUMN line INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE fences ADD COLUMN tries INTEGER NOT NULL DEFAULT 0",
    ),
    (
        """CREATE TABLE clients (
            id TEXT PRIMARY KEY, name TEXT NOT NULL, scope TEXT NOT NULL, hash TEXT NOT NULL,
            created_at TEXT NOT NULL, revoked_at TEXT
        ) WITHOUT ROWID""",
    ),
    (
        """CREATE TABLE threads (
            id TEXT PRIMARY KEY, owner TEXT NOT NULL, mark TEXT UNIQUE, title TEXT NOT NULL, at TEXT NOT NULL
        )""",
        "CREATE INDEX threads_by_owner ON threads (owner, at)",
        """CREATE TABLE messages (
            thread TEXT NOT NULL REFERENCES threads, n INTEGER NOT NULL, at TEXT NOT NULL, role TEXT NOT NULL,
            text TEXT NOT NULL, run TEXT, workflow TEXT, inputs TEXT NOT NULL, missing TEXT NOT NULL,
            offline INTEGER NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, usd REAL,
            key TEXT, answers INTEGER, seen INTEGER NOT NULL, asks TEXT NOT NULL,
            PRIMARY KEY (thread, n), UNIQUE (thread, key), UNIQUE (thread, answers)
        ) WITHOUT ROWID""",
        """CREATE TABLE orders (
            batch TEXT PRIMARY KEY REFERENCES batches, key TEXT, mark TEXT NOT NULL, terms TEXT NOT NULL,
            state TEXT NOT NULL, why TEXT NOT NULL, progress TEXT
        ) WITHOUT ROWID""",
        "CREATE UNIQUE INDEX orders_by_key ON orders (key)",
        """CREATE TABLE hooks (
            id TEXT PRIMARY KEY, url TEXT NOT NULL, events TEXT NOT NULL, secret TEXT NOT NULL,
            created_at TEXT NOT NULL, failing_since REAL, disabled_at TEXT, why TEXT NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE deliveries (
            id TEXT PRIMARY KEY, hook TEXT NOT NULL, event TEXT NOT NULL,
            subject TEXT NOT NULL, data TEXT NOT NULL, at TEXT NOT NULL, state TEXT NOT NULL,
            tries INTEGER NOT NULL, due REAL NOT NULL, body TEXT, code INTEGER, wrong TEXT NOT NULL,
            ended_at TEXT
        ) WITHOUT ROWID""",
        "CREATE INDEX deliveries_by_hook ON deliveries (hook, at)",
        "CREATE INDEX deliveries_due ON deliveries (due) WHERE state = 'pending'",
    ),
    (
        """CREATE TABLE turns (
            thread TEXT NOT NULL, name TEXT NOT NULL, run TEXT NOT NULL, since INTEGER NOT NULL,
            PRIMARY KEY (thread, name)
        )""",
    ),
    (
        "ALTER TABLE runs ADD COLUMN taken TEXT",
        """CREATE INDEX runs_in_line ON runs (status, priority, created_at, workflow, history)
            WHERE taken IS NULL AND ended_at IS NULL""",
        "CREATE INDEX runs_put_back ON runs (reason) WHERE taken IS NULL AND ended_at IS NULL",
        "CREATE INDEX runs_taken ON runs (taken) WHERE taken IS NOT NULL",
    ),
)
"""Index + 1 is the schema version that the statements lead to."""


def missing(version: int, place: str, elsewhere: str) -> tuple[tuple[str, ...], ...]:
    """Return the migrations that a database of this version lacks.

    StoreError when it is ahead of us, with how to use another one in `elsewhere`.
    """
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{place} has schema {version}; this version of Definable knows up to {len(MIGRATIONS)}",
            hint=f"upgrade Definable, or {elsewhere}",
            version=version,
        )
    return MIGRATIONS[version:]
