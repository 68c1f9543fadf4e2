"""How far schedules have been seen to, in SQL (see contract.py)."""

from __future__ import annotations

from collections.abc import Iterable

from definable.store.part import Part
from definable.store.records import known
from definable.store.rows import TriggerRow

LOOKED = """
INSERT INTO triggers (id, looked) VALUES (?, ?)
ON CONFLICT (id) DO UPDATE SET looked = excluded.looked WHERE triggers.looked < excluded.looked
"""

FIRED = """
INSERT INTO triggers (id, looked, due, run) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET due = excluded.due, run = excluded.run
WHERE triggers.due IS NULL OR triggers.due < excluded.due
"""


class SqlTriggers(Part):
    """The part of a `Store` that keeps how far schedules have been seen to."""

    def triggers(self) -> dict[str, TriggerRow]:
        """Return what is known of each schedule."""
        rows = self._read("SELECT * FROM triggers")
        return {row["id"]: known(TriggerRow, row) for row in rows}

    def looked(self, triggers: Iterable[str], until: float) -> None:
        """Say up to when schedules have been seen to."""
        with self._writing("triggers", durable=False) as db:
            for trigger in triggers:
                db.execute(LOOKED, (trigger, until))

    def fired(self, trigger: str, due: float, run: str) -> None:
        """Say which run a time of a schedule has."""
        with self._writing("triggers", durable=False) as db:
            db.execute(FIRED, (trigger, due, due, run))
