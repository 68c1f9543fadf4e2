"""Batches and what their runs came to, in SQL (see contract.py)."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from definable.errors import UsageError
from definable.store.part import Part
from definable.store.records import insert, known, run_row
from definable.store.rows import BatchRow, RunRow, RunStatus, Standing, Tallied, TallyRow

STANDS = """
SELECT status, reason, count(*) AS n FROM runs
WHERE batch = :batch AND rowid IN (SELECT max(rowid) FROM runs WHERE batch = :batch GROUP BY item)
GROUP BY status, reason
"""

TALLIED = """
SELECT coalesce(sum(tokens), 0) AS tokens, coalesce(sum(usd), 0.0) AS usd, max(usd) AS dearest,
    coalesce(sum(unpriced), 0) AS unpriced, coalesce(sum(calls), 0) AS calls,
    coalesce(sum(seconds), 0.0) AS seconds, coalesce(sum(healed), 0) AS healed
FROM tallies WHERE batch = ?
"""


class SqlBatches(Part):
    """The part of a `Store` that has batches."""

    def open_batch(self, batch: BatchRow) -> BatchRow:
        """Keep a batch."""
        with self._writing(f"batch {batch.id}") as db:
            found = db.execute("SELECT * FROM batches WHERE id = ?", (batch.id,)).fetchone()
            if found is None:
                row = batch.model_copy(update={"created_at": batch.created_at or self._now()})
                values = row.model_dump(mode="json")
                db.execute(insert("batches", values), values)
                return row
            kept = known(BatchRow, found)
            _same(kept, batch)
            db.execute(
                "UPDATE batches SET items = ?, folder = ? WHERE id = ?", (batch.items, batch.folder, batch.id)
            )
        return batch.model_copy(update={"created_at": kept.created_at})

    def known_batch(self, batch: str) -> BatchRow:
        """Return a batch."""
        if found := self._read("SELECT * FROM batches WHERE id = ?", batch):
            return known(BatchRow, found[0])
        close = get_close_matches(batch, [each.id for each in self.batches()], n=3)
        hint = f"did you mean {', '.join(close)}?" if close else "`definable runs batches` shows all"
        raise UsageError(f"there is no batch {batch!r}", hint=hint)

    def batches(self) -> list[BatchRow]:
        """Return all batches."""
        rows = self._read("SELECT * FROM batches ORDER BY created_at DESC, rowid DESC")
        return [known(BatchRow, row) for row in rows]

    def items(self, batch: str, names: Sequence[str]) -> dict[str, RunRow]:
        """Return the runs of items."""
        if not names:
            return {}
        marks = ", ".join("?" * len(names))
        rows = self._read(
            f"SELECT * FROM runs WHERE batch = ? AND item IN ({marks}) ORDER BY rowid",  # noqa: S608 - marks
            batch,
            *names,
        )
        return {row.item: row for row in map(run_row, rows) if row.item is not None}

    def standing(self, runs: Sequence[str]) -> list[Standing]:
        """Return where runs stand."""
        if not runs:
            return []
        marks = ", ".join("?" * len(runs))
        rows = self._read(f"SELECT id, status, reason FROM runs WHERE id IN ({marks})", *runs)  # noqa: S608
        return [known(Standing, row) for row in rows]

    def stands(self, batch: str) -> dict[tuple[RunStatus, str], int]:
        """Return how many items are where."""
        rows = self._db.read(STANDS, {"batch": batch})
        return {(RunStatus(row["status"]), row["reason"]): int(row["n"]) for row in rows}

    def tally(self, row: TallyRow) -> TallyRow | None:
        """Keep what a run has come to, and return what was kept."""
        values = {**row.model_dump(mode="json"), "unpriced": int(row.unpriced)}
        changes = ", ".join(f"{name} = excluded.{name}" for name in values if name != "run")
        with self._writing(row.run, durable=False) as db:
            old = db.execute("SELECT * FROM tallies WHERE run = ?", (row.run,)).fetchone()
            db.execute(f"{insert('tallies', values)} ON CONFLICT (run) DO UPDATE SET {changes}", values)
        return known(TallyRow, old) if old else None

    def tallied(self, batch: str) -> Tallied:
        """Return what all runs of a batch have come to."""
        (row,) = self._read(TALLIED, batch)
        return known(Tallied, row)


def _same(kept: BatchRow, batch: BatchRow) -> None:
    if kept.workflow != batch.workflow:
        raise UsageError(
            f"the batch {batch.id!r} is of the workflow {kept.workflow!r}, not {batch.workflow!r}",
            hint="give this one another --name",
        )
    if kept.place != batch.place:
        raise UsageError(
            f"the batch {batch.id!r} works in {kept.place}, not in {batch.place}",
            hint="give this one another --name: what was done there is not done here",
        )
