"""How long requests take to leave, from the quotas alone: exact where it is followed, never too little."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from definable.cli import ahead as words
from definable.engine.ahead import Ahead, Requests, Work, of_steps, requests
from definable.quota import forecast as module
from definable.quota.admission import Room, Waiter, admit, slack
from definable.quota.claim import Allowance, Bucket, claim, places
from definable.quota.forecast import Taken, forecast
from definable.quota.learning import Standing
from definable.spec.workflow import Step
from tests.hexkit import tool, toolkit

STARTS = Bucket("hex-run-kernel", (Allowance(20, 60.0), Allowance(60, 3600.0)))
MINUTE = Bucket("user", (Allowance(20, 60.0),))
HOUR = 3600 + slack(3600.0)
EMPTY = Taken(1000.0)

allowances = st.builds(Allowance, st.integers(1, 6), st.sampled_from([0.5, 2.0, 60.0, 3600.0]))
buckets = st.builds(Bucket, st.just("b"), st.lists(allowances, min_size=1, max_size=3).map(tuple))
slots = st.lists(st.floats(900, 1060), max_size=8).map(lambda each: {"b": tuple(sorted(each))})
standings = st.builds(
    Standing,
    paused=st.floats(0, 1100),
    struck=st.floats(900, 1000),
    ceilings=st.lists(st.integers(0, 6), max_size=3).map(tuple),
).map(lambda each: {"b": each})


def test_a_thousand_runs_at_sixty_an_hour() -> None:
    """The first 60 leave in the first hour, 20 a minute; the last 40 of them 16 hours later."""
    found = forecast({STARTS: 1000, MINUTE: 1000}, EMPTY)
    assert found.seconds == pytest.approx(16 * HOUR + 60, abs=1)
    assert (found.bucket, found.limit, found.window) == ("hex-run-kernel", 60, 3600.0)
    assert forecast({STARTS: 60}, EMPTY).window == 60.0
    assert forecast({STARTS: 20}, EMPTY) == module.Forecast()


def test_what_is_taken_and_who_waits_comes_before() -> None:
    """A full window has to end first, and of another run's queue one request goes before each of ours."""
    full = {"user": tuple(990.0 + n / 10 for n in range(20))}
    assert forecast({MINUTE: 1}, Taken(1000.0, full)).seconds == pytest.approx(50, abs=0.1)
    queue = tuple(Waiter(str(n), f"run{n % 2}", n, n, 1e9, (MINUTE,)) for n in range(30))
    found = forecast({MINUTE: 10}, Taken(1000.0, waiting=queue), source="run0")
    assert (found.others, found.seconds) == (0, 0.0)  # ten of run1's and ten of ours: twenty in all
    found = forecast({MINUTE: 11}, Taken(1000.0, waiting=queue), source="run0")
    assert found.others == 11
    assert found.seconds == pytest.approx(60, abs=0.1)


def test_a_place_counts_where_it_is_known_how_long_it_is_held() -> None:
    """25 kernels for two minutes each are a window of two minutes; else nobody knows."""
    kernels = places("kernels", 25)
    assert forecast({kernels: 100}, EMPTY).seconds == 0
    assert forecast({kernels: 100}, EMPTY, held={"kernels": 120.0}).seconds == pytest.approx(360)


@settings(max_examples=150, deadline=None)
@given(buckets, st.integers(0, 40), slots, standings)
def test_one_more_request_never_takes_less(
    bucket: Bucket, count: int, taken: dict[str, tuple[float, ...]], known: dict[str, Standing]
) -> None:
    """Nor does a slot more that is taken, nor somebody more who waits.

    A slot that was taken while a pause lasts begins its window earlier than any that waits for the end of it,
    and where a limit that was learned comes back meanwhile, who leaves later may leave with more: by so much
    a forecast may be shorter.
    """
    state = Taken(1000.0, taken, known)
    seconds = forecast({bucket: count}, state).seconds
    assert forecast({bucket: count + 1}, state).seconds >= seconds
    other = Waiter("w", "other", 0, 0, 1e9, (bucket,))
    assert forecast({bucket: count}, Taken(1000.0, taken, known, (other,))).seconds >= seconds
    fuller = {"b": tuple(sorted([*taken["b"], 1000.0]))}
    pause = max(0.0, known["b"].paused - 1000.0)
    window = max(each.seconds for each in bucket.allowances) if known["b"].ceilings else 0.0
    assert forecast({bucket: count}, Taken(1000.0, fuller, known)).seconds >= seconds - pause - window


@settings(max_examples=150, deadline=None)
@given(buckets, slots, st.floats(0, 1100))
def test_the_first_one_leaves_when_the_governor_lets_it(
    bucket: Bucket, taken: dict[str, tuple[float, ...]], paused: float
) -> None:
    """Of one request alone the forecast is what the governor itself expects."""
    known = {"b": Standing(paused=paused)}

    def newest(_: str, n: int) -> float | None:
        return taken["b"][-n] if n <= len(taken["b"]) else None

    wait = admit((bucket,), [], Room(1000.0, newest, known))
    expected = wait.expected if wait else 0.0
    assert forecast({bucket: 1}, Taken(1000.0, taken, known)).seconds == pytest.approx(expected, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(buckets, st.integers(300, 600))
def test_what_is_not_followed_one_by_one_comes_to_the_same(bucket: Bucket, count: int) -> None:
    """Full rounds take as long as the last ones that were followed."""
    exact = forecast({bucket: count}, EMPTY).seconds
    before, module.EXACT = module.EXACT, 100
    try:
        assert forecast({bucket: count}, EMPTY).seconds == pytest.approx(exact, rel=0.01)
    finally:
        module.EXACT = before


def test_a_call_is_counted_with_its_looks() -> None:
    """What `verify.flow` asks for at least; with `ensure`, what is the same whether it is there or not."""
    kit = toolkit()
    assert requests(kit, "HEX_LIST_USERS", {}) == Requests(["HEX_LIST_USERS"])
    assert requests(kit, "HEX_CREATE_CELL", {}) == Requests(
        ["HEX_CREATE_CELL", "HEX_LIST_CELLS", "HEX_GET_CELL"]
    )
    assert requests(kit, "HEX_CREATE_CELL", {}, ensure=True) == Requests(["HEX_LIST_CELLS", "HEX_GET_CELL"])
    runs = Requests({"HEX_RUN_PROJECT": 1, "HEX_GET_PROJECT_RUNS": 2, "HEX_GET_RUN_STATUS": 1})
    assert requests(kit, "HEX_RUN_PROJECT", {}) == runs
    assert "HEX_GET_RUN_STATUS" not in requests(kit, "HEX_RUN_PROJECT", {"dryRun": True})
    assert "HEX_GET_RUN_STATUS" not in requests(kit, "HEX_RUN_PROJECT", {"dryRun": "${{ steps.a.output }}"})
    found = requests(kit, "HEX_PUBLISH_GUIDE_DRAFTS", {"publishAllDraftGuides": True})
    assert found == Requests(["HEX_LIST_DRAFT_GUIDES"])


def test_of_a_step_that_may_be_left_out_nothing_is_counted() -> None:
    """What `when` says of inputs is known; what it says of an output is not; an agent's calls are its own."""
    steps = [
        Step(id="a", agent="writer"),
        Step(id="b", agent="researcher"),
        Step(id="c", call="HEX_LIST_USERS", when="inputs.yes == true"),
        Step(id="d", call="HEX_LIST_USERS", when="inputs.yes != true"),
        Step(id="e", call="HEX_LIST_USERS", when="steps.a.output != null"),
    ]
    kits = dict.fromkeys(toolkit().tools, toolkit())
    work = of_steps(steps, kits, {"inputs": {"yes": True}, "run": {}}, lambda step: step.id == "b")
    assert work == Work(Requests(["HEX_LIST_USERS"]), ("b",), ("e",))
    assert work.times(1000).requests == {"HEX_LIST_USERS": 1000}


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (Ahead(requests=1), ["at least 1 request: quotas let them leave at once"]),
        (
            Ahead(
                requests=4000,
                seconds=57_666,
                quota="hex-run-kernel",
                limit=60,
                window=3600.0,
                tools=("HEX_RUN_PROJECT",),
                others=3,
                agents=("research",),
                unsure=("mark",),
                calls=60,
                time=1800.0,
            ),
            [
                "at least 4,000 requests: about 16 h 1 min until the last can leave: "
                "60 per hour of HEX_RUN_PROJECT (quota hex-run-kernel)",
                "  in it: 3 requests of other runs, which wait already",
                "  not in it: what the agents ask for (research); limits.calls allows 60 calls",
                "  not in it: mark, for whether it is done shows later",
                "  this will end as limited: limits.time leaves 30 min; raise it in the workflow's file",
            ],
        ),
    ],
)
def test_it_is_said_in_words(known: Ahead, said: list[str]) -> None:
    """How many, how long, why, and what is not in it."""
    assert words.lines(known.model_dump(mode="json")) == said


def test_what_comes_after_a_wait_is_said_where_it_is_longer() -> None:
    """A run that waits says how long the rest takes, unless the wait itself is all."""
    facts: dict[str, Any] = {"quota": "q", "limit": 30, "window": 900.0, "tools": ("A", "B", "C")}
    known = Ahead(requests=70, seconds=2700, **facts).model_dump(mode="json")
    assert words.parked(known, 2698) == []
    assert words.parked(known, 900) == [
        "  to come: at least 70 requests: about 45 min until the last can leave: "
        "30 per 15 min of 3 tools (quota q)"
    ]


def test_a_claim_says_which_buckets_a_forecast_is_about() -> None:
    """The start of a run counts for the user, for starts, and holds a kernel."""
    wanted = claim(toolkit(), tool("HEX_RUN_PROJECT"), 1.0, owner="o", ticket="t", source="r", call="c")
    assert wanted is not None
    found = forecast(dict.fromkeys(wanted.wanted(), 1000), EMPTY)
    assert found.seconds == pytest.approx(16 * HOUR + 60, abs=1)
