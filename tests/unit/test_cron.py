"""When schedules are due, on the days on which clocks change too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from definable.spec.cron import cron_problem, latest, passed, times, upcoming

PARIS, UTC_ = ZoneInfo("Europe/Paris"), ZoneInfo("UTC")
CRONS = st.sampled_from(
    ["0 7 * * 1", "*/15 * * * *", "30 2 * * *", "0 */6 * * *", "5,35 1-3 * * *", "0 0 1 * *", "15 * * * SUN"]
)
ZONES = st.sampled_from(
    ["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"]
).map(ZoneInfo)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
HOURS = st.integers(min_value=0, max_value=24 * 40)


def on(zone: ZoneInfo, cron: str, day: str, days: int = 1) -> list[str]:
    """Return what a clock there shows when a schedule is due, from midnight on, with the offset."""
    begin = datetime.fromisoformat(day).replace(tzinfo=zone)
    end = (datetime.fromisoformat(day) + timedelta(days=days)).replace(tzinfo=zone)
    due = passed(cron, zone, begin.astimezone(UTC) - timedelta(seconds=1), end.astimezone(UTC))
    return [f"{moment.astimezone(zone):%H:%M%z}"[:8] for moment in due if moment < end.astimezone(UTC)]


@pytest.mark.parametrize(
    ("cron", "problem"),
    [
        ("0 7 * * 1", ""),
        ("*/15 8-18 1,15 jan-mar MON-FRI", ""),
        ("0 0 L * *", ""),
        ("0 0 29 2 *", ""),
        (
            "0 7 * *",
            "five fields are expected (minute, hour, day of the month, month, day of the week), not 4",
        ),
        ("0 0 7 * * *", "not 6"),
        ("@daily", "not 1"),
        ("61 * * * *", "'61' is no minute: 0 to 59"),
        ("0 24 * * *", "'24' is no hour: 0 to 23"),
        ("0 7 0 * *", "'0' is no day of the month: 1 to 31"),
        ("0 7 * 13 *", "'13' is no month: 1 to 12"),
        ("0 7 * * 8", "'8' is no day of the week: 0 to 7"),
        ("0 7 * * Montag", "'Montag' is no day of the week"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("R * * * *", "'R' is no minute"),
        ("H 7 * * *", "'H' is no minute"),
        ("0 7 30 2 *", "'0 7 30 2 *' never comes"),
    ],
)
def test_a_schedule_is_five_fields_of_cron(cron: str, problem: str) -> None:
    """What is wrong is said of its field; signs that mean a time by chance are refused."""
    assert (problem in cron_problem(cron)) if problem else not cron_problem(cron)


def test_a_time_that_the_clocks_skip_is_due_when_they_have_skipped_it() -> None:
    """On 28 March 2027 Paris goes from 02:00 to 03:00: 02:30 is due at 03:00, once."""
    assert on(PARIS, "30 2 * * *", "2027-03-28") == ["03:00+02"]
    assert on(PARIS, "0,30 2-3 * * *", "2027-03-28") == ["03:00+02", "03:30+02"]
    assert on(PARIS, "30 2 * * *", "2027-03-27", days=3) == ["02:30+01", "03:00+02", "02:30+02"]


def test_a_time_that_comes_twice_is_due_once() -> None:
    """On 31 October 2027 Paris has 02:00 to 03:00 twice: 02:30 is due at first only."""
    assert on(PARIS, "30 2 * * *", "2027-10-31") == ["02:30+02"]
    assert on(PARIS, "*/30 2 * * *", "2027-10-31") == ["02:00+02", "02:30+02"]


def test_what_is_due_every_hour_is_due_every_hour_whatever_clocks_do() -> None:
    """With `*` for the hour, the time that passes counts: 23 or 25 times on these days."""
    assert len(on(PARIS, "30 * * * *", "2027-03-28")) == 23
    assert len(on(PARIS, "30 * * * *", "2027-10-31")) == 25
    twice = on(PARIS, "*/30 * * * *", "2027-10-31")
    assert twice[4:10] == ["02:00+02", "02:30+02", "02:00+01", "02:30+01", "03:00+01", "03:30+01"]


def test_zones_whose_clocks_move_by_half_an_hour_or_a_day() -> None:
    """Lord Howe moves by half an hour, and Samoa left out 30 December 2011 altogether."""
    assert on(ZoneInfo("Australia/Lord_Howe"), "15 2 * * *", "2026-10-04") == ["02:30+11"]
    apia = passed(
        "0 7 * * *",
        ZoneInfo("Pacific/Apia"),
        datetime(2011, 12, 29, tzinfo=UTC),
        datetime(2011, 12, 31, tzinfo=UTC),
    )
    shown = [f"{at.astimezone(ZoneInfo('Pacific/Apia')):%d %H:%M}" for at in apia]
    assert shown == ["29 07:00", "31 00:00", "31 07:00"]


@given(cron=CRONS, zone=ZONES, after=MOMENTS)
def test_times_come_in_order_and_later_than_asked_for(cron: str, zone: ZoneInfo, after: datetime) -> None:
    """Each moment comes once, after the one before it, and none is at or before the beginning."""
    found = list(islice(times(cron, zone, after), 40))
    assert found[0] > after
    assert all(one < other for one, other in pairwise(found))


@given(cron=CRONS, after=MOMENTS)
def test_where_clocks_never_change_it_is_what_croniter_says(cron: str, after: datetime) -> None:
    """In UTC there is nothing to decide."""
    plain = croniter(cron, after.replace(tzinfo=None))
    expected = [plain.get_next(datetime).replace(tzinfo=UTC) for _ in range(20)]
    assert list(islice(times(cron, UTC_, after), 20)) == expected


@given(cron=CRONS, zone=ZONES, after=MOMENTS, hours=HOURS, cut=st.floats(0, 1))
def test_no_time_is_lost_or_told_twice_where_two_looks_meet(
    cron: str, zone: ZoneInfo, after: datetime, hours: int, cut: float
) -> None:
    """However a span is cut in two, both parts together have the same moments."""
    until = after + timedelta(hours=hours)
    middle = after + (until - after) * cut
    whole = passed(cron, zone, after, until)
    assert passed(cron, zone, after, middle) + passed(cron, zone, middle, until) == whole
    assert latest(cron, zone, after, until) == (whole[-1] if whole else None)


@given(cron=CRONS, zone=ZONES, after=MOMENTS)
def test_what_is_next_is_due_by_the_clock_there(cron: str, zone: ZoneInfo, after: datetime) -> None:
    """A moment that is due is one that the clock shows, or the moment at which it was put forward."""
    due = upcoming(cron, zone, after)
    assert due is not None
    wall = due.astimezone(zone).replace(tzinfo=None)
    jumped = due.astimezone(zone).utcoffset() != (due - timedelta(seconds=1)).astimezone(zone).utcoffset()
    assert croniter.match(cron, wall) or jumped


def test_the_last_of_many_missed_times_is_found_without_counting_them() -> None:
    """Three years of every minute are not gone through; of a rare one, a year is."""
    now = datetime(2026, 11, 23, 7, 0, 30, tzinfo=UTC)
    then = now - timedelta(days=1100)
    assert latest("* * * * *", PARIS, then, now) == now.replace(second=0)
    assert latest("0 0 29 2 *", UTC_, then, now) == datetime(2024, 2, 29, tzinfo=UTC)
    assert latest("0 0 29 2 *", UTC_, now - timedelta(days=100), now) is None
