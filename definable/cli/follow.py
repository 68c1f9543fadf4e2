"""Drives a run in the foreground: shows it, asks the person at the terminal, and reports how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from definable.cli.app import Session
from definable.cli.decide import prompt
from definable.cli.report import Report
from definable.cli.screen import Screen
from definable.cli.watch import Watch, watch

if TYPE_CHECKING:
    from definable.engine.runner import Options, Runner
    from definable.store import Event, RunRow, Store

INTERRUPTED = 130

Go = Callable[["Runner", "Follow"], Awaitable["RunRow"]]
"""Carries a run on until it stops; shows it through the follow, which is a watch."""


@dataclass
class Follow:
    """One run in the foreground. It learns the run's id from the first event, for when the person interrupts."""

    session: Session
    screen: Screen
    options: Options
    steps: list[tuple[str, str]]
    data: bool = False
    run_id: str = ""
    seen: Watch | None = None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        self.run_id = event.run
        if self.seen is not None:
            self.seen(event)

    def carry(self, go: Go) -> int:
        """Carry the run on, write its report, and return the exit code."""
        try:
            report = asyncio.run(self._carry(go))
        except KeyboardInterrupt:
            if not self.run_id:
                raise
            self.screen.say(f"interrupted; the run is kept, go on with: definable runs resume {self.run_id}")
            return INTERRUPTED
        report.show(self.screen, data=self.data)
        return report.exit_code

    async def _carry(self, go: Go) -> Report:
        from definable.engine.runner import Runner

        session = self.session
        opened = Runner.open(session.workspace, session.settings, session.environ, self.options)
        async with opened as runner:
            row = await self._watched(go, runner)
            while row.status == "waiting" and self._answered(runner, row):
                row = await self._watched(lambda r, f: r.resume(row.id, f), runner)
            return reported(runner.store, row, runner.spent(row.id))

    async def _watched(self, go: Go, runner: Runner) -> RunRow:
        with watch(self.screen, self.steps) as self.seen:
            return await go(runner, self)

    def _answered(self, runner: Runner, row: RunRow) -> bool:
        """Put the open questions to the person at the terminal; false when none is there or one is left."""
        if not self.screen.asks:
            return False
        asks = [each for each in runner.store.open_asks(row.id) if each.ask.reason == "approval"]
        for ask in asks:
            decision = prompt(self.screen, self.session.environ, ask)
            if decision is None:
                return False
            runner.answer(row.id, ask.call, decision)
        return bool(asks)


def reported(store: Store, row: RunRow, spent: dict[str, object]) -> Report:
    """Return the report on a run as the store has it."""
    turns = [event.data for event in store.events(row.id) if event.type == "model.called"]
    offline = any(turn.get("offline") for turn in turns)
    asks = store.open_asks(row.id) if row.status == "waiting" else []
    return Report(row, store.receipts(row.id), spent, asks, offline)


def steps_of(definition: dict[str, object]) -> list[tuple[str, str]]:
    """Return id and actor of each step of a workflow's JSON."""
    steps = definition.get("steps")
    return [(s["id"], s.get("agent") or s.get("call") or "") for s in steps] if isinstance(steps, list) else []
