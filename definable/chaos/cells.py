"""What a cell of the matrix is made of: a failure, its phase, a kind of effect, and what a seed draws."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from definable.chaos.claims import Ending
from definable.chaos.jobs import Job
from definable.spec.toolkit import Tool

Fault = dict[str, Any]


class Phase(StrEnum):
    """Where a failure strikes."""

    NOT_SENT = "nothing arrives"
    REFUSED = "refused, nothing is done"
    DENIED = "done, and said to be refused"
    UNHEARD = "done, and the answer does not arrive whole"
    LATE = "done only later"
    LIED = "said to be done, and is not"
    CRASHED = "our process is killed"
    DRIFTED = "the answer has another shape"
    ASKED = "the server wants another request"
    CHECKED = "on the reads that a write is checked by"
    SEVERAL = "two failures of one call"
    MANY = "many calls at once"
    WORKFLOW = "a whole workflow"


@dataclass(frozen=True)
class Trouble:
    """What goes wrong in one trial."""

    faults: tuple[Fault, ...] = ()
    keys: int = 2
    key_comes: bool = False
    """When all keys are refused, a person sets a new one."""
    exclusive: bool = False
    """The token is declared to be used by nobody else."""
    closed: int = 0
    """Nobody listens until the client has waited so many times."""
    kill: bool = False
    """The process is killed once the first fault has struck, and the work is resumed."""
    warm: bool = False
    """The same was done once before anything went wrong."""
    quotas: bool = False
    """The sandbox keeps to Hex's quotas."""
    timeout: float | None = None
    """Real seconds after which no answer is waited for."""


@dataclass(frozen=True)
class Struck:
    """What a cell's plan is given: the job, its tool, and the seed's dice."""

    job: Job
    tool: Tool
    dice: random.Random

    @property
    def before(self) -> list[str]:
        """The reads that are made before it is sent."""
        return sorted({look.call for look in self.tool.before.values()})

    @property
    def after(self) -> list[str]:
        """The reads by which it is confirmed."""
        polled = [self.tool.poll.call] if self.tool.poll else []
        return sorted({*(look.call for look in self.tool.after.values()), *polled})

    def fault(self, name: str, on: str | None = None, times: int | None = None, **more: Any) -> Fault:
        """Return a fault on the call itself unless `on` says otherwise; `more` are its parameters."""
        many = times or self.dice.randint(1, 2)
        given = {k.rstrip("_"): v for k, v in more.items()}
        after = given.pop("after", 0)
        return {"tool": on or self.job.tool, "fault": name, "times": many, "after": after, "with": given}

    def page(self) -> int:
        """Return how many requests of a list pass before one is struck."""
        return self.dice.randint(0, 1)


Plan = Callable[[Struck], Trouble]


@dataclass(frozen=True)
class Cell:
    """One class of failure in one phase on one kind of effect."""

    failure: str
    phase: Phase
    kind: str
    plan: Plan = field(compare=False, repr=False)
    ends: tuple[Ending, ...] = ()
    """How it may end when it cannot be recovered: the information or the means are not there."""
    count: int = 1
    """How many calls there are."""
    workflow: str = ""

    @property
    def name(self) -> str:
        """What the cell is called: `429 date/delete`."""
        return f"{self.failure}/{self.kind}"

    @property
    def recoverable(self) -> bool:
        """Whether what was asked for can be done all the same, exactly once."""
        return not self.ends


FOREVER = 99
"""Times that a fault strikes that does not go away."""


def once(name: str, **more: Any) -> Plan:
    """Strike the call itself, once or twice as the seed wants."""
    return lambda s: Trouble((s.fault(name, **_drawn(s, more)),))


def always(name: str, **more: Any) -> Plan:
    """Strike every request of the call."""
    return lambda s: Trouble((s.fault(name, times=FOREVER, **_drawn(s, more)),))


def single(name: str, **more: Any) -> Plan:
    """Strike the call itself, one time."""
    return lambda s: Trouble((s.fault(name, times=1, **_drawn(s, more)),))


def paged(name: str, **more: Any) -> Plan:
    """Strike any page of a list."""
    return lambda s: Trouble((s.fault(name, after=s.page(), **_drawn(s, more)),))


def changed(name: str, **more: Any) -> Plan:
    """Let every answer of the call have another shape."""
    return lambda s: Trouble((s.fault(name, times=FOREVER, **_drawn(s, more)),))


def _drawn(s: Struck, more: dict[str, Any]) -> dict[str, Any]:
    return {k: v(s) if callable(v) else v for k, v in more.items()}


def with_(plan: Plan, **more: Any) -> Plan:
    """Return a plan with other surroundings."""

    def changed_(s: Struck) -> Trouble:
        return Trouble(**{**vars(plan(s)), **more})

    return changed_


def looked(name: str, first: str = "", times: int | None = None, before: bool = False, **more: Any) -> Plan:
    """Strike a read by which the call is checked, while `first` happens to the call itself."""

    def plan(s: Struck) -> Trouble:
        on = s.dice.choice((s.before if before else s.after) or s.after)
        mine = [s.fault(first, times=1)] if first else []
        return Trouble((*mine, s.fault(name, on, times, **_drawn(s, more))), exclusive=True)

    return plan


def choice(*values: Any) -> Callable[[Struck], Any]:
    """Let the seed choose a parameter."""
    return lambda s: s.dice.choice(values)


def between(low: float, high: float, digits: int = 0) -> Callable[[Struck], float]:
    """Let the seed draw a number."""
    return lambda s: round(s.dice.uniform(low, high), digits)


def rows(
    failure: str, phase: Phase, kinds: str, plan: Plan, ends: Iterable[Ending] = (), **more: Any
) -> list[Cell]:
    """Return the cells of one failure, for kinds of effect that are separated by spaces."""
    return [Cell(failure, phase, kind, plan, tuple(ends), **more) for kind in kinds.split()]


def two(s: Struck) -> Trouble:
    """Draw two failures of the call itself."""
    names = s.dice.sample(sorted(PASSING), 2)
    return Trouble(tuple(s.fault(n, times=1, **PASSING[n](s)) for n in names), exclusive=True, keys=2)


def call_and_look(s: Struck) -> Trouble:
    """Draw a failure of the call, and one of a read by which it is checked."""
    own = s.dice.choice(sorted(PASSING))
    look = s.dice.choice(sorted(PASSING.keys() - WRITES_ONLY))
    on = s.dice.choice([*s.before, *s.after])
    faults = (s.fault(own, times=1, **PASSING[own](s)), s.fault(look, on, 1, **PASSING[look](s)))
    return Trouble(faults, exclusive=True)


PASSING: dict[str, Callable[[Struck], dict[str, Any]]] = {
    "rate_limit": lambda s: {"retry_after": s.dice.choice([1, 2.5, "date", "none"])},
    "error_before": lambda s: {"status": s.dice.choice([500, 502, 503, 504])},
    "error_after": lambda s: {"status": s.dice.choice([500, 502, 504])},
    "lost_answer": lambda s: {},
    "reset": lambda s: {},
    "cut": lambda s: {},
    "garbage": lambda s: {},
    "truncated": lambda s: {},
    "empty": lambda s: {},
    "noop": lambda s: {},
    "late_commit": lambda s: {"seconds": s.dice.randint(1, 9), "answer": s.dice.choice(["lost", "error"])},
    "unauthorized": lambda s: {},
    "drift_wrap": lambda s: {},
    "drift_case": lambda s: {},
}
"""Faults that pass, with how their parameters are drawn, for combinations."""

WRITES_ONLY = {"late_commit", "noop"}
