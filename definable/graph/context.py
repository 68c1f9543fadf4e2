"""What the nodes of one run work with: its definition, its log, the doors to models and products."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Protocol

from definable.calls import Ask, Exchange, Margin, Outcome, Receipt, Send, ToolCall
from definable.errors import LimitReached, RunCancelled
from definable.graph.governor import Governor
from definable.graph.guard import Guard
from definable.graph.lessons import Lessons
from definable.graph.parking import Parked
from definable.limits import Budget, Spent, Usage, overdue
from definable.models import Models
from definable.quota.breaker import RetryBudget
from definable.spec.agent import Agent
from definable.spec.paths import lookup
from definable.spec.workflow import Step, Workflow
from definable.store import Store
from definable.store.rows import Event, RunRow, RunStatus
from definable.toolkits.credentials import KeyRing
from definable.verify.case import Catalog
from definable.verify.known import Read

DECIDE_WITHIN = 4 * 3600.0
"""Seconds in which a question has to be answered, where the workflow says nothing."""


class Door(Protocol):
    """The way to one product: performs exactly one attempt, never more, and never raises for the network."""

    async def attempt(self, send: Send, leaving: Callable[[], object] = lambda: None) -> Outcome:
        """Send one request and return what came of it.

        `leaving` is called right before the first byte leaves, when the connection is there; what it raises
        is raised, and nothing leaves.
        """


def nobody(event: Event) -> None:
    """Watch nothing."""


@dataclass
class Context:
    """One run in this process. Nodes change nothing in it but the counters; all else is in the store."""

    run: RunRow
    workflow: Workflow
    agents: Mapping[str, Agent]
    catalog: Catalog
    doors: Mapping[str, Door]
    """Toolkit name → its door."""
    store: Store
    models: Models
    clock: Callable[[], datetime]
    watch: Callable[[Event], None] = nobody
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    governor: Governor | None = None
    """Keeps what is sent within the quotas; None: whatever is asked for is sent at once."""
    lessons: Lessons | None = None
    """Adds to the record of contracts; None: nothing is learned."""
    guard: Guard | None = None
    """Holds back what is sent to a host that fails; None: nothing is held back."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Toolkit name → the address its requests go to."""
    now: Callable[[], float] = time.time
    """Seconds of a clock that all processes share and that `sleep` moves."""
    rings: Mapping[str, KeyRing] = field(default_factory=dict)
    """Toolkit name → its keys."""
    warned: set[str] = field(default_factory=set)
    """Marks of the keys that were said to end soon."""
    yes_to: tuple[str, ...] = ()
    spent: Spent = field(default_factory=Spent)
    by_step: dict[str, Spent] = field(default_factory=dict)
    began: datetime | None = None
    """When this segment began; the time of segments before it is in `spent`."""
    retries: RetryBudget = field(init=False)
    paid_for: set[tuple[str, int]] = field(default_factory=set)
    """The orders, by call and n, for which a retry was taken: a parked one is handed out again."""
    parked: dict[str, Parked] = field(default_factory=dict)
    """Call → until when it is parked. What another process parked is found out anew."""
    waits: dict[tuple[str, int], tuple[float, str]] = field(default_factory=dict)
    """Since when an order, by call and n, waits for its turn, and for which quota."""
    held: dict[tuple[str, int], float] = field(default_factory=dict)
    """Since when an order, by call and n, is held back by a breaker."""
    delays: dict[tuple[str, int], float] = field(default_factory=dict)
    """Until when an order, by call and n, is put off, as the log has it."""
    shown: int = 0
    started: bool = False
    """Whether the log says that the run has started."""
    telling: bool = True
    """False while what is noted is not on its way to the disk."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """Step id → what it brought, as the log has it; None for a step that was skipped."""
    begun: dict[str, float] = field(default_factory=dict)
    """Step id → seconds that the run had been at work when the step began."""
    calls: dict[str, ToolCall] = field(default_factory=dict)
    """Every call of this run by its id, as the log has it."""
    turns: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Every model turn of this run by its key, as the log has it."""
    failures: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Key of a turn → how often its model failed in a row, and until when it is not asked again."""
    chances: int = 0
    """How often the run failed: whoever resumes it lets its model fail as often as before."""
    settled: dict[str, int] = field(default_factory=dict)
    """Call → how many chances had been taken when it was settled, for those of earlier stretches."""
    unlocked: int = 0
    """How many questions that belong to no call were answered."""
    refused: dict[tuple[str, str], str] = field(default_factory=dict)
    """What a model asked for and did not get, by the turn's key and the use's id, and why."""
    judged: dict[str, list[str]] = field(default_factory=dict)
    """Key of a turn → why its artifact may not pass, as it was found when it came."""
    answered: dict[str, int] = field(default_factory=dict)
    """Call → how many exchanges the log has of it."""
    fresh: dict[tuple[str, int], Exchange] = field(default_factory=dict)
    """Exchanges that were just recorded, by call and number, until they are asked for."""
    kept: dict[str, tuple[float, bool]] = field(default_factory=dict)
    """Call → until when it has a place to itself, and whether others were there since its first look."""
    offers: dict[str, list[str]] = field(default_factory=dict)
    """Step id → the slugs its agent may ask for, once that was asked."""
    read: Read | None = None
    """The verified results as they were read for the artifact before."""
    receipts: dict[str, Receipt] = field(default_factory=dict)
    """Every receipt of this run by its call, in the order in which they were settled."""

    def __post_init__(self) -> None:
        """Begin with all the retries that the workflow allows."""
        self.retries = RetryBudget(self.workflow.limits.retries)

    def record(self, exchange: Exchange) -> None:
        """Put an exchange into the log, and keep it for whoever asked for it."""
        self.fresh[exchange.call, exchange.n] = self.store.record(self.run.id, exchange)
        self.answered[exchange.call] = max(exchange.n + 1, self.answered.get(exchange.call, 0))
        self.tell()

    def is_answered(self, call: str, n: int) -> bool:
        """Whether the log has this exchange of a call. Nobody else adds any: see `Store.begin`."""
        return n < self.answered.get(call, 0)

    def exchange(self, call: str, n: int) -> Exchange | None:
        """Return one exchange of a call, or None while there is none."""
        if not self.is_answered(call, n):
            return None
        return self.fresh.pop((call, n), None) or self.store.exchange(self.run.id, call, n)

    def log(self, type: str, data: dict[str, Any], step: str | None = None, call: str | None = None) -> None:
        """Append an event to the run log and show it to whoever watches."""
        self.store.append(self.run.id, type, data, step=step, call=call)
        self.tell()

    def stand(self, status: RunStatus, type: str, data: dict[str, Any], **more: Any) -> RunRow:
        """Log an event and where the run stands with it, in one transaction; see `Store.set_status`.

        That it is being worked on need not wait for the disk: whatever happens next outside, does.
        """
        with self.store.together(self.run.id, durable=status is not RunStatus.RUNNING):
            self.store.append(self.run.id, type, data)
            row = self.store.set_status(self.run.id, status, **more)
        self.tell()
        return row

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The workflow's own texts and the titles of its products: their names may be used."""
        titles = {kit.title for kit, _ in self.catalog.tools.values()}
        return (*strings(self.workflow.model_dump(mode="json")), *sorted(titles))

    def is_parked(self, call: str) -> bool:
        """Whether a call need not be tried yet."""
        return call in self.parked and self.parked[call].due > self.now()

    @contextmanager
    def visit(self, calls: Iterable[str]) -> Iterator[None]:
        """Write what a node notes in one transaction, and show it then; `calls` are those it works on."""
        writes = [c for c in map(self.calls.__getitem__, calls) if self.catalog[c.tool][1].effect.writes]
        self.telling = False
        try:
            with self.store.batch(self.run.id, *(call.effect_id for call in writes)):
                yield
        finally:
            self.telling = True
            self.tell()

    def tell(self) -> None:
        """Show the watcher what the log has that it has not seen."""
        if self.watch is nobody or not self.telling:
            return
        for event in self.store.events(self.run.id, after=self.shown):
            self.shown = event.seq
            self.watch(event)

    def propose(self, call: ToolCall) -> None:
        """Put a new call into the log and count it."""
        self.calls[call.id] = call
        self.spent = self.spent.after_calls()
        self.by_step[call.step] = self.by_step.get(call.step, Spent()).after_calls()
        self.log("call.proposed", call.model_dump(mode="json"), step=call.step, call=call.id)

    def begin(self, step: Step) -> None:
        """Say in the log that a step begins; once, however often its node is run."""
        if step.id in self.begun:
            return
        self.begun[step.id] = self.elapsed()
        what = {"kind": "agent", "agent": step.agent} if step.agent else {"kind": "call", "tool": step.call}
        self.log("step.started", what, step=step.id)

    def ask(self, call: str, n: int, ask: Ask, step: Step) -> dict[str, Any]:
        """Keep a question for a person, and return it as the approval node wants it."""
        rule = self.workflow.rule_for(ask.tool)
        timeout = rule.timeout if rule else DECIDE_WITHIN
        until = self.clock() + timedelta(seconds=timeout) if ask.reason == "approval" else None
        identifier = self.store.ask(self.run.id, call, n, ask, until)
        self.tell()
        return {"id": identifier, "call": call, "n": n, "ask": ask.model_dump(mode="json")}

    def is_agent(self, step: str) -> bool:
        """Whether the step of this id is an agent's."""
        return any(s.id == step and s.agent is not None for s in self.workflow.steps)

    def identities(self) -> set[str]:
        """Return the texts that may be targets: the run's inputs, and ids in verified results."""
        known = set(strings(self.run.inputs))
        for receipt in self.receipts.values():
            if receipt.status == "verified":
                for path in self.catalog[receipt.tool][1].identity:
                    known.update(strings(lookup(receipt.result, path)))
        return known

    def step(self, index: int) -> Step:
        """Return the step at `index`."""
        return self.workflow.steps[index]

    def agent(self, step: Step) -> Agent:
        """Return the agent whose turn a step is."""
        return self.agents[step.agent or ""]

    def model(self, step: Step) -> str:
        """Return the model that an agent's step asks."""
        return step.model or self.agent(step).model

    def budgets(self, step: Step) -> list[Budget]:
        """Return every limit that applies to a step, with what is spent of it."""
        now = self.elapsed()
        mine = self.by_step.get(step.id, Spent()).at(now - self.begun.get(step.id, now))
        deadline, left = self.run.deadline or "", None
        if deadline:
            left = datetime.fromisoformat(deadline).timestamp() - self.now()
        found = [Budget("run", self.workflow.limits, self.spent.at(now), deadline, left)]
        if step.agent and (own := self.agent(step).limits):
            found.append(Budget(name=f"agent {step.agent}", limits=own, spent=mine))
        if step.limits:
            found.append(Budget(name=f"step {step.id}", limits=step.limits, spent=mine))
        return found

    def check_wait(self, step: str, delay: float, tool: str, why: str) -> None:
        """Raise when the run was cancelled, or when its limits end before `delay` seconds have passed."""
        if self.store.status(self.run.id) is RunStatus.CANCELLED:
            raise RunCancelled("the run was cancelled", run=self.run.id)
        for budget in self.budgets(next(s for s in self.workflow.steps if s.id == step)):
            limit, taken = budget.limits.time, budget.spent.seconds
            later = f"{tool} cannot be sent before {round(delay, 1):g} s from now: {why}"
            if budget.left is not None and delay > budget.left:
                raise overdue(budget.deadline, later if budget.left > 0 else "")
            if limit is not None and taken + delay > limit:
                raise LimitReached(
                    f"the {budget.name} may take {limit:g} s and has taken {taken:.0f} s, and {later}",
                    hint="raise `limits.time` in the workflow's file and resume the run; "
                    "what is done stays done",
                    limit="time",
                )

    def margin(self, step: Step) -> Margin:
        """Return what is left of the run's retries and of the nearest limit on time, or its deadline."""
        left = min((b.seconds for b in self.budgets(step) if b.seconds is not None), default=None)
        return Margin(retries=int(self.retries.left), seconds=None if left is None else round(left, 3))

    def paid(self, step: Step, model: str, usage: Usage) -> Spent:
        """Count a model call, and return what it took."""
        call = Spent().after_model(model, usage)
        self.spent = self.spent.plus(call)
        self.by_step[step.id] = self.by_step.get(step.id, Spent()).plus(call)
        return call

    def elapsed(self) -> float:
        """Return the seconds this run has been at work, waiting for people not counted."""
        here = (self.clock() - self.began).total_seconds() if self.began else 0.0
        return self.spent.seconds + here

    def has_chance(self, call: str) -> bool:
        """Whether the run failed, and was told to go on, since this call was settled."""
        return self.chances > self.settled.get(call, self.chances)

    def finish(self, step: Step, output: Any, accepted_by: str = "") -> None:
        """Keep the output of a step: an artifact, or a verified result; or what a person took as it is."""
        if step.id not in self.outputs:
            self.outputs[step.id] = output
            mark = {"accepted_by": accepted_by} if accepted_by else {}
            self.log("step.done", {"output": output, **mark}, step=step.id)

    def skip(self, step: Step) -> None:
        """Note that a step's `when` does not hold; its output is null."""
        if step.id not in self.outputs:
            self.outputs[step.id] = None
            self.log("step.skipped", {"when": step.when}, step=step.id)

    def _link(self, step: str) -> str | None:
        """Where a person can look at what a declared call did; None for an agent's step."""
        receipt = None if self.is_agent(step) else self.receipts.get(f"{step}.1")
        return receipt.link or None if receipt else None

    def scope(self) -> dict[str, Any]:
        """Return what `${{ }}` may name in this run."""
        return {
            "inputs": self.run.inputs,
            "steps": {step: {"output": o, "link": self._link(step)} for step, o in self.outputs.items()},
            "run": run_names(self.run.id, datetime.fromisoformat(self.run.created_at)),
        }


def run_names(run: str, started: datetime) -> dict[str, str]:
    """Return what `${{ run }}` leads to: `id`, `date`, and the ISO `week` as 2026-W48; all in UTC."""
    year, week, _ = started.isocalendar()
    return {"id": run, "date": started.date().isoformat(), "week": f"{year}-W{week:02d}"}


def strings(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
