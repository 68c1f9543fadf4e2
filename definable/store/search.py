"""Looking through runs and what they wait for, in SQL (see contract.py)."""

from __future__ import annotations

from definable.store.part import Part
from definable.store.records import ask_row, run_row
from definable.store.rows import AskRow, RunRow, RunStatus
from definable.store.workers import RUNS

INBOX = """
SELECT asks.* FROM asks JOIN runs ON runs.id = asks.run
WHERE asks.decision IS NULL AND runs.status = 'waiting' ORDER BY asks.asked_at, asks.id
"""

COUNTS = "SELECT workflow, status, count(*) AS n FROM runs GROUP BY workflow, status"

ESCAPE = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


class SqlSearch(Part):
    """The part of a `Store` that finds runs for people."""

    def found(
        self,
        limit: int,
        *,
        status: RunStatus | None = None,
        workflow: str | None = None,
        batch: str | None = None,
        text: str = "",
        before: str | None = None,
    ) -> list[RunRow]:
        """Return runs, the newest first."""
        wanted: list[tuple[str, object]] = []
        for name, value in (("status", status), ("workflow", workflow), ("batch", batch)):
            if value is not None:
                wanted.append((f"runs.{name} = ?", value))
        if before is not None:
            wanted.append(
                ("(runs.created_at, runs.id) < (SELECT created_at, id FROM runs WHERE id = ?)", before)
            )
        for word in text.lower().split():
            like = f"%{word.translate(ESCAPE)}%"
            where = "(lower(runs.id || ' ' || runs.workflow || ' ' || runs.inputs) LIKE ? ESCAPE '\\')"
            wanted.append((where, like))
        where = " AND ".join(each for each, _ in wanted)
        rows = self._read(
            f"{RUNS} {where and f'WHERE {where}'} ORDER BY runs.created_at DESC, runs.id DESC LIMIT ?",
            *[value for _, value in wanted],
            limit,
        )
        return [run_row(row) for row in rows]

    def inbox(self) -> list[AskRow]:
        """Return what waits for a person."""
        return [ask_row(row) for row in self._read(INBOX)]

    def counts(self) -> dict[tuple[str, RunStatus], int]:
        """Return how many runs there are: (workflow, status) → number."""
        return {(row["workflow"], RunStatus(row["status"])): row["n"] for row in self._read(COUNTS)}
