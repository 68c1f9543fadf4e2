"""What the live view knows: which steps there are, where each stands, and which calls are under way. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from definable.cli import words
from definable.cli.trouble import following, trouble

if TYPE_CHECKING:
    from definable.store.rows import Event

State = Literal["to come", "running", "waiting", "done", "skipped", "failed"]

DELAY = re.compile(r" in ([\d.]+) s$")

MARKS: dict[str, tuple[str, str]] = {
    "to come": ("·", "dim"),
    "running": ("▸", "bold cyan"),
    "waiting": ("?", "bold yellow"),
    "done": ("✓", "green"),
    "skipped": ("-", "dim"),
    "failed": ("✗", "red"),
}


@dataclass
class StepState:
    """One step: what does it, and where it stands."""

    id: str
    actor: str
    state: State = "to come"
    calls: int = 0


@dataclass
class CallState:
    """One call under way. `until` is the time, in seconds, at which its wait ends."""

    id: str
    step: str
    tool: str
    doing: str = "sending"
    until: float | None = None


@dataclass
class Board:
    """The state of a run as a person watches it. `apply` takes events in order, `lines` gives the view."""

    steps: list[StepState]
    calls: dict[str, CallState] = field(default_factory=dict)
    exchanges: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    parked: tuple[str, float, float] | None = None
    """What the whole run waits for, until when, and when the last request that is known can leave."""

    @classmethod
    def of(cls, steps: Sequence[tuple[str, str]]) -> Board:
        """Return the board before anything happened; `steps` are pairs of id and actor."""
        return cls([StepState(id, actor) for id, actor in steps])

    def apply(self, event: Event, now: float) -> None:
        """Take in one event that arrived at `now`."""
        name = event.step or (event.call or "").rpartition(".")[0]
        step = next((s for s in self.steps if s.id == name), None)
        if step is not None:
            self._step(step, event.type)
        if event.call is not None:
            self._call(event, now)
        if event.type.startswith("run."):
            self._run(event, now)
        if event.type in ("run.failed", "run.limited", "run.cancelled"):
            for running in self.steps:
                if running.state in ("running", "waiting"):
                    running.state = "failed"

    def _step(self, step: StepState, kind: str) -> None:
        changes: dict[str, State] = {
            "step.started": "running",
            "step.skipped": "skipped",
            "step.done": "done",
            "ask": "waiting",
            "decision": "running",
        }
        step.state = changes.get(kind, step.state)
        step.calls += kind == "receipt"

    def _run(self, event: Event, now: float) -> None:
        self.parked = None
        if event.type == "run.waiting" and "until" in event.data:
            left, known = float(event.data["seconds"]), event.data.get("ahead") or {}
            last = max(left, float(known.get("seconds", 0.0)))
            self.parked = str(event.data["what"]), now + left, now + last

    def _call(self, event: Event, now: float) -> None:
        call = event.call or ""
        if event.type == "receipt":
            self.calls.pop(call, None)
            return
        if event.type == "call.proposed":
            data = event.data.get("call", event.data)
            tool = data["tool"] if isinstance(data, dict) else event.data["tool"]
            self.calls[call] = CallState(call, event.step or "", tool)
        state = self.calls.get(call)
        if state is None:
            return
        if event.type == "verdict":
            exchange = self.exchanges.get(call, {})
            state.doing = trouble(event.data, exchange) or following(str(event.data.get("next", "")))
            delay = DELAY.search(str(event.data.get("next", "")))
            state.until = now + float(delay[1]) if delay else None
        elif event.type == "quota.waits":
            state.doing = f"waiting for its turn (quota {event.data['bucket']})"
            state.until = now + float(event.data["seconds"])
        elif event.type == "breaker.waits":
            state.doing = "waiting until its host is well again"
            state.until = now + float(event.data["seconds"])
        elif event.type == "place.waits":
            state.doing, state.until = f"waiting for run {event.data['run']}, which writes there", None
        elif event.type == "quota.waited":
            state.doing, state.until = "sending", None
        elif event.type == "exchange":
            self.exchanges[call] = event.data.get("exchange", event.data)
            state.doing, state.until = "verifying", None
        elif event.type == "ask":
            state.doing, state.until = "waiting for a person", None

    def lines(self, now: float) -> list[tuple[str, str]]:
        """Return the view as pairs of text and style."""
        shown = []
        for step in list(self.steps):
            mark, style = MARKS[step.state]
            count = f"  {words.plural(step.calls, 'call')}" if step.calls else ""
            shown.append((f"{mark} {step.id:<12} {step.actor}{count}", style))
            shown += [(self._doing(c, now), "") for c in list(self.calls.values()) if c.step == step.id]
        if self.parked is not None:
            what, until, last = self.parked
            text = f"parked for {what}, {words.duration(max(0.0, until - now))} left"
            text += (
                f"; {words.duration(last - now)} until all that is known can have left"
                if last > until
                else ""
            )
            shown.append((text, "yellow"))
        return shown

    def _doing(self, call: CallState, now: float) -> str:
        left = f" ({words.duration(max(0.0, call.until - now))} left)" if call.until else ""
        return f"    {call.tool}: {call.doing}{left}"
