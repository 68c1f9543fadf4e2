"""kill -9 wherever anything is written or sent, and again during recovery: what is doubled, what is lost.

Each point is a process of its own that is killed at it. The next one goes on with the run that it left, and
every second time is killed while doing so. What really happened is counted by the sandbox, which sees all
changes that are made in it. Beside it, cells are written by a LangGraph graph with its own checkpointer and
nothing else, resumed as its documentation says.

Time is virtual: waits move the clock that the sandbox, the quotas and the processes share.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import mmap
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.bare import BareRuns
from benchmarks.points import Points
from benchmarks.timing import show
from definable.calls import Decision
from definable.engine.options import Options
from definable.engine.runner import Runner
from definable.sandbox import Faults, World, serve
from definable.sandbox.clock import Clock
from definable.settings import Settings
from definable.spec.workflow import Step, Workflow
from definable.store import RunRow
from definable.workspace import Workspace, find
from tests.postgres import PostgresServer

POINTS = 10_000
LANES = 2
"""Chains of processes side by side, each with a sandbox and a database of its own."""

FAULTS = [
    {"tool": tool, "fault": fault, "probability": share, **more}
    for tool in ("HEX_CREATE_*", "HEX_UPDATE_*", "HEX_RUN_PROJECT")
    for fault, share, more in (
        ("lost_answer", 0.06, {}),
        ("reset", 0.04, {}),
        ("late_commit", 0.04, {"with": {"seconds": 3}}),
        ("rate_limit", 0.04, {"with": {"retry_after": 2}}),
    )
]
"""What the sandbox does wrong, beside the kills: of every ten writes, two in all."""


class Shared:
    """Numbers that all processes of a lane see: the virtual time, and what the sandbox has counted."""

    NAMES = ("ahead", "effects", "expected", "run", "open", "runs", "doubled", "lost", "asked")

    def __init__(self) -> None:
        """Make the memory; processes forked later share it."""
        self._memory = memoryview(mmap.mmap(-1, 8 * len(self.NAMES))).cast("d")

    def __getitem__(self, name: str) -> float:
        """Return a number."""
        return float(self._memory[self.NAMES.index(name)])

    def __setitem__(self, name: str, value: float) -> None:
        """Set a number."""
        self._memory[self.NAMES.index(name)] = value

    def now(self) -> float:
        """Return the virtual time."""
        return time.time() + self["ahead"]

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self["ahead"] += seconds

    def settle(self) -> None:
        """Close the books on a run: what happened, against what should have."""
        more = self["effects"] - self["expected"]
        self["doubled"] += max(0.0, more)
        self["lost"] += max(0.0, -more)
        self["runs"] += 1
        self["expected"] = self["effects"]
        self["open"] = 0


class SharedClock(Clock):
    """The sandbox's clock, moved from every process."""

    def __init__(self, shared: Shared) -> None:
        """Go by the shared time."""
        super().__init__()
        self.shared = shared

    def now(self) -> float:
        """Return the virtual time."""
        return self.shared.now()


class CountingWorld(World):
    """A sandbox that tells every process what has really changed in it."""

    shared: Shared

    def effect(self, tool: str, key: str) -> None:
        """Count a change."""
        super().effect(tool, key)
        self.shared["effects"] = len(self.state["effects"])

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Count nothing that leaves no trace."""
        with super().rehearsal():
            yield
        self.shared["effects"] = len(self.state["effects"])


def sandbox(shared: Shared, told: Connection, faults: list[dict[str, Any]]) -> None:
    """Serve a sandbox until told to end; without faults, it has no quotas either."""
    world = CountingWorld(clock=SharedClock(shared), quotas=bool(faults))
    world.shared = shared
    with serve(world, Faults.parse({"seed": 1, "faults": faults})) as served:
        projects = {p["title"]: i for i, p in world.state["projects"].items()}
        cells = [i for i, c in world.state["cells"].items() if c["cellType"] == "MARKDOWN"]
        told.send((served.base_url, served.token, projects, cells[0]))
        told.recv()


@dataclass(frozen=True)
class Job:
    """One kind of run: its steps, and how many changes it makes."""

    name: str
    steps: tuple[Step, ...]
    effects: int


def jobs(number: int, projects: Mapping[str, str], cell: str) -> list[Job]:
    """Return the kinds of runs, with what they write marked by `number`."""
    note = {"markdownCell": {"source": f"number {number}"}}
    new = {"projectId": projects["Data Team Weekly"], "cellType": "MARKDOWN", "contents": note}

    def step(name: str, call: str, arguments: dict[str, Any], approve: bool | None = None) -> Step:
        return Step(id=name, call=call, arguments=arguments, approve=approve)

    first = step("first", "HEX_CREATE_CELL", {**new, "label": f"first {number}"})
    second = step("second", "HEX_CREATE_CELL", {**new, "label": f"second {number}"})
    asked = step("asked", "HEX_CREATE_CELL", {**new, "label": f"asked {number}"}, approve=True)
    update = step("update", "HEX_UPDATE_CELL", {"cellId": cell, "contents": note})
    group = step("group", "HEX_CREATE_GROUP", {"name": f"group {number}"})
    collection = step("collection", "HEX_CREATE_COLLECTION", {"name": f"collection {number}"})
    run = step("run", "HEX_RUN_PROJECT", {"projectId": projects["Daily Revenue Pulse"]})
    return [
        Job("a cell", (first,), 1),
        Job("a cell, once somebody approved", (asked,), 1),
        Job("a run", (run,), 1),
        Job("a cell, changed and one more", (update, second), 2),
        Job("a group and a collection", (group, collection), 2),
    ]


class Lane:
    """A chain of processes: each goes on where the one before it died."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Keep the place; `work` does the rest."""
        self.folder = folder
        self.shared = Shared()
        self.dice = Random(seed)
        self.points = Points()
        self.kills = 0
        self.again = 0
        """Kills during recovery."""

    def work(self, kills: int, faults: list[dict[str, Any]]) -> None:
        """Kill so many processes, then end what is open."""
        ours, theirs = Pipe()
        server = fork(lambda: sandbox(self.shared, theirs, faults))
        try:
            self.base_url, self.token, self.projects, self.cell = ours.recv()
            self.prepare()
            self.points.install()
            self._kill(kills)
            self._child(recover=0, chosen=0, more=False)
        finally:
            ours.send("end")
            os.waitpid(server, 0)

    def _kill(self, kills: int) -> None:
        reach = [0] * self.kinds()
        """The next point of each kind of run; it begins anew when the run has none so far on."""
        while self.kills < kills:
            kind = int(self.shared["run"]) % len(reach)
            reach[kind] += 1
            if not self._child(recover=0, chosen=reach[kind], more=True):
                reach[kind] = 0
            elif self.kills % 2 and self.shared["open"]:
                self.again += self._child(recover=self.dice.randint(1, 40), chosen=0, more=False)

    def _child(self, recover: int, chosen: int, more: bool) -> bool:
        """Let a process recover what is open, and then start one more; tell whether it was killed."""
        process = fork(lambda: asyncio.run(self.live(recover, chosen, more)))
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if status not in (0, -signal.SIGKILL):
            raise SystemExit(f"a process ended with {status} by itself: {self.folder}")
        self.kills += status < 0
        return status < 0

    def kinds(self) -> int:
        """Return how many kinds of runs there are."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Load what all processes need, once."""
        raise NotImplementedError

    async def live(self, recover: int, chosen: int, more: bool) -> None:
        """Be one process: end the open run, dying at `recover`, and start another, dying at `chosen`."""
        raise NotImplementedError


class Ours(Lane):
    """Definable, in a file or a PostgreSQL database."""

    space: Workspace

    def __init__(self, folder: Path, seed: int, database: str | None = None) -> None:
        """Keep where the store is."""
        super().__init__(folder, seed)
        self.settings = Settings(database=database)

    def kinds(self) -> int:
        """Return how many kinds of runs there are."""
        return len(jobs(0, self.projects, self.cell))

    def prepare(self) -> None:
        """Read the workspace."""
        self.space = find(Path(__file__).parent, {"DEFINABLE_HOME": str(self.folder)})
        self.space.tools()

    def opened(self) -> Any:
        """Open a runner."""
        environ = {"HEX_BASE_URL": self.base_url, "HEX_API_TOKEN": self.token, "HEX_TOKEN_EXCLUSIVE": "1"}
        given = self.settings, environ, Options(), self.shared.sleep, self.shared.now
        return Runner.open(self.space, *given)

    async def live(self, recover: int, chosen: int, more: bool) -> None:
        """End the open run and start another."""
        async with self.opened() as runner:
            self.points.choose(recover)
            if self.shared["open"]:
                await self._to_the_end(runner)
            if not more:
                return
            self.points.choose(chosen)
            number = int(self.shared["run"])
            kinds = jobs(number, self.projects, self.cell)
            job = kinds[number % len(kinds)]
            workflow = Workflow(name=f"number-{number}", description=job.name, steps=job.steps)
            self.shared["expected"] += job.effects
            self.shared["open"] = 1
            await runner.go(await runner.start(workflow, {}))
            await self._to_the_end(runner)

    async def _to_the_end(self, runner: Runner) -> None:
        name = f"number-{int(self.shared['run'])}"
        found = next((r for r in runner.store.runs(1) if r.workflow == name), None)
        if found is None:  # it died before there was a run
            number = int(self.shared["run"])
            kinds = jobs(number, self.projects, self.cell)
            job = kinds[number % len(kinds)]
            workflow = Workflow(name=name, description=job.name, steps=job.steps)
            found = await runner.go(await runner.start(workflow, {}))
        row = await self._ended(runner, found)
        self.shared["asked"] += row.status != "done"
        if row.status != "done":
            print(f"{name} ({row.workflow}): {row.status} {row.reason} {row.error}", file=sys.stderr)
        self.shared["run"] += 1
        self.shared.settle()

    async def _ended(self, runner: Runner, row: RunRow) -> RunRow:
        while not row.status.final:
            for ask in runner.store.open_asks(row.id):
                if ask.ask.reason == "review":
                    return row
                runner.answer(row.id, ask.call, Decision(approve=True, by="bench"))
            row = await runner.resume(row.id)
            if row.status in ("failed", "limited"):
                return row
        return row


class Bare(Lane):
    """LangGraph with its SQLite checkpointer, and nothing else."""

    def __init__(self, folder: Path, seed: int, durability: Any) -> None:
        """Keep how its checkpoints are written."""
        super().__init__(folder, seed)
        self.durability = durability

    def kinds(self) -> int:
        """Return how many kinds of runs there are."""
        return 1

    def prepare(self) -> None:
        """Build the graph."""
        project = self.projects["Data Team Weekly"]
        self.runs = BareRuns(self.folder, self.base_url, self.token, project, self.durability, self.points)

    async def live(self, recover: int, chosen: int, more: bool) -> None:
        """End the open run and start another."""
        self.points.choose(recover)
        if self.shared["open"]:
            self._run()
        if more:
            self.points.choose(chosen)
            self.shared["expected"] += 1
            self.shared["open"] = 1
            self._run()

    def _run(self) -> None:
        self.runs.run(int(self.shared["run"]))
        self.shared["run"] += 1
        self.shared.settle()


def fork(work: Callable[[], object]) -> int:
    """Do `work` in a process of its own; return its id."""
    if process := os.fork():
        return process
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def race(name: str, lanes: list[Lane], kills: int, faults: list[dict[str, Any]]) -> dict[str, Any]:
    """Let lanes work side by side, `kills` in all; return what they counted."""
    began = time.perf_counter()
    share, rest = divmod(kills, len(lanes))
    ends = [_sent_off(lane, share + (n < rest), faults) for n, lane in enumerate(lanes)]
    found = []
    for process, ours in ends:
        with suppress(EOFError):
            found.append(ours.recv())
        os.waitpid(process, 0)
    if len(found) < len(lanes):
        raise SystemExit("a lane did not come to its end")
    total = {key: int(sum(counts[key] for counts in found)) for key in found[0]}
    return {"": name, **total, "seconds": round(time.perf_counter() - began)}


def _sent_off(lane: Lane, kills: int, faults: list[dict[str, Any]]) -> tuple[int, Connection]:
    ours, theirs = Pipe(duplex=False)

    def work() -> None:
        lane.work(kills, faults)
        counts = {"kills": lane.kills, "in recovery": lane.again}
        theirs.send({**counts, **{told: lane.shared[name] for name, told in TOLD.items()}})

    process = fork(work)
    theirs.close()
    return process, ours


TOLD = {"runs": "runs", "doubled": "doubled", "lost": "lost", "asked": "for a person"}
"""What is counted → how it is called in the table."""


def on_server(folder: Path, kills: int, lanes: int = LANES, seed: int = 0) -> dict[str, Any]:
    """Return the row of Definable on PostgreSQL, with a database for each lane."""
    with PostgresServer() as server:
        ours: list[Lane] = [
            Ours(_made(folder / f"server-{n}"), seed + n, server.database()) for n in range(lanes)
        ]
        return race("Definable on PostgreSQL, the same", ours, kills, FAULTS)


def measure(folder: Path, kills: int, bare: int, lanes: int = LANES, seed: int = 0) -> list[dict[str, Any]]:
    """Return the rows of the table."""
    ours: list[Lane] = [Ours(_made(folder / f"ours-{n}"), seed + n) for n in range(lanes)]
    rows = [race("Definable, answers lost and late, quotas on", ours, kills, FAULTS)] if kills else []
    for durability in ("sync", "async") if bare else ():
        theirs: list[Lane] = [Bare(_made(folder / f"{durability}-{n}"), n, durability) for n in range(lanes)]
        rows.append(race(f"LangGraph, durability={durability!r}, no faults or quotas", theirs, bare, []))
    return rows


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=POINTS, help="processes to kill")
    parser.add_argument("--bare", type=int, default=1_000, help="processes to kill of each of LangGraph's")
    parser.add_argument("--server", type=int, default=1_000, help="processes to kill on PostgreSQL")
    parser.add_argument("--seed", type=int, default=0, help="of the first lane; the next has the next")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        rows = measure(Path(folder), given.points, given.bare, seed=given.seed)
        if given.server:
            rows.append(on_server(Path(folder), given.server, seed=given.seed))
    if given.json:
        print(json.dumps(rows))
        return
    heads = [*rows[0], "wrong per kill"]
    wrong = [f"{100 * (row['doubled'] + row['lost']) / row['kills']:.1f} %" for row in rows]
    cells = [[*map(str, row.values()), share] for row, share in zip(rows, wrong, strict=True)]
    show("kill -9 at every point", heads, cells)


if __name__ == "__main__":
    main()
