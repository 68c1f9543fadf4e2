"""The sandbox's small parts: clock, quotas, cursors, drifts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.sandbox import drift
from definable.sandbox.answers import Refusal
from definable.sandbox.clock import Clock, http_date, iso
from definable.sandbox.paging import page
from definable.sandbox.quota import Quota
from tests.unit.sandbox_desk import NOW

Entries = st.lists(st.tuples(st.integers(0, 5), st.uuids().map(str)), unique_by=lambda e: e[1], max_size=30)


def test_clock_runs_at_its_speed_and_advances() -> None:
    """Ten sandbox seconds pass in one real one at speed 10, and an advance adds to that."""
    real = [100.0]
    clock = Clock(now=NOW, speed=10, source=lambda: real[0])
    real[0] = 101.0
    assert clock.now() == NOW + 10
    assert clock.advance(5) == NOW + 15
    clock.speed = 1
    assert clock.now() == NOW + 15


def test_clock_never_goes_back() -> None:
    """A negative advance is refused, with the value."""
    with pytest.raises(ValueError, match=r"the clock cannot go back: advance=-1"):
        Clock().advance(-1)


def test_clock_survives_a_snapshot() -> None:
    """A restored clock tells the time that the saved one would tell."""
    real = [0.0]
    clock = Clock(now=NOW, speed=2, source=lambda: real[0])
    again = Clock(source=lambda: real[0])
    again.restore(clock.snapshot())
    real[0] = 30.0
    assert again.now() == clock.now() == NOW + 60


def test_times_are_written_as_hex_and_http_write_them() -> None:
    """JSON has RFC 3339 with milliseconds in UTC, headers have HTTP-dates."""
    assert iso(0.5) == "1970-01-01T00:00:00.500Z"
    assert http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_quota_window_is_fixed_and_starts_with_its_first_request() -> None:
    """30 pass in a group's minute, the 31st waits until 60 s after the first, then 30 pass again."""
    quota = Quota()
    assert [quota.take("u", "hex-api-30rpm", NOW + n) for n in range(30)] == [None] * 30
    assert quota.take("u", "hex-api-30rpm", NOW + 59) == 1.0
    assert quota.take("u", "hex-api-30rpm", NOW + 60) is None


def test_quota_of_the_user_spans_groups() -> None:
    """60 requests a minute pass over all groups together."""
    quota = Quota()
    groups = ["hex-api", "hex-api-30rpm", None]
    passed = [quota.take("u", groups[n % 3], NOW) for n in range(61)]
    assert passed.count(None) == 60
    assert quota.take("someone else", "hex-api", NOW) is None


def test_runs_have_a_minute_and_an_hour() -> None:
    """20 runs a minute pass and 60 an hour."""
    quota = Quota()
    passed = [quota.take("u", "hex-run-kernel", NOW + minute * 60) for minute in range(4) for _ in range(21)]
    assert [passed[n : n + 21].count(None) for n in range(0, 84, 21)] == [20, 20, 20, 0]


def test_refused_requests_take_nothing() -> None:
    """A request refused by its group leaves the user's window as it was."""
    quota = Quota()
    for _ in range(50):
        quota.take("u", "hex-run-kernel", NOW)
    assert [quota.take("u", None, NOW) for _ in range(41)].count(None) == 40


@given(entries=Entries, limit=st.integers(1, 7), descending=st.booleans())
def test_cursors_lead_to_every_entry_once(
    entries: list[tuple[int, str]], limit: int, descending: bool
) -> None:
    """Following `after` shows each entry once and in order, and `before` leads back the same way."""
    listed = [{"id": key, "rank": rank} for rank, key in entries]
    seen: list[Any] = []
    params: dict[str, Any] = {"limit": limit, "after": None, "before": None}
    pages: list[list[Any]] = []
    while True:
        shown, pagination = page("x", listed, lambda e: e["rank"], params, descending)
        seen += shown
        pages.append(shown)
        if pagination["after"] is None:
            break
        params = {"limit": limit, "after": pagination["after"], "before": None}
    assert seen == sorted(listed, key=lambda e: (e["rank"], e["id"]), reverse=descending)
    for before in reversed(pages[:-1]):
        params = {"limit": limit, "after": None, "before": pagination["before"]}
        shown, pagination = page("x", listed, lambda e: e["rank"], params, descending)
        assert shown == before
    assert pagination["before"] is None


@given(entries=Entries.filter(lambda e: len(e) > 4), gone=st.sets(st.integers(0, 3)))
def test_cursors_outlive_their_entries(entries: list[tuple[int, str]], gone: set[int]) -> None:
    """Entries that vanish between two pages make none of the others appear twice or get lost."""
    listed = sorted(({"id": key, "rank": rank} for rank, key in entries), key=lambda e: (e["rank"], e["id"]))
    first, pagination = page("x", listed, lambda e: e["rank"], {"limit": 2})
    left = [entry for number, entry in enumerate(listed) if number not in gone]
    rest, _ = page("x", left, lambda e: e["rank"], {"limit": 99, "after": pagination["after"]})
    assert rest == [entry for entry in listed[2:] if entry in left]
    assert first == listed[:2]


@pytest.mark.parametrize("cursor", ["nonsense", "bnVsbA", "WyJ4Iiw3LDhd", "WyJ4Iiw3LCJhIl0", "é"])
def test_damaged_cursors_are_refused(cursor: str) -> None:
    """A cursor that this list did not give is a 400 that names the field."""
    with pytest.raises(Refusal, match="Invalid cursor") as caught:
        page("x", [{"id": "a"}], lambda e: e["id"], {"limit": 1, "after": cursor})
    assert caught.value.issues[0].startswith("after: ")


BODY = {"values": [{"id": "1", "cellType": "SQL", "n": 7}, {"id": "2", "n": 8}], "pagination": {"after": "c"}}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (drift.move(BODY, "values[*].id", "uuid")["values"][0], {"uuid": "1", "cellType": "SQL", "n": 7}),
        (drift.move(BODY, "values[*].id", "values[*].meta.id")["values"][1], {"n": 8, "meta": {"id": "2"}}),
        (drift.move(BODY, "pagination.after", "next")["pagination"], {"next": "c"}),
        (drift.move(BODY, "values", "items").keys(), {"pagination", "items"}),
        (drift.retype(BODY, "values[*].n", "string")["values"][0]["n"], "7"),
        (drift.retype(BODY, "values[1].id", "number")["values"][1]["id"], 2.0),
        (drift.remove(BODY, "values.cellType")["values"][0], {"id": "1", "n": 7}),
        (drift.add(BODY, "values[*].new", 1)["values"][1]["new"], 1),
        (drift.snake(BODY)["values"][0], {"id": "1", "cell_type": "SQL", "n": 7}),
        (drift.unwrap(BODY, "pagination"), {"after": "c"}),
        (drift.paging(BODY, "page.next"), {"values": BODY["values"], "page": {"next": "c"}}),
        (drift.paging({"runs": [], "nextPage": "u"}, "next"), {"runs": [], "next": "u"}),
        (drift.errors({"reason": "no"}, 404, "nested"), {"error": {"type": "error_404", "detail": "no"}}),
    ],
)
def test_drifts_change_what_they_name(changed: Any, expected: Any) -> None:
    """Each drift changes the place it names, in every entry of a list, and nothing else."""
    assert changed == expected


def test_drifts_leave_what_is_not_there() -> None:
    """A drift of a place that a body does not have leaves it as it is."""
    assert drift.move(BODY, "values[*].nope.id", "x") == BODY
    assert drift.retype(BODY, "nope[*].id", "null") == BODY
