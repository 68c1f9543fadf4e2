"""Durable runs: submitted by anybody, carried on by workers, whatever becomes of the processes.

What a run is, where it stands and who does it next is in the store. A run that waits is in no queue, and
holds nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from definable.engine.options import Options
from definable.engine.queue import NORMAL
from definable.engine.runner import Runner
from definable.engine.worker import Worker
from definable.errors import RunBusy, UsageError
from definable.settings import Settings
from definable.spec.workflow import Workflow
from definable.store import RunRow, RunStatus, State
from definable.store.records import stamp
from definable.store.retention import refuse_pruned
from definable.workspace import Workspace

GRACE = 20.0
"""Seconds that runs have to come to an end or a wait when their worker is told to stop."""

OWED, LOOK = 20.0, 0.2
"""Seconds for which the answer to a cancelled run's last call is waited for, and between two looks."""

AGAIN = (RunStatus.FAILED, RunStatus.LIMITED, RunStatus.WAITING)
"""Where a run stands that may be told to go on."""


class Engine:
    """Submits runs, and tells them to go on or to stop. Use `Engine.open`."""

    def __init__(self, runner: Runner, worker: Worker | None = None) -> None:
        """Keep the runner and, in a process that works, its worker."""
        self.runner = runner
        self.store = runner.store
        self.worker = worker

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        workspace: Workspace,
        settings: Settings,
        environ: Mapping[str, str],
        options: Options | None = None,
        *,
        slots: int = 0,
        grace: float = GRACE,
    ) -> AsyncIterator[Engine]:
        """Open a workspace's engine; with `slots`, this process carries on so many runs at a time.

        What is submitted without slots waits for a worker. At the end of the block, runs have `grace` seconds
        to come to rest; those that do not are put back. StoreError when the database cannot be had.
        """
        async with Runner.open(workspace, settings, environ, options) as runner:
            if not slots:
                yield cls(runner)
                return
            async with Worker.open(runner, slots, grace) as worker:
                yield cls(runner, worker)

    async def submit(
        self,
        workflow: Workflow,
        inputs: Mapping[str, Any],
        *,
        key: str | None = None,
        priority: int = NORMAL,
        deadline: datetime | None = None,
        batch: str | None = None,
        item: str | None = None,
        options: Options | None = None,
    ) -> RunRow:
        """Submit a run of a checked workflow and return it; the one there is when its `key` was used before.

        `priority` 1 goes first; a run that is not done by its `deadline` ends as `limited`; `options` are the
        engine's own unless given. UsageError when the inputs do not fit, the key belongs to a run with other
        inputs, or the deadline is in no year.
        """
        try:
            until = stamp(deadline) if deadline else None
        except OverflowError as error:
            raise UsageError(
                f"the deadline {deadline} is in no year of UTC", hint="leave it out: there is none then"
            ) from error
        facts: dict[str, Any] = {
            "key": key,
            "priority": priority,
            "deadline": until,
            "batch": batch,
            "item": item,
        }
        facts["options"] = options
        row = self.runner.submit(workflow, inputs, **facts)
        self._ring()
        return row

    async def call(
        self, workflow: Workflow, arguments: Mapping[str, Any], *, key: str | None = None
    ) -> RunRow:
        """Submit one call, made a workflow by `single`, and return its run; the one there is of its `key`.

        Its arguments are exact already, and no inputs that a workflow declares.
        """
        row = self.store.submit(self.runner.row(workflow, arguments, key=key, priority=NORMAL))
        self._ring()
        return row

    def take(self, run: str, priority: int = NORMAL) -> RunRow:
        """Hand a run to the workers that was started without them. UsageError when its process is at it."""
        row = self.store.run(run)
        if row.priority is None:
            row = self.store.enlist(row.id, priority)
        self._ring()
        return row

    async def again(self, run: str) -> RunRow:
        """Put a run back into the queue that failed, reached a limit or waits; what is done stays done.

        UsageError when it is done or cancelled, or belongs to the process that started it.
        """
        row = self.store.run(run)
        if row.status.final:
            raise UsageError(f"run {row.id} is {row.status}; there is nothing to go on with")
        refuse_pruned(row)
        self.runner.rings.anew()
        self.runner.by_itself(row)
        why = "retry" if row.status is RunStatus.FAILED else "resume"
        if self.store.requeue(row.id, *AGAIN, why=why) is None:
            raise UsageError(
                f"run {row.id} is {row.status}, and no worker has it", hint="resume it by itself"
            )
        self._ring()
        return self.store.run(row.id)

    async def answered(self, run: str) -> None:
        """Let a run go on whose questions have been answered; twice is once."""
        if not self.store.open_asks(run):
            self.store.requeue(run, RunStatus.WAITING, why="answered")
            self._ring()

    async def cancel(self, run: str) -> RunRow:
        """Cancel a run wherever it is: in the queue, at work (it stops before its next call), or waiting."""
        return await self.runner.cancel(run)

    async def stopping(self, run: str) -> str | None:
        """Create a run that stops what a cancelled run has started and still goes on there; None for nothing.

        Each stop is a call like any other: in the ledger, verified, with a receipt. What was under way when
        the run was cancelled is answered first: only then it is known what to stop.
        """
        await self._until_answered(run)
        if any(each.undo and each.state == "going_on" for each in self.runner.left(run)):
            return self.runner.undo(run, approve=True, only="going_on")
        return None

    async def _until_answered(self, run: str) -> None:
        end = time.monotonic() + OWED
        while any(each.state is State.SENT for each in self.store.effects(run)) and time.monotonic() < end:
            with suppress(RunBusy), self.store.alone(run):
                return  # nobody is there that would note an answer
            await asyncio.sleep(LOOK)

    def _ring(self) -> None:
        if self.worker is not None:  # another process is told by the store
            self.worker.rung.set()
