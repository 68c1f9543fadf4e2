"""Puts what became of items where it belongs: what a run came to into the store, its result into a file."""

from __future__ import annotations

from definable.engine.batch import shape
from definable.engine.batch.files import Files
from definable.engine.batch.purse import Purse
from definable.engine.history import used
from definable.store import RunRow, RunStatus, Store, TallyRow


class Results:
    """The results of one batch."""

    def __init__(self, store: Store, files: Files, batch: str, purse: Purse) -> None:
        """Keep where they go."""
        self.store = store
        self.files = files
        self.batch = batch
        self.purse = purse
        self.done = 0
        self.failed = 0
        self.healed = 0
        """Calls that were healed, in this batch, in all the times it was run."""

    def over(self, store: Store, purse: Purse) -> None:
        """Go on with another connection to the store; what was counted when the old one broke is there."""
        self.store, self.purse = store, purse
        self.healed = store.tallied(self.batch).healed

    def count(self, run: str) -> TallyRow:
        """Count what a run has come to so far."""
        tally = shape.tallied(run, self.batch, used(self.store, run), self.store.receipts(run))
        before = self.store.tally(tally)
        self.purse.take(before, tally)
        self.healed += tally.healed - (before.healed if before else 0)
        return tally

    def write(self, run: RunRow, tally: TallyRow) -> None:
        """Write the line of an item whose run has ended. It is counted before: the file is read again."""
        if run.status is RunStatus.DONE:
            self.done += 1
            self.files.output.add(shape.done(run, tally))
        else:
            self.files.errors.add(shape.failed(run, self.store.receipts(run.id)))
            self.failed += 1
