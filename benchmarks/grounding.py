"""How much of what is made up is caught, and how often what is true is not: `python -m benchmarks.grounding`.

The shipped workflows run offline on sandboxes whose data differ by seed. What their agents hand in must pass,
and so must true sentences about the data; sentences with one thing changed must not.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.planted import KINDS, Told
from definable.engine.options import Options
from definable.engine.runner import Runner
from definable.graph import judging
from definable.sandbox import Faults, World, serve
from definable.settings import Settings
from definable.spec.artifacts import Draft
from definable.verify.grounding import ground
from definable.verify.prose import passages, sentences
from definable.workspace import find
from definable.workspace.check import checked

Json = Any
SEEDS = 6


@dataclass
class Judged:
    """One artifact as the Verifier saw it: the arguments of `ground`, and the reasons."""

    workflow: str
    arguments: tuple[Any, ...]
    reasons: list[str]


@dataclass
class Tally:
    """What one kind of sentence came to."""

    true: int = 0
    alarms: int = 0
    false: int = 0
    caught: int = 0


@contextmanager
def recorded() -> Iterator[list[Judged]]:
    """Keep every artifact that is judged while this is open."""
    kept: list[Judged] = []
    real = ground

    def keep(*arguments: Any) -> list[str]:
        kept.append(Judged("", arguments[:-1], real(*arguments)))  # but for the results as they were read
        return kept[-1].reasons

    setattr(judging, "ground", keep)  # noqa: B010 (the type checker need not know)
    try:
        yield kept
    finally:
        setattr(judging, "ground", real)  # noqa: B010


def stirred(seed: int) -> World:
    """Return a sandbox whose views, runs and lengths of runs differ by seed."""
    world = World(seed=seed, quotas=False)
    dice = random.Random(seed)
    for project in world.state["projects"].values():
        scale = dice.choice([0.0, 0.3, 1.0, 2.7])
        seven = int(project["views"]["lastSevenDays"] * scale * dice.uniform(0.5, 1.5))
        fourteen = seven + int(dice.randint(0, 60) * scale)
        thirty = fourteen + int(dice.randint(0, 200) * scale)
        spread = (thirty + dice.randint(0, 9000), seven, fourteen, thirty)
        project["views"] = dict(
            zip(("allTime", "lastSevenDays", "lastFourteenDays", "lastThirtyDays"), spread, strict=True)
        )
    for key in list(world.state["runs"]):
        run = world.state["runs"][key]
        if dice.random() < 0.15:
            del world.state["runs"][key]
            continue
        run["seconds"] = round(run["seconds"] * dice.uniform(0.6, 1.8), 3)
        if dice.random() < 0.12:
            run["outcome"] = dice.choice(["ERRORED", "UNABLE_TO_ALLOCATE_KERNEL", "COMPLETED"])
    return world


async def work(seed: int, home: Path) -> list[Judged]:
    """Run the shipped workflows on one sandbox and return what was judged."""
    world = stirred(seed)
    with serve(world, Faults.parse({"seed": 1, "faults": []})) as served, recorded() as kept:
        environ = {"HEX_BASE_URL": served.base_url, "HEX_API_TOKEN": served.token}
        space = find(Path(__file__).parent, {"DEFINABLE_HOME": str(home)})
        projects = world.state["projects"].values()
        ident = {p["title"]: p["id"] for p in projects}
        cell = next(c["id"] for c in world.state["cells"].values() if c["label"] == "Orders by day")
        asked: list[tuple[str, dict[str, Json]]] = [
            ("weekly-brief", {"project": ident["Data Team Weekly"], "days": 7 + seed % 3}),
            ("ship-chart", {"project": ident["Marketing Attribution"]}),
            ("context-pull", {"question": ["how do we measure churn?", "revenue", "What fails?"][seed % 3]}),
            ("ship-change", {"project": ident["Daily Revenue Pulse"], "cell": cell,
                             "request": 'replace "order_date" with "ordered_on"'}),
        ]  # fmt: skip
        clock = world.clock

        async def sleep(seconds: float) -> None:
            clock.advance(seconds)

        async with Runner.open(space, Settings(), environ, Options(offline=True), sleep, clock.now) as runner:
            for name, inputs in asked:
                before = len(kept)
                await runner.go(await runner.start(checked(runner.workspace, name), inputs))
                for judged in kept[before:]:
                    judged.workflow = name
    return kept


def judge(judged: list[Judged], seed: int, tallies: dict[str, Tally], missed: list[str]) -> None:
    """Hold sentences about the data of the brief against it, and count."""
    draft = next(each for each in judged if isinstance(each.arguments[0], Draft))
    _, results, constants, sources, words = draft.arguments
    told = Told.of(results, constants["run"]["date"], seed)
    pairs = [(kind, true, false) for kind, make in KINDS.items() for true, false in make(told)]
    held = [
        (kind, text, is_true) for kind, t, f in pairs for text, is_true in ((t, True), (f, False)) if text
    ]
    for is_true in (True, False):
        texts = [text for _, text, true in held if true is is_true]
        # each sentence is a paragraph of its own; the reasons quote it
        reasons = ground(Draft(markdown="\n\n".join(texts)), results, constants, sources, words)
        for kind, text, true in held:
            if true is not is_true:
                continue
            shown = next(sentences(next(passages(text)))).shown
            why = [reason for reason in reasons if f"“{shown}”" in reason]
            _count(tallies[kind], true, why, f"{kind}: {text}", missed)


def _count(tally: Tally, true: bool, why: list[str], said: str, wrong: list[str]) -> None:
    if true:
        tally.true += 1
        tally.alarms += bool(why)
        wrong += [f"alarm ({said})\n      {why[0]}"] if why else []
    else:
        tally.false += 1
        tally.caught += bool(why)
        wrong += [] if why else [f"missed ({said})"]


def measure(seeds: int) -> tuple[dict[str, Tally], list[str]]:
    """Return what each kind came to over so many sandboxes, and what went wrong."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    wrong: list[str] = []
    for seed in range(1, seeds + 1):
        with tempfile.TemporaryDirectory() as folder:
            judged = asyncio.run(work(seed, Path(folder)))
        for each in judged:
            tally = tallies[f"{each.workflow} (offline)"]
            tally.true += 1
            tally.alarms += bool(each.reasons)
            wrong += [f"alarm ({each.workflow}): {reason}" for reason in each.reasons]
        judge(judged, seed, tallies, wrong)
    return dict(tallies), wrong


def main() -> None:
    """Print one row for each kind."""
    seeds = int(sys.argv[1]) if sys.argv[1:] and sys.argv[1].isdigit() else SEEDS
    tallies, wrong = measure(seeds)
    print("| what | true | false alarms | false | caught |\n|---|---|---|---|---|")
    total = Tally()
    for kind, t in tallies.items():
        print(f"| {kind} | {t.true} | {t.alarms} | {t.false} | {t.caught} |")
        total = Tally(
            total.true + t.true, total.alarms + t.alarms, total.false + t.false, total.caught + t.caught
        )
    share = 100 * total.caught / max(total.false, 1)
    print(f"| all | {total.true} | {total.alarms} | {total.false} | {total.caught} ({share:.1f} %) |")
    for each in wrong if "-v" in sys.argv else ():
        print(each)


if __name__ == "__main__":
    main()
