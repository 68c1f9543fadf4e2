"""The turns of conversations with clients, in SQL (see contract.py)."""

from __future__ import annotations

from definable.store.part import Part
from definable.store.records import columns, insert, known
from definable.store.rows import TurnRow


class SqlTurns(Part):
    """The part of a `Store` that knows which run a client's turn is about."""

    def take_turn(self, turn: TurnRow) -> TurnRow:
        """Keep a turn, or return the one there is."""
        with self._writing(f"thread {turn.thread}") as db:
            if found := self.turn(turn.thread, turn.name):
                return found
            values = columns(turn)
            db.execute(insert("turns", values), values)
        return turn

    def turn(self, thread: str, name: str) -> TurnRow | None:
        """Return a turn."""
        found = self._read("SELECT * FROM turns WHERE thread = ? AND name = ?", thread, name)
        return known(TurnRow, found[0]) if found else None

    def last_turn(self, thread: str) -> TurnRow | None:
        """Return the last turn of a thread."""
        found = self._read("SELECT * FROM turns WHERE thread = ? ORDER BY rowid DESC LIMIT 1", thread)
        return known(TurnRow, found[0]) if found else None
