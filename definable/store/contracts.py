"""The record of contracts in SQL: rows that never change, numbered in the order of their commits."""

from __future__ import annotations

from collections.abc import Iterable

from definable.calls import Lesson
from definable.store.part import Part
from definable.store.records import dump, insert, known


class SqlContracts(Part):
    """The part of a `Store` that keeps what was learned of contracts (see contract.py)."""

    def learn(self, lessons: Iterable[Lesson]) -> None:
        """Add rows to the record."""
        with self._writing("contracts", durable=False) as db:
            last: int = db.read("SELECT coalesce(max(seq), 0) AS seq FROM contracts")[0]["seq"]
            for seq, lesson in enumerate(lessons, last + 1):
                row = {**lesson.model_dump(mode="json"), "seq": seq, "data": dump(lesson.data)}
                db.execute(insert("contracts", row), row)

    def known(self, after: int = 0) -> list[Lesson]:
        """Return the rows of the record after a number."""
        rows = self._read("SELECT * FROM contracts WHERE seq > ? ORDER BY seq", after)
        return [known(Lesson, row) for row in rows]

    def thin(self, toolkit: str, tool: str, keep: int, before: str, resumed: str) -> int:
        """Forget samples of a tool that nobody needs any more."""
        oldest = (
            "SELECT min(created_at) AS at FROM runs WHERE status IN ('queued', 'running', 'waiting') "
            "OR (status IN ('failed', 'limited') AND created_at > ?)"
        )
        mine = "FROM contracts WHERE kind = 'sample' AND toolkit = :toolkit AND tool = :tool AND at < :end"
        kept = f"SELECT seq {mine} ORDER BY seq DESC LIMIT :keep"
        with self._writing("contracts", durable=False) as db:
            began: str | None = db.read(oldest, (resumed,))[0]["at"]
            values = {"toolkit": toolkit, "tool": tool, "keep": keep, "end": min(before, began or before)}
            return db.execute(f"DELETE {mine} AND seq NOT IN ({kept})", values).rowcount
