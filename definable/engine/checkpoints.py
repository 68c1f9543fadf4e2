"""LangGraph's own SQLite checkpointer, called in the event loop: in the store's file, beside the run log.

Its asynchronous twin commits from another thread: while that holds the one write lock of the file, a node
that writes to the run log would block the very loop that has to let it commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver


class Checkpoints(SqliteSaver):
    """The checkpointer with its asynchronous methods answered at once; each takes about a millisecond."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint."""
        return self.get_tuple(config)

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
        return self.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what one node wrote while its neighbours are still at work."""
        self.put_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a run's checkpoints."""
        self.delete_thread(thread_id)


@contextmanager
def checkpoints(path: Path) -> Iterator[Checkpoints]:
    """Open the checkpointer in the database at `path`. It loads plain types and nothing else.

    A checkpoint does not wait for the disk: it stands in one write-ahead log with the run log, and gets there
    in order with the next commit of the store that waits. After a power failure both are of one moment.
    """
    serde = JsonPlusSerializer(allowed_msgpack_modules=None)
    with closing(sqlite3.connect(path, check_same_thread=False, timeout=30)) as connection:
        connection.execute("PRAGMA synchronous = NORMAL")
        yield Checkpoints(connection, serde=serde)
