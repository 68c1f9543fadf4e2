"""The bench's figures as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from definable.chaos.bench import Figures, Trial, figures
from definable.chaos.cells import Cell

HEADS = (
    "cells",
    "runs",
    "recovered",
    "told",
    "false successes",
    "duplicates",
    "lost",
    "wasted",
    "makespan",
)

DEFINITIONS = (
    (
        "recovered",
        "of the runs that can be: said to be done, and in the world exactly once and as it was meant",
    ),
    ("told", "of the runs that cannot be: ended with the truth (failed, or waiting for a person or a key)"),
    ("false successes", "said to be done, and the world says otherwise"),
    ("duplicates", "effects more than intended"),
    ("lost", "neither in the world nor said to be missing"),
    ("wasted", "requests more than without faults, less one for each that a fault struck"),
    ("makespan", "time of the recovered runs over the least: without faults, plus what servers imposed"),
)


def by_phase(trials: Sequence[Trial], cells: Sequence[Cell]) -> dict[str, Figures]:
    """Return the counts for each phase, in the order of the matrix."""
    return _by(trials, {cell.name: cell.phase.value for cell in cells})


def by_cell(trials: Sequence[Trial], cells: Sequence[Cell]) -> dict[str, Figures]:
    """Return the counts for each cell, in the order of the matrix."""
    return _by(trials, {cell.name: cell.name for cell in cells})


def _by(trials: Sequence[Trial], group: dict[str, str]) -> dict[str, Figures]:
    parts: dict[str, list[Trial]] = {name: [] for name in group.values()}
    for trial in trials:
        parts[group[trial.cell]].append(trial)
    return {name: figures(part) for name, part in parts.items() if part}


def row(found: Figures) -> tuple[str, ...]:
    """Return one line of the table, without its name."""
    return (
        str(found.cells),
        f"{found.runs:,}",
        _of(found.recovered, found.recoverable),
        _of(found.told, found.not_recoverable),
        str(found.false_successes),
        str(found.duplicates),
        str(found.lost),
        f"{found.wasted_calls:,}",
        f"{found.makespan:.2f}" if found.ideal else "",
    )


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}" if whole else ""


def table(groups: dict[str, Figures], total: Figures) -> list[str]:
    """Return the lines of the table."""
    lines = [("", *HEADS), *((name, *row(found)) for name, found in groups.items()), ("total", *row(total))]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEADS) + 1)]
    return [
        "  ".join(
            text.ljust(width) if not at else text.rjust(width)
            for at, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def document(trials: Sequence[Trial], cells: Sequence[Cell], seeds: Sequence[int]) -> dict[str, Any]:
    """Return the figures as JSON: `totals`, the same for each phase and each cell, and what went wrong."""
    ordered = sorted(trials, key=lambda t: (t.seed, t.cell))
    kinds = {cell.name: cell for cell in cells}
    return {
        "seeds": list(seeds),
        "holds": figures(ordered).holds,
        "totals": shown(figures(ordered)),
        "phases": {name: shown(found) for name, found in by_phase(ordered, cells).items()},
        "cells": {
            name: {
                "failure": kinds[name].failure,
                "phase": kinds[name].phase.value,
                "kind": kinds[name].kind,
                **shown(found),
            }
            for name, found in by_cell(ordered, cells).items()
        },
        "problems": [problem(trial) for trial in ordered if trial.problems],
    }


def shown(found: Figures) -> dict[str, Any]:
    """Return counts as JSON; the times are in the sandbox's seconds."""
    return {**asdict(found), "seconds": round(found.seconds, 2), "ideal": round(found.ideal, 2)} | {
        "makespan": round(found.makespan, 4)
    }


def problem(trial: Trial) -> dict[str, Any]:
    """Return what is wrong with a trial, and the command that repeats it."""
    return {
        "cell": trial.cell,
        "seed": trial.seed,
        "problems": list(trial.problems),
        "endings": [ending.value for ending in trial.endings],
        "words": trial.words,
        "repeat": repeat(trial),
    }


def repeat(trial: Trial) -> str:
    """Return the command that does the same again, with its timeline."""
    return f"definable chaos --cell '{trial.cell}' --seed {trial.seed} -v"
