"""Budgets and prices."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.errors import LimitReached
from definable.limits import (
    LEAST_OUTPUT,
    Budget,
    Spent,
    Usage,
    check_model_call,
    check_time,
    check_tool_call,
    price,
)
from definable.spec.workflow import Limits

GPT = "openai/gpt-5.5"


def budget(limits: Limits, spent: Spent | None = None, name: str = "run") -> Budget:
    """Return a budget of a run."""
    return Budget(name=name, limits=limits, spent=spent or Spent())


def test_prices_come_from_the_library() -> None:
    """A model that is known costs what the library says, for input and output apart."""
    assert price(GPT, 1_000, 1_000) == Decimal("0.035")
    assert price("anthropic/claude-opus-4-7", 1_000_000, 0) == Decimal("5")


def test_an_unknown_price_is_none_and_never_zero() -> None:
    """A model that nobody has priced has no price, whichever provider it is said to be from."""
    assert price("openai/no-such-model", 10, 10) is None
    assert price("nobody/gpt-5.5", 10, 10) is None


def test_the_offline_model_is_free() -> None:
    """What runs in the process costs nothing."""
    assert price("offline/gpt-5.5", 10**9, 10**9) == Decimal(0)


def test_spending_adds_up_and_remembers_what_has_no_price() -> None:
    """Tokens of every call count; a call without a price is named, not priced at nothing."""
    spent = Spent().after_model(GPT, Usage(input_tokens=1000, output_tokens=1000))
    spent = spent.after_model("openai/new", Usage(input_tokens=5, output_tokens=5)).after_calls(3)
    assert (spent.tokens, spent.usd, spent.unpriced, spent.calls) == (
        2010,
        Decimal("0.035"),
        ("openai/new",),
        3,
    )


def test_what_two_calls_took_is_what_is_spent() -> None:
    """Calls counted by themselves add up to the same, each model without a price named once."""
    used = Usage(input_tokens=1000, output_tokens=1000)
    known, new = Spent().after_model(GPT, used), Spent().after_model("openai/new", used)
    together = Spent().after_model(GPT, used).after_model("openai/new", used).after_model("openai/new", used)
    assert known.plus(new).plus(new) == together


def test_spending_survives_json() -> None:
    """What is spent can be kept in a checkpoint: dollars come back exact."""
    spent = Spent().after_model(GPT, Usage(input_tokens=7, output_tokens=1)).at(2.5)
    assert Spent.model_validate(spent.model_dump(mode="json")) == spent


def test_without_limits_everything_asked_for_is_allowed() -> None:
    """No limit, no smaller answer."""
    assert check_model_call([budget(Limits())], "openai/unknown", 10**6, 16_000) == 16_000


def test_the_answer_shrinks_to_what_is_left() -> None:
    """A token limit leaves the model what the prompt and the past do not take."""
    spent = Spent(tokens=7_000)
    assert check_model_call([budget(Limits(tokens=10_000), spent)], GPT, 1_000, 16_000) == 2_000


def test_the_tightest_budget_counts() -> None:
    """Limits of the run and of the step hold at once."""
    run, step = budget(Limits(tokens=10_000)), budget(Limits(tokens=3_000), name="step brief")
    assert check_model_call([run, step], GPT, 1_000, 16_000) == 2_000


def test_a_call_that_breaks_the_token_limit_is_not_made() -> None:
    """The error names the limit, what is spent and what the next call needs."""
    with pytest.raises(LimitReached) as error:
        check_model_call([budget(Limits(tokens=5_000), Spent(tokens=4_000))], GPT, 900, 16_000)
    assert str(error.value) == (
        "the run would break its limit of 5,000 tokens: 4,000 are spent, and the next call needs about 900 "
        "for the prompt of openai/gpt-5.5 and at least 256 for its answer\n"
        "  raise `limits.tokens` in the workflow's file and resume the run; what is done stays done"
    )
    assert error.value.facts["spent"]["tokens"] == 4_000


def test_a_call_that_breaks_the_dollar_limit_is_not_made() -> None:
    """Dollars are checked against what the next call costs at least."""
    with pytest.raises(
        LimitReached, match=r"limit of \$0\.05: \$0\.0490 is spent, .* at least \$0\.0127 for"
    ):
        check_model_call([budget(Limits(usd=0.05), Spent(usd=Decimal("0.049")))], GPT, 1_000, 16_000)


def test_a_dollar_limit_refuses_a_model_without_a_price() -> None:
    """Unknown is not free: the error says what to do instead."""
    with pytest.raises(LimitReached, match=r"the price of 'openai/new' is not known[^\n]*\n  choose a model"):
        check_model_call([budget(Limits(usd=100.0))], "openai/new", 1, 1_000)


def test_a_dollar_limit_refuses_to_go_on_after_a_call_without_a_price() -> None:
    """Once something of unknown price was paid, nobody can say what is left."""
    spent = Spent(unpriced=("openai/new",))
    with pytest.raises(LimitReached, match="the price of 'openai/new' is not known"):
        check_model_call([budget(Limits(usd=100.0), spent)], GPT, 1, 1_000)


@given(st.integers(1, 100_000), st.integers(1, 60_000), st.decimals("0.0001", "2", places=4))
def test_what_is_allowed_can_be_paid(prompt: int, wanted: int, usd: Decimal) -> None:
    """Whatever the numbers, an allowed answer fits the limit, and one token more would not have."""
    limits = [budget(Limits(usd=float(usd)))]
    try:
        allowed = check_model_call(limits, GPT, prompt, wanted)
    except LimitReached:
        assert (price(GPT, prompt, min(wanted, LEAST_OUTPUT)) or 0) > usd
        return
    assert (price(GPT, prompt, allowed) or 0) <= usd
    assert allowed == wanted or (price(GPT, prompt, allowed + 1) or 0) > usd


def test_tool_calls_are_counted_before_they_are_made() -> None:
    """Four calls side by side need room for four."""
    spent = Spent(calls=57)
    check_tool_call([budget(Limits(calls=60), spent)], calls=3)
    with pytest.raises(
        LimitReached, match=r"limit of 60 tool calls: 57 are made, and the next call needs 4 more"
    ):
        check_tool_call([budget(Limits(calls=60), spent)], calls=4)


@pytest.mark.parametrize("check", [check_time, check_tool_call])
def test_no_call_is_made_after_the_time_is_over(check: object) -> None:
    """Time ends tool calls as it ends everything else."""
    assert callable(check)
    check([budget(Limits(time=60.0), Spent().at(59.9))])
    with pytest.raises(LimitReached, match=r"limit of 60 s: 60\.0 s have passed"):
        check([budget(Limits(time=60.0), Spent().at(60.0))])


def test_no_model_is_asked_after_the_time_is_over() -> None:
    """Time ends model calls, too."""
    with pytest.raises(LimitReached, match="limit of 5 s"):
        check_model_call([budget(Limits(time=5.0), Spent().at(6))], GPT, 1, 1)
