"""`definable chaos`: prove the claims, on this machine, with faults on purpose."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from definable.cli.app import Session
from definable.errors import UsageError

if TYPE_CHECKING:
    from definable.chaos import Cell, Trial
    from definable.cli.screen import Screen

TRACED = ("LANGSMITH_", "LANGCHAIN_")
"""What would let libraries report to somebody over the network."""


@click.command("chaos", short_help="Check the claims: every failure against every effect.")
@click.option(
    "--seeds", type=click.IntRange(1), metavar="N", help="Seeds 1 to N of every cell; 3 unless given."
)
@click.option("--seed", type=click.IntRange(1), metavar="K", help="This seed only.")
@click.option("--cell", default="*", metavar="GLOB", help="Only cells with such a name, as in '429*/create'.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write the figures as JSON.")
@click.option(
    "--workers", type=click.IntRange(1), metavar="N", help="Processes; as many as processors unless given."
)
@click.option("--list", "listed", is_flag=True, help="Only list the cells.")
@click.option("--json", "as_json", is_flag=True, help="Print what --report writes.")
@click.option("-v", "--verbose", is_flag=True, help="A line for each cell; with --seed, what happened.")
@click.pass_obj
def command(
    session: Session,
    seeds: int | None,
    seed: int | None,
    cell: str,
    report: Path | None,
    workers: int | None,
    listed: bool,
    as_json: bool,
    verbose: bool,
) -> int:
    """Run calls in a sandbox where every kind of failure strikes, and count what really happened.

    Everything takes place on this machine: no key is used, and waits pass at once on the sandbox's clock.
    Exit code 0 when all that can be recovered was, and nothing was done twice, lost, or said to be done and
    was not; else 1. The same seeds give the same figures.
    """
    from definable.chaos import select

    screen = session.screen(as_json)
    if seeds and seed:
        raise UsageError("--seeds and --seed exclude each other", hint="--seeds N: 1 to N; --seed K: only K")
    cells = select(cell)
    if listed:
        for each in cells:
            screen.result(f"{each.name:<44} {each.phase.value}")
        return 0
    if report:
        _writable(report)
    chosen = [seed] if seed else list(range(1, (seeds or 3) + 1))
    for name in [name for name in os.environ if name.startswith(TRACED)]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, _told)
    trials = _trials(screen, cells, chosen, workers or os.cpu_count() or 1)
    return _shown(screen, trials, cells, chosen, report, verbose)


def _told(*_: object) -> None:
    """Take being told to stop by a service manager as the same by a person."""
    raise KeyboardInterrupt


def _writable(report: Path) -> None:
    """Say now what would otherwise be said after all the work."""
    try:
        report.open("a").close()
    except OSError as error:
        raise UsageError(f"the report {str(report)!r} cannot be written: {error.strerror}") from error


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _trials(screen: Screen, cells: Sequence[Cell], seeds: Sequence[int], workers: int) -> list[Trial]:
    from definable.chaos.bench import run
    from definable.chaos.table import repeat

    total, began, told = len(cells) * len(seeds), time.monotonic(), 0
    screen.say(f"{_many(len(cells), 'cell')}, {_many(len(seeds), 'seed')}: {_many(total, 'run')}")
    trials = []
    for trial in run(cells, seeds, min(workers, total)):
        trials.append(trial)
        for problem in trial.problems:
            screen.say(f"{trial.cell}, seed {trial.seed}: {problem}\n  again: {repeat(trial)}")
        if len(trials) * 10 // total > told or len(trials) == total:
            told = len(trials) * 10 // total
            screen.say(f"{len(trials):>7,} of {total:,} after {time.monotonic() - began:.0f} s")
    return trials


def _shown(
    screen: Screen,
    trials: list[Trial],
    cells: Sequence[Cell],
    seeds: Sequence[int],
    report: Path | None,
    verbose: bool,
) -> int:
    from definable.chaos import figures
    from definable.chaos.table import DEFINITIONS, by_cell, by_phase, document, table

    found, total = document(trials, cells, seeds), figures(trials)
    if report:
        report.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if screen.json:
        screen.data(found)
        return 0 if total.holds else 1
    if verbose and len(seeds) == 1 and len(cells) <= 5:
        for trial in trials:
            screen.result(
                "\n".join([f"{trial.cell}, seed {trial.seed}", *(f"  {t}" for t in trial.timeline)])
            )
    for line in table((by_cell if verbose else by_phase)(trials, cells), total):
        screen.result(line)
    screen.result("")
    for name, means in DEFINITIONS:
        screen.result(f"{name + ':':<17} {means}")
    screen.result(
        "the claim holds: all that can be recovered was; nothing was done twice, lost, or claimed falsely"
        if total.holds
        else f"the claim does not hold: {_many(len(found['problems']), 'run')} did not end as it should"
    )
    return 0 if total.holds else 1
