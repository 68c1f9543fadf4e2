"""A run's log as AG-UI events. Pure: the same events from the same log, live and later.

A turn of a client shows one stretch of the log: from the start, or from where a person was asked, to the end
or to the next question. What came before the stretch is taken in, and not shown again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ag_ui.core import (
    PROTOCOL_VERSION,
    ActivityDeltaEvent,
    ActivitySnapshotEvent,
    BaseEvent,
    Interrupt,
    RunErrorEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    RunFinishedOutcome,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    StateDeltaEvent,
    StateSnapshotEvent,
    StepFinishedEvent,
    StepStartedEvent,
    SubagentFinishedEvent,
    SubagentFinishedSuspendedOutcome,
    SubagentStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    TokenUsage,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
)

from definable.calls import Ask, Receipt
from definable.service import answers, report
from definable.service.agui_cards import Cards, Changes, beginning, patch
from definable.service.report import CallTold
from definable.store import Event, RunRow

CALL, REVIEW = "CALL", "REVIEW"
"""Our kinds of activity: a call with its attempts and heals, and why an artifact goes back."""

Events = list[BaseEvent]


@dataclass(frozen=True)
class Turn:
    """What is shown to whom."""

    thread: str
    name: str
    """The client's name for this turn: its run id."""
    modern: bool = True
    """Whether the client knows protocol 1.0; older ones fail at what came with it."""
    known: frozenset[str] = frozenset()
    """Ids of messages and tool calls that the client has already, from a stream that broke."""


class Projection:
    """Turns events of one run into AG-UI events. `opening` first, then `take`, until it has `ended`."""

    def __init__(
        self,
        turn: Turn,
        row: RunRow,
        receipt: Callable[[str], Receipt | None],
        editable: Callable[[str], bool] = lambda ask: False,
    ) -> None:
        """Begin with nothing seen; `receipt` returns that of a call, with its result.

        `editable` says of a question, by its id, whether its arguments may be changed with the approval.
        """
        self.turn = turn
        self.run = row.id
        self.receipt = receipt
        self.editable = editable
        self.ended = False
        self.state = beginning(row)
        self.step: str | None = None
        self.agents = {s["id"]: s.get("agent") for s in row.definition.get("steps", ())}
        self.cards = Cards()
        self.shown: set[str] = set()
        """Calls whose activity the client has from this turn."""
        self.asks: dict[str, Event] = {}
        """Questions without an answer, by id."""
        self.usage: dict[str, TokenUsage] = {}
        self._tell: dict[str, Callable[[Event], Events]] = {
            "run.queued": lambda event: self._stand("queued"),
            "run.started": lambda event: self._stand("running"),
            "run.resumed": lambda event: self._stand("running"),
            "step.started": self._step_started,
            "step.skipped": lambda event: self._step_stands(event.step, "skipped"),
            "step.done": self._step_done,
            "model.called": self._model_called,
            "call.proposed": self._proposed,
            "exchange": lambda event: self._card(event.call or "", self.cards.exchange(event)),
            "verdict": lambda event: self._card(event.call or "", self.cards.verdict(event)),
            "receipt": self._receipt,
            "artifact.rejected": self._rejected,
            "ask": self._ask,
            "decision": self._decision,
            "run.waiting": self._waiting,
            "run.done": self._done,
            "run.failed": self._failed,
            "run.limited": self._failed,
            "run.cancelled": self._cancelled,
        }

    def opening(self, before: Iterable[Event]) -> Events:
        """Take in what is not shown again, and return how the turn begins."""
        for event in before:
            self._told(event)
        self.ended = False
        self.shown.clear()
        self.usage.clear()
        begun: Events = [
            RunStartedEvent(
                thread_id=self.turn.thread,
                run_id=self.turn.name,
                protocol_version=PROTOCOL_VERSION if self.turn.modern else None,
            ),
            StateSnapshotEvent(snapshot=deepcopy(self.state)),
        ]
        return begun + (self._open(self.step) if self.step else [])

    def take(self, event: Event) -> Events:
        """Return what one event of the log is to the client; after the end, nothing."""
        found = [] if self.ended else self._told(event)
        at = round(datetime.fromisoformat(event.at).timestamp() * 1000)
        for each in found:
            each.timestamp = at
        return found

    def _told(self, event: Event) -> Events:
        tell = self._tell.get(event.type)
        return tell(event) if tell else []

    # The state

    def _stand(self, status: str, reason: str = "", **more: Any) -> Events:
        changed = {"status": status, "reason": reason, **more}
        self.state.update(changed)
        return [_delta(*(("replace", f"/{name}", value) for name, value in changed.items()))]

    def _step_stands(self, step: str | None, status: str) -> Events:
        for index, each in enumerate(self.state["steps"]):
            if each["id"] == step:
                each["status"] = status
                return [_delta(("replace", f"/steps/{index}/status", status))]
        return []

    # Steps

    def _subagent(self, step: str | None) -> str | None:
        return f"{self.run}/{step}" if self.turn.modern and step and self.agents.get(step) else None

    def _open(self, step: str) -> Events:
        begun: Events = [StepStartedEvent(step_name=step)]
        if subagent := self._subagent(step):
            begun.append(SubagentStartedEvent(subagent_run_id=subagent, name=self.agents[step]))
        return begun

    def _close(self, interrupts: list[Interrupt] | None = None) -> Events:
        if self.step is None:
            return []
        ended: Events = [StepFinishedEvent(step_name=self.step)]
        if subagent := self._subagent(self.step):
            ids = [each.id for each in interrupts or () if each.subagent_run_id == subagent]
            outcome = (
                SubagentFinishedSuspendedOutcome(type="suspended", interrupt_ids=ids) if interrupts else None
            )
            ended.insert(0, SubagentFinishedEvent(subagent_run_id=subagent, outcome=outcome))
        return ended

    def _step_started(self, event: Event) -> Events:
        self.step = event.step
        return [*self._open(event.step or ""), *self._step_stands(event.step, "running")]

    def _step_done(self, event: Event) -> Events:
        output, said = event.data.get("output"), ""
        if self.agents.get(event.step or "") and isinstance(output, Mapping):
            said = next((str(output[k]) for k in ("markdown", "explanation", "caption") if output.get(k)), "")
        told = self._text(f"{self.run}/{event.step}", said, self._subagent(event.step)) if said else []
        closed = self._close() if self.step == event.step else []
        self.step = None
        return [*told, *closed, *self._step_stands(event.step, "done")]

    def _rejected(self, event: Event) -> Events:
        content = {"step": event.step, "reasons": event.data.get("reasons", [])}
        return [
            ActivitySnapshotEvent(
                message_id=f"{self.run}/{event.step}/review/{event.seq}",
                activity_type=REVIEW,
                content=content,
                subagent_run_id=self._subagent(event.step),
            )
        ]

    def _text(self, message: str, text: str, subagent: str | None = None) -> Events:
        if message in self.turn.known:
            return []
        return [
            TextMessageStartEvent(message_id=message, role="assistant", subagent_run_id=subagent),
            TextMessageContentEvent(message_id=message, delta=text, subagent_run_id=subagent),
            TextMessageEndEvent(message_id=message, subagent_run_id=subagent),
        ]

    def _model_called(self, event: Event) -> Events:
        name = str(event.data.get("model", ""))
        provider, slash, model = name.partition("/")
        used = self.usage.setdefault(
            name,
            TokenUsage(
                provider=provider if slash else None, model=model or name, input_tokens=0, output_tokens=0
            ),
        )
        used.input_tokens = (used.input_tokens or 0) + (event.data.get("input_tokens") or 0)
        used.output_tokens = (used.output_tokens or 0) + (event.data.get("output_tokens") or 0)
        used.total_tokens = used.input_tokens + used.output_tokens
        return []

    # Calls

    def _proposed(self, event: Event) -> Events:
        self.cards.proposed(event)
        self.state["calls"]["made"] += 1
        counted = _delta(("replace", "/calls/made", self.state["calls"]["made"]))
        return [*self._tool_call(event), *self._card(event.call or ""), counted]

    def _tool_call(self, event: Event) -> Events:
        name, subagent = f"{self.run}/{event.call}", self._subagent(event.step)
        if name in self.turn.known:
            return []
        arguments = json.dumps(event.data["arguments"], ensure_ascii=False)
        return [
            ToolCallStartEvent(
                tool_call_id=name, tool_call_name=event.data["tool"], subagent_run_id=subagent
            ),
            ToolCallArgsEvent(tool_call_id=name, delta=arguments, subagent_run_id=subagent),
            ToolCallEndEvent(tool_call_id=name, subagent_run_id=subagent),
        ]

    def _card(self, call: str, changes: Changes | None = None) -> Events:
        """Return what shows a call's card: all of it the first time in a turn, then only what changed."""
        if changes == []:
            return []
        card = self.cards[call]
        facts: dict[str, Any] = {
            "message_id": f"{self.run}/{call}/activity",
            "activity_type": CALL,
            "subagent_run_id": self._subagent(card["step"]),
        }
        if call in self.shown and changes:
            return [ActivityDeltaEvent(patch=patch(*changes), **facts)]
        self.shown.add(call)
        return [ActivitySnapshotEvent(content=deepcopy(card), **facts)]

    def _receipt(self, event: Event) -> Events:
        call = event.call or ""
        if call not in self.cards:
            return []
        receipt = self.receipt(call) or Receipt.model_validate(event.data)
        told = report.call(receipt)
        card = self._card(call, self.cards.settled(told))
        return [*card, *self._result(call, told, receipt), *self._counted(told)]

    def _result(self, call: str, told: CallTold, receipt: Receipt) -> Events:
        if f"{self.run}/{call}/result" in self.turn.known:
            return []
        content = json.dumps({**told.model_dump(), "result": receipt.result}, ensure_ascii=False)
        if len(content) > report.MOST:
            where = f"/api/runs/{self.run}/receipts/{call}"
            content = json.dumps({**told.model_dump(), "result_at": where}, ensure_ascii=False)
        return [
            ToolCallResultEvent(
                message_id=f"{self.run}/{call}/result",
                tool_call_id=f"{self.run}/{call}",
                content=content,
                role="tool",
                subagent_run_id=self._subagent(self.cards[call]["step"]),
            )
        ]

    def _counted(self, told: CallTold) -> Events:
        calls = self.state["calls"]
        calls["verified"] += told.status == "verified"
        calls["healed"] += told.status == "verified" and bool(told.healed)
        return [_delta(*(("replace", f"/calls/{name}", calls[name]) for name in ("verified", "healed")))]

    # Questions, and the end

    def _ask(self, event: Event) -> Events:
        self.asks[event.data["id"]] = event
        return self._card(event.call or "", self.cards.asked(event))

    def _decision(self, event: Event) -> Events:
        self.asks.pop(event.data.get("id", ""), None)
        return self._card(event.call or "", self.cards.decided(event))

    def _waiting(self, event: Event) -> Events:
        reason = str(event.data.get("reason", ""))
        stands = self._stand("waiting", reason)
        interrupts = [self._interrupt(name, asked) for name, asked in self.asks.items()]
        if reason not in answers.BY_PEOPLE or not interrupts:
            return stands
        outcome = RunFinishedInterruptOutcome(type="interrupt", interrupts=interrupts)
        return [*stands, *self._close(interrupts), *self._finish(None, outcome)]

    def _interrupt(self, name: str, event: Event) -> Interrupt:
        ask = Ask.model_validate({k: v for k, v in event.data.items() if k not in ("id", "expires_at")})
        card = self.cards[event.call or ""] if event.call in self.cards else None
        return Interrupt(
            id=name,
            reason=ask.reason,
            message=answers.question(ask),
            tool_call_id=f"{self.run}/{event.call}" if card else None,
            response_schema=answers.form(ask, editable=self.editable(name)),
            expires_at=event.data.get("expires_at"),
            subagent_run_id=self._subagent(card["step"] if card else self.step),
            metadata={
                "run": self.run,
                "tool": ask.tool,
                "arguments": ask.arguments,
                "arguments_hash": ask.arguments_hash,
            },
        )

    def _done(self, event: Event) -> Events:
        outputs = event.data.get("outputs") or {}
        stands = self._stand("done", outputs=outputs)
        calls = self.state["calls"]
        after = f", {calls['healed']} of them after healing" if calls["healed"] else ""
        lines = [f"Done: {calls['verified']} of {calls['made']} calls verified{after}."]
        lines += [f"- {k}: {v}" for k, v in outputs.items() if v is not None and len(str(v)) <= 300]
        said = self._text(f"{self.run}/done", "\n".join(lines))
        return [*stands, *said, *self._finish(outputs, RunFinishedSuccessOutcome(type="success"))]

    def _failed(self, event: Event) -> Events:
        self.ended = True
        error = event.data.get("error") or {}
        status = event.type.partition(".")[2]
        usage = list(self.usage.values()) or None
        return [
            *self._stand(status),
            RunErrorEvent(message=report.because(error) or status, code=error.get("error"), usage=usage),
        ]

    def _cancelled(self, event: Event) -> Events:
        stands = self._stand("cancelled")
        if self.turn.modern:
            return [
                *stands,
                *self._close(),
                *self._finish(None, RunFinishedCancelledOutcome(type="cancelled")),
            ]
        self.ended = True
        return [*stands, RunErrorEvent(message="the run was cancelled", code="cancelled")]

    def _finish(self, result: Any, outcome: RunFinishedOutcome) -> Events:
        self.ended = True
        return [
            RunFinishedEvent(
                thread_id=self.turn.thread,
                run_id=self.turn.name,
                result=result,
                outcome=outcome,
                usage=list(self.usage.values()) or None,
            )
        ]


def _delta(*changes: tuple[str, str, Any]) -> StateDeltaEvent:
    return StateDeltaEvent(delta=patch(*changes))
