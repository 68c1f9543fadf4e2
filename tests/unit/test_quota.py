"""The governor's mind: windows, turns, pauses and lessons, without a store and without a clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from definable.quota.admission import (
    GLANCE,
    GRACE,
    Room,
    Wait,
    Waiter,
    admit,
    ahead_of,
    in_order,
    slack,
    turn,
)
from definable.quota.claim import Allowance, Bucket, claim, dumped, loaded, owner_of
from definable.quota.hints import Hints, hints
from definable.quota.learning import (
    CALM,
    FULL,
    MEMORY,
    Standing,
    ceiling,
    crowd,
    crowded,
    hinted,
    kept,
    meant,
    strike,
    tried,
    used_up,
)
from definable.verify.classify import retry_after
from tests.hexkit import tool, toolkit

MINUTE = Allowance(3, 60.0)
BUCKET = Bucket("user", (MINUTE,))
OTHER = Bucket("kernel", (Allowance(1, 60.0),))


def room(now: float, **answered: list[float]) -> Room:
    """Return a room whose slots were answered at these times."""

    def newest(bucket: str, n: int) -> float | None:
        times = sorted(answered.get(bucket, []), reverse=True)
        return times[n - 1] if len(times) >= n else None

    return Room(now, newest)


def waiter(ticket: str, source: str = "r", at: int = 0, number: int = 0, *buckets: Bucket) -> Waiter:
    """Return somebody in the queue who is awake."""
    return Waiter(ticket, source, at, number, 1e12, buckets or (BUCKET,))


def simulate(limit: int, window: float, latencies: list[tuple[float, float]]) -> list[float]:
    """Send requests as soon as there is room; return when the server counted each."""
    bucket, now = Bucket("b", (Allowance(limit, window),)), 0.0
    answers: list[float] = []
    arrivals = []
    for out, back in latencies:
        # The answers of all before are known or to come: what is to come counts as on its way.
        while wait := admit((bucket,), [], room(now, b=[a if a <= now else 1e9 for a in answers])):
            later = [a for a in answers if a > now]
            now = min([now + wait.seconds, *later])
        arrivals.append(now + out)
        answers.append(now + out + back)
    return arrivals


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6),
    st.sampled_from([0.5, 2.0, 60.0]),
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5)), min_size=1, max_size=30),
)
def test_no_window_sees_more_than_its_limit_whatever_the_latency(
    limit: int, window: float, latencies: list[tuple[float, float]]
) -> None:
    """Any `limit + 1` arrivals lie a whole window apart, on the way there and back as it may be."""
    arrivals = sorted(simulate(limit, window, latencies))
    for first, last in zip(arrivals, arrivals[limit:], strict=False):
        assert last - first >= window


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.lists(st.floats(-100, 0), max_size=8), st.integers(0, 6))
def test_nothing_free_lies_idle(limit: int, answered: list[float], queue: int) -> None:
    """Of those who wait, exactly as many may go as there is room for, and they are the first ones."""
    bucket = Bucket("b", (Allowance(limit, 60.0),))
    free = limit - sum(a + 60.0 + slack(60.0) > 0 for a in sorted(answered)[-limit:])
    waiting = [waiter(str(n), "r", n, n, bucket) for n in range(queue + 1)]
    may = [n for n in range(queue + 1) if admit((bucket,), waiting[:n], room(0.0, b=answered)) is None]
    assert may == list(range(min(free, queue + 1)))


def test_who_waits_for_something_else_holds_nobody_up() -> None:
    """A run that has no kernel left does not keep readers from the slots of the user."""
    first = waiter("a", "r", 0, 0, BUCKET, OTHER)
    full = room(10.0, kernel=[5.0])
    assert admit((BUCKET,), [first], full) is None
    blocked = admit((BUCKET, OTHER), [], room(10.0, kernel=[5.0]))
    assert blocked
    assert blocked.bucket == "kernel"
    assert blocked.expected == pytest.approx(55.0, abs=0.01)


def test_a_wait_says_how_long_it_will_be() -> None:
    """With four before it and three places a minute it is for the second round."""
    taken = room(10.0, user=[5.0, 6.0, 7.0])
    wait = admit((BUCKET,), [waiter(str(n), "r", n, n) for n in range(4)], taken)
    assert wait
    assert wait.expected == pytest.approx(6.0 + 60 + 60 - 10, abs=0.1)
    assert wait.seconds == 5.0


def test_first_come_first_served_inside_a_run_and_turn_by_turn_between_runs() -> None:
    """The second run's first request goes before the first run's second."""
    queue: list[Waiter] = []
    for number, source in enumerate(["a", "a", "a", "b", "b"]):
        queue.append(waiter(f"{source}{number}", source, turn(source, queue, {}, 3), number))
    assert [each.ticket for each in in_order(queue, 0.0)] == ["a0", "b3", "a1", "b4", "a2"]


def test_who_took_all_that_was_free_lets_the_others_go_first_but_not_for_long() -> None:
    """A newcomer is at most one window's worth ahead of a run that has been at work for an hour."""
    assert turn("b", [], {"a": 500}, 20) == 480
    assert turn("a", [waiter("x", "b", 480)], {"a": 500}, 20) == 501


def test_a_request_that_is_in_the_queue_keeps_its_place() -> None:
    """Equal turns go by who came first; a newcomer comes after all of its turn."""
    queue = [waiter("a", "r", 0, 1), waiter("b", "s", 0, 2), waiter("c", "s", 1, 3)]
    assert [w.ticket for w in ahead_of("b", 0, queue)] == ["a"]
    assert [w.ticket for w in ahead_of("new", 0, queue)] == ["a", "b"]


def test_who_does_not_wake_is_gone() -> None:
    """A crashed process keeps nobody waiting for longer than it would have slept."""
    gone = Waiter("a", "r", 0, 0, 100.0, (BUCKET,))
    assert in_order([gone], 100.0 + GRACE) == [gone]
    assert in_order([gone], 100.1 + GRACE) == []


def test_a_strike_pauses_and_lowers_and_the_limit_comes_back() -> None:
    """We had two of three, so others use it too: one is ours at once, until calm windows have passed."""
    learned = strike(BUCKET, Standing(), [2], 1000.0, 7.0)
    assert (learned.paused, learned.ceilings) == (1007.0, (1,))
    assert ceiling(MINUTE, learned, 0, 1000.0) == 1
    assert ceiling(MINUTE, learned, 0, 1000.0 + 60 * CALM - 1) == 1
    assert ceiling(MINUTE, learned, 0, 1000.0 + 60 * CALM) == 2
    assert ceiling(MINUTE, learned, 0, 1e6) == 3


def test_a_server_that_says_no_at_random_does_not_stop_a_run() -> None:
    """The limit never falls below a third, and not for what was on its way when the pause began."""
    bucket = Bucket("user", (Allowance(20, 60.0),))
    first = strike(bucket, Standing(), [0], 1000.0, 5.0)
    burst = strike(bucket, first, [0], 1001.0, 5.0)
    assert (first.ceilings, burst.ceilings, burst.strikes) == ((0,), (0,), 1)
    assert strike(bucket, burst, [0], 1006.5, 5.0).ceilings == (10,)
    standing = first
    for n in range(1, 9):
        standing = strike(bucket, standing, [0], 1000.0 + 10 * n, 5.0)
    assert standing.ceilings == (6,)


def test_without_a_word_the_pause_doubles_and_ends_at_a_window() -> None:
    """And after calm it begins anew with a second."""
    standing, pauses = Standing(), []
    for _ in range(8):
        now = max(1000.0, standing.paused)
        standing = strike(BUCKET, standing, [1], now, None)
        pauses.append(standing.paused - now)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert strike(BUCKET, standing, [1], 5000.0, None).strikes == 1


def test_when_no_place_is_free_the_pause_grows_until_one_is_had() -> None:
    """1, 2, 4 … 60 seconds; of answers that were under way together, the first alone counts."""
    standing, pauses, now = Standing(), [], 1000.0
    for _ in range(8):
        standing = crowd(standing, now, None)
        pauses.append(standing.paused - now)
        assert crowd(standing, now, None) == standing
        now = standing.paused
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert tried(standing, accepted=True) == standing, "it left before anybody tried"
    trying = replace(standing, trying=now + 65)
    assert tried(trying, accepted=False) == standing
    over = tried(trying, accepted=True)
    assert (over.paused, over.trying) == (0.0, 0.0)
    assert crowd(over, now + 5, None).paused == now + 65
    assert crowd(over, now + FULL, None).paused == now + FULL + 1
    assert crowd(over, now + 5, 30.0).paused == now + 35


def test_where_no_place_was_free_one_at_a_time_tries() -> None:
    """The others wait for what comes of it; two minutes later there is nothing to wait for."""
    kernels = Bucket("kernels", (Allowance(25, 0.0),))
    standing = crowd(Standing(), 1000.0, None)
    here = room(1000.5)
    here.standings = {"kernels": standing}
    assert admit((kernels,), [], here) == Wait(0.5, 0.5, "kernels")
    here = room(1001.0)
    here.standings = {"kernels": standing}
    assert admit((kernels,), [], here) is None
    here.standings = {"kernels": replace(standing, trying=1066.0)}
    assert admit((kernels,), [], here) == Wait(GLANCE, GLANCE, "kernels")
    assert crowded(standing, 1000.0 + FULL - 1)
    assert not crowded(standing, 1000.0 + FULL)
    assert not crowded(Standing(), 5.0)


def test_a_pause_holds_everybody_back() -> None:
    """Even where there is room."""
    paused = Room(10.0, lambda bucket, n: None, {"user": Standing(paused=12.0)})
    wait = admit((BUCKET,), [], paused)
    assert wait
    assert wait.seconds == 2.0


HINTS: list[tuple[dict[str, str], list[Hints]]] = [
    ({}, []),
    ({"ratelimit-policy": '"p";q=20;w=60', "ratelimit": '"p";r=0;t=37'}, [Hints(20, 60.0, 0, 37.0)]),
    (
        {"ratelimit-policy": '"a,b";q=20;w=60, "day";q=900;w=86400', "ratelimit": '"day";r=7;t=5, "a,b";r=3'},
        [Hints(20, 60.0, 3, None), Hints(900, 86400.0, 7, 5.0)],
    ),
    (
        {"ratelimit-policy": "default;q=100;w=10", "ratelimit": "default;r=50;t=30"},
        [Hints(100, 10.0, 50, 30.0)],
    ),
    (
        {"ratelimit-policy": "10;w=1", "ratelimit": "limit=10, remaining=4, reset=1"},
        [Hints(10, 1.0, 4, 1.0)],
    ),
    ({"ratelimit": "limit=10, remaining=0, reset=1"}, [Hints(10, None, 0, 1.0)]),
    (
        {"ratelimit-limit": "30, 30;w=60", "ratelimit-remaining": "4", "ratelimit-reset": "9"},
        [Hints(30, None, 4, 9.0)],
    ),
    ({"ratelimit-limit": "30;w=60", "ratelimit-remaining": "4"}, [Hints(30, 60.0, 4, None)]),
    (
        {
            "x-ratelimit-limit-minute": "30",
            "x-ratelimit-remaining-hour": "7",
            "x-ratelimit-limit-hour": "900",
        },
        [Hints(30, 60.0, None, None), Hints(900, 3600.0, 7, None)],
    ),
    (
        {"x-ratelimit-limit-requests": "60", "x-ratelimit-reset-requests": "1m2.5s"},
        [Hints(60, None, None, 62.5)],
    ),
    ({"x-ratelimit-limit-tokens": "150000"}, []),
    ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2000000030"}, [Hints(None, None, 0, 30.0)]),
    ({"x-rate-limit-remaining": "0", "x-rate-limit-reset": "2000000030000"}, [Hints(None, None, 0, 30.0)]),
    (
        {"x-ratelimit-reset": "Mon, 23 Nov 2026 10:00:07 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"},
        [Hints(None, None, None, 7.0)],
    ),
    ({"x-ratelimit-remaining": "soon", "x-ratelimit-reset": "1e12"}, [Hints(None, None, None, 900.0)]),
    ({"ratelimit": "=;;=", "ratelimit-policy": '";q=-1;w=nan', "x-ratelimit-limit": "-3"}, []),
]


@pytest.mark.parametrize(("headers", "said"), HINTS)
def test_hints_are_read_in_all_spellings_and_capped(headers: dict[str, str], said: list[Hints]) -> None:
    """Structured fields, old and new, the three headers, times and lengths; garbage is nothing."""
    assert list(hints(headers, 2_000_000_000.0)) == said


NAMES = ("ratelimit", "ratelimit-policy", "ratelimit-reset", "x-ratelimit-limit", "x-ratelimit-reset-minute")
TEXTS = st.one_of(st.text(max_size=40), st.from_regex(r'[a-z"0-9;=,.:\-+ e]{0,40}', fullmatch=True))


@given(st.dictionaries(st.sampled_from([*NAMES, "date", "retry-after", "retry-after-ms"]), TEXTS))
def test_no_header_can_do_harm(headers: dict[str, str]) -> None:
    """Whatever stands there, what is believed is finite, not negative and 15 minutes at most."""
    for hint in hints(headers, 2_000_000_000.0):
        assert hint.reset is None or 0 <= hint.reset <= 900
        assert hint.limit is None or hint.limit >= 1
        assert hint.remaining is None or hint.remaining >= 0
        assert hint.window is None or hint.window > 0
        if about := meant(hint, [BUCKET, OTHER], BUCKET):
            learned = hinted(*about, Standing(), hint, 10.0)
            assert learned.paused <= 70.0
            assert 1 <= ceiling(about[0].allowances[about[1]], learned, about[1], 10.0) <= 3
    assert (wait := retry_after(headers)) is None or 0 <= wait <= 900


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("Mon, 23 Nov 2026 10:00:07 GMT", 7.0),
        ("Monday, 23-Nov-26 10:00:07 GMT", 7.0),
        ("Mon Nov 23 10:00:07 2026", 7.0),
        ("Mon, 23 Nov 2026 09:59:00 GMT", 0.0),
        ("99999999999", 900.0),
        *((text, None) for text in ("", "-1", "nan", "inf", "soon", "Mon, 99 Nov 2026 10:00:07 GMT")),
    ],
)
def test_retry_after_in_all_its_forms(text: str, seconds: float | None) -> None:
    """Seconds, a date in the three forms of RFC 9110 against the response's own; anything else is nothing."""
    assert retry_after({"retry-after": text, "date": "Mon, 23 Nov 2026 10:00:00 GMT"}) == seconds


def test_a_date_without_a_date_to_hold_it_against_is_nothing() -> None:
    """The clock here may be wrong; milliseconds come first where they are given."""
    assert retry_after({"retry-after": "Mon, 23 Nov 2026 10:00:07 GMT"}) is None
    assert retry_after({"retry-after": "3", "retry-after-ms": "2500"}) == 2.5


def test_a_hint_is_held_against_the_window_it_is_about() -> None:
    """By its length, and of several by the limit that comes next; without one, by the limit itself."""
    user, group = (
        Bucket("user", (Allowance(60, 60.0),)),
        Bucket("group", (Allowance(30, 60.0), Allowance(900, 3600.0))),
    )
    assert meant(Hints(60, 60.0), [user, group], group) == (user, 0)
    assert meant(Hints(30, 60.0), [user, group], user) == (group, 0)
    assert meant(Hints(12, 60.0), [user, group], user) == (group, 0)
    assert meant(Hints(900, 3600.0), [user, group], user) == (group, 1)
    assert meant(Hints(5, 10.0), [user, group], user) is None
    assert meant(Hints(900), [user, group], user) == (group, 1)
    assert meant(Hints(remaining=0, reset=3.0), [user, group], user) == (user, 0)


def test_hints_lower_and_never_raise() -> None:
    """A window that is known becomes smaller; an empty one is waited out, no longer than it is."""
    assert hinted(BUCKET, 0, Standing(), Hints(2, 60.0), 10.0).ceilings == (2,)
    assert hinted(BUCKET, 0, Standing(), Hints(99, 60.0, 5, 3.0), 10.0) == Standing()
    assert hinted(BUCKET, 0, Standing(), Hints(remaining=0, reset=800.0), 10.0).paused == 70.0


WIDE = Bucket("wide", (Allowance(20, 60.0),))


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 5))
def test_what_remains_is_left_to_others_only_when_they_took_some(left: int, sent: int, way: int) -> None:
    """Alone, with some on their way, nothing is learned; else a little less than what they leave is ours."""
    taken = 20 - left
    after = hinted(WIDE, 0, Standing(), Hints(20, 60.0, left), 10.0, sent + way)
    others = taken - sent - way
    assert ceiling(WIDE.allowances[0], after, 0, 10.0) == (20 if others <= 0 else max(5, 19 - others))


def test_what_others_use_too_goes_out_in_parts() -> None:
    """Four of fourteen in a quarter of a minute, and all twenty at once when nothing was learned."""
    taken = [0.0] * 4
    known = {"wide": Standing(ceilings=(14,))}
    there = Room(1.0, lambda bucket, n: taken[n - 1] if n <= len(taken) else None, known)
    wait = admit((WIDE,), [], there)
    assert wait
    assert wait.expected == pytest.approx(14.0, abs=0.01)
    assert admit((WIDE,), [], Room(1.0, there.newest)) is None


def test_each_probe_that_fails_makes_the_next_one_later() -> None:
    """The limit that was tried upwards in vain is tried again after twice as many quiet windows."""
    first = strike(WIDE, Standing(), [15], 1000.0, 1.0)
    assert (first.ceilings, first.tries) == ((13,), 0)
    tried = 1000.0 + 60 * CALM
    assert ceiling(WIDE.allowances[0], first, 0, tried) == 14
    again = strike(WIDE, first, [14], tried, 1.0)
    assert (again.ceilings, again.tries) == ((12,), 1)
    assert ceiling(WIDE.allowances[0], again, 0, tried + 60 * CALM) == 12
    assert ceiling(WIDE.allowances[0], again, 0, tried + 120 * CALM) == 13


def test_who_was_kept_out_while_the_limit_returned_gets_the_room_back() -> None:
    """A limit that came back all the way and meets a 429 falls to where it was, not to what we had now."""
    known = Standing(struck=1000.0, ceilings=(12,))
    back = 1000.0 + 60 * 20
    assert ceiling(WIDE.allowances[0], known, 0, back) == 20
    found = strike(WIDE, known, [19], back, 1.0)
    assert (found.ceilings, found.tries) == ((13,), 1)
    late = strike(WIDE, known, [19], 1000.0 + 60 * MEMORY, 1.0)
    assert (late.ceilings, late.tries) == ((17,), 0)


def full(bucket: Bucket, windows: int, standing: Standing | None = None) -> list[Standing]:
    """Return the standings of a bucket that is used up, window after window, looked at twice in each."""
    found = [standing or Standing()]
    for n in range(2 * windows):
        now = 10_000.0 + 30.3 * n
        found.append(used_up(bucket, found[-1], [now + 20.0], now))
    return found[1:]


def test_after_ten_full_windows_a_step_of_one_is_late() -> None:
    """It is written once per window, kept back for three quarters of one, and not again for another ten."""
    found = full(WIDE, 25)
    assert len(set(found)) <= 25
    parting = [each.parting[0] for each in found]
    assert parting[19] == 0
    assert sorted(set(parting)) == [0.0, *(10_000 + 606 * n + 20 + 45 for n in (1, 2))]
    window = WIDE.allowances[0]
    assert kept(window, found[20], 0, 10_606.0) == (1, 10_671.0)
    assert kept(window, found[20], 0, 10_671.0)[0] == 0


def test_what_is_small_is_late_less_often_and_what_is_paced_never() -> None:
    """One of five late costs four times as much; a limit below the configured one sees others anyway."""
    small = Bucket("small", (Allowance(5, 60.0),))
    assert full(small, 39)[-1].parting == (0.0,)
    assert full(small, 42)[-1].parting > (0.0,)
    assert full(Bucket("one", (Allowance(1, 60.0),)), 190)[-1].parting == (0.0,)
    paced = Standing(struck=1e9, ceilings=(14,))
    assert full(WIDE, 30, paced)[-1] == paced
    assert used_up(WIDE, Standing(), [5.0], 5.0) == Standing()


def test_where_others_were_met_one_is_late_soon() -> None:
    """A limit that came back without meeting them is looked at after three windows."""
    known = Standing(struck=10_000.0 - 60 * 30, ceilings=(14,))
    assert ceiling(WIDE.allowances[0], known, 0, 10_000.0) == 20
    assert full(WIDE, 3, known)[-1].parting == (0.0,)
    assert full(WIDE, 5, known)[-1].parting > (0.0,)


def test_windows_with_a_pause_between_are_not_in_a_row() -> None:
    """Only who uses all of it all the time keeps others out."""
    standing = full(WIDE, 9)[-1]
    after = used_up(WIDE, standing, [20_000.0], 12_000.0)
    assert after.full == (12_000.0,)
    assert after.parting == (0.0,)


def test_what_is_kept_back_goes_when_its_time_has_come() -> None:
    """Nineteen go when the window opens, and the twentieth three quarters of a window later."""
    known = {"wide": Standing(parting=(160.0,))}
    taken = [100.0] * 19
    there = Room(115.0, lambda bucket, n: taken[n - 1] if n <= len(taken) else None, known)
    wait = admit((WIDE,), [], there)
    assert wait
    assert wait.expected == pytest.approx(45.0, abs=0.1)
    assert there.room(WIDE) == [115.0]
    assert admit((WIDE,), [], Room(161.0, there.newest, known)) is None


def test_a_claim_comes_from_the_toolkit() -> None:
    """A run of a project needs the user's quota, that of runs, and a kernel; of each, half if so set."""
    found = claim(toolkit(), tool("HEX_RUN_PROJECT"), 0.5, owner="o", ticket="t", source="run", call="step.1")
    assert found
    limits = {each.name: [a.limit for a in each.allowances] for each in found.wanted()}
    assert limits == {"user": [30], "hex-run-kernel": [10, 30], "kernels": [12]}
    assert found.holder == "run/step.1"
    assert loaded(dumped(found.buckets)) == found.buckets


def test_an_owner_is_a_hash() -> None:
    """The same key at another host has another quota, and nobody can read a key from it."""
    names = {owner_of("hex", host, "hxtp_secret") for host in ("https://a/api", "https://b/api")}
    assert len(names) == 2
    assert all("secret" not in name and len(name) == 24 for name in names)


def test_a_place_that_is_held_is_looked_for_again_soon() -> None:
    """A kernel may come free at any moment, whatever its lease says."""
    kernels = Bucket("kernels", (Allowance(1, 0.0),))
    wait = admit((kernels,), [], Room(10.0, lambda bucket, n: 900.0, {}, Counter()))
    assert wait
    assert wait.seconds == 0.5
