"""What every door of the service works with: the engine, the feed, and the workspace as its files are now."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp

from definable.calls import Decision
from definable.engine.batch.job import Job, Order
from definable.engine.decide import fitting
from definable.engine.engine import GRACE, Engine
from definable.engine.options import Options
from definable.engine.queue import URGENT
from definable.errors import UsageError
from definable.service.access import Caller, Keys, Limits
from definable.service.feed import Feed
from definable.service.orders import Orders
from definable.service.post import Post
from definable.service.problems import Refusal
from definable.settings import Settings
from definable.spec.nearest import suggest
from definable.spec.workflow import Workflow
from definable.store import AskRow, RunRow, RunStatus, Store
from definable.workspace import Workspace, checked
from definable.workspace.files import mark


@dataclass
class Desk:
    """One open service."""

    engine: Engine
    feed: Feed
    workspace: Workspace
    settings: Settings
    environ: Mapping[str, str]
    options: Options
    keys: Keys
    limits: Limits
    grace: float = GRACE
    """Seconds that what is under way has when it is told to stop."""
    local: bool = True
    """Nobody but this machine can reach it."""
    offline: tuple[str, ...] = ()
    """Agents whose model is the offline one: there is no key for theirs, or it was asked for."""
    mcp: ASGIApp | None = None
    """Answers MCP requests, while it is open."""
    streams: Counter[str] = field(default_factory=Counter)
    """Client → its open streams, counted at the gate."""
    _known: dict[str, tuple[object, Workflow]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set up what goes on by itself; `begin` begins it."""
        self.orders = Orders(self.engine, self._job, self.workflow, self.grace)
        self.post = Post(self.store, local=self.local)

    def begin(self) -> None:
        """Begin what goes on by itself, besides runs."""
        self.orders.begin()
        self.post.begin()

    @property
    def store(self) -> Store:
        """Where the runs are."""
        return self.engine.store

    def fresh(self) -> Workspace:
        """Return the workspace as its files are now."""
        return self.workspace.anew()

    async def workflow(self, name: str) -> Workflow:
        """Return a checked workflow by its name, never by a path. Refusal when there is none.

        DefinitionError when its file is wrong. Read again only when its file has changed.
        """
        space = self.fresh()
        files = space.workflows()
        if name not in files:
            raise Refusal(404, f"there is no workflow {name!r}{suggest(name, files)}", "see /api/workflows")
        now = mark(files[name])
        known = self._known.get(name)
        if known is None or known[0] != now:
            known = self._known[name] = (now, await asyncio.to_thread(checked, space, name))
        return known[1]

    def run(self, run: str) -> RunRow:
        """Return the run of exactly this id. Refusal when there is none."""
        try:
            row = self.store.run(run)
        except UsageError as error:
            raise Refusal(404, f"there is no run {run!r}", error.hint) from error
        if row.id != run:
            raise Refusal(404, f"there is no run {run!r}", f"did you mean {row.id}?")
        return row

    def ask(self, ask: str) -> AskRow:
        """Return a question by its id. Refusal when there is none."""
        try:
            return self.store.asked(ask)
        except UsageError as error:
            raise Refusal(404, f"there is no question {ask!r}", "see /api/approvals") from error

    async def submit(
        self, workflow: Workflow, inputs: Mapping[str, Any], *, key: str | None = None, **facts: Any
    ) -> RunRow:
        """Submit a run in the service's own way of executing them."""
        options = self.options.model_copy(update={"file": workflow.name})
        return await self.engine.submit(workflow, inputs, key=key, options=options, **facts)

    async def decide(self, ask: AskRow, decision: Decision) -> AskRow:
        """Keep a person's answer and let the run go on. UsageError when it is no answer to the question."""
        self.store.answer(ask.id, fitting(self.store, ask, decision, self.workspace))
        row = self.store.run(ask.run)
        if row.status is RunStatus.WAITING:
            self.engine.take(row.id)
            await self.engine.answered(row.id)
        return self.store.asked(ask.id)

    async def stop_what_goes_on(self, run: str) -> str | None:
        """Have what a cancelled run started, and goes on, stopped by a run of its own; None for nothing."""
        stop = await self.engine.stopping(run)
        if stop is not None:
            self.engine.take(stop, URGENT)
        return stop

    def refuse_crowd(self, who: Caller) -> None:
        """Refuse a stream to a client that has as many open as one may have."""
        if self.streams[who.client] >= self.limits.streams:
            words = f"as many streams are open as may be: {self.limits.streams}"
            raise Refusal(429, words, "close some of them", {"retry-after": "5"})

    async def close(self) -> None:
        """End what was begun here and is no run's."""
        await self.orders.close()
        await self.post.close()

    def _job(self, workflow: Workflow, order: Order) -> AbstractContextManager[Job]:
        options = self.options.model_copy(update={"file": workflow.name})
        what = (self.fresh(), self.settings, self.environ, workflow, options, order)
        return Job.open(*what, engine=self.engine)

    def refuse_unless(self, row: RunRow, *statuses: RunStatus, what: str) -> None:
        """Refuse with a conflict unless a run is in one of these statuses."""
        if row.status not in statuses:
            raise Refusal(409, f"run {row.id} is {row.status.value}, so it cannot {what}")
