"""Submits the runs of schedules: each time that is due has one run, whatever becomes of the workers.

Every worker looks every second. A run is submitted under a key that is made of the schedule and the time, so
that there is one, however many workers see the time come, and whichever of them die meanwhile. How far a
schedule was seen to is in the store: what came due between two looks, or while workers changed places, is
submitted late rather than not at all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from definable.engine.queue import NORMAL
from definable.errors import DefinableError, DefinitionError, Problem, StoreError, UsageError
from definable.observe import logger
from definable.spec.cron import latest, passed, upcoming
from definable.spec.lookup import Json
from definable.spec.workflow import Workflow
from definable.store import Store, TriggerRow
from definable.store.records import stamp
from definable.workspace import Workspace, checked
from definable.workspace.files import mark

if TYPE_CHECKING:
    from definable.engine.runner import Runner

LATE = 60.0
"""Seconds that a run may be submitted late; what is found later than that was missed."""

NOTED = 10.0
"""Seconds after which it is written down that nothing came due."""

SANDBOX = "sandbox:"
"""What the schedules of workers with a simulator are called: those never take a real run's place."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule of a workflow. What is equal in it, in two files or one, is told apart by `nth`."""

    workflow: str
    cron: str
    zone: str
    nth: int = 0
    missed: str = "skip"
    inputs: Mapping[str, Json] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """What it is known by: other inputs do not make it another one."""
        again = f" #{self.nth + 1}" if self.nth else ""
        return f"{self.workflow}/{self.cron} {self.zone}{again}"

    def next(self, after: float) -> float | None:
        """Return when it is due next, in seconds; None when it never is again."""
        found = upcoming(self.cron, ZoneInfo(self.zone), _moment(after))
        return found.timestamp() if found else None

    def due(self, since: float, now: float) -> list[float]:
        """Return the times since then that are to have a run: those of the last minute, or what was missed.

        Of the times that were missed, `last` has at most one.
        """
        zone = ZoneInfo(self.zone)
        found = passed(self.cron, zone, _moment(max(since, now - LATE)), _moment(now))
        if not found and self.missed == "last":
            last = latest(self.cron, zone, _moment(since), _moment(now))
            found = [last] if last else []
        return [each.timestamp() for each in found]


def schedules_of(workflow: Workflow, name: str) -> list[Schedule]:
    """Return the schedules of a workflow that goes by `name`."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for trigger in workflow.triggers:
        if trigger.schedule is not None:
            cron = " ".join(trigger.schedule.split())
            nth = seen[cron, trigger.timezone]
            seen[cron, trigger.timezone] += 1
            found.append(Schedule(name, cron, trigger.timezone, nth, trigger.missed, trigger.inputs))
    return found


class Table:
    """The schedules of a workspace as its files are now; only those that changed are read again."""

    def __init__(self, workspace: Workspace, warn: Callable[[str, Iterable[Problem]], None]) -> None:
        """Read nothing yet; `warn` is told once of each file that is wrong."""
        self._workspace = workspace
        self.space = workspace
        """The workspace as it was read last."""
        self._warn = warn
        self._known: dict[str, tuple[object, list[Schedule]]] = {}

    def read(self) -> list[Schedule]:
        """Return the schedules of all workflows that are free of problems of their own."""
        self.space = self._workspace.anew()
        files = self.space.workflows()
        self._known = {name: self._one(name, file) for name, file in files.items()}
        return [schedule for _, found in self._known.values() for schedule in found]

    def _one(self, name: str, file: Traversable) -> tuple[object, list[Schedule]]:
        now = mark(file)
        if name in self._known and self._known[name][0] == now:
            return self._known[name]
        try:
            _, workflow, problems = self.space.read_workflow(name)
        except DefinitionError as error:
            workflow, problems = None, error.problems
        if problems:
            self._warn(name, problems)
        return now, schedules_of(workflow, name) if workflow and not problems else []


class Schedules:
    """Looks for what is due, again and again, and submits it."""

    def __init__(self, runner: Runner, clock: Callable[[], float] | None = None) -> None:
        """Go by the store's clock unless another is given."""
        self.runner = runner
        self.store: Store = runner.store
        self.clock = clock or runner.store.time
        self.place = SANDBOX if runner.options.sandbox else ""
        self.log = logger("schedules")
        self.table = Table(runner.workspace, self._warn)
        self._next: dict[str, float | None] = {}
        self._said: set[tuple[str, str]] = set()

    async def look(self) -> None:
        """Submit what came due since somebody looked last. StoreError when the database is away."""
        try:
            found = await asyncio.to_thread(self.table.read)
        except (DefinableError, OSError) as error:
            self._say("workflows", str(error))
            return
        now, rows = self.clock(), self.store.triggers()
        everyone = rows.get(self.place)
        seen = [self.place] if everyone is None or now - everyone.looked >= NOTED else []
        for schedule in found:
            row = rows.get(self.place + schedule.id)
            if await self._see_to(schedule, row, everyone, now):
                seen.append(self.place + schedule.id)
        if seen:
            self.store.looked(seen, now)

    async def _see_to(
        self, schedule: Schedule, row: TriggerRow | None, everyone: TriggerRow | None, now: float
    ) -> bool:
        """Submit what is due of one schedule; True when it is to be noted how far that was."""
        new = row is None or (everyone is not None and everyone.looked - row.looked > LATE)
        if row is None or new:  # it was not there, or not readable, while workers were
            self._next[schedule.id] = schedule.next(now)
            return True
        if schedule.id not in self._next:
            self._next[schedule.id] = schedule.next(row.looked)
        following = self._next[schedule.id]
        if following is None or following > now:
            return now - row.looked >= NOTED
        for due in schedule.due(row.looked, now):
            if not await self._submit(schedule, due):
                return False
        self._next[schedule.id] = schedule.next(now)
        return True

    async def _submit(self, schedule: Schedule, due: float) -> bool:
        """Submit the run of one time by the workflow's file as it is now. False when that cannot be."""
        name, at = self.place + schedule.id, stamp(_moment(due))
        try:
            workflow = await asyncio.to_thread(checked, self.table.space, schedule.workflow)
            run = self._run(workflow, schedule, f"{name} {at}")
        except StoreError:
            raise
        except DefinableError as error:
            self._say(schedule.id, f"the run of {at} cannot be submitted: {error}")
            return False
        self.store.fired(name, due, run)
        return True

    def _run(self, workflow: Workflow, schedule: Schedule, key: str) -> str:
        options = self.runner.options.model_copy(update={"file": schedule.workflow})
        try:
            row = self.runner.submit(workflow, schedule.inputs, options=options, key=key, priority=NORMAL)
        except UsageError as error:
            if run := error.facts.get("run"):  # another worker was first, by the file as it was before
                return str(run)
            raise
        return row.id

    def _warn(self, workflow: str, problems: Iterable[Problem]) -> None:
        self._say(workflow, f"its schedules rest until it is right: {'; '.join(map(str, problems))}")

    def _say(self, what: str, words: str) -> None:
        """Warn once, not every second."""
        if (what, words) not in self._said:
            self._said.add((what, words))
            self.log.warning("schedule", what=what, message=words)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
