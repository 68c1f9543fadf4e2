"""Drives a run in the foreground: shows it, asks the person at the terminal, and reports how it ended."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from definable.cli.app import Session
from definable.cli.decide import prompt
from definable.cli.logs import logging
from definable.cli.report import Report, left_lines
from definable.cli.reviews import is_review
from definable.cli.screen import Screen
from definable.cli.watch import Watch, watch

if TYPE_CHECKING:
    from definable.engine.left import Left
    from definable.engine.options import Options
    from definable.engine.runner import Runner
    from definable.store import Event, RunRow, Store

INTERRUPTED = 130

LOOK = 0.2
"""Seconds between two looks at a run that is carried on elsewhere."""

Go = Callable[["Runner", "Follow"], Awaitable["RunRow"]]
"""Carries a run on until it stops; the follow it is given is what watches."""


@dataclass
class Follow:
    """One run in the foreground. It keeps the run's id, for when the person interrupts."""

    session: Session
    screen: Screen
    options: Options
    steps: list[tuple[str, str]]
    quiet: bool = False
    """Tell trouble and questions only."""
    wait: bool = False
    """Wait out what can end by itself, such as a key that is missing."""
    elsewhere: bool = False
    """A worker carries it on: who stops watching stops nothing."""
    run_id: str = ""
    seen: Watch | None = None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        self.run_id = event.run
        if self.seen is not None:
            self.seen(event)

    def carry(self, go: Go) -> Report | None:
        """Carry the run on and return its report; None when the person interrupted it, which is said."""
        # told to stop by a service manager is the same as by a person: the run is put down properly
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        try:
            return asyncio.run(self._carry(go))
        except KeyboardInterrupt:
            if not self.run_id:
                raise
            if self.elsewhere:
                self.screen.say(f"the run goes on; watch it again with: definable runs follow {self.run_id}")
                return None
            for line in self._left():
                self.screen.say(line)
            self.screen.say(f"interrupted; the run is kept, go on with: definable runs resume {self.run_id}")
            return None

    def _left(self) -> list[str]:
        """What an interrupted run leaves behind."""
        from definable.cli.runs import open_runs

        with open_runs(self.session) as store:
            return left_lines(_left(self.session, store, store.run(self.run_id)))

    def finish(self, go: Go, *, data: bool = False) -> int:
        """Carry the run on, write its report, and return the exit code."""
        report = self.carry(go)
        if report is None:
            return INTERRUPTED
        report.show(self.screen, data=data)
        return report.exit_code

    async def _carry(self, go: Go) -> Report:
        from definable.engine.runner import Runner

        session = self.session
        opened = Runner.open(session.workspace, session.settings, session.environ, self.options)
        with logging(session):
            async with opened as runner:
                row = await self._watched(go, runner)
                while row.status == "waiting" and self._answered(runner, row):
                    row = await self._watched(self._again, runner)
                return reported(session, runner.store, row)

    async def _again(self, runner: Runner, follow: Follow) -> RunRow:
        return await runner.resume(self.run_id, follow, wait=self.wait)

    async def _watched(self, go: Go, runner: Runner) -> RunRow:
        self.seen = watch(self.screen, self.steps, quiet=self.quiet)
        for event in runner.store.events(self.run_id) if self.run_id else ():
            self.seen.remember(event)
        with self.seen:
            return await go(runner, self)

    def _answered(self, runner: Runner, row: RunRow) -> bool:
        """Put the open questions to the person at the terminal; false when none is there or one is left."""
        if not self.screen.asks:
            return False
        held = runner.store.open_asks(row.id)
        asks = [each for each in held if each.ask.reason == "approval" or is_review(each.ask)]
        for ask in asks:
            decision = prompt(self.screen, self.session.environ, ask)
            if decision is None:
                return False
            runner.answer(row.id, ask.call, decision)
        return bool(asks)


async def carried_on(runner: Runner, follow: Follow) -> RunRow:
    """Show what a worker does on a run until it ends, or waits for something that does not end by itself."""
    shown = max((event.seq for event in runner.store.events(follow.run_id)), default=0)
    while True:
        row = runner.store.run(follow.run_id)
        for event in runner.store.events(row.id, after=shown):
            shown = event.seq
            follow(event)
        if row.status.ended or (row.status == "waiting" and not row.until):
            return row
        await asyncio.sleep(LOOK)


def reported(session: Session, store: Store, row: RunRow) -> Report:
    """Return the report on a run as the store has it."""
    from definable.engine.history import spent

    log = store.events(row.id)
    turns = [event.data for event in log if event.type == "model.called"]
    waits = [event.data for event in log if event.type == "run.waiting"] if row.until else []
    receipts = store.receipts(row.id)
    asks = store.open_asks(row.id) if row.status == "waiting" else []
    slugs = {receipt.tool for receipt in receipts} | {each.ask.tool for each in asks}
    return Report(
        run=row,
        receipts=receipts,
        spent=spent(store, row.id),
        asks=asks,
        left=_left(session, store, row) if row.status in ("failed", "limited", "cancelled") else [],
        offline=any(turn.get("offline") for turn in turns),
        places=_places(session, slugs, bool(row.options.get("sandbox"))),
        ahead=waits[-1].get("ahead") if waits else None,
        inside=_inside(session) if row.options.get("sandbox") and slugs else "",
    )


def _left(session: Session, store: Store, row: RunRow) -> list[Left]:
    from definable.engine.left import left_behind

    return left_behind(store, row, session.workspace.tools())


def _places(session: Session, slugs: set[str], sandbox: bool) -> dict[str, str]:
    """Product → where its tools worked, as the environment has it now."""
    from definable.toolkits.where import base_url

    kits = [session.workspace.toolkit_of(s) for s in sorted(slugs) if s in session.workspace.tools()]
    if sandbox:
        return {kit.title: "the built-in sandbox, a simulator; nothing real was touched" for kit in kits}
    return {kit.title: base_url(kit, session.environ) for kit in kits}


def _inside(session: Session) -> str:
    """The command that serves what the built-in sandbox holds now."""
    return (
        f"definable sandbox --state {shlex.quote(os.path.relpath(session.workspace.home / 'sandbox.json'))}"
    )


def steps_of(definition: dict[str, Any]) -> list[tuple[str, str]]:
    """Return id and actor of each step of a workflow's JSON."""
    return [(step["id"], step.get("agent") or step.get("call") or "") for step in definition.get("steps", ())]
