"""Trials, and what becomes of many of them: run in several processes, counted into one table."""

from __future__ import annotations

import asyncio
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from definable.chaos.cells import Cell, Struck, Trouble
from definable.chaos.claims import Claim, Ending, System
from definable.chaos.jobs import Draw, Job
from definable.chaos.lifeline import hold
from definable.chaos.matrix import CELLS
from definable.chaos.ours import Definable, Space
from definable.chaos.stage import LATENCY, Stage, Theatre
from definable.chaos.truth import Intent, Judgement, Oracle, changes, judge
from definable.errors import UsageError
from definable.sandbox.faults import Fault
from definable.sandbox.kinds import Stage as Strikes
from definable.spec.toolkit import Tool

CHUNK = 10
"""Trials that a process is handed at a time."""

LIMIT, WINDOW = 30, 60.0
"""Hex's quota for what the cells with many calls use: requests in so many seconds."""


@dataclass(frozen=True)
class Trial:
    """What came of one cell with one seed."""

    cell: str
    seed: int
    ends: tuple[Ending, ...]
    """How it may end when it cannot be recovered; empty when it can."""
    judgement: Judgement
    endings: tuple[Ending, ...]
    words: str
    requests: int
    wasted: int
    seconds: float
    """How long it took, in the sandbox's time."""
    ideal: float
    """How long it had to take."""
    timeline: tuple[str, ...] = field(default=(), compare=False)

    @property
    def recoverable(self) -> bool:
        """Whether what was asked for can be done all the same."""
        return not self.ends

    @property
    def told(self) -> bool:
        """Whether it ended with the truth, in a way that it may end."""
        return self.judgement.honest and set(self.endings) <= {*self.ends, Ending.DONE}

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it; nothing, if it ended as it should."""
        found = list(self.judgement.problems)
        if self.recoverable and not self.judgement.recovered and not found:
            found.append(f"could have been recovered, and ended {', '.join(self.endings)}: {self.words}")
        elif not self.recoverable and not self.told and not found:
            found.append(f"should have ended otherwise than {', '.join(self.endings)}: {self.words}")
        return tuple(found)


@dataclass(frozen=True)
class Ideal:
    """What the jobs cost when nothing goes wrong."""

    requests: int
    seconds: float


@dataclass
class Bench:
    """Runs trials of one system in this process. Use as a context manager."""

    system: System = field(default_factory=Definable)
    theatre: Theatre = field(default_factory=Theatre)
    _ideals: dict[str, Ideal] = field(default_factory=dict)

    def __enter__(self) -> Bench:
        """Serve the sandbox."""
        return self

    def __exit__(self, *error: object) -> None:
        """Stop serving it."""
        self.theatre.close()

    def trial(self, cell: Cell, seed: int) -> Trial:
        """Return what comes of a cell with a seed; the same every time."""
        return asyncio.run(self._trial(cell, seed))

    def jobs(self, cell: Cell, seed: int) -> list[Job]:
        """Return what a seed draws to be done."""
        return self._jobs(cell, _dice(cell, seed))

    def _jobs(self, cell: Cell, dice: random.Random) -> list[Job]:
        draw = Draw(self.theatre.start, dice)
        if cell.workflow:
            return [Job(cell.workflow, _inputs(cell.workflow, draw))]
        return draw.jobs(cell.kind, cell.count)

    async def _trial(self, cell: Cell, seed: int) -> Trial:
        dice = _dice(cell, seed)
        jobs = self._jobs(cell, dice)
        ideal, intents = await self._ideal(cell, jobs, seed)
        trouble = cell.plan(
            Struck(jobs[0], _tools()["HEX_CREATE_CELL" if cell.workflow else jobs[0].tool], dice)
        )
        with self.theatre.stage(trouble.faults, trouble.keys, trouble.quotas, seed) as stage:
            began = stage.time.now()
            claims = await self._work(cell, stage, jobs, trouble)
            seconds = stage.time.now() - began
            asked = list(stage.world.asked)
            found = judge(intents, claims, stage.start, stage.world)
            spoiled = sum(fault.hits for fault in stage.faults.entries if _spoils(fault))
            least = _least(ideal, stage, cell, trouble)
        return Trial(
            cell=cell.name,
            seed=seed,
            ends=cell.ends,
            judgement=found,
            endings=tuple(dict.fromkeys(c.ending for c in claims)),
            words="; ".join(dict.fromkeys(c.words for c in claims if c.words))[:400],
            requests=len(asked),
            wasted=max(0, len(asked) - ideal.requests - spoiled),
            seconds=seconds,
            ideal=least,
            timeline=(*_shown(trouble, jobs), *(line for c in claims for line in c.timeline), *_seen(asked)),
        )

    async def _work(self, cell: Cell, stage: Stage, jobs: Sequence[Job], trouble: Trouble) -> list[Claim]:
        if not cell.workflow:
            return await self.system.work(stage, jobs, trouble)
        if not isinstance(self.system, Definable):
            raise TypeError(f"{self.system.name} has no workflows")
        return [await self.system.workflow(stage, cell.workflow, jobs[0].arguments, trouble)]

    async def _ideal(self, cell: Cell, jobs: Sequence[Job], seed: int) -> tuple[Ideal, list[Intent]]:
        """Do the jobs without any failure: what that costs, and what it leaves behind."""
        key = " ".join(job.targets for job in jobs)
        intents: list[Intent] = []
        if not cell.workflow:
            intents = Oracle(self.theatre.copy()).intents(jobs)
        if key not in self._ideals or cell.workflow:
            trouble = Trouble(exclusive=True)
            with self.theatre.stage((), trouble.keys, False, seed) as stage:
                began = stage.time.now()
                claims = await self._work(cell, stage, jobs, trouble)
                if any(claim.ending is not Ending.DONE for claim in claims):
                    raise UsageError(f"{cell.name} with seed {seed} fails without faults: {claims}")
                requests = len(stage.world.asked)
                self._ideals[key] = Ideal(requests, stage.time.now() - began)
                if cell.workflow:
                    effects = Counter(effect["tool"] for effect in stage.world.effects)
                    intents = [Intent(changes(stage.start, stage.world.state), effects)]
        return self._ideals[key], intents


def _dice(cell: Cell, seed: int) -> random.Random:
    return random.Random(f"{cell.name}/{seed}")  # noqa: S311 — repeatable, not secret


def _inputs(workflow: str, draw: Draw) -> dict[str, Any]:
    cell = draw.row("cells", cellType="SQL")
    if workflow == "weekly-brief":
        return {"project": draw.project()["id"]}
    return {"project": cell["projectId"], "cell": cell["id"], "request": "tidy it up"}


@cache
def _tools() -> dict[str, Tool]:
    return dict(Space(Path("/")).tools())


def _least(ideal: Ideal, stage: Stage, cell: Cell, trouble: Trouble) -> float:
    """Return the least time: without failures, and what failures and quotas impose."""
    imposed = 0.0
    for fault in filter(_spoils, stage.faults.entries):
        imposed += fault.hits * (LATENCY + (_asked(fault) if cell.count == 1 else 0.0))
    if cell.count == 1:
        return ideal.seconds + imposed
    windows = (ideal.requests - 1) // LIMIT * WINDOW if trouble.quotas else 0.0
    return max(ideal.requests * LATENCY, windows) + imposed


def _asked(fault: Fault) -> float:
    """Return the seconds that a server asks to wait."""
    given = fault.entry.with_
    after = given.get("retry_after")
    if after == "date":
        return float(given.get("seconds", 2.0))
    return max(0.0, float(after)) if isinstance(after, int | float) else 0.0


def _spoils(fault: Fault) -> bool:
    """Whether a fault costs the request that it strikes; an answer of another shape is an answer."""
    return fault.kind.stage is not Strikes.RESPONSE


def _shown(trouble: Trouble, jobs: Sequence[Job]) -> list[str]:
    return [*(f"job    {j.tool} {j.arguments}" for j in jobs[:3]), *(f"fault  {f}" for f in trouble.faults)]


def _seen(asked: Sequence[tuple[str, str]]) -> list[str]:
    return [f"server {tool} {status}" for tool, status in asked]


def select(pattern: str = "*", cells: Sequence[Cell] = CELLS) -> list[Cell]:
    """Return the cells whose name matches a glob. UsageError when there is none."""
    found = [cell for cell in cells if fnmatchcase(cell.name, pattern)]
    if not found:
        raise UsageError(f"no cell of the chaos bench matches {pattern!r}", hint="docs/chaos.md lists them")
    return found


@dataclass
class Figures:
    """Counts over trials."""

    cells: int = 0
    runs: int = 0
    recoverable: int = 0
    recovered: int = 0
    false_successes: int = 0
    duplicates: int = 0
    lost: int = 0
    misreported: int = 0
    """Done, and said to have failed."""
    wasted_calls: int = 0
    requests: int = 0
    not_recoverable: int = 0
    told: int = 0
    """Of the runs that cannot be recovered, those that end with the truth."""
    seconds: float = 0.0
    ideal: float = 0.0

    @property
    def makespan(self) -> float:
        """The time of the recovered runs over the least that they had to take."""
        return self.seconds / self.ideal if self.ideal else 1.0

    @property
    def holds(self) -> bool:
        """Whether all that can be recovered was, nothing was done twice or lost, and nobody lied."""
        wrong = self.false_successes + self.duplicates + self.lost + self.misreported
        return self.recovered == self.recoverable and self.told == self.not_recoverable and not wrong

    def add(self, trial: Trial) -> None:
        """Count one trial."""
        found = trial.judgement
        self.runs += 1
        self.recoverable += trial.recoverable
        self.recovered += trial.recoverable and found.recovered
        self.not_recoverable += not trial.recoverable
        self.told += not trial.recoverable and trial.told
        self.false_successes += found.false_successes
        self.duplicates += found.duplicates
        self.lost += found.lost
        self.misreported += found.misreported
        self.wasted_calls += trial.wasted
        self.requests += trial.requests
        if found.recovered:
            self.seconds += trial.seconds
            self.ideal += trial.ideal


def figures(trials: Iterable[Trial]) -> Figures:
    """Return the counts over trials."""
    found, cells = Figures(), set()
    for trial in trials:
        found.add(trial)
        cells.add(trial.cell)
    found.cells = len(cells)
    return found


def run(
    cells: Sequence[Cell],
    seeds: Sequence[int],
    workers: int = 1,
    system: Callable[[], System] = Definable,
) -> Iterator[Trial]:
    """Yield a trial for each cell and seed, in the order in which they end; `workers` 1: in this process."""
    if workers <= 1:
        with Bench(system()) as bench:
            for seed in seeds:
                for cell in cells:
                    yield bench.trial(cell, seed)
        return
    parts = [(cell.name, seed) for seed in seeds for cell in cells]
    size = max(1, min(CHUNK, len(parts) // (workers * 4)))
    chunks = [parts[at : at + size] for at in range(0, len(parts), size)]
    context = get_context("spawn")
    line, ours = context.Pipe(duplex=False)
    with ProcessPoolExecutor(workers, context, initializer=_open, initargs=(system, line)) as pool:
        try:
            with _deaf():
                futures = [pool.submit(_some, chunk) for chunk in chunks]
            for done in as_completed(futures):
                yield from done.result()
        except BaseException:
            ours.close()  # what they are at is of no use any more
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            ours.close()
            line.close()


@contextmanager
def _deaf() -> Iterator[None]:
    """Let processes that are started inside not hear ctrl-C: it is their parent's to answer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_bench: list[Bench] = []


def _open(system: Callable[[], System], line: Connection) -> None:
    bench = Bench(system())
    _bench.append(bench)
    hold(line, bench.theatre.tidy)


def _some(parts: Sequence[tuple[str, int]]) -> list[Trial]:
    by_name = {cell.name: cell for cell in CELLS}
    return [_bench[0].trial(by_name[name], seed) for name, seed in parts]
