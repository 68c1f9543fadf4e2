"""Forgetting old runs, in SQL (see contract.py)."""

from __future__ import annotations

from definable.errors import UsageError
from definable.store.database import Database
from definable.store.part import Part
from definable.store.records import whole
from definable.store.rows import RunRow, RunStatus

PRUNING = "pruning"
"""The reason of an ended run that is being forgotten."""

LINES = 500
"""Lines of a log that are deleted in one transaction."""

PAGES = 2000
"""Pages of a file that are given back in one go."""

MANY = 2**31
"""More runs than there ever are."""

IN_DOUBT = "('sent', 'unknown', 'needs_review')"

PRUNABLE = f"""
SELECT id FROM runs WHERE pruned_at IS NULL AND ended_at < ? AND (reason = '{PRUNING}' OR (
    status IN ('done', 'cancelled', 'failed', 'limited') AND NOT (? = 1 AND status IN ('failed', 'limited'))
    AND NOT EXISTS (SELECT 1 FROM effects WHERE effects.run = runs.id AND effects.state IN {IN_DOUBT})
)) ORDER BY ended_at LIMIT ?
"""  # noqa: S608 - our words

FORGET = (
    "DELETE FROM exchanges WHERE run = ?",
    "DELETE FROM asks WHERE run = ?",
    "DELETE FROM receipts WHERE run = ? AND call NOT IN (SELECT call FROM effects WHERE run = receipts.run)",
    "DELETE FROM places WHERE run = ?",
)

OLDEST = "DELETE FROM log WHERE run = ? AND seq IN (SELECT seq FROM log WHERE run = ? ORDER BY seq LIMIT ?)"


class SqlRetention(Part):
    """The part of a `Store` that forgets old runs."""

    def prunable(self, before: str, limit: int | None, *, keep_failed: bool = False) -> list[str]:
        """Return runs that may be forgotten."""
        rows = self._read(PRUNABLE, before, int(keep_failed), MANY if limit is None else limit)
        return [row["id"] for row in rows]

    def prune(self, run: str) -> bool:
        """Forget a piece of a run."""
        with self._writing(run, durable=False) as db:
            row = self.run(run)
            if not row.pruned:
                self._begin(db, row)
                return True
            if row.pruned_at is None and db.execute(OLDEST, (run, run, LINES)).rowcount:
                return True
            db.execute(
                "UPDATE runs SET reason = '', pruned_at = ? WHERE id = ? AND pruned_at IS NULL",
                (self._now(), run),
            )
        return False

    def _begin(self, db: Database, row: RunRow) -> None:
        if not row.status.ended:
            raise UsageError(f"run {row.id} is {row.status} and may go on; it is not forgotten")
        for receipt in self.receipts(row.id):  # their results are in the log, which is deleted
            db.execute(
                "UPDATE receipts SET receipt = ?, n = NULL WHERE run = ? AND call = ? AND n IS NOT NULL "
                "AND call IN (SELECT call FROM effects WHERE run = ?)",
                (whole(receipt), row.id, receipt.call, row.id),
            )
        for statement in FORGET:
            db.execute(statement, (row.id,))
        db.execute("UPDATE runs SET reason = ? WHERE id = ?", (PRUNING, row.id))

    def give_back(self) -> None:
        """Give free space back."""
        self._db.give_back(PAGES)


def refuse_pruned(row: RunRow) -> None:
    """Raise UsageError when a run cannot go on because its log was deleted."""
    if row.pruned and row.status is not RunStatus.DONE:
        raise UsageError(
            f"run {row.id} is {row.status}, and its log was deleted; it cannot go on",
            hint="start it again; what it wrote is in its receipts: definable runs show",
        )
