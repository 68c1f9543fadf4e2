"""What a batch decides: whether the next item may begin, whether a service is away, what its lines are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.engine.batch.files import Files, Lines, tidy
from definable.engine.batch.progress import Floor, Progress, Rate
from definable.engine.batch.purse import Purse
from definable.engine.batch.shape import dumped
from definable.engine.batch.weather import Weather, away
from definable.errors import (
    CredentialsError,
    DefinableError,
    LimitReached,
    ModelError,
    StoreError,
    UpstreamError,
    UsageError,
)
from definable.store import TallyRow


def cost(usd: float, *, unpriced: bool = False) -> TallyRow:
    """Return what a run came to."""
    return TallyRow(run="r", batch="b", usd=usd, unpriced=unpriced)


def test_the_first_item_goes_alone_where_there_is_a_limit() -> None:
    """Then one more costs what the dearest did, and so do all that are under way."""
    purse = Purse(limit=1.0)
    assert (purse.may(0), purse.may(1)) == (True, False)
    purse.take(None, cost(0.2))
    assert (purse.may(3), purse.may(4), purse.over) == (True, False, False)
    purse.take(cost(0.2), cost(0.5))  # it was gone on with
    assert (purse.spent, purse.may(0), purse.may(1)) == (0.5, True, False)
    purse.take(None, cost(0.1))
    assert purse.over
    assert purse.why() == "$0.6000 of $1.00 is spent, and the next item may cost $0.5000"


def test_a_price_that_is_not_known_keeps_within_no_limit() -> None:
    """With a limit nothing more begins; without one everything does."""
    for limit, goes_on in ((1.0, False), (None, True)):
        purse = Purse(limit=limit)
        purse.take(None, cost(0.0, unpriced=True))
        assert purse.may(0) is goes_on
    assert "the price of 1 of its runs is not known" in Purse(limit=1.0, unknown=1).why()


@given(st.lists(st.floats(0, 0.3), max_size=40), st.floats(0.01, 2), st.integers(1, 8))
def test_a_limit_is_passed_by_less_than_an_item(costs: list[float], limit: float, places: int) -> None:
    """However many are under way, it is over by no more than each of them is dearer than those before."""
    purse, under_way, left = Purse(limit=limit), list[float](), list(costs)
    while left or under_way:
        while left and len(under_way) < places and purse.may(len(under_way)):
            under_way.append(left.pop())
        if not under_way:
            break
        purse.take(None, cost(under_way.pop(0)))
    assert purse.spent <= limit + max(costs, default=0.0) * places


@pytest.mark.parametrize(
    ("error", "is_away"),
    [
        (UpstreamError("x"), True),
        (CredentialsError("x"), True),
        (ModelError("x", failure="upstream_5xx"), True),
        (ModelError("x", failure="invalid_input"), False),
        (LimitReached("x", limit="retries"), True),
        (LimitReached("x", limit="tokens"), False),
        (DefinableError("x"), False),
    ],
)
def test_some_failures_are_the_services(error: DefinableError, is_away: bool) -> None:
    """They would have met any other item; the rest is the item's own."""
    assert away(error.to_json()) is is_away
    assert not away(None)


def test_weather_is_bad_after_three_in_a_row() -> None:
    """Then one at a time tries, later and later; one that comes through ends it."""
    weather = Weather()
    for now in (1.0, 2.0):
        weather.bad(now)
    assert weather.room(5, 3, 2.0) == 5
    weather.bad(3.0)
    weather.bad(3.5)  # was under way
    assert (weather.room(5, 0, 4.0), weather.room(5, 0, 18.0), weather.room(5, 1, 18.0)) == (0, 1, 0)
    weather.bad(20.0)
    assert (weather.room(5, 0, 49.0), weather.room(5, 0, 50.0)) == (0, 1)
    assert (weather.hopeless(3600.0), weather.hopeless(3602.0)) == (False, True)
    weather.well()
    assert weather.room(5, 3, 51.0) == 5


def test_the_rate_is_that_of_the_last_minute() -> None:
    """Nothing is said before something has ended."""
    rate = Rate(0.0)
    assert rate.of(5.0, 0) is None
    assert rate.of(10.0, 20) == 2.0
    for second in range(11, 200):
        last = rate.of(float(second), 20 + (second - 10) * 10)
    assert last == pytest.approx(10.0)


def test_what_is_left_takes_as_long_as_quotas_make_it() -> None:
    """The first items are a burst; what was known when the batch began says more than their rate."""
    floor = Floor(100.0, 360.0, 200)
    assert [floor.of(100.0, 200), floor.of(103.0, 198), floor.of(103.0, 2), floor.of(500.0, 9)] == [
        360.0,
        pytest.approx(356.4),
        pytest.approx(3.6),
        0.0,
    ]
    assert Floor().of(0.0, 7) == 0.0
    now = Progress(200, done=30, failed=0, waiting=0, running=8, quota=0, healed=0, usd=0.0, unpriced=0)
    assert now.eta is None
    assert replace(now, rate=10.0).eta == 17.0
    assert replace(now, rate=10.0, floor=300.0).eta == replace(now, floor=300.0).eta == 300.0


TEXT = st.text(st.characters(), max_size=20)


@given(st.lists(TEXT, max_size=6), st.integers(0, 400))
def test_a_file_that_was_cut_anywhere_is_whole_again(texts: list[str], cut: int) -> None:
    """What a killed process left has no half line, and what stood before it is as it was."""
    import tempfile

    lines = [{"custom_id": f"i{n}", "id": f"r{n}", "text": text} for n, text in enumerate(texts)]
    whole = b"".join(dumped(line) for line in lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "output.jsonl"
        path.write_bytes(whole[:cut])
        tidy(path, lambda item, run: item == f"i{run[1:]}" and item != "")
        found = path.read_bytes()
        assert found == whole[: whole[:cut].rfind(b"\n") + 1]
        added = Lines(path)
        rest: list[dict[str, Any]] = lines[found.count(b"\n") :]
        for line in rest:
            added.add(line)
        added.close()
        assert path.read_bytes() == whole
        assert [json.loads(line) for line in path.read_bytes().splitlines()] == lines


@pytest.mark.parametrize("name", ["output.jsonl", "errors.jsonl", "summary.json"])
def test_a_file_that_no_batch_wrote_is_left_alone(tmp_path: Path, name: str) -> None:
    """Somebody's own, or the items themselves, where results go: it is said, and not written over."""
    (tmp_path / name).write_text('{"custom_id": "a"}\n')
    with pytest.raises(UsageError, match=f"{name}' is there, and is not known to be the result of a batch"):
        Files(tmp_path, "b")
    assert (tmp_path / name).read_text() == '{"custom_id": "a"}\n'
    (tmp_path / name).unlink()
    for _ in range(2):
        files = Files(tmp_path, "b")
        files.open(lambda item, run: True)
        files.close()


def test_a_result_that_cannot_be_replaced_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that is there may be protected where its folder is not."""

    def refused(path: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(path), 0, str(target))

    (tmp_path / "output.jsonl").write_text("junk\n")
    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(StoreError, match=r"cannot be written to .*output.jsonl': Operation not permitted"):
        tidy(tmp_path / "output.jsonl", lambda item, run: bool(item))
