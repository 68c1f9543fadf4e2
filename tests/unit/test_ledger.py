"""The steps of an effect, as data."""

from __future__ import annotations

import pytest

from definable.calls import Phase
from definable.errors import DefinableError, LedgerError
from definable.store.ledger import MOVES, OUTCOMES, State, Verb, fence, move


def _may(state: State) -> dict[Verb, State]:
    return {verb: step.to for verb, step in MOVES.items() if state in step.after}


def test_every_verb_and_every_phase_has_its_step() -> None:
    """Nothing that can be said of an effect is left to chance."""
    assert set(MOVES) == set(Verb)
    assert set(OUTCOMES) == set(Phase)


def test_only_an_intended_effect_can_be_sent() -> None:
    """This is what keeps two senders apart."""
    assert [state for state in State if Verb.SEND in _may(state)] == [State.INTENDED]


def test_nothing_leads_from_sent_to_the_next_attempt_but_an_answer() -> None:
    """While an answer is owed, nothing goes out."""
    assert set(_may(State.SENT)) == set(OUTCOMES.values())


def test_a_verified_effect_stays_verified() -> None:
    """It happened; saying so again is all that may follow."""
    assert _may(State.VERIFIED) == {Verb.VERIFY: State.VERIFIED}


def test_no_state_is_a_dead_end_before_verified() -> None:
    """From each state some way leads to verified."""
    reached = {State.VERIFIED}
    for _ in State:
        reached |= {state for state in State if reached & set(_may(state).values())}
    assert reached == set(State)


def test_a_forbidden_step_says_what_would_be_allowed() -> None:
    """The error has the effect, its state, the verb and the reason, and survives JSON."""
    with pytest.raises(LedgerError) as caught:
        move("e1", State.VERIFIED, Verb.INTEND)
    assert str(caught.value) == (
        "effect 'e1' is 'verified': 'intend' may not follow (what may: verify)\n"
        "  it has happened and was verified: doing it again would do it twice"
    )
    assert DefinableError.from_json(caught.value.to_json()).to_json() == caught.value.to_json()


def test_attempts_are_numbered_upwards() -> None:
    """The number of an attempt is used once; numbers may be left out."""
    fence("e1", 0, 1)
    fence("e1", 1, 5)
    with pytest.raises(
        LedgerError, match=r"attempt 5 of effect 'e1' has been sent before \(the last one was 5\)"
    ):
        fence("e1", 5, 5)
