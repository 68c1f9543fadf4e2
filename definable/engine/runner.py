"""Runs workflows in this process: start, go on, answer, resume, cancel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

from definable.calls import Decision, Receipt
from definable.engine.accounts import accounts_of
from definable.engine.ahead import Ahead, ahead, of_steps
from definable.engine.dry import foresee, rehearse
from definable.engine.history import spent
from definable.engine.kept import Kept
from definable.engine.left import Left, left_behind, undoing
from definable.engine.options import Options, new_id
from definable.engine.place import refuse_real, sandboxed
from definable.engine.queue import HISTORY
from definable.engine.segment import Segment
from definable.engine.single import single
from definable.engine.standings import KEYS
from definable.engine.waits import PARKED, TICK, have_keys, key_comes, lacking, turn_comes
from definable.errors import DefinableError, LimitReached, RunCancelled, StoreError, UsageError
from definable.graph.context import nobody, run_names
from definable.graph.governor import Account, Governor
from definable.graph.guard import Guard
from definable.settings import Settings
from definable.spec.allowlist import offered
from definable.spec.inputs import complete
from definable.spec.workflow import RunLimits, Step, Workflow
from definable.store import AskRow, Event, RunRow, RunStatus, Store, open_store, place
from definable.store.retention import refuse_pruned
from definable.toolkits.credentials import KeyRing, Rings
from definable.toolkits.keybook import KeyBook
from definable.workspace import Workspace
from definable.workspace.reach import products

Watch = Callable[[Event], None]
Sleep = Callable[[float], Awaitable[None]]
Now = Callable[[], float]


class Runner:
    """Executes runs of one workspace. Use `Runner.open`."""

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        environ: Mapping[str, str],
        options: Options,
        store: Store,
        sleep: Sleep = asyncio.sleep,
        now: Now | None = None,
    ) -> None:
        """Keep what runs are executed with; nothing is opened here."""
        self.workspace = workspace
        self.settings = settings
        self.environ = environ
        self.options = options
        self.store = store
        self.sleep = sleep
        self.now = now or store.time
        self.stack = ExitStack()
        """What ends with the runner."""
        self.worker: str | None = None
        """The worker that this runner works for."""
        self._simulator: Mapping[str, str] | None = None
        self.guard = Guard(store, self.now)
        self.kept = Kept(store.place)
        self.rings = Rings(KeyBook(workspace.home / KEYS, now or time.time))

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        workspace: Workspace,
        settings: Settings,
        environ: Mapping[str, str],
        options: Options | None = None,
        sleep: Sleep = asyncio.sleep,
        now: Now | None = None,
    ) -> AsyncIterator[Runner]:
        """Open the workspace's store, and close it at the end.

        `sleep` is how a wait passes, in seconds; `now` is the clock that it moves, by which quotas count: the
        store's own unless given.
        """
        try:
            workspace.home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"there is no place for the state of runs in {workspace.home}: {error.strerror}",
                hint="set DEFINABLE_HOME to a folder that can be written to",
            ) from error
        with open_store(place(workspace.home, settings.database)) as store:
            runner = cls(workspace, settings, environ, options or Options(), store, sleep, now)
            async with aclosing(runner.kept):
                with runner.stack:
                    yield runner

    async def start(self, workflow: Workflow, inputs: Mapping[str, Any]) -> str:
        """Create a run of a checked workflow and return its id. UsageError when the inputs do not fit."""
        return self._create(workflow, self._fitting(workflow, inputs)["inputs"])

    def _fitting(self, workflow: Workflow, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `${{ }}` can name before a run; refuse now what a call would refuse half-way."""
        scope = {"inputs": complete(workflow, inputs), "run": run_names("dry", datetime.now(UTC))}
        kits = {step.call: self.workspace.toolkit_of(step.call) for step in workflow.steps if step.call}
        if problems := foresee(workflow, kits, scope):
            lines = "".join(f"\n  - {p}" for p in problems)
            raise UsageError(f"workflow {workflow.name!r} cannot run with these inputs:{lines}")
        return scope

    def submit(self, workflow: Workflow, inputs: Mapping[str, Any], **facts: Any) -> RunRow:
        """Submit a run of a checked workflow, or return the one of its `key`; `facts` are of a RunRow."""
        return self.store.submit(self.row(workflow, self._fitting(workflow, inputs)["inputs"], **facts))

    def _create(self, workflow: Workflow, inputs: Mapping[str, Any], options: Options | None = None) -> str:
        return self.store.create_run(self.row(workflow, inputs, options)).id

    def row(
        self, workflow: Workflow, inputs: Mapping[str, Any], options: Options | None = None, **facts: Any
    ) -> RunRow:
        """Return a run that is not in the store yet. UsageError for a product without a sandbox."""
        options = options or self.options
        if options.sandbox:
            refuse_real(products(self.workspace, workflow).values())
        return RunRow(
            id=new_id(),
            workflow=workflow.name,
            definition=workflow.pinned(),
            inputs=dict(inputs),
            options=options.model_dump(mode="json"),
            **facts,
        )

    def rehearse(self, workflow: Workflow, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what a run would do, as far as it is known; nothing is sent. See `engine.dry`."""
        agents = {s.agent: self.workspace.agent(s.agent).tools for s in workflow.steps if s.agent}
        scope = self._fitting(workflow, inputs)
        return rehearse(workflow, agents, self.workspace.tools(), scope)

    def ahead(self, workflow: Workflow, inputs: Mapping[str, Any], runs: int = 1) -> Ahead | None:
        """Return what is known of the requests of a run, or of so many, and how long quotas let them take.

        It counts what is in the store now: slots, the queue, learned limits. None without a governor.
        """
        kits = products(self.workspace, workflow)
        accounts = accounts_of(kits, self.environ, self.rings, self.store, sandbox=self.options.sandbox)
        if (governor := self.governor(accounts)) is None:
            return None
        toolkits = {slug: kit for kit in kits.values() for slug in kit.tools}
        scope, tools = self._fitting(workflow, inputs), self.workspace.tools()

        def may_ask(step: Step) -> bool:
            globs = step.tools if step.tools is not None else self.workspace.agent(step.agent or "").tools
            return bool(offered(tools, globs))

        work = of_steps(workflow.steps, toolkits, scope, may_ask).times(runs)
        limits = workflow.limits if runs == 1 else RunLimits()
        return ahead(work, toolkits, governor, calls=limits.calls, time=limits.time)

    async def go(self, run: str | RunRow, watch: Watch = nobody, *, wait: bool | None = None) -> RunRow:
        """Work on a run, named or just read, until it ends or waits; return where it stands then.

        With `wait`, what can end by itself (a key may come) is waited out, and the run goes on; by default
        what is known to end, such as a wait for a quota. Nothing is held meanwhile: another process may take
        the run over, and then this one lets it go.
        """
        row = self.store.run(run) if isinstance(run, str) else run
        with self._place(row) as environ:
            row = await self._stretch(row.id, environ, watch)
            while row.status is RunStatus.WAITING and (over := self._waits(wait).get(row.reason)):
                if not await over(row, watch):
                    break
                self.by_itself(row)
                row = await self._stretch(row.id, environ, watch)
        return row if row.status.ended else await self._taken_over(row)

    @contextmanager
    def _place(self, row: RunRow) -> Iterator[Mapping[str, str]]:
        """Yield the environment that leads to where the run's tools work; one simulator for all stretches."""
        if not Options.model_validate(row.options).sandbox:
            yield self.environ
            return
        if self.worker is not None:
            yield self._simulated()
            return
        with self.store.alone(row.id):
            pass  # who works on it already has the simulator, and is named rather than that
        with sandboxed(self.workspace.home, self.environ, self.options.faults) as environ:
            yield environ

    def _simulated(self) -> Mapping[str, str]:
        """The environment that leads to the one simulator of all runs of a worker, until it ends."""
        if self._simulator is None:
            self._simulator = self.stack.enter_context(
                sandboxed(self.workspace.home, self.environ, self.options.faults)
            )
        return self._simulator

    def _waits(self, wait: bool | None) -> Mapping[str, Callable[[RunRow, Watch], Awaitable[bool]]]:
        """Reason → what waits until it is over, and says False when it cannot end by itself."""
        if wait is False:
            return {}
        known: dict[str, Callable[[RunRow, Watch], Awaitable[bool]]] = dict.fromkeys(PARKED, self._turn_comes)
        return {**known, "auth": self._key_comes} if wait else known

    async def _turn_comes(self, row: RunRow, watch: Watch) -> bool:
        return await turn_comes(self.store, row, self.sleep, self.now)

    async def _key_comes(self, row: RunRow, watch: Watch) -> bool:
        return await key_comes(self.store, row, self.keys_lacking(row), watch, self.sleep)

    def keys_lacking(self, row: RunRow) -> list[KeyRing]:
        """Return the rings that a run waits for; none where no key can come."""
        return lacking(self.store, row, self.workspace, self.rings, self.environ)

    async def key_is_there(self, row: RunRow, tries: Iterator[bool]) -> bool:
        """Whether a run that waits for keys may go on; refused ones are tried again when `tries` says so."""
        return bool(rings := self.keys_lacking(row)) and await have_keys(rings, tries)

    async def _taken_over(self, row: RunRow) -> RunRow:
        """Return where the run stands, once nobody else works on it."""
        while (row := self.store.run(row.id)).status is RunStatus.RUNNING:
            try:
                with self.store.alone(row.id):
                    return self.store.run(row.id)
            except UsageError:
                await self.sleep(TICK)
        return row

    async def _stretch(self, run: str, environ: Mapping[str, str], watch: Watch) -> RunRow:
        with self.store.alone(run):
            refuse_pruned(row := self.store.run(run))
            return await self._segment(row, environ, watch)

    async def resume(self, run: str, watch: Watch = nobody, *, wait: bool | None = None) -> RunRow:
        """Go on with a run that waits or was interrupted, as a person says. What was done is not done again.

        Keys that were refused are tried once more. `wait`: see `go`.
        """
        self.rings.anew()
        row = self.store.run(run)
        if row.status.final:
            raise UsageError(f"run {row.id} is {row.status}; there is nothing to go on with")
        refuse_pruned(row)
        self.by_itself(row)
        open_asks = self.store.open_asks(row.id)
        if open_asks and row.reason not in PARKED and not self._answered(row):
            return row
        return await self.go(row.id, watch, wait=wait)

    def answer(self, run: str, call: str | None, decision: Decision) -> AskRow:
        """Keep a person's answer to what a run waits for; `call` names one of several questions."""
        row = self.store.run(run)
        asks = [a for a in self.store.open_asks(row.id) if a.ask.reason != "auth"]
        if call is not None:
            asks = [a for a in asks if a.call == call]
        if not asks:
            what = f"call {call!r} of run {row.id}" if call else f"run {row.id}"
            raise UsageError(f"{what} waits for no answer", hint=f"see definable runs show {row.id}")
        if len(asks) > 1:
            calls = ", ".join(a.call for a in asks)
            raise UsageError(
                f"run {row.id} waits for {len(asks)} answers: {calls}", hint="name one of these calls"
            )
        bound = decision.model_copy(update={"arguments_hash": asks[0].ask.arguments_hash})
        self.store.answer(asks[0].id, bound)
        return self.store.asked(asks[0].id)

    async def cancel(self, run: str) -> RunRow:
        """Cancel a run; a process that works on it stops before its next call. What was written stays."""
        row = self.store.run(run)
        if row.status.ended:
            raise UsageError(f"run {row.id} is {row.status} already")
        row = self.store.set_status(row.id, RunStatus.CANCELLED)
        self.store.append(row.id, "run.cancelled", {})
        return row

    def left(self, run: str) -> list[Left]:
        """Return what became of each write of a run, and what takes it back. See `engine.left`."""
        return left_behind(self.store, self.store.run(run), self.workspace.tools())

    def undo(self, run: str, *, approve: bool = False, only: str = "") -> str:
        """Create a run that takes back what another left, and return its id; `go` makes the calls.

        With `only`, no more than what is in that state.

        Each is a call like any other: asked about where its tool asks (unless `approve` answers ahead),
        verified, in the ledger. UsageError when the run may still go on, or nothing of it can be taken back.
        """
        row = self.store.run(run)
        if not row.status.ended:
            raise UsageError(
                f"run {row.id} is {row.status}, so it may still write",
                hint=f"end it first: definable runs cancel {row.id}",
            )
        others = [other for other in self.store.runs() if other.options.get("undoes") == row.id]
        if going := next((other for other in others if not other.status.ended), None):
            raise UsageError(
                f"run {going.id} is taking back what {row.id} did, and is {going.status}",
                hint=f"go on with it: definable runs resume {going.id}; or end it: definable runs cancel",
            )
        tried = [receipt for other in others for receipt in self.store.receipts(other.id)]
        left = [each for each in self.left(row.id) if only in ("", each.state)]
        workflow = undoing(row, left, tried, approve)
        options = Options.model_validate(row.options)
        own = {"undoes": row.id, "yes_to": (), "file": "", "faults": self.options.faults}
        return self._create(workflow, {}, options.model_copy(update=own))

    async def call(
        self,
        slug: str,
        arguments: Mapping[str, Any],
        watch: Watch = nobody,
        *,
        approve: bool = False,
    ) -> tuple[RunRow, Receipt | None]:
        """Make one verified call: a workflow of one step. Return its run, and its receipt unless it waits."""
        workflow, exact = single(self.workspace.toolkit_of(slug), slug, arguments, approve=approve)
        run = self._create(workflow, exact)
        row = await self.go(run, watch)
        return row, self.store.receipt(run, "call.1")

    def spent(self, run: str) -> dict[str, Any]:
        """Return what a run has used: tokens, usd (None when unknown), calls, seconds."""
        return spent(self.store, run)

    async def _segment(self, row: RunRow, environ: Mapping[str, str], watch: Watch) -> RunRow:
        options = Options.model_validate(row.options)
        store, self.workspace = self.store.begin(row.id, self.worker, HISTORY), self.workspace.current()
        segment = Segment(
            self.workspace,
            store,
            environ,
            self._offline(options),
            watch,
            self.sleep,
            self.governor,
            self.guard,
            self.rings,
            self.kept,
        )
        try:
            return await segment.work(row, options.yes_to)
        except RunCancelled:
            return self.store.run(row.id)
        except LimitReached as error:
            return _ended(store, row, RunStatus.LIMITED, "run.limited", error, watch)
        except DefinableError as error:
            if not error.ends_run:
                raise
            return _ended(store, row, RunStatus.FAILED, "run.failed", error, watch)

    def governor(self, accounts: Mapping[str, Account]) -> Governor | None:
        """Return what keeps requests of these accounts within their quotas; None when it is switched off."""
        share = self.settings.quota_share
        return Governor(self.store, accounts, self.sleep, self.now, share) if share else None

    def _offline(self, options: Options) -> bool | None:
        return True if options.offline else self.settings.offline

    def by_itself(self, row: RunRow) -> None:
        """Answer what needs no person: a key may be there now, and no answer in time is a no."""
        for ask in self.store.open_asks(row.id):
            self._by_itself(ask, row)

    def _by_itself(self, ask: AskRow, row: RunRow) -> None:
        if ask.ask.reason == "auth" and row.reason not in PARKED:
            again = Decision(approve=True, by="resume", arguments_hash=ask.ask.arguments_hash)
            self.store.answer(ask.id, again)
        elif ask.expires_at and datetime.fromisoformat(ask.expires_at) <= datetime.now(UTC):
            late = f"no answer until {ask.expires_at}"
            self.store.answer(
                ask.id,
                Decision(approve=False, by="timeout", reason=late, arguments_hash=ask.ask.arguments_hash),
            )

    def _answered(self, row: RunRow) -> bool:
        """Whether anything was answered since the run began to wait."""
        events = self.store.events(row.id)
        waited = max((e.seq for e in events if e.type == "run.waiting"), default=0)
        return any(e.type == "decision" and e.seq > waited for e in events)


def _ended(
    store: Store, row: RunRow, status: RunStatus, event: str, error: DefinableError, watch: Watch
) -> RunRow:
    if store.run(row.id).status.final:
        return store.run(row.id)
    seq = store.append(row.id, event, {"error": error.to_json()})
    for each in store.events(row.id, after=seq - 1):
        watch(each)
    return store.set_status(row.id, status, error=error.to_json())
