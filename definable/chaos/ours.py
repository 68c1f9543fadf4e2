"""Definable under test: runs as a user starts them, resumed when they wait and after they were killed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from definable.calls import Decision, Receipt
from definable.chaos.cells import Trouble
from definable.chaos.claims import Claim, Ending
from definable.chaos.jobs import Job
from definable.chaos.lifeline import hold
from definable.chaos.stage import Stage, refusing
from definable.engine.options import Options
from definable.engine.runner import Runner
from definable.errors import DefinableError
from definable.settings import Settings
from definable.spec.toolkit import Toolkit
from definable.store import Event, RunRow, RunStatus
from definable.workspace import Workspace
from definable.workspace.contents import Found
from definable.workspace.find import builtin

PAGE = 4
"""Entries of a page, so that the sandbox's small lists have several."""

RESUMES = 12
"""How often a waiting run is gone on with, at most."""

ENDINGS = {"verified": Ending.DONE, "needs_review": Ending.REVIEW}


class Space(Workspace):
    """The built-in workspace with a home of its own, small pages, and as much patience as a trial has."""

    def __init__(self, home: Path, timeout: float | None = None) -> None:
        """Keep state in `home`; `timeout` None leaves the toolkit's."""
        super().__init__(home, home, home, builtin())
        self.timeout = timeout

    def read_toolkit(self, name: str) -> Found[Toolkit]:
        """Return a toolkit as shipped, but for the sizes that a bench needs."""
        return _toolkit(name, self.timeout)


@cache
def _toolkit(name: str, timeout: float | None) -> Found[Toolkit]:
    document, kit, problems = Workspace(Path("/"), Path("/"), Path("/"), builtin()).read_toolkit(name)
    if kit is None:
        return document, kit, problems
    tools = {
        slug: each.model_copy(update={"paging": each.paging.model_copy(update={"largest": PAGE})})
        if each.paging
        else each
        for slug, each in kit.tools.items()
    }
    kit = kit.model_copy(update={"tools": tools, "timeout": timeout or kit.timeout})
    return document, kit, problems


class Definable:
    """Runs jobs as verified calls, and workflows as they are shipped."""

    name = "definable"

    async def work(self, stage: Stage, jobs: Sequence[Job], trouble: Trouble) -> list[Claim]:
        """Do the jobs and return what the receipts say."""
        environ = _environ(stage, trouble)
        with ExitStack() as stack:
            if trouble.closed:
                environ["HEX_BASE_URL"] = stack.enter_context(refusing(stage, trouble.closed))
            if trouble.kill:
                await _killed(stage, environ, jobs[0])
            if trouble.warm:
                with stage.quiet():
                    await self.work(stage, jobs, Trouble())
            stage.time.lanes = len(jobs)
            async with _runner(stage, environ, trouble.timeout) as runner:
                found = (self._one(runner, stage, environ, job, trouble) for job in jobs)
                return list(await asyncio.gather(*found))

    async def _one(
        self, runner: Runner, stage: Stage, environ: dict[str, str], job: Job, trouble: Trouble
    ) -> Claim:
        try:
            row = await _started(runner, job, trouble)
            row = await _ended(runner, stage, environ, row, trouble)
            return _claim(runner, row)
        except DefinableError as error:
            return Claim(Ending.FAILED, words=str(error))
        finally:
            stage.time.leave()

    async def workflow(self, stage: Stage, name: str, inputs: Mapping[str, Any], trouble: Trouble) -> Claim:
        """Run a shipped workflow to its end."""
        environ = _environ(stage, trouble)
        async with _runner(stage, environ, trouble.timeout) as runner:
            run = await runner.start(runner.workspace.workflow(name), inputs)
            row = await _ended(runner, stage, environ, await runner.go(run), trouble)
            return _claim(runner, row)


def _environ(stage: Stage, trouble: Trouble) -> dict[str, str]:
    exclusive = {"HEX_TOKEN_EXCLUSIVE": "1"} if trouble.exclusive else {}
    return {"HEX_BASE_URL": stage.base_url, **stage.keys, **exclusive}


def _runner(
    stage: Stage, environ: Mapping[str, str], timeout: float | None
) -> AbstractAsyncContextManager[Runner]:
    space = Space(stage.home, timeout)
    return Runner.open(space, Settings(), environ, Options(offline=True), stage.time.sleep, stage.time.now)


async def _started(runner: Runner, job: Job, trouble: Trouble) -> RunRow:
    if trouble.kill and (runs := runner.store.runs()):
        return await runner.resume(runs[0].id)
    row, _ = await runner.call(job.tool, job.arguments, approve=True)
    return row


async def _ended(
    runner: Runner, stage: Stage, environ: dict[str, str], row: RunRow, trouble: Trouble
) -> RunRow:
    """Go on with a run for as long as it waits for something that comes."""
    for _ in range(RESUMES):
        if row.status is not RunStatus.WAITING or row.reason == "review":
            return row
        if row.reason == "auth":
            if not trouble.key_comes:
                return row
            environ.update(stage.later_key())
        elif row.reason == "approval":
            for asked in runner.store.open_asks(row.id):
                runner.answer(row.id, asked.call, Decision(approve=True, by="chaos"))
        else:
            due = datetime.fromisoformat(row.until).timestamp() if row.until else stage.time.now() + 60.0
            await stage.time.sleep(max(0.0, due - stage.time.now()))
        row = await runner.resume(row.id)
    return row


def _claim(runner: Runner, row: RunRow) -> Claim:
    receipts = runner.store.receipts(row.id)
    last = receipts[-1] if receipts else None
    told = tuple(_lines(runner.store.events(row.id), receipts))
    words = str((row.error or {}).get("message", "")) or (last.message if last else "") or row.reason or ""
    if row.status is RunStatus.DONE:
        return Claim(Ending.DONE, last.result if last else None, words, told)
    if row.status is RunStatus.WAITING:
        asked = runner.store.open_asks(row.id)
        question = asked[0].ask.question if asked else ""
        ending = Ending.REVIEW if row.reason == "review" else Ending.WAITING
        return Claim(ending, words=question or f"waits: {row.reason}", timeline=told)
    if row.status in (RunStatus.FAILED, RunStatus.LIMITED):
        ending = ENDINGS.get(last.status, Ending.FAILED) if last else Ending.FAILED
        return Claim(Ending.FAILED if ending is Ending.DONE else ending, words=words, timeline=told)
    return Claim(Ending.NOTHING, words=f"the run is {row.status}", timeline=told)


def _lines(events: Iterable[Event], receipts: Iterable[Receipt]) -> Iterator[str]:
    for event in events:
        data = event.data
        if event.type == "verdict":
            found = data.get("verdict") or {"failure": "answered"}
            what = f"{found['failure']}: {found.get('message', '')}"
            yield f"{what} → {data['move']} {data['next']}"
        elif event.type.startswith(("quota.", "run.waiting", "run.resumed")):
            yield f"{event.type} {data}"
    for each in receipts:
        heals = ", ".join(f"{heal.failure}: {heal.rule}" for heal in each.heals)
        yield f"{each.status} {each.tool}: {each.message} [{heals}]"


async def _killed(stage: Stage, environ: Mapping[str, str], job: Job) -> None:
    """Begin the job in a process of its own, and kill that once the first fault has struck."""
    context = _forks()
    given = (str(stage.home), dict(environ), job, stage.time.now())
    process = context.Process(target=_child, args=given, daemon=True)
    process.start()
    try:
        while not stage.faults.entries[0].hits and process.is_alive():  # noqa: ASYNC110 — another process
            await asyncio.sleep(0.002)
        if process.is_alive() and process.pid:
            os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.join()
    if process.exitcode != -signal.SIGKILL:
        raise DefinableError(f"the process that was to be killed ended by itself: exit {process.exitcode}")


@cache
def _forks() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _child(home: str, environ: dict[str, str], job: Job, now: float) -> None:
    hold()

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)

    async def work() -> None:
        space = Space(Path(home))
        async with Runner.open(
            space, Settings(), environ, Options(offline=True), sleep, lambda: now
        ) as runner:
            await runner.call(job.tool, job.arguments, approve=True)

    asyncio.run(work())
