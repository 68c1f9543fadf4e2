"""The part of a store's contract that has batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from definable.store.rows import BatchRow, RunRow, RunStatus, Standing, Tallied, TallyRow


class Batches(Protocol):
    """Batches, and what their runs came to. An item has one run at a time: the one submitted last."""

    def open_batch(self, batch: BatchRow) -> BatchRow:
        """Keep a new batch, or that an old one has other files now; return it with `created_at`.

        UsageError when the id belongs to a batch of another workflow, or one that works in another place.
        """

    def known_batch(self, batch: str) -> BatchRow:
        """Return a batch by its id; UsageError when there is none, with nearby ids."""

    def batches(self) -> list[BatchRow]:
        """Return all batches, the newest first."""

    def items(self, batch: str, names: Sequence[str]) -> dict[str, RunRow]:
        """Return the run of each of these items of a batch that has one, by the item's name."""

    def standing(self, runs: Sequence[str]) -> list[Standing]:
        """Return where these runs stand, some hundred at most."""

    def stands(self, batch: str) -> dict[tuple[RunStatus, str], int]:
        """Return how many items of a batch are where: (status, reason) → number."""

    def tally(self, row: TallyRow) -> TallyRow | None:
        """Keep what a run has come to, and return what was kept before, if anything."""

    def tallied(self, batch: str) -> Tallied:
        """Return what the runs of a batch have come to, as far as they were counted."""
