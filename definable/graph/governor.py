"""The quota governor at the one door: attempts leave when there is a slot, answers teach it."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from definable.calls import Outcome, Phase
from definable.graph.parking import PLACE, CallParked, Parked
from definable.quota.admission import Wait
from definable.quota.claim import Claim, claim
from definable.quota.hints import hints
from definable.spec.toolkit import Tool, Toolkit
from definable.store.contract import Quotas
from definable.verify.classify import retry_after


@dataclass(frozen=True)
class Account:
    """Whose quota the requests to one product count against."""

    name: Callable[[], str]
    """Returns the owner of the key in use; it changes when the key does."""
    met: Callable[[str, Outcome], None] = lambda tool, outcome: None
    """Is shown each tool's answer: one of them tells whose key it is."""


@dataclass(frozen=True)
class Governor:
    """Waits for slots that all processes share. It never sends a request to find anything out."""

    store: Quotas
    accounts: Mapping[str, Account]
    """Toolkit name → whose quota it is."""
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], float] = time.time
    """Seconds of a clock that all processes share and that `sleep` moves."""
    share: float = 1.0

    def claim(self, toolkit: Toolkit, tool: Tool, run: str, call: str, n: int = 0) -> Claim | None:
        """Return what the attempt for a call's n-th order claims; None when no quota is known for it."""
        return claim(
            toolkit,
            tool,
            self.share,
            owner=self.accounts[toolkit.toolkit].name(),
            ticket=secrets.token_hex(8),
            source=run,
            call=call,
            place=f"{run}/{call}/{n}",
        )

    async def admit(
        self, claim: Claim, before: Callable[[Wait, float], None], patience: float = math.inf
    ) -> tuple[float, str]:
        """Wait for the slots; return the seconds that took and the bucket waited for last.

        `before` is called ahead of each sleep, with the seconds waited so far; it may raise to give up.
        Raises CallParked, and keeps the place in the queue, for more than `patience` seconds.
        """
        began, bucket = self.now(), ""
        leave = True
        try:
            while (wait := self.store.take(claim, self.now())) is not None:
                now, bucket = self.now(), wait.bucket
                before(wait, now - began)
                if wait.expected > patience or now - began > patience:
                    due = now + (wait.expected if wait.expected > patience else PLACE)
                    self.store.keep(claim.queued_as, due)
                    leave = False
                    raise CallParked(Parked(due, "quota", bucket))
                await self.sleep(wait.seconds)
            leave = False
        finally:
            if leave:
                self.store.withdraw(claim.queued_as)
        return self.now() - began, bucket

    def learn(
        self, toolkit: str, tool: str, claim: Claim, outcome: Outcome, *, recorded: bool = False
    ) -> None:
        """Take in what came of an attempt: when its slots are free, and what the server said of quotas.

        `recorded`: the answer is put into the store next, and the slots with it.
        """
        now = self.now()
        if claim.holds:
            self._learn_places(claim, outcome, now)
        if outcome.phase is Phase.NOT_SENT:
            self.store.unsent(claim)
            return
        refused = outcome.status == 429
        self.store.answered(claim, now, refused=refused, later=recorded)
        if refused:
            self.store.throttled(claim, now, retry_after(outcome.headers))
        else:
            for hint in hints(outcome.headers, now):
                self.store.hinted(claim, now, hint)
        self.accounts[toolkit].met(tool, outcome)

    def _learn_places(self, claim: Claim, outcome: Outcome, now: float) -> None:
        """Take in whether there was a place; a 5xx by which the tool says that nothing was done says no."""
        done = outcome.phase not in (Phase.NOT_SENT, Phase.REJECTED)
        if not done and (outcome.status or 0) >= 500:
            self.store.full(claim, now, retry_after(outcome.headers))
            return
        if not done:
            self.store.release(claim.holder)
        self.store.tried(claim, accepted=done)
