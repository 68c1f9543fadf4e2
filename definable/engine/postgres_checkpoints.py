"""The checkpointer on a PostgreSQL server: a run that was parked by one machine goes on in another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from definable.engine.checkpoints import InLoop
from definable.store import Server
from definable.store.postgres import connect
from definable.store.postgres_errors import explained
from definable.store.postgres_schema import KEY, Connection

LOCK = KEY + 1
"""The lock of whoever makes the checkpointer's tables."""


class PostgresCheckpoints(InLoop, PostgresSaver):
    """The checkpointer in a database."""


@contextmanager
def on_server(server: Server, serde: JsonPlusSerializer) -> Iterator[PostgresCheckpoints]:
    """Open the checkpointer in our schema of the database; its tables are made when they are not there."""
    with connect(server) as db, explained(server):
        db.execute("SET synchronous_commit = off")
        saver = PostgresCheckpoints(db, serde=serde)
        _set_up(saver, db)
        yield saver


def _set_up(saver: PostgresCheckpoints, db: Connection) -> None:
    # It makes indexes CONCURRENTLY, which waits for all who wait for a lock: so nobody may wait for this one.
    while not _one(db, f"SELECT pg_try_advisory_lock({LOCK})"):
        time.sleep(0.02)
    try:
        saver.setup()
    finally:
        _one(db, f"SELECT pg_advisory_unlock({LOCK})")


def _one(db: Connection, query: str) -> bool:
    row = db.execute(query.encode()).fetchone()
    return bool(row and next(iter(row.values())))
