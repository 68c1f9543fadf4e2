"""Workers that die, stop and share: how fast runs begin and go on elsewhere, and whether each is done once.

    python -m benchmarks.engine [latency] [failover] [scaling] [storm] [--runs 1000]

Real processes on a real PostgreSQL (and a SQLite file, for latency), a sandbox on loopback that counts what
was really done. A run is one verified write (`HEX_CREATE_CELL` with its looks) or one read, without a model.
Workers are forked from a process that has everything imported, as a service manager would keep one warm.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.timing import show
from definable.engine.engine import Engine
from definable.engine.options import Options
from definable.engine.queue import NORMAL, URGENT
from definable.errors import StoreError
from definable.sandbox import Faults, Served, World, serve
from definable.settings import Settings
from definable.store import RunStatus, Store, open_store, place
from definable.workspace import Workspace, find
from tests.postgres import PostgresServer

WORKFLOWS = {
    "one-write": """
name: one-write
description: One verified write.
inputs: { project: { type: string }, label: { type: string } }
steps:
  - id: write
    call: HEX_CREATE_CELL
    arguments:
      projectId: ${{ inputs.project }}
      cellType: MARKDOWN
      label: ${{ inputs.label }}
      contents: { markdownCell: { source: "${{ inputs.label }}" } }
limits: { time: 1h }
""",
    "one-read": """
name: one-read
description: One verified read.
inputs: { project: { type: string }, label: { type: string } }
steps: [{ id: read, call: HEX_GET_PROJECT, arguments: { projectId: "${{ inputs.project }}" } }]
limits: { time: 1h }
""",
}

SPAWN = multiprocessing.get_context("forkserver")
SPAWN.set_forkserver_preload(
    [
        *("definable.engine.engine", "definable.engine.postgres_checkpoints"),
        *("definable.graph.build", "httpcore"),
    ]
)

Environ = dict[str, str]


def carry(folder: str, environ: Environ, slots: int) -> None:
    """Be a worker until told to stop."""

    async def work() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        space, settings = find(Path(folder), environ), Settings.read(environ)
        async with Engine.open(space, settings, environ, slots=slots, grace=5) as engine:
            assert engine.worker
            waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(engine.worker.buried.wait())]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)

    try:
        asyncio.run(work())
    except StoreError as error:  # the server may just be away: another one is started
        print(f"a worker ended: {error.message}", file=sys.stderr)


class Bench:
    """A workspace, a sandbox and a database, and the workers of them."""

    def __init__(self, folder: Path, served: Served, database: str | None) -> None:
        """Write the workflows."""
        self.folder, self.served = folder, served
        (folder / "workflows").mkdir(exist_ok=True)
        for name, text in WORKFLOWS.items():
            (folder / "workflows" / f"{name}.yaml").write_text(text)
        self.environ: Environ = {
            "HEX_BASE_URL": served.base_url,
            "HEX_API_TOKEN": served.token,
            "DEFINABLE_OFFLINE": "1",
            "DEFINABLE_QUOTA_SHARE": "off",
            "DEFINABLE_HOME": str(folder / "home"),
            "PATH": os.environ["PATH"],
            **({"DEFINABLE_DATABASE": database} if database else {}),
        }
        self.project = next(iter(served.world.state["projects"]))
        self.workers: list[Any] = []

    @property
    def space(self) -> Workspace:
        """The workspace."""
        return find(self.folder, self.environ)

    def store(self) -> Store:
        """Open the store."""
        return open_store(place(self.folder / "home", self.environ.get("DEFINABLE_DATABASE")))

    def worker(self, slots: int = 8) -> Any:
        """Start a worker."""
        process = SPAWN.Process(target=carry, args=(str(self.folder), self.environ, slots), daemon=True)
        process.start()
        self.workers.append(process)
        return process

    def end(self) -> None:
        """End all workers."""
        for process in self.workers:
            if process.is_alive():
                os.kill(process.pid, signal.SIGCONT)
                process.kill()
            process.join()
        self.workers.clear()

    def submit(self, workflow: str, count: int, mark: str) -> list[str]:
        """Submit runs, and return their ids."""

        async def all_of_them() -> list[str]:
            settings = Settings.read(self.environ)
            async with Engine.open(self.space, settings, self.environ, Options(offline=True)) as engine:
                definition = self.space.workflow(workflow)
                projects = list(self.served.world.state["projects"])
                return [
                    (
                        await engine.submit(
                            definition,
                            {"project": projects[n % len(projects)], "label": f"{mark}-{n}"},
                            key=f"{mark}-{n}",
                        )
                    ).id
                    for n in range(count)
                ]

        return asyncio.run(all_of_them())

    def wait(self, runs: list[str], seconds: float, meanwhile: Callable[[], object] = lambda: None) -> float:
        """Wait until these runs have ended, and return how long that took; say how far they are."""
        began = told = time.monotonic()
        while (now := time.monotonic()) - began < seconds:
            meanwhile()
            with suppress(StoreError), self.store() as store:
                while not store.waiting("auth") and (moving := store.moving()) and time.monotonic() < now + 1:
                    meanwhile()
                    time.sleep(0.05)
                if not moving:
                    return time.monotonic() - began
                if now > told + 10:
                    told = now
                    print(f"{now - began:.0f} s: {moving} of {len(runs)} not done", file=sys.stderr)
        with self.store() as store:
            self.explain([run for run in runs if not store.run(run).status.ended])
        raise SystemExit(f"not all runs have ended after {seconds:g} s")

    def working(self) -> list[int]:
        """Return the processes that work on runs; one that is still starting is no worker yet."""
        alive = {worker.pid for worker in self.workers if worker.is_alive()}
        with suppress(StoreError), self.store() as store:
            return [worker.pid for worker in store.workers() if worker.runs and worker.pid in alive]
        return []

    def explain(self, runs: list[str]) -> None:
        """Say of some runs where they stand."""
        with self.store() as store:
            for row in [store.run(run) for run in runs[:5]]:
                lines = [
                    f"{each.at} {each.type} {each.step or ''} {each.call or ''}"
                    for each in store.events(row.id)
                ]
                print(row.id, row.status, row.reason, row.worker, *lines, sep="\n  ", file=sys.stderr)

    def effects(self) -> int:
        """Return how many changes were really made."""
        return len(self.served.world.effects)


@contextmanager
def bench(database: str | None, *faults: dict[str, Any]) -> Iterator[Bench]:
    """Set everything up, and end all of it."""
    planned = Faults.parse({"seed": 1, "faults": list(faults)})
    with TemporaryDirectory() as name, serve(World(quotas=False), planned) as served:
        found = Bench(Path(name), served, database)
        try:
            yield found
        finally:
            found.end()


def latency(server: PostgresServer) -> None:
    """From `submit` to the first event of the run: in a process that works itself, and in another one."""
    rows = []
    for where, database in (("SQLite", None), ("PostgreSQL", server.database())):
        with bench(database) as b:
            for name, priority in (("somebody looks on", URGENT), ("through the queue", NORMAL)):
                took = asyncio.run(_latencies(b, priority))
                rows.append([where, name, *milliseconds(took)])
            b.worker()
            with b.store() as store:
                until(partial(more_than, partial(living, store), 0))
            took = asyncio.run(_latencies(b, NORMAL, slots=0))
            rows.append([where, "in another process", *milliseconds(took)])
    show("From submit to the first event, 40 runs each", ["database", "how", "median ms", "most ms"], rows)


def milliseconds(took: list[float]) -> list[str]:
    """Return the median and the most."""
    return [f"{1000 * seconds:.0f}" for seconds in (statistics.median(took), max(took))]


async def _latencies(b: Bench, priority: int, slots: int = 8) -> list[float]:
    took = []
    settings = Settings.read(b.environ)
    async with Engine.open(b.space, settings, b.environ, Options(offline=True), slots=slots) as engine:
        definition = b.space.workflow("one-read")
        await asyncio.sleep(2)
        for n in range(40):
            began = engine.store.time()
            row = await engine.submit(definition, {"project": b.project, "label": str(n)}, priority=priority)
            while not (events := engine.store.events(row.id)):  # noqa: ASYNC110 - the log is what is measured
                await asyncio.sleep(0.001)
            took.append(datetime.fromisoformat(events[0].at).timestamp() - began)
            while not engine.store.run(row.id).status.ended:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.05 * (n % 3))
    return took


def failover(server: PostgresServer, times: int = 10) -> None:
    """From `kill -9` or SIGSTOP of a worker to its run being worked on by another."""
    rows = []
    for name, number in (("kill -9", signal.SIGKILL), ("SIGSTOP", signal.SIGSTOP)):
        took = []
        slow = {"tool": "HEX_CREATE_CELL", "fault": "slow", "with": {"seconds": 20}, "times": times}
        with bench(server.database(), slow) as b:
            first = b.worker()
            for n in range(times):
                (run,) = b.submit("one-write", 1, f"{name}{n}")
                with b.store() as store:
                    until(partial(stands, store, run, RunStatus.RUNNING))
                    until(partial(more_than, b.effects, n))
                    before, alive = store.run(run).worker, living(store)
                    second = b.worker()
                    until(partial(more_than, partial(living, store), alive))
                    time.sleep(2)
                    os.kill(first.pid, number)
                    began = time.monotonic()
                    until(partial(moved, store, run, before))
                    took.append(time.monotonic() - began)
                    until(partial(stands, store, run, RunStatus.DONE))
                if number == signal.SIGSTOP:
                    os.kill(first.pid, signal.SIGKILL)
                first = second
            doubled = b.effects() - times
        rows.append([name, f"{statistics.median(took):.1f}", f"{max(took):.1f}", str(times), str(doubled)])
    show(
        "A worker is gone: until its run goes on elsewhere",
        ["how", "median s", "most s", "runs", "doubled"],
        rows,
    )


def stands(store: Store, run: str, status: RunStatus) -> bool:
    """Whether a run stands there."""
    return store.run(run).status is status


def moved(store: Store, run: str, worker: str | None) -> bool:
    """Whether another worker has begun to work on a run."""
    return store.run(run).worker != worker


def living(store: Store) -> int:
    """How many workers are alive."""
    return len([worker for worker in store.workers() if worker.alive])


def more_than(count: Callable[[], int], least: int) -> bool:
    """Whether there are more by now."""
    return count() > least


def until(ready: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit("it took too long")
        time.sleep(0.02)


def scaling(server: PostgresServer) -> None:
    """One, two and eight workers when calls wait for a slow product; each run once."""
    rows = []
    slow = {"tool": "HEX_GET_PROJECT", "fault": "slow", "probability": 1.0, "with": {"seconds": 1.5}}
    for workers, slots, count in ((1, 2, 60), (2, 2, 60), (8, 2, 120)):
        with bench(server.database(), slow) as b:
            for _ in range(workers):
                b.worker(slots)
            with b.store() as store:
                until(partial(more_than, partial(living, store), workers - 1))
            b.wait(b.submit("one-read", 2 * workers, "warm"), 60)
            before = sum(b.served.world.requests["HEX_GET_PROJECT"].values())
            runs = b.submit("one-read", count, "s")
            took = b.wait(runs, 300)
            with b.store() as store:
                done = [store.run(run).status for run in runs].count(RunStatus.DONE)
            asked = sum(b.served.world.requests["HEX_GET_PROJECT"].values()) - before
            rows.append(
                [str(workers), str(count), f"{took:.1f}", f"{count / took:.2f}", str(done), str(asked)]
            )
    columns = ["workers of 2 slots", "runs", "seconds", "runs/s", "done", "requests"]
    show("A read that takes 1.5 s, on one PostgreSQL", columns, rows)


def storm(server: PostgresServer, count: int, workers: int = 4) -> None:
    """Many runs, a worker killed at random every second, the database restarted twice."""
    with bench(server.database()) as b:
        for _ in range(workers):
            b.worker(4)
        runs = b.submit("one-write", count, "storm")
        kills, restarts, last, chance = 0, 0, time.monotonic(), random.Random(1)

        def trouble() -> None:
            nonlocal kills, restarts, last
            if time.monotonic() - last < 1.0:
                return
            last = time.monotonic()
            if victims := b.working():
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(victims), signal.SIGKILL)
                    kills += 1
            b.workers[:] = [w for w in b.workers if w.is_alive()]
            while len(b.workers) < workers:
                b.worker(4)
            done = b.effects()
            if restarts < 2 and done > count * (restarts + 1) // 3:
                restarts += 1
                server.stop()
                time.sleep(0.5)
                server.start()

        took = b.wait(runs, 3600, trouble)
        with b.store() as store:
            found = [store.run(run) for run in runs]
            ended = [row.status.value for row in found]
            b.explain([row.id for row in found if row.status is not RunStatus.DONE])
        still = standstill([row.ended_at for row in found if row.ended_at])
        labels = [
            each["label"]
            for each in b.served.world.state["cells"].values()
            if each["label"].startswith("storm")
        ]
        doubled = len(labels) - len(set(labels))
        lost = sum(status == "done" for status in ended) - len(set(labels))
        rows = [
            [
                *(str(each) for each in (count, kills, restarts, round(took), still, ended.count("done"))),
                *(str(each) for each in (count - ended.count("done"), doubled, max(0, lost))),
            ]
        ]
    columns = ["runs", "kill -9", "restarts", "seconds", "longest without an end", "done"]
    columns += ["ended otherwise", "doubled", "lost"]
    show("A worker killed every second, PostgreSQL restarted twice", columns, rows)


def standstill(ends: list[str]) -> int:
    """Return the most seconds in which no run ended, while some were under way."""
    times = sorted(datetime.fromisoformat(each).timestamp() for each in ends)
    return round(max((b - a for a, b in pairwise(times)), default=0.0))


def main() -> None:
    """Run what is named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", choices=["latency", "failover", "scaling", "storm", []])
    parser.add_argument("--runs", type=int, default=1000, help="runs of the storm")
    given = parser.parse_args()
    server = PostgresServer()
    server.start()
    try:
        for name, part in (("latency", latency), ("failover", failover), ("scaling", scaling)):
            if not given.what or name in given.what:
                part(server)
        if not given.what or "storm" in given.what:
            storm(server, given.runs)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
