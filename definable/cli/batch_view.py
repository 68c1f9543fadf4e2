"""Shows a batch while it runs: one line that lives on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from definable.cli import words
from definable.cli.ahead import lines as foreseen
from definable.cli.screen import Screen, harmless

if TYPE_CHECKING:
    from types import TracebackType

    from rich.text import Text

    from definable.engine.ahead import Ahead
    from definable.engine.batch.carry import Watch
    from definable.engine.batch.job import Ended, Job
    from definable.engine.batch.plan import Plan
    from definable.engine.batch.progress import Progress
    from definable.store import RunRow

EVERY = 10.0
"""Seconds between two lines of progress where nobody watches."""

MOST = 20
"""Items that failed, or wait, which are told one by one."""

BAR, LEAST = 24, 8
"""Characters of the bar, at most and at least."""


class View:
    """What is seen of a batch while it runs."""

    def __init__(self, screen: Screen, batch: str) -> None:
        """Draw nothing yet."""
        self.screen = screen
        self.batch = batch
        self.told = 0
        self.last = time.monotonic()
        self.now: Progress | None = None
        self.live: Any = None

    def __enter__(self) -> View:
        """Begin to show."""
        if self.screen.live:
            from rich.live import Live

            console = self.screen.console(progress=True)
            self.live = Live(
                console=console, get_renderable=self._picture, refresh_per_second=4, transient=True
            )
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        if self.live is not None:
            self.live.stop()

    def watch(self) -> Watch:
        """Return what tells this view."""
        from definable.engine.batch.carry import Watch

        return Watch(self.progress, self.ended, self.say)

    def leave(self) -> None:
        """Stop showing at once, and say how to go on: the process ends before anything else is told."""
        if self.live is not None:
            self.live.stop()  # the terminal has its cursor again
        self.screen.say(f"interrupted; go on with the same command: {again()}")

    def say(self, text: str) -> None:
        """Show a line that stays."""
        if self.live is not None:
            self.live.console.print(harmless(text))
        else:
            self.screen.say(text)

    def ended(self, run: RunRow) -> None:
        """Show an item that failed, or waits for a person; the first of them only."""
        if run.status == "done":
            return
        self.told += 1
        if self.told > MOST:
            return
        if run.status == "waiting":
            text = f"{run.item}: waits ({run.reason}); definable runs show {run.id}"
        else:
            text = f"{run.item}: {run.status.value}: {words.short(words.because(run.error), 200)}"
        self.say(text)
        if self.told == MOST:
            self.say("… further ones are told at the end")

    def progress(self, progress: Progress) -> None:
        """Show how far it is."""
        self.now = progress
        if self.live is None and time.monotonic() - self.last >= EVERY:
            self.last = time.monotonic()
            self.screen.say(line(progress))

    def _picture(self) -> Text:
        from rich.text import Text

        picture = "" if self.now is None else drawn(self.now, self.live.console.width - 1)
        return Text(picture, style="cyan", overflow="fold")


def drawn(now: Progress, width: int) -> str:
    """Return how far a batch is, as a terminal so wide shows it: a bar where there is room for one."""
    text = line(now)
    room = min(BAR, width - len(text) - 2)
    if room < LEAST:
        return text
    full = round(room * (now.done + now.failed) / max(now.total, 1))
    return f"{'━' * full}{'╌' * (room - full)}  {text}"


def line(now: Progress) -> str:
    """Return how far a batch is, in one line."""
    parts = [f"{now.done:,} of {now.total:,} done"]
    parts += [f"{now.failed:,} failed"] if now.failed else []
    parts += [f"{now.waiting:,} wait for a person"] if now.waiting else []
    waits = f" ({now.quota:,} wait for a quota)" if now.quota else ""
    parts += [f"{now.running:,} under way{waits}"] if now.running else []
    if now.paused:
        return ", ".join([*parts, f"paused: {now.paused}"])
    parts += [pace(now.rate)] if now.rate else []
    parts += [f"about {words.duration(now.eta)} left"] if now.eta else []
    parts += [f"{now.healed:,} healed"] if now.healed else []
    return ", ".join([*parts, *cost(now)])


def pace(rate: float) -> str:
    """Return a rate as a person says it."""
    return f"{rate:.1f} a second" if rate >= 1 else f"{rate * 60:.1f} a minute"


def cost(now: Progress) -> list[str]:
    """Return what a batch has cost, as far as it is known; nothing where it cost nothing."""
    known = [f"${now.usd:.4f}"] if now.usd else []
    return [*known, f"{words.plural(now.unpriced, 'run')} at a price not known"] if now.unpriced else known


def planned(plan: Plan, job: Job, ahead: Ahead | None) -> list[str]:
    """Return what is told before a batch begins."""
    index, order = job.index, job.order
    kinds = {
        "done before": plan.done,
        "that failed, tried again": plan.again,
        "with other inputs than before, run anew": plan.changed,
        "under way": plan.going,
        "waiting for a person": plan.waiting,
        "cancelled, left so": plan.cancelled,
        "new": plan.new,
    }
    told = ", ".join(f"{n:,} {kind}" for kind, n in kinds.items() if n)
    lines = [f"batch {job.row.id}: {words.plural(index.total, 'item')}{f' ({told})' if told else ''}"]
    lines += [f"  {order.concurrency} at a time, in {job.row.place}; results in {shown(job.row.folder)}"]
    if plan.older:
        lines.append(
            f"  {words.plural(plan.older, 'item')} go on with the workflow as it was when they began; "
            "--anew begins those that failed with the present one"
        )
    if plan.dropped:
        what = words.plural(plan.dropped, "result")
        lines.append(f"  {what} taken out of the output: not in the file any more, or run anew")
    if ahead is not None and (ahead.quota or ahead.agents):
        lines += [f"  {each}" for each in foreseen(ahead.model_dump(mode="json"))]
    return lines


def told(ended: Ended, job: Job) -> list[str]:
    """Return what is told when a batch has ended, and how to go on."""
    now, folder = ended.progress, Path(job.row.folder)
    lines = [f"Batch {job.row.id}: {ended.summary['status']}", f"  {_counts(ended)}"]
    lines.append(f"  output   {shown(str(folder / 'output.jsonl'))}  ({words.plural(now.done, 'line')})")
    if now.failed:
        lines.append(
            f"  errors   {shown(str(folder / 'errors.jsonl'))}  ({words.plural(now.failed, 'line')})"
        )
    if now.waiting:
        lines.append(f"  waiting  definable runs list --batch {job.row.id} --status waiting")
    return [*lines, *(f"  {each}" for each in _further(ended))]


def _counts(ended: Ended) -> str:
    now = ended.progress
    seconds = words.duration(ended.summary["seconds"])
    parts = [f"{now.done:,} of {words.plural(now.total, 'item')} done"]
    parts += [f"{ended.plan.done:,} of them before"] if ended.plan.done else []
    parts += [f"{now.failed:,} failed"] if now.failed else []
    parts += [f"{now.waiting:,} waiting"] if now.waiting else []
    parts += [f"{now.left:,} not done"] if now.left else []
    parts += [f"{words.plural(now.healed, 'call')} healed"] if now.healed else []
    return ", ".join([*parts, *cost(now), seconds])


def _further(ended: Ended) -> list[str]:
    """Return how to go on."""
    end, now = ended.end.value, ended.progress
    if end == "limited":
        return [f"stopped at the limit: {ended.why}", f"go on with a higher --limit-usd: {again()}"]
    if end == "interrupted":
        return [f"interrupted; go on with the same command: {again()}"]
    if end == "away":
        return [f"a service has been away for too long; go on with the same command: {again()}"]
    if now.waiting:
        return [f"answer what waits (definable runs approve RUN), then: {again()}"]
    tried = now.failed - ended.summary["bad_rows"]
    return [f"try what failed again from where it failed: {again()}"] if tried else []


def again() -> str:
    """Return the command that was given."""
    return " ".join(["definable", *map(shlex.quote, sys.argv[1:])])


def shown(path: str) -> str:
    """Return a path as seen from here, when it is below."""
    there = Path(path)
    return str(there.relative_to(Path.cwd())) if there.is_relative_to(Path.cwd()) else path
