"""The contract of a store: what the engine may rely on, whichever database is behind it.

Every method is one transaction, and a killed process loses none of them. A power failure may cut off the
end of what was written, but nothing that the outside may know of already: runs and where they stand, that
an attempt leaves, its answer, questions and answers are on the disk when the method returns. All that came
before them is on the disk then, too. What can be had again (notes, intents, answers to reads, receipts)
waits for the next of those. So a power failure is a crash at an earlier moment, and is resumed like one.

Methods are synchronous, take a millisecond or less, and may be called from one event loop; other processes
may have the same database open.
What has a table of its own (exchanges, receipts, questions, answers) is written to the run log in the same
transaction, so callers append only the other event types. Repeating a write that a crash interrupted changes
nothing and logs nothing. All methods raise StoreError when the database refuses.

`tests/integration/store_contract.py` is this contract as a runnable suite, one for all implementations.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from definable.calls import Ask, Decision, Exchange, Json, Lesson, Phase, Receipt
from definable.quota.admission import Wait
from definable.quota.claim import Claim
from definable.quota.forecast import Taken
from definable.quota.hints import Hints
from definable.spec.model import Evidence
from definable.store.fleet import (
    Batches,
    Clients,
    Orders,
    Outbox,
    Retention,
    Search,
    Threads,
    Triggers,
    Turns,
    Workers,
)
from definable.store.place import Place
from definable.store.rows import (
    AskRow,
    EffectRow,
    Event,
    Reservation,
    RunRow,
    RunStatus,
)


class Runs(Protocol):
    """The runs and their state."""

    def create_run(self, run: RunRow) -> RunRow:
        """Keep a new run and return it with `created_at`; UsageError when the id is taken."""

    def run(self, run: str) -> RunRow:
        """Return the run of this id, or the one whose id starts so; else UsageError, with nearby ids."""

    def status(self, run: str) -> RunStatus:
        """Return where the run of exactly this id stands; UsageError when there is none."""

    def runs(
        self, limit: int | None = None, status: RunStatus | None = None, batch: str | None = None
    ) -> list[RunRow]:
        """Return runs, newest first, at most `limit`, with this `status` and of this `batch` if given."""

    def set_status(
        self,
        run: str,
        status: RunStatus,
        reason: str = "",
        outputs: dict[str, Json] | None = None,
        error: dict[str, Json] | None = None,
        until: str | None = None,
    ) -> RunRow:
        """Change where a run stands. UsageError when it is done or cancelled: nothing follows those.

        `outputs`, `error` and `until` replace what was there; None leaves outputs and clears the others.
        """

    def alone(self, run: str) -> AbstractContextManager[None]:
        """Be the only one who works on a run, until the block or the process ends.

        UsageError when another process does, or this one already. Whoever loses the database has lost the
        run, too: every method raises StoreError from then on until the block ends.
        """

    def begin(self, run: str, worker: str | None = None, history: int = 1) -> Store:
        """Begin to work on a run: return this store bound to it, and fence off who began before.

        The run gets a new fencing token, one higher than the last, on disk. Through what is returned, every
        write raises Fenced, and changes nothing, once somebody else has begun. Reads are as ever.
        """

    tries: int
    """Where the store is bound: how often somebody has begun since the run's log got anywhere, 1 at first."""

    def check(self) -> None:
        """Raise Fenced when this store was bound by `begin`, and somebody else has begun since."""


class Log(Protocol):
    """The run log: the truth that everything else is a projection of."""

    def together(self, run: str, *effects: str, durable: bool) -> AbstractContextManager[None]:
        """Make what the block writes of a run and these effects one transaction: all of it or nothing.

        It waits for the disk when it is `durable`, whatever is written in it.
        """

    def batch(self, run: str, *effects: str) -> AbstractContextManager[None]:
        """Make what the block writes of the run that the store is bound to few transactions.

        What need not wait for the disk is written with what follows it, at the latest when the block ends,
        also when it raises. What must wait takes what came before it along. The block awaits nothing.
        """

    def append(
        self, run: str, type: str, data: dict[str, Json], step: str | None = None, call: str | None = None
    ) -> int:
        """Add an event and return its `seq`: 1, 2, 3 … within the run, without gaps."""

    def events(self, run: str, after: int = 0) -> list[Event]:
        """Return the events with a `seq` above `after`, in order."""

    def record(self, run: str, exchange: Exchange) -> Exchange:
        """Add an exchange of a call, and return the one that is kept: the first for its call and `n`.

        When it answers a Send whose effect is `sent` at that attempt, the ledger takes the outcome in the
        same transaction: there is no moment in which one knows of the answer and the other does not.
        """

    def exchanges(self, run: str, call: str) -> list[Exchange]:
        """Return the exchanges of a call in the order of `n`."""

    def exchange(self, run: str, call: str, n: int) -> Exchange | None:
        """Return one exchange of a call, or None while there is none; the others are not read."""

    def settle(self, run: str, receipt: Receipt, n: int | None = None) -> Receipt:
        """Keep the receipt of a call, and return the one that is kept: the first.

        With `n`, its result is the body of that exchange of the call, word for word, and is not stored again.
        """

    def receipt(self, run: str, call: str) -> Receipt | None:
        """Return the receipt of a call, with its result, or None while there is none."""

    def receipts(self, run: str) -> list[Receipt]:
        """Return the receipts of a run in the order in which they were settled."""


class Ledger(Protocol):
    """The effects: intent is on disk before the first byte leaves. LedgerError for a step not allowed."""

    def intend(
        self,
        effect: str,
        run: str,
        call: str,
        tool: str,
        arguments: dict[str, Json],
        attempt: int | None = None,
    ) -> EffectRow:
        """Say that an attempt with these arguments comes next; an `attempt` sent before is refused."""

    def sent(self, effect: str, attempt: int) -> EffectRow:
        """Say that this attempt leaves now. Only one caller gets through; attempts are numbered upwards."""

    def outcome(self, effect: str, phase: Phase) -> EffectRow:
        """Say how far the attempt got; UNKNOWN also when a crash or a failed read-back leaves it open."""

    def reconciled(self, effect: str, adopted: Json = None) -> EffectRow:
        """Say that a look found the lost effect, and what was adopted as it."""

    def needs_review(self, effect: str, note: str) -> EffectRow:
        """Say that only a person can tell, and why."""

    def verified(self, effect: str, evidence: Evidence, note: str = "") -> EffectRow:
        """Close the effect with what proves it."""

    def effect(self, effect: str) -> EffectRow | None:
        """Return one effect, or None when it was never intended."""

    def effects(self, run: str) -> list[EffectRow]:
        """Return the effects of a run in the order in which they were first intended."""

    def occupy(
        self, place: str, run: str, call: str, now: float, until: float, *, anew: bool = False
    ) -> Reservation:
        """Take a place for a call alone, or keep it, until a time; seconds of a clock all share.

        Nothing changes while another call is there, whose time is not over. Who comes after one whose time
        is over leaves it a mark: it will be told that the place is shared. `anew` takes that mark away.
        """

    def vacate(self, run: str, call: str) -> None:
        """Let others take a call's place; it is told when they did. `settle` gives the place up for good."""


class Approvals(Protocol):
    """Questions to people. An answer is used once, fits the exact arguments, and comes in time."""

    def ask(self, run: str, call: str, n: int, ask: Ask, expires_at: datetime | None = None) -> str:
        """Keep a question and return its id, always the same; ReplayError when another was asked there."""

    def answer(self, ask: str, decision: Decision) -> Decision:
        """Keep the answer and return it with `at`.

        UsageError when there is no such question, it was answered before, or an approval comes too late or
        for other arguments. A refusal is taken at any time: no answer in time is a no.
        """

    def asked(self, ask: str) -> AskRow:
        """Return a question and, once there is one, its answer; UsageError when there is no such question."""

    def open_asks(self, run: str) -> list[AskRow]:
        """Return the questions without an answer, oldest first, expired ones among them."""


class Quotas(Protocol):
    """The quota governor's shared slots and queue. Time is passed in: seconds of `time`, which all share.

    What a slot means, who is first and what is learned is decided by definable/quota/, inside one
    transaction. A power failure may lose the slots of the last moments.
    """

    def time(self) -> float:
        """Return the seconds of the clock that all who share the store go by: the server's, if any."""

    def take(self, claim: Claim, now: float) -> Wait | None:
        """Take a slot in each bucket and return None, or queue up and say when to ask again.

        The place in the queue is kept until it asks again or is withdrawn; who does not ask again in time
        loses it. Places that `holder` has already are kept, and their leases begin anew with whatever the
        holder sends.
        """

    def withdraw(self, place: str) -> None:
        """Leave the queue; nothing happens when it is not in it."""

    def keep(self, place: str, until: float) -> None:
        """Keep a place in the queue until then: its holder goes, and comes back in any process."""

    def ready(self, source: str, now: float) -> bool:
        """Return whether one of a run's places could go now, though it may be kept for later."""

    def answered(self, claim: Claim, now: float, *, refused: bool = False, later: bool = False) -> None:
        """Say that the attempt has its answer: its slots are free one window from `now`.

        `later`: the next transaction takes that along, so that an answer which is recorded at once costs none
        of its own. Until then, and when that fails, its slots count as under way, until their lease ends.
        """

    def unsent(self, claim: Claim) -> None:
        """Say that nothing was sent: its slots are free."""

    def release(self, holder: str) -> None:
        """Give back the places that a call holds; `settle` does so as well."""

    def full(self, claim: Claim, now: float, asked: float | None) -> None:
        """Learn from an answer that no place is free: nobody takes one for `asked` or 1, 2, 4 … 60 seconds.

        The places of the claim's holder are given back. From then on one at a time tries; a place that
        somebody else gives back, and an attempt that gets one, end the pause.
        """

    def tried(self, claim: Claim, *, accepted: bool) -> None:
        """Say that an attempt which wanted places has its answer, another one than that: the next may try."""

    def throttled(self, claim: Claim, now: float, asked: float | None) -> None:
        """Learn from a 429: nobody sends to that bucket for `asked` seconds, and its limit is lower."""

    def hinted(self, claim: Claim, now: float, hints: Hints) -> None:
        """Learn from a server's figures; they can only lower what is sent."""

    def taken(self, owner: str, now: float) -> Taken:
        """Return what is used of an owner's quotas, what was learned of them, and who waits."""

    def breaker(self, name: str) -> str:
        """Return the state of an open circuit breaker, as text; empty while it is closed."""

    def set_breaker(self, name: str, known: str, state: str) -> bool:
        """Replace the state that was `known`; False, and nothing changes, when it is another by now."""

    def quota_owner(self, mark: str) -> str | None:
        """Return whose quota a key uses, or None while it is not known; `mark` stands for the key."""

    def set_quota_owner(self, mark: str, owner: str) -> None:
        """Note whose quota a key uses; what was counted under `mark` counts for the owner from now on."""


class Contracts(Protocol):
    """The record of contracts: what was learned of the products' responses. Rows never change."""

    def learn(self, lessons: Iterable[Lesson]) -> None:
        """Add rows; each gets the next number. Whoever has seen a number has seen all before it."""

    def known(self, after: int = 0) -> list[Lesson]:
        """Return the rows with a number above `after`, in order."""

    def thin(self, toolkit: str, tool: str, keep: int, before: str, resumed: str) -> int:
        """Forget samples of a tool, and say how many: those older than `before` and than each run that may
        go on, but for the last `keep` of these, which are what such a run may have been judged by.

        A failed or limited run may go on when it was created after `resumed`.
        """


class Store(
    Runs,
    Log,
    Ledger,
    Approvals,
    Quotas,
    Contracts,
    Workers,
    Batches,
    Triggers,
    Retention,
    Search,
    Clients,
    Threads,
    Orders,
    Outbox,
    Turns,
    Protocol,
):
    """Everything that outlives a process."""

    @property
    def place(self) -> Place:
        """Where it is."""

    def close(self) -> None:
        """Let go of the database; closing twice is allowed."""

    def __enter__(self) -> Store: ...

    def __exit__(self, *exc: object) -> None: ...
