"""The ledger against a model of it, in whatever order things are said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from definable.calls import Phase
from definable.errors import LedgerError
from definable.spec.model import Evidence
from definable.store import EffectRow, State, Store, open_store
from tests.integration.store_contract import a_run, an_exchange
from tests.postgres import PostgresServer, place_of

effects = st.sampled_from(["e1", "e2"])
ANSWERED = {
    Phase.NOT_SENT: State.INTENDED,
    Phase.UNKNOWN: State.UNKNOWN,
    Phase.REJECTED: State.REJECTED,
    Phase.COMMITTED: State.COMMITTED,
}


class LedgerMachine(RuleBasedStateMachine):
    """Counts what went out and what is owed; the store must never disagree."""

    def __init__(self, made: AbstractContextManager[Store]) -> None:
        """Open a new store."""
        super().__init__()
        self.made = made
        self.store = made.__enter__()
        self.store.create_run(a_run())
        self.owed: dict[str, int] = {}
        self.last = {"e1": 0, "e2": 0}
        self.closed: dict[str, EffectRow] = {}
        self.n = 0

    @initialize()
    def start(self) -> None:
        """Intend one of the two."""
        self.intend("e1")

    def said(self, action: Any, *arguments: Any, **named: Any) -> EffectRow | None:
        """Do it, or be refused and find everything as it was."""
        before = self.store.effects("r1")
        try:
            row: EffectRow = action(*arguments, **named)
        except LedgerError:
            assert self.store.effects("r1") == before
            return None
        return row

    @rule(effect=effects)
    def intend(self, effect: str) -> None:
        """Nothing is intended while an answer is owed or once it is verified."""
        row = self.said(self.store.intend, effect, "r1", "s.1", "T", {})
        assert row is None or (effect not in self.owed and effect not in self.closed)

    @rule(effect=effects, skip=st.integers(-1, 2))
    def sent(self, effect: str, skip: int) -> None:
        """An attempt leaves only after an intent, once, with a number above the last."""
        attempt = self.last[effect] + skip
        before = self.store.effect(effect)
        if self.said(self.store.sent, effect, attempt):
            assert before
            assert before.state is State.INTENDED
            assert attempt > self.last[effect]
            self.last[effect] = self.owed[effect] = attempt

    @rule(effect=effects, phase=st.sampled_from(Phase))
    def outcome(self, effect: str, phase: Phase) -> None:
        """An answer says where the effect stands."""
        if row := self.said(self.store.outcome, effect, phase):
            assert row.state is ANSWERED[phase]
            self.owed.pop(effect, None)

    @rule(effect=effects)
    def recorded(self, effect: str) -> None:
        """An exchange answers the attempt that is out and no other."""
        attempt = self.last[effect]
        before = self.store.effect(effect)
        self.store.record("r1", an_exchange(self.n, effect=effect, attempt=max(attempt, 1)))
        self.n += 1
        if self.owed.pop(effect, None):
            assert (row := self.store.effect(effect))
            assert row.state is State.COMMITTED
        else:
            assert self.store.effect(effect) == before

    @rule(effect=effects)
    def reconciled(self, effect: str) -> None:
        """Only what was lost or refused is found."""
        if self.said(self.store.reconciled, effect, {"id": 1}):
            assert effect not in self.owed
            assert self.last[effect] > 0

    @rule(effect=effects)
    def needs_review(self, effect: str) -> None:
        """A person is asked about what went out."""
        if self.said(self.store.needs_review, effect, "two"):
            assert self.last[effect] > 0

    @rule(effect=effects)
    def verified(self, effect: str) -> None:
        """Only what went out and was answered is verified."""
        if row := self.said(self.store.verified, effect, Evidence.STATE):
            assert self.last[effect] > 0
            assert effect not in self.owed
            self.closed.setdefault(effect, row)

    @invariant()
    def sent_is_owed(self) -> None:
        """An effect is `sent` exactly while its answer is owed, and verified for good."""
        for row in self.store.effects("r1"):
            assert (row.state is State.SENT) == (row.effect in self.owed)
            assert row.attempt == self.last[row.effect]
            assert (row.state is State.VERIFIED) == (row.effect in self.closed)

    def teardown(self) -> None:
        """Let go of the store."""
        self.made.__exit__(None, None, None)


@contextmanager
def in_a_file() -> Iterator[Store]:
    """Open a store in a folder of its own."""
    with TemporaryDirectory() as folder, open_store(Path(folder) / "state.db") as store:
        yield store


@contextmanager
def on_a_server(server: PostgresServer) -> Iterator[Store]:
    """Open a store in an empty database."""
    with open_store(place_of(server.database())) as store:
        yield store
    server.reclaim()


def hold(made: Callable[[], AbstractContextManager[Store]], examples: int) -> None:
    """Say things in so many orders to a new store each time."""

    class Machine(LedgerMachine):
        def __init__(self) -> None:
            super().__init__(made())

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None)
    )


def test_the_ledger_holds_in_whatever_order_things_are_said() -> None:
    """No order of intents and answers makes an attempt leave twice or opens a closed effect."""
    hold(in_a_file, 100)


def test_the_ledger_holds_on_a_server(postgres: PostgresServer) -> None:
    """The rules are the same code; what may differ is what a query sees."""
    hold(lambda: on_a_server(postgres), 20)
