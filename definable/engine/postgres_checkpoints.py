"""The checkpointer on a PostgreSQL server: a run that was parked by one machine goes on in another."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import Connection

from definable.engine.checkpoints import InLoop
from definable.store import Server
from definable.store.postgres import connect, locking
from definable.store.postgres_errors import LOST, explained
from definable.store.postgres_schema import KEY

LOCK = KEY + 1
"""The lock of whoever makes the checkpointer's tables."""


class PostgresCheckpoints(InLoop, PostgresSaver):
    """The checkpointer in a database."""

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint."""
        with self._fenced(config):
            return super().put(config, checkpoint, metadata, new_versions)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what one node wrote."""
        with self._fenced(config):
            super().put_writes(config, writes, task_id, task_path)

    @contextmanager
    def _fenced(self, config: RunnableConfig) -> Iterator[None]:
        """One transaction with the run locked, so that nobody takes it over then."""
        db = self.conn
        assert isinstance(db, Connection)  # noqa: S101 - not a pool: see on_server
        with db.transaction():
            for lock in locking(config["configurable"]["thread_id"]):
                db.execute(lock)
            self.check()
            yield


@contextmanager
def on_server(
    server: Server, known: Connection[Any] | None, serde: JsonPlusSerializer
) -> Iterator[PostgresCheckpoints]:
    """Open the checkpointer in our schema of the database; its tables are made when they are not there.

    `known` is the connection of the time before, which is used again while it lives.
    """
    with explained(server):
        if known is not None and _lives(known):
            yield PostgresCheckpoints(known, serde=serde)
            return
        db = connect(server)
        try:
            db.execute("SET synchronous_commit = off")
            saver = PostgresCheckpoints(db, serde=serde)
            _set_up(saver, db)
        except BaseException:
            db.close()
            raise
        yield saver


def _lives(db: Connection[Any]) -> bool:
    try:
        db.execute("SELECT 1")
    except LOST:
        db.close()
        return False
    return True


def _set_up(saver: PostgresCheckpoints, db: Connection[Any]) -> None:
    # It makes indexes CONCURRENTLY, which waits for all who wait for a lock: so nobody may wait for this one.
    while not _one(db, f"SELECT pg_try_advisory_lock({LOCK})"):
        time.sleep(0.02)
    try:
        saver.setup()
    finally:
        _one(db, f"SELECT pg_advisory_unlock({LOCK})")


def _one(db: Connection[Any], query: str) -> bool:
    row = db.execute(query.encode()).fetchone()
    return bool(row and next(iter(row.values())))
