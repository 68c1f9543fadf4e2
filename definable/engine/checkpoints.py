"""LangGraph's own checkpointers, called in the event loop: in the store's database, beside the run log.

Their asynchronous twins commit from elsewhere: while SQLite's holds the one write lock of the file, a node
that writes to the run log would block the very loop that has to let it commit.
"""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from definable.store import Place
from definable.store.connection import explained

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver

    Base = BaseCheckpointSaver[Any]
else:
    Base = object

Check = Callable[[], None]


class InLoop(Base):
    """A checkpointer's asynchronous methods, answered at once; each takes about a millisecond.

    A process whose run was taken over writes no checkpoint: `check` raises then.
    """

    check: Check = staticmethod(lambda: None)
    begins: bool = False
    """Whether the run is at its very beginning: there is no checkpoint to look for."""
    over: Callable[[], bool] = staticmethod(lambda: False)
    """Whether the graph comes to its end: nobody goes on from there, so that no checkpoint is kept of it."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint."""
        return None if self.begins else self.get_tuple(config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, newest first."""
        for found in self.list(config, filter=filter, before=before, limit=limit):
            yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint."""
        if self.over():
            return config
        self.check()
        self.begins = False
        return self.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what one node wrote while its neighbours are still at work."""
        self.check()
        self.put_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a run's checkpoints."""
        self.delete_thread(thread_id)


class SqliteCheckpoints(InLoop, SqliteSaver):
    """The checkpointer in a file."""

    path: Path

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        """Return a cursor; one that writes has the file to itself, so that nobody takes the run over then."""
        with explained(self.path), super().cursor(transaction) as cursor:
            if transaction:
                cursor.execute("BEGIN IMMEDIATE")
                self.check()
            yield cursor


class Checkpoints:
    """The checkpointer in the store's database, over one connection that a process keeps for all its runs.

    It loads plain types and nothing else. A checkpoint does not wait for the disk: it stands in one
    write-ahead log with the run log, and gets there in order with the next commit of the store that waits.
    After a power failure both are of one moment.
    """

    def __init__(self, where: Place) -> None:
        """Connect to nothing yet."""
        self._where = where
        self._serde = JsonPlusSerializer(allowed_msgpack_modules=None)
        self._db: Any = None
        self._saver: SqliteCheckpoints | None = None

    @contextmanager
    def of(self, check: Check) -> Iterator[InLoop]:
        """Give the checkpointer to who works on one run; `check` raises when that was taken over."""
        if isinstance(self._where, Path):
            saver: InLoop = self._in_file(self._where)
            saver.check = check
            yield saver
            return
        from definable.engine.postgres_checkpoints import on_server

        with on_server(self._where, self._db, self._serde) as saver:
            self._db = saver.conn
            saver.check = check
            yield saver

    def close(self) -> None:
        """Let go of the connection."""
        if self._db is not None:
            self._db.close()
            self._db = self._saver = None

    def _in_file(self, path: Path) -> SqliteCheckpoints:
        if self._saver is None:
            with explained(path):
                self._db = self._db or sqlite3.connect(path, check_same_thread=False, timeout=30)
                self._db.execute("PRAGMA synchronous = NORMAL")
                saver = SqliteCheckpoints(self._db, serde=self._serde)
                saver.path = path
                saver.setup()
            self._saver = saver
        return copy.copy(self._saver)  # each run has its own `check`
