"""What stands before the door beside the quotas: circuit breakers that all processes share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from definable.calls import Outcome
from definable.quota.breaker import Breaker, failed, loaded, operations, trips
from definable.quota.claim import MARGIN
from definable.spec.toolkit import Tool, Toolkit
from definable.store.contract import Quotas

STALE = 1.0
"""Seconds for which a closed breaker is taken to be closed without asking the store again."""

GLANCE = 1.0
"""Seconds between two looks whether the one attempt that tries has its answer."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One breaker: the host and the class of operations that it stands before, in words for people."""

    name: str
    lease: float
    """Seconds in which an attempt has its answer, or never has one."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Whether an attempt may go: at once when `seconds` is 0, else ask again after so many."""

    seconds: float = 0.0
    trying: bool = False
    """The breaker is open, and this attempt finds out whether the host is well again."""


@dataclass
class Guard:
    """Holds attempts back while their host fails; lets one at a time try whether it is well again.

    The calls that are looked back on are this process's; that a breaker is open is in the store, for all.
    """

    store: Quotas
    now: Callable[[], float] = time.time
    _recent: dict[str, list[bool]] = field(default_factory=dict)
    _known: dict[str, tuple[float, str]] = field(default_factory=dict)

    def gate(self, toolkit: Toolkit, tool: Tool, place: str) -> Gate:
        """Return the gate that an attempt with `tool` at the address `place` passes."""
        return Gate(f"{operations(tool.effect)} at {place}", 2 * toolkit.timeout + MARGIN)

    def ask(self, gate: Gate) -> Pass:
        """Return whether an attempt may go now. Whoever is let through owes `came`."""
        now = self.now()
        if not (text := self._state(gate.name, now)):
            return Pass()
        breaker = loaded(text)
        if (seconds := breaker.wait(now)) > 0:
            return Pass(seconds if breaker.opens > now else min(seconds, GLANCE))
        after = breaker.tried(now, gate.lease).dumped()
        if not self.store.set_breaker(gate.name, text, after):
            return Pass(GLANCE)
        return Pass(trying=True)

    def back(self, gate: Gate, passed: Pass) -> None:
        """Take back that an attempt may try: it does not leave yet."""
        if passed.trying:
            text = self.store.breaker(gate.name)
            self.store.set_breaker(gate.name, text, replace(loaded(text), trying=0.0).dumped())

    def came(self, gate: Gate, passed: Pass, tool: Tool, outcome: Outcome) -> Breaker | None:
        """Take in what came of an attempt; return the breaker when that opened it."""
        bad = failed(tool, outcome)
        recent = self._recent.setdefault(gate.name, [])
        if bad is not None:
            recent.append(bad)
        tripped = trips(recent)
        if passed.trying:
            if not bad:
                recent.clear()
            return self._turn(gate, bool(bad))
        return self._turn(gate, True) if bad and tripped else None

    def _turn(self, gate: Gate, opened: bool) -> Breaker | None:
        """Close it, or open it unless it is open already: what failed was sent before that."""
        now, text = self.now(), self.store.breaker(gate.name)
        known = loaded(text)
        if opened and known.opens > now:
            return None
        after = known.tripped(now) if opened else Breaker()
        won = self.store.set_breaker(gate.name, text, after.dumped())
        self._known.pop(gate.name, None)
        return after if won and opened else None

    def _state(self, name: str, now: float) -> str:
        at, text = self._known.get(name, (now - STALE, ""))
        if text or not 0 <= now - at < STALE:
            text = self.store.breaker(name)
            self._known[name] = (now, text)
        return text
