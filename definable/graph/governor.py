"""The quota governor at the one door: attempts leave when there is a slot, answers teach it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from definable.calls import Outcome, Phase
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

    def claim(self, toolkit: Toolkit, tool: Tool, run: str, call: str) -> Claim | None:
        """Return what an attempt claims; None when the toolkit knows no quota for it."""
        return claim(
            toolkit,
            tool,
            self.share,
            owner=self.accounts[toolkit.toolkit].name(),
            ticket=secrets.token_hex(8),
            source=run,
            call=call,
        )

    async def admit(self, claim: Claim, before: Callable[[Wait, float], None]) -> tuple[float, str]:
        """Wait for the slots; return the seconds that took and the bucket waited for last.

        `before` is called ahead of each sleep, with the seconds waited so far; it may raise to give up.
        """
        began, bucket = self.now(), ""
        granted = False
        try:
            while (wait := self.store.take(claim, self.now())) is not None:
                bucket = wait.bucket
                before(wait, self.now() - began)
                await self.sleep(wait.seconds)
            granted = True
        finally:
            if not granted:
                self.store.withdraw(claim.queued_as)
        return self.now() - began, bucket

    def learn(self, toolkit: str, tool: str, claim: Claim, outcome: Outcome) -> None:
        """Take in what came of an attempt: when its slots are free, and what the server said of quotas."""
        now = self.now()
        if claim.holds and outcome.phase in (Phase.NOT_SENT, Phase.REJECTED):
            self.store.release(claim.holder)
        if outcome.phase is Phase.NOT_SENT:
            self.store.unsent(claim)
            return
        refused = outcome.status == 429
        self.store.answered(claim, now, refused=refused)
        if refused:
            self.store.throttled(claim, now, retry_after(outcome.headers))
        elif said := hints(outcome.headers, now):
            self.store.hinted(claim, now, said)
        self.accounts[toolkit].met(tool, outcome)
