"""Definable: the workflows in `workspace/`, by its Runner or through its queue, with models that answer.

    python -m benchmarks.peers.with_definable [send|create] [runner|queue|workers]

What is real: store, run log, ledger, checkpoints, governor, the verification of artifacts and calls, the HTTP
adapter, and in `queue` the queue and the worker. What is not: the models, as in all engines here.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks.peers import work
from definable.engine import segment
from definable.engine.engine import Engine
from definable.engine.runner import Runner
from definable.limits import Usage
from definable.models import Models, Request, Turn
from definable.settings import Settings
from definable.store import RunStatus, Store
from definable.workspace import find

WORKERS = 2

SPACE = Path(__file__).parent / "workspace"


class Scripted(Models):
    """Models that hand in one short text at once."""

    def __init__(self, environ: Mapping[str, str], offline: bool | None = None) -> None:
        """Need nothing."""
        super().__init__({})

    def serves(self, model: str) -> str:
        """Return the same: prices are looked up as for the real one."""
        return model

    async def turn(self, request: Request) -> Turn:
        """Return what is handed in."""
        usage = Usage(input_tokens=400, output_tokens=20)
        if request.hands_in.__name__ == "Draft":
            return Turn(artifact={"markdown": work.ask("writer")}, usage=usage, model=request.model)
        found: dict[str, Any] = {"title": "Findings", "points": [], "markdown": work.ask("researcher")}
        return Turn(artifact=found, usage=usage, model=request.model)


async def ended(store: Store, run: str) -> None:
    """Wait until a run has ended well, or waits for a person."""
    while (status := store.status(run)) in (RunStatus.QUEUED, RunStatus.RUNNING):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert status in (RunStatus.DONE, RunStatus.WAITING), store.run(run)


Run = Callable[[str], Awaitable[object]]


async def way(stack: AsyncExitStack, workflow: str, how: str) -> tuple[Store, Run]:
    """Open the engine, and return its store and what does one run by its title."""
    environ = {
        "DEFINABLE_HOME": str(work.FOLDER),
        "PEERS_URL": work.URL,
        "NOTES_KEY": "key",
        "PATH": os.environ["PATH"],
    }
    if database := os.environ.get("PEERS_DATABASE"):
        environ["DEFINABLE_DATABASE"] = database
    space, settings = find(SPACE, environ), Settings.read(environ)
    definition = space.workflow(workflow)
    if how == "runner":
        runner = await stack.enter_async_context(Runner.open(space, settings, environ))

        async def run(title: str) -> None:
            row = await runner.go(await runner.start(definition, {"title": title}))
            assert row.status is RunStatus.DONE, row

        return runner.store, run
    slots = work.IN_FLIGHT if how == "queue" else work.IN_FLIGHT // WORKERS
    engine = await stack.enter_async_context(Engine.open(space, settings, environ, slots=slots))
    if how == "workers":
        command = [sys.executable, "-m", "benchmarks.peers.with_definable", workflow, "worker"]
        for _ in range(WORKERS - 1):  # this process is one, as with `definable batch`
            stack.callback(_worker(command))

    async def submitted(title: str) -> None:
        row = await engine.submit(definition, {"title": title}, key=title)
        await ended(engine.store, row.id)

    return engine.store, submitted


def _worker(command: list[str]) -> Callable[[], object]:
    """Start a worker, and return what ends it."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()

    def end() -> None:
        process.terminate()
        process.wait()

    return end


async def main(workflow: str = "send", how: str = "runner") -> None:
    """Do what is asked for."""
    vars(segment)["Models"] = Scripted
    async with AsyncExitStack() as stack:
        store, run = await way(stack, workflow, how)

        async def stands() -> str:
            return " ".join(f"{row.status} {row.reason}".strip() for row in store.runs())

        await work.drive(run, stands)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
