"""Conversations and what was said in them, in SQL (see contract.py)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from definable.errors import UsageError
from definable.store.database import Database, Row
from definable.store.part import Part
from definable.store.records import columns, dump, insert, known
from definable.store.rows import MessageRow, ThreadRow

LONGEST = 80
"""Characters of a title."""

MINE = """
SELECT * FROM threads WHERE owner = ? AND (mark IS NULL OR substr(mark, 1, 5) <> 'once:')
ORDER BY at DESC, rowid DESC LIMIT ?
"""
"""Those that somebody can come back to."""


class SqlThreads(Part):
    """The part of a `Store` that has conversations."""

    def open_thread(self, thread: ThreadRow) -> ThreadRow:
        """Keep a conversation."""
        row = thread.model_copy(update={"at": self._now()})
        with self._writing(f"thread {row.mark or row.id}") as db:
            if row.mark is not None:
                found = db.execute("SELECT * FROM threads WHERE mark = ?", (row.mark,)).fetchone()
                if found is not None:
                    return _thread(found)
            values = columns(row)
            db.execute(insert("threads", values), values)
        return row

    def thread(self, thread: str) -> ThreadRow:
        """Return a conversation."""
        if found := self._read("SELECT * FROM threads WHERE id = ?", thread):
            return _thread(found[0])
        raise UsageError(f"there is no conversation {thread!r}")

    def threads(self, owner: str, limit: int) -> list[ThreadRow]:
        """Return an owner's conversations."""
        return [_thread(row) for row in self._read(MINE, owner, limit)]

    def drop_thread(self, thread: str) -> None:
        """Forget a conversation."""
        with self._writing(f"thread {thread}") as db:
            db.execute("DELETE FROM messages WHERE thread = ?", (thread,))
            db.execute("DELETE FROM threads WHERE id = ?", (thread,))

    def say(self, message: MessageRow) -> MessageRow:
        """Add to a conversation."""
        with self._writing(f"thread {message.thread}") as db:
            thread = self.thread(message.thread)
            if (kept := _kept(db, message)) is not None:
                return kept
            (last,) = db.read("SELECT coalesce(max(n), 0) AS n FROM messages WHERE thread = ?", (thread.id,))
            row = message.model_copy(update={"n": last["n"] + 1, "at": self._now()})
            values: dict[str, Any] = {**columns(row), "offline": int(row.offline)}
            db.execute(insert("messages", values), values)
            if not thread.title:
                title = " ".join(row.text.split())[:LONGEST]
                db.execute("UPDATE threads SET title = ? WHERE id = ?", (title, thread.id))
        return row

    def messages(self, thread: str) -> list[MessageRow]:
        """Return what was said."""
        return [
            _message(row) for row in self._read("SELECT * FROM messages WHERE thread = ? ORDER BY n", thread)
        ]

    def showed(self, thread: str, n: int, asks: Sequence[str]) -> None:
        """Note which questions a message shows."""
        with self._writing(f"thread {thread}") as db:
            db.execute(
                "UPDATE messages SET asks = ? WHERE thread = ? AND n = ?", (dump(list(asks)), thread, n)
            )


def _kept(db: Database, message: MessageRow) -> MessageRow | None:
    """Return the message that stands already where this one would."""
    for name, value in (("key", message.key), ("answers", message.answers)):
        query = f"SELECT * FROM messages WHERE thread = ? AND {name} = ?"  # noqa: S608 - our names
        if value is not None and (found := db.read(query, (message.thread, value))):
            kept = _message(found[0])
            if name == "key" and kept.text != message.text:
                raise UsageError(
                    f"the key {value!r} belongs to another message of this conversation",
                    hint="give each message a key of its own",
                )
            return kept
    return None


def _thread(row: Row) -> ThreadRow:
    return known(ThreadRow, row)


def _message(row: Row) -> MessageRow:
    return known(MessageRow, row)
