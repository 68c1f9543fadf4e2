"""The breaker's mind, and the guard that asks it for several processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from definable.calls import Outcome, Phase
from definable.graph.guard import GLANCE, Guard
from definable.quota.breaker import FIRST, LONGEST, TRIP, Breaker, RetryBudget, failed, loaded, operations
from definable.spec.model import Effect
from definable.store import Store, open_store
from tests.hexkit import toolkit

KIT = toolkit()
READ = KIT.tools["HEX_LIST_USERS"]
WRITE = KIT.tools["HEX_CREATE_CELL"]
RUN = KIT.tools["HEX_RUN_PROJECT"]


def answered(status: int) -> Outcome:
    """Return an outcome with this status."""
    return Outcome(phase=Phase.COMMITTED if status < 300 else Phase.UNKNOWN, status=status)


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (answered(200), False),
        (answered(404), False),
        (answered(401), False),
        (answered(429), None),
        (answered(500), True),
        (answered(502), True),
        (Outcome(phase=Phase.UNKNOWN, cause="timeout"), True),
        (Outcome(phase=Phase.NOT_SENT, cause="connect"), True),
        (Outcome(phase=Phase.NOT_SENT, cause="no_credentials"), None),
        (Outcome(phase=Phase.UNKNOWN, cause="crash"), None),
    ],
)
def test_what_speaks_against_a_host(outcome: Outcome, says: bool | None) -> None:
    """Failing to answer does; refusing for a reason does not, and our own troubles say nothing."""
    assert failed(READ, outcome) is says


def test_a_refusal_for_want_of_capacity_is_no_failure() -> None:
    """503 of a tool that promises that nothing was started is a wait, not an illness."""
    assert failed(RUN, answered(503)) is None
    assert failed(READ, answered(503)) is True


def test_operations_are_told_apart() -> None:
    """Products fail in one kind of thing and work in another."""
    assert [operations(e) for e in (Effect.READ, Effect.CREATE, Effect.RUN)] == ["reads", "writes", "runs"]


def test_each_trip_lasts_twice_as_long_up_to_a_limit() -> None:
    """And a breaker survives being written down."""
    breaker, lengths = Breaker(), []
    for _ in range(8):
        breaker = breaker.tripped(100.0)
        lengths.append(breaker.opens - 100.0)
    assert lengths[:3] == [FIRST, 2 * FIRST, 4 * FIRST]
    assert lengths[-1] == LONGEST
    assert loaded(breaker.dumped()) == breaker
    assert Breaker().dumped() == ""


def test_the_budget_earns_one_for_ten_and_never_more_than_it_began_with() -> None:
    """Retries stay a small part of what is sent."""
    budget = RetryBudget(2)
    assert [budget.spend() for _ in range(3)] == [True, True, False]
    for _ in range(11):
        budget.earn()
    assert [budget.spend(), budget.spend()] == [True, False]
    for _ in range(1000):
        budget.earn()
    assert budget.left == 2


@dataclass
class Clock:
    """A clock that moves when told to."""

    at: float = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.at


@dataclass
class Fleet:
    """Two processes with one store and one clock."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    guards: list[Guard] = field(default_factory=list)

    def send(self, who: int, status: int) -> str:
        """Ask, and send when allowed: `sent`, `tried`, or the seconds to wait."""
        guard = self.guards[who]
        gate = guard.gate(KIT, READ, "https://h/api")
        passed = guard.ask(gate)
        if passed.seconds:
            return f"{passed.seconds:g}"
        guard.came(gate, passed, READ, answered(status))
        return "tried" if passed.trying else "sent"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Two guards on one store."""
    with open_store(tmp_path / "state.db") as store:
        made = Fleet(store)
        made.guards = [Guard(store, made.clock), Guard(store, made.clock)]
        yield made


def test_it_opens_for_everybody_and_lets_one_try(fleet: Fleet) -> None:
    """Who has seen no failure itself is held back too; of those that wait, one finds out for all."""
    assert [fleet.send(0, 500) for _ in range(TRIP)] == ["sent"] * TRIP
    assert fleet.send(0, 200) == f"{FIRST:g}"
    fleet.clock.at += 2.0
    assert fleet.send(1, 200) == f"{FIRST - 2:g}"
    fleet.clock.at += FIRST
    gate = fleet.guards[0].gate(KIT, READ, "https://h/api")
    trying = fleet.guards[0].ask(gate)
    assert trying.trying
    assert fleet.send(1, 200) == f"{GLANCE:g}"
    fleet.guards[0].came(gate, trying, READ, answered(200))
    assert [fleet.send(1, 200), fleet.send(0, 200)] == ["sent", "sent"]


def test_the_one_that_tries_and_fails_opens_it_for_longer(fleet: Fleet) -> None:
    """Twice as long, and the next one to try may be anybody."""
    for _ in range(TRIP):
        fleet.send(0, 500)
    fleet.clock.at += FIRST
    assert fleet.send(1, 503) == "tried"
    assert fleet.send(0, 200) == f"{2 * FIRST:g}"
    fleet.clock.at += 2 * FIRST
    assert fleet.send(0, 200) == "tried"
    assert fleet.send(1, 200) == "sent"


def test_who_tries_and_is_never_heard_of_again_does_not_block(fleet: Fleet) -> None:
    """A process that died with the one attempt leaves it to another after a while."""
    for _ in range(TRIP):
        fleet.send(0, 500)
    fleet.clock.at += FIRST
    gate = fleet.guards[0].gate(KIT, READ, "https://h/api")
    assert fleet.guards[0].ask(gate).trying
    fleet.clock.at += gate.lease - 0.5
    assert fleet.send(1, 200) == "0.5"
    fleet.clock.at += 0.5
    assert fleet.send(1, 200) == "tried"


def test_failures_on_their_way_when_it_opened_do_not_open_it_again(fleet: Fleet) -> None:
    """They were sent before, and say nothing new."""
    guard = fleet.guards[0]
    gate = guard.gate(KIT, READ, "https://h/api")
    passes = [guard.ask(gate) for _ in range(2 * TRIP)]
    opened = [guard.came(gate, each, READ, answered(500)) for each in passes]
    assert [each is not None for each in opened] == [False] * (TRIP - 1) + [True] + [False] * TRIP


def test_classes_and_hosts_have_their_own(fleet: Fleet) -> None:
    """Reads that fail hold back no writes, nor reads elsewhere."""
    for _ in range(TRIP):
        fleet.send(0, 500)
    guard = fleet.guards[1]
    assert guard.ask(guard.gate(KIT, WRITE, "https://h/api")).seconds == 0
    assert guard.ask(guard.gate(KIT, READ, "https://other/api")).seconds == 0
    assert guard.ask(guard.gate(KIT, READ, "https://h/api")).seconds > 0


def test_a_few_failures_among_many_answers_hold_back_nobody(fleet: Fleet) -> None:
    """Half of the calls may fail."""
    for n in range(100):
        assert fleet.send(0, 500 if n % 2 else 200) == "sent"
