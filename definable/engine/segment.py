"""One stretch of work on a run: from where it stands until it ends or waits. It holds nothing afterwards."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from langgraph.types import Command

from definable.engine.accounts import accounts_of
from definable.engine.ahead import WORTH_TELLING, of_run
from definable.engine.history import recall
from definable.engine.kept import Kept
from definable.engine.queue import ATTEMPTS
from definable.errors import DefinableError
from definable.graph.build import agents_of, build
from definable.graph.context import Context
from definable.graph.desk import Desk
from definable.graph.governor import Account, Governor
from definable.graph.guard import Guard
from definable.graph.lessons import Lessons
from definable.graph.parking import Parked, RunParked
from definable.limits import overdue
from definable.models import Models
from definable.models.failures import KEYS
from definable.spec.paths import render
from definable.spec.workflow import Workflow
from definable.store import Event, RunRow, RunStatus, Store
from definable.toolkits.credentials import Rings, is_exclusive
from definable.toolkits.where import base_url, web
from definable.verify.case import Catalog
from definable.workspace import Workspace
from definable.workspace.reach import products

POISON = "the process that worked on it ended {n} times in a row before it got any further"

AGAIN = "definable runs resume {run} tries again"

MOST_STEPS = 100_000
"""LangGraph's own limit on node visits; ours are `limits` and `turns`."""


@lru_cache(maxsize=64)
def _pinned(definition: str) -> Workflow:
    """Return the workflow that a run was created with; nothing changes it, and most runs are of a few."""
    return Workflow.model_validate_json(definition)


@cache
def settle_in() -> None:
    """Take what a process has loaded by the end of its first segment out of garbage collection, once.

    Modules, prices, SDKs of models and what they are made of stay for good, and each full collection would go
    through all of it: half of what collections cost a process that does runs. Nothing is collected first, for
    that takes as long as a short run: what garbage there is then, of one segment, stays as well.
    """
    gc.freeze()


class Segment:
    """Builds what a run needs from the environment, and works on it."""

    def __init__(
        self,
        workspace: Workspace,
        store: Store,
        environ: Mapping[str, str],
        offline: bool | None,
        watch: Callable[[Event], None],
        sleep: Callable[[float], Awaitable[None]],
        govern: Callable[[Mapping[str, Account]], Governor | None],
        guard: Guard,
        rings: Rings,
        kept: Kept,
    ) -> None:
        """Keep what it is made of; nothing is opened here. `store` is bound to the run by `begin`."""
        self.workspace = workspace
        self.store = store
        self.environ = environ
        self.offline = offline
        self.watch = watch
        self.sleep = sleep
        self.govern = govern
        self.guard = guard
        self.rings = rings
        self.kept = kept

    async def work(self, row: RunRow, yes_to: tuple[str, ...]) -> RunRow:
        """Work on the run and return where it stands. Raises what ends it: LimitReached, DefinableError."""
        if row.deadline and datetime.fromisoformat(row.deadline).timestamp() <= self.guard.now():
            raise overdue(row.deadline)
        if row.priority is not None and self.store.tries > ATTEMPTS:
            raise DefinableError(POISON.format(n=ATTEMPTS), hint=f"see its log; {AGAIN.format(run=row.id)}")
        workflow = self._limited(_pinned(json.dumps(row.definition)), row)
        async with self._context(row, workflow, yes_to) as context:
            desk = Desk(context)
            with self.kept.checkpoints.of(self.store.check) as saver:
                saver.begins, saver.over = not context.started, lambda: desk.over
                row = await self._through(build(workflow, saver), desk)
        settle_in()
        return row

    def _limited(self, workflow: Workflow, row: RunRow) -> Workflow:
        """Return the workflow as it was when the run started, with the limits that its file has now."""
        if not (file := str(row.options.get("file") or "")):
            return workflow
        try:
            now = self.workspace.workflow(file)
        except DefinableError:
            return workflow
        limits = {step.id: step.limits for step in now.steps}
        steps = tuple(s.model_copy(update={"limits": limits.get(s.id, s.limits)}) for s in workflow.steps)
        return workflow.model_copy(update={"limits": now.limits, "steps": steps})

    async def _through(self, graph: Any, desk: Desk) -> RunRow:
        context = desk.context
        config = {"configurable": {"thread_id": context.run.id}, "recursion_limit": MOST_STEPS}
        given = await self._input(graph, config, context)
        try:
            # What `ainvoke` would put together of every step, nobody reads.
            async for _ in graph.astream(given, config, context=desk, stream_mode=[], durability="exit"):
                pass
        except asyncio.CancelledError:
            self.store.set_status(context.run.id, RunStatus.QUEUED, reason="interrupted")
            raise
        except RunParked as wait:
            return self._parked(context, wait.parked)
        return self._stand(context, None if desk.over else await graph.aget_state(config))

    def _stand(self, context: Context, state: Any) -> RunRow:
        """Say where the run stands now that the graph has come to rest: `state`, or None for at its end."""
        if state is not None and state.interrupts:
            reasons = [ask["ask"]["reason"] for i in state.interrupts for ask in i.value]
            reason = min(reasons, key=["auth", "review", "approval"].index)
            return context.stand(RunStatus.WAITING, "run.waiting", {"reason": reason}, reason=reason)
        if state is not None and state.values.get("step") != len(context.workflow.steps):
            raise DefinableError(
                "the graph came to rest before its last step, which is a defect of Definable",
                hint=f"nothing is lost: definable runs show {context.run.id}",
            )
        outputs = render(context.workflow.outputs, context.scope(), missing="drop")
        return context.stand(RunStatus.DONE, "run.done", {"outputs": outputs}, outputs=outputs)

    def _foretell(self, context: Context) -> None:
        """Say how long the quotas make it last, before anything is called, when that is worth saying."""
        ahead = of_run(context)
        if ahead is not None and (ahead.seconds > WORTH_TELLING or ahead.too_long):
            context.log("run.ahead", ahead.model_dump(mode="json"))

    def _parked(self, context: Context, wait: Parked) -> RunRow:
        """Say until when the run waits; the graph runs its last node again then."""
        store, run = context.store, context.run.id
        if store.status(run) is RunStatus.CANCELLED:
            return store.run(run)
        until = datetime.fromtimestamp(wait.due, UTC).isoformat(timespec="milliseconds")
        left = round(max(0.0, wait.due - context.now()), 3)
        facts: dict[str, Any] = {"reason": wait.reason, "until": until, "seconds": left, "what": wait.what}
        if (ahead := of_run(context)) is not None:
            facts["ahead"] = ahead.model_dump(mode="json")
        return context.stand(RunStatus.WAITING, "run.waiting", facts, reason=wait.reason, until=until)

    async def _input(self, graph: Any, config: Any, context: Context) -> Any:
        """What the graph is given: the empty state at first, the answers where it waits, else nothing.

        A run that was killed before it came to rest has no checkpoint: its graph begins anew, and is led by
        the log to where it stood.
        """
        run = context.run
        if context.started:
            context.stand(RunStatus.RUNNING, "run.resumed", {"reason": run.reason})
        else:
            what = {"workflow": context.workflow.name, "inputs": run.inputs, "options": run.options}
            context.stand(RunStatus.RUNNING, "run.started", what)
            self._foretell(context)
            return {"came": []}
        state = await graph.aget_state(config)
        if not state.config.get("configurable", {}).get("checkpoint_id"):
            return {"came": []}
        if not state.interrupts:
            return None
        answers = {}
        for interrupt in state.interrupts:
            for ask in interrupt.value:
                decision = context.store.asked(ask["id"]).decision
                if decision is not None:
                    answers[ask["id"]] = decision.model_dump(mode="json")
        return Command(resume=answers)

    @asynccontextmanager
    async def _context(
        self, row: RunRow, workflow: Workflow, yes_to: tuple[str, ...]
    ) -> AsyncIterator[Context]:
        toolkits = products(self.workspace, workflow)
        tools = {slug: (kit, tool) for kit in toolkits.values() for slug, tool in kit.tools.items()}
        models = Models(self.environ, self.offline)
        try:
            places = {name: base_url(kit, self.environ) for name, kit in toolkits.items()}
            rings = {name: self.rings.of(kit, places[name], self.environ) for name, kit in toolkits.items()}
            simulation = bool(row.options.get("sandbox"))
            accounts = accounts_of(toolkits, self.environ, self.rings, self.store, sandbox=simulation)
            context = Context(
                run=row,
                workflow=workflow,
                agents={name: self.workspace.agent(name) for name in agents_of(workflow)},
                catalog=Catalog(
                    tools,
                    exclusive=frozenset(n for n, kit in toolkits.items() if is_exclusive(kit, self.environ)),
                    web={name: web(kit, places[name]) for name, kit in toolkits.items()},
                    record=self.kept.record,
                    hosts=places,
                ),
                doors={
                    name: self.kept.door(
                        kit, places[name], rings[name], [*rings[name].secrets(), *self._model_keys()]
                    )
                    for name, kit in toolkits.items()
                },
                store=self.store,
                models=models,
                clock=lambda: datetime.now(UTC),
                watch=self.watch,
                sleep=self.sleep,
                governor=self.govern(accounts),
                guard=self.guard,
                now=self.guard.now,
                places=places,
                rings=rings,
                yes_to=yes_to,
            )
            context.lessons = Lessons(self.store, context.catalog, context.clock)
            recall(context)
            context.began = context.clock()
            yield context
        finally:
            await models.aclose()

    def _model_keys(self) -> list[str]:
        return [key for name in KEYS.values() if (key := self.environ.get(name, ""))]
