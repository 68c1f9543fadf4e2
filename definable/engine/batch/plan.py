"""What is left to do of a batch: each item is compared with its run, and put at the stage where it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from definable.calls import Json, digest
from definable.engine.batch.index import Entry, Index, Stage
from definable.engine.batch.results import Results
from definable.engine.batch.shape import unfit
from definable.store import RunRow, RunStatus, Store

PERSON = ("approval", "review")
"""Reasons of waits that only a person ends."""


@dataclass
class Plan:
    """How many items are begun anew, gone on with, or left as they are."""

    new: int = 0
    changed: int = 0
    """They have other inputs than when they were run before."""
    again: int = 0
    """They failed, or reached a limit."""
    going: int = 0
    """Their runs were under way when the batch ended."""
    waiting: int = 0
    done: int = 0
    cancelled: int = 0
    older: int = 0
    """They go on with the workflow as it was when they began, and it is another now."""
    dropped: int = 0
    """Results in the folder of items that are not in the file any more, or have other inputs."""


class Planner:
    """Compares a batch's items with their runs. Use `plan`."""

    def __init__(
        self, store: Store, index: Index, batch: str, definition: dict[str, Json], anew: bool
    ) -> None:
        """Keep what is compared; nothing is read yet."""
        self.store = store
        self.index = index
        self.batch = batch
        self.definition = {key: value for key, value in definition.items() if key != "limits"}
        self.anew = anew
        self.plan = Plan()
        self.outdated: list[str] = []
        """Runs under way whose item has other inputs now."""

    def compare(self) -> None:
        """Put every item at its stage."""
        for chunk in self.index.chunks(Stage.NEW):
            runs = self.store.items(self.batch, [entry.custom_id for entry in chunk])
            for entry in chunk:
                self._one(entry, runs.get(entry.custom_id))

    def _one(self, entry: Entry, run: RunRow | None) -> None:
        plan, turn = self.plan, 0 if run is None else _turn(run)
        if run is None:
            plan.new += 1
        elif digest(run.inputs) != entry.mark:
            plan.changed += 1
            self.index.move(entry, Stage.NEW, turn=turn + 1)
            self.outdated += [] if run.status.ended else [run.id]
        elif run.status is RunStatus.DONE:
            plan.done += 1
            self.index.move(entry, Stage.ENDED, run=run.id)
        elif self.anew and run.status.ended:
            plan.again += 1
            self.index.move(entry, Stage.NEW, turn=turn + 1)
        elif run.status is RunStatus.CANCELLED:
            plan.cancelled += 1
            self.index.move(entry, Stage.ENDED, run=run.id)
        else:
            self._goes_on(entry, run)

    def _goes_on(self, entry: Entry, run: RunRow) -> None:
        plan = self.plan
        waits = run.status is RunStatus.WAITING
        plan.older += any(run.definition.get(key) != value for key, value in self.definition.items())
        if waits and run.reason in PERSON and asks(self.store, run.id):
            plan.waiting += 1
            self.index.move(entry, Stage.PARKED, run=run.id)
        elif run.status.ended or (waits and run.reason == "auth"):
            plan.again += 1
            self.index.move(entry, Stage.AGAIN, run=run.id)
        else:
            plan.going += 1
            self.index.move(entry, Stage.OPEN, run=run.id)


def asks(store: Store, run: str) -> bool:
    """Whether a run has a question without an answer, and time is left for one; else a worker goes on."""
    now = store.time()
    ends = [ask.expires_at for ask in store.open_asks(run)]
    return any(end is None or datetime.fromisoformat(end).timestamp() > now for end in ends)


def take_up(index: Index, results: Results) -> int:
    """Open the files so that they have the results of what has ended, each once, and of nothing else.

    Returns how many results were taken out of them.
    """
    files, found = results.files, 0

    def keep(item: str, run: str) -> bool:
        nonlocal found
        found += bool(item)
        return index.written(item, run)

    files.open(keep)
    results.done = index.lines
    for row in index.bad_rows():
        files.errors.add(unfit(row))
    for chunk in index.chunks(Stage.ENDED):
        for run in [entry.run for entry in chunk if entry.run and not entry.written]:
            results.write(results.store.run(run), results.count(run))
    return found - index.lines


def _turn(run: RunRow) -> int:
    """Return how many runs the item had before this one."""
    number = (run.key or "").rpartition("/")[2]
    return int(number) if number.isdigit() else 0
