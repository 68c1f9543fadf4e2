"""How a run is named."""

from __future__ import annotations

from definable.engine.options import new_id


def test_as_many_runs_as_a_batch_makes_in_a_minute_have_names_of_their_own() -> None:
    """Of 24 random bits, as they once had, hundreds of these would be alike."""
    names = {new_id() for _ in range(50_000)}
    assert len(names) == 50_000
