"""A batch from its file to its results: read, checked, compared with what was done, carried on, summed up."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from definable.calls import Json, digest
from definable.engine.ahead import Ahead
from definable.engine.batch.carry import Carry, End, Watch
from definable.engine.batch.files import ERRORS, OUTPUT, Files
from definable.engine.batch.index import Index, Stage
from definable.engine.batch.plan import Plan, Planner, take_up
from definable.engine.batch.progress import Floor, Progress
from definable.engine.batch.purse import Purse
from definable.engine.batch.reader import STDIN, passes, read_items
from definable.engine.batch.results import Results
from definable.engine.batch.rows import Foresee, Reading
from definable.engine.batch.weather import PATIENCE
from definable.engine.dry import foresee
from definable.engine.engine import GRACE, Engine
from definable.engine.options import Options
from definable.errors import RunBusy, StoreUnreachable, UsageError
from definable.graph.context import run_names
from definable.settings import Settings
from definable.spec.workflow import Workflow
from definable.store import BatchRow, RunStatus, Store, open_store, place
from definable.toolkits.where import base_url
from definable.workspace import Workspace
from definable.workspace.reach import products

NAMES = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a batch may be named."""

PAUSE = 1.0
"""Seconds between two looks whether a database that went away is back."""

OURS = 60.0
"""Seconds after which a server has noticed that our own connection is lost, and has freed its locks."""

AHEAD = 2
"""Runs under way for each that an engine of the batch's own works on at a time: what is next is there."""

TOLD = 100
"""Items that the summary names of those that wait."""


@dataclass(frozen=True)
class Order:
    """What is to be done: which items, how many at a time, up to which cost, and where results go."""

    items: str
    """A path, or `-` for the standard input."""
    concurrency: int = 8
    limit_usd: float | None = None
    out: Path | None = None
    """The folder for results; one beside the items unless given."""
    column: str | None = None
    """The column that names the items."""
    name: str | None = None
    """The batch's name; made of workflow, file and place unless given."""
    anew: bool = False
    """Begin items anew that failed, with the workflow as it is now."""
    grace: float = GRACE
    called: str = ""
    """What the file with the items is called in what is said of it; its path unless given."""


@dataclass
class Ended:
    """How a batch ended."""

    end: End
    progress: Progress
    plan: Plan
    summary: dict[str, Any] = field(default_factory=dict)
    why: str = ""
    """Why nothing more was begun, where a limit says so."""

    @property
    def exit_code(self) -> int:
        """What the command line ends with."""
        codes = {End.STOPPED: 130, End.LIMITED: 4, End.AWAY: 5, End.KEYLESS: 3}
        if self.end in codes:
            return codes[self.end]
        return 3 if self.progress.waiting else int(bool(self.progress.failed))


Begin = Callable[[Plan, Ahead | None], None]
"""Told what is to be done, and what is known of its requests, before any of it is."""


class Job:
    """A batch that is about to run. Use `Job.open`: then all rows have been read, and `index` has them."""

    def __init__(
        self,
        workspace: Workspace,
        settings: Settings,
        environ: Mapping[str, str],
        workflow: Workflow,
        options: Options,
        order: Order,
        index: Index,
        engine: Engine | None = None,
    ) -> None:
        """Keep what it is made of."""
        self.workspace = workspace
        self.settings = settings
        self.environ = environ
        self.workflow = workflow
        self.options = options
        self.order = order
        self.index = index
        self.engine = engine
        """Works on its runs among others; None for one that the batch opens for itself."""
        self.hurry = asyncio.Event()
        """Set when a batch that is told to stop may wait for none of its runs."""
        self.floor = Floor()
        self.row = self._row()

    @classmethod
    @contextmanager
    def open(
        cls,
        workspace: Workspace,
        settings: Settings,
        environ: Mapping[str, str],
        workflow: Workflow,
        options: Options,
        order: Order,
        engine: Engine | None = None,
    ) -> Iterator[Job]:
        """Read all rows. UsageError when the file cannot be read; bad rows are in the index.

        With an open `engine`, whose worker has other runs too, the batch stays while items wait for a person.
        """
        reading = Reading(workflow, order.column, _foresee(workspace, workflow))
        with Index.open() as index:
            job = cls(workspace, settings, environ, workflow, options, order, index, engine)
            index.fill(read_items(order.items, reading, order.called))
            yield job

    def _row(self) -> BatchRow:
        order, options = self.order, self.options
        path = order.items if order.items == STDIN else str(Path(order.items).absolute())
        kits = products(self.workspace, self.workflow)
        hosts = sorted(base_url(kit, self.environ) for kit in kits.values())
        where = "sandbox" if options.sandbox else ", ".join(hosts) or "no product"
        passing = path == STDIN or passes(Path(path))
        if order.name is None and passing:
            what = "the standard input" if path == STDIN else repr(order.items)
            raise UsageError(
                f"items from {what} need a --name", hint="by it the batch is known when it goes on"
            )
        if order.name is not None and not NAMES.fullmatch(order.name):
            raise UsageError(f"--name {order.name!r} is no name", hint="letters, digits, '.', '_' and '-'")
        stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(path).stem).strip("-")[:24]
        made = f"{self.workflow.name}-{stem}-{digest([self.workflow.name, path, where])[:6]}"
        name = order.name or made
        beside = Path.cwd() if passing else Path(path).parent
        folder = str((order.out or beside / name).absolute())
        return BatchRow(id=name, workflow=self.workflow.name, items=path, place=where, folder=folder)

    async def run(self, watch: Watch, stop: asyncio.Event, begin: Begin = lambda *_: None) -> Ended:
        """Run what is not done. `begin` is told what that is, before anything runs.

        UsageError when another process runs the batch, or its name belongs to another.
        """
        began = time.monotonic()
        self.workspace.home.mkdir(parents=True, exist_ok=True)
        with ExitStack() as held:
            store = self._hold(held)
            store.open_batch(self.row)
            files = Files(Path(self.row.folder), self.row.id)
            results = Results(store, files, self.row.id, self._purse(store))
            results.over(store, results.purse)
            definition = self.workflow.model_dump(mode="json", by_alias=True, exclude_unset=True)
            planner = Planner(store, self.index, self.row.id, definition, self.order.anew)
            await self._aside(lambda: self._taken_up(planner, results))
            try:
                carry, end = await self._carried(held, planner, results, watch, stop, begin)
                carry.settle()
                await self._aside(lambda: self._leave(results))
            finally:
                files.close()
            ended = Ended(end, carry.progress(), planner.plan)
            ended.why = results.purse.why() if end is End.LIMITED else ""
            ended.summary = self._summary(ended, results.store, time.monotonic() - began)
            files.sum_up(ended.summary)
            if end is not End.STOPPED:
                results.store.batch_ended(self.row.id, ended.summary["status"])
            return ended

    def _hold(self, held: ExitStack) -> Store:
        """Open the store, and be the only one who runs the batch."""
        store = held.enter_context(open_store(place(self.workspace.home, self.settings.database)))
        held.enter_context(self._alone(store))
        return store

    async def _aside(self, work: Callable[[], None]) -> None:
        """Do what may take long; in a thread where others wait meanwhile."""
        if self.engine is None:
            work()
        else:
            await asyncio.to_thread(work)

    def _taken_up(self, planner: Planner, results: Results) -> None:
        planner.compare()
        planner.plan.dropped = take_up(self.index, results)

    @contextmanager
    def _alone(self, store: Store) -> Iterator[None]:
        try:
            with store.alone(f"batch-{self.row.id}"):
                yield
        except RunBusy as error:
            if f"batch-{self.row.id}" not in error.message:
                raise
            raise RunBusy(
                f"the batch {self.row.id!r} is being run by another process",
                hint="wait for it or end it; give this one another --name if it is another batch",
            ) from None

    def _purse(self, store: Store) -> Purse:
        known = store.tallied(self.row.id)
        return Purse(self.order.limit_usd, known.usd, known.dearest, known.unpriced)

    async def _carried(
        self,
        held: ExitStack,
        planner: Planner,
        results: Results,
        watch: Watch,
        stop: asyncio.Event,
        begin: Begin,
    ) -> tuple[Carry, End]:
        async with self._engine() as engine:
            ahead = self._ahead(engine)
            begin(planner.plan, ahead)
            if ahead is not None:
                self.floor = Floor(time.monotonic(), ahead.seconds, self.index.stages[Stage.NEW])
            for run in planner.outdated:
                with suppress(UsageError):  # it has ended meanwhile
                    await engine.cancel(run)
            carry, end = await self._outlasting(engine, held, results, watch, stop)
        while end is None:
            async with self._engine() as engine:
                carry, end = await self._outlasting(engine, held, results, watch, stop)
        return carry, end

    async def _outlasting(
        self, engine: Engine, held: ExitStack, results: Results, watch: Watch, stop: asyncio.Event
    ) -> tuple[Carry, End | None]:
        """Carry the batch on; when the database goes away, wait for it, and go on with what the index has."""
        while True:
            carry = self._carry(engine, results, watch, stop)
            try:
                end = await carry.go()
            except StoreUnreachable as error:
                watch.say(f"paused: {error.message}; it goes on by itself once the database is there")
                await self._back(held, results, stop, error)
                watch.say("goes on")
                continue
            if self.engine is not None and end in (End.STOPPED, None):
                await carry.drain(self.order.grace, self.hurry)
                return carry, End.STOPPED
            if end is End.STOPPED and engine.worker is not None and engine.worker.active:
                left = len(engine.worker.active)
                watch.say(f"stopping: {left} at work, at most {self.order.grace:g} s; once more ends at once")
            return carry, end

    async def _back(
        self, held: ExitStack, results: Results, stop: asyncio.Event, error: StoreUnreachable
    ) -> None:
        """Wait until the database is there, and have the batch's lock again. Raises when told to stop.

        UsageError when another process runs the batch by then.
        """
        began = time.monotonic()
        while not stop.is_set() and time.monotonic() < began + PATIENCE:
            held.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), PAUSE)
            try:
                store = self._hold(held)
                results.over(store, self._purse(store))
            except StoreUnreachable:
                continue
            except UsageError:
                if time.monotonic() > began + OURS:
                    raise
            else:
                return
        raise error

    def _carry(self, engine: Engine, results: Results, watch: Watch, stop: asyncio.Event) -> Carry:
        shared = self.engine is not None
        return Carry(
            engine,
            self.workflow,
            self.index,
            results,
            self.order.concurrency * (1 if shared else AHEAD),
            watch,
            stop,
            options=self.options,
            patient=shared,
            floor=self.floor,
        )

    def _ahead(self, engine: Engine) -> Ahead | None:
        """What is known of the requests of the items that are new, each taken to be as the first of them."""
        first = self.index.first(Stage.NEW)
        if first is None:
            return None
        return engine.runner.ahead(self.workflow, first.item.inputs, self.index.stages[Stage.NEW])

    @asynccontextmanager
    async def _engine(self) -> AsyncIterator[Engine]:
        if self.engine is not None:
            yield self.engine
            return
        order = self.order
        opened = Engine.open(
            self.workspace,
            self.settings,
            self.environ,
            self.options,
            slots=order.concurrency,
            grace=order.grace,
        )
        async with opened as engine:
            yield engine

    def _leave(self, results: Results) -> None:
        """Write the errors of items that failed before and were not tried again this time."""
        for chunk in self.index.chunks(Stage.AGAIN, Stage.HELD):
            for entry in chunk:
                run = results.store.run(entry.run or "")
                if run.status.ended and run.status is not RunStatus.DONE:
                    results.write(run, results.count(run.id))

    def _summary(self, ended: Ended, store: Store, seconds: float) -> dict[str, Any]:
        row, known = self.row, store.tallied(self.row.id)
        return {
            "batch": row.id,
            "status": "waiting" if ended.end is End.DONE and ended.progress.waiting else ended.end.value,
            "workflow": row.workflow,
            "items": row.items,
            "place": row.place,
            **ended.progress.to_json(),
            "bad_rows": self.index.bad,
            "kept": ended.plan.done,
            "changed": ended.plan.changed,
            "tokens": known.tokens,
            "calls": known.calls,
            "seconds": round(seconds, 3),
            "waits": self._waits(store),
            "output": str(Path(row.folder) / OUTPUT),
            "errors": str(Path(row.folder) / ERRORS),
        }

    def _waits(self, store: Store) -> list[dict[str, Json]]:
        """Name some of the items that wait for a person."""
        found: list[dict[str, Json]] = []
        for chunk in self.index.chunks(Stage.PARKED):
            for entry in chunk[: TOLD - len(found)]:
                reason = store.run(entry.run or "").reason
                found.append({"custom_id": entry.custom_id, "run": entry.run, "reason": reason})
        return found


def _foresee(workspace: Workspace, workflow: Workflow) -> Foresee:
    """Return what says which calls would refuse some inputs; what is known of the tools is looked up once."""
    kits = {slug: workspace.toolkit_of(slug) for slug in workspace.tools()}

    def foreseen(inputs: Mapping[str, Json]) -> list[str]:
        return foresee(workflow, kits, {"inputs": inputs, "run": run_names("dry", datetime.now(UTC))})

    return foreseen
