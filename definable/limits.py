"""Budgets and prices: what has been spent, and whether the next call may still be made.

Pure: nothing here reads a clock, a file or the network. Prices are those that the `genai-prices` library
carries. A price that is not known is None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from pydantic import BaseModel, ConfigDict

from definable.errors import LimitReached
from definable.spec.workflow import Limits

LEAST_OUTPUT = 256
"""Output tokens below which asking a model is a waste: an answer this short is cut off."""


class Usage(BaseModel):
    """Tokens of one or more model calls."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def total(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens


class Spent(BaseModel):
    """What a run or a step has used up so far. `usd` counts the calls whose price is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    tokens: int = 0
    usd: Decimal = Decimal(0)
    unpriced: tuple[str, ...] = ()
    """Models that were called and whose price is not known; `usd` is then only the part that is known."""
    calls: int = 0
    seconds: float = 0.0
    """Wall-clock time without the waiting for people."""

    def after_model(self, model: str, usage: Usage) -> Spent:
        """Return what is spent after one model call."""
        cost = price(model, usage.input_tokens, usage.output_tokens)
        unknown = (model,) if cost is None and model not in self.unpriced else ()
        return self.model_copy(
            update={
                "tokens": self.tokens + usage.total,
                "usd": self.usd + (cost or 0),
                "unpriced": self.unpriced + unknown,
            }
        )

    def plus(self, other: Spent) -> Spent:
        """Return what is spent after both; the models without a price are named once."""
        return Spent(
            tokens=self.tokens + other.tokens,
            usd=self.usd + other.usd,
            unpriced=tuple(dict.fromkeys(self.unpriced + other.unpriced)),
            calls=self.calls + other.calls,
            seconds=self.seconds + other.seconds,
        )

    def after_calls(self, calls: int = 1) -> Spent:
        """Return what is spent after that many tool calls."""
        return self.model_copy(update={"calls": self.calls + calls})

    def at(self, seconds: float) -> Spent:
        """Return the same with the time that has passed, in seconds."""
        return self.model_copy(update={"seconds": seconds})


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits, what is spent of them, and whose they are: `run`, or `step research`."""

    name: str
    limits: Limits
    spent: Spent = field(default_factory=Spent)
    deadline: str = ""
    """When all has to be done, RFC 3339; empty: whenever."""
    left: float | None = None
    """Seconds until the deadline; None without one."""

    @property
    def seconds(self) -> float | None:
        """How much longer it may take; None for as long as it takes."""
        own = None if self.limits.time is None else max(0.0, self.limits.time - self.spent.seconds)
        ends = [each for each in (own, self.left) if each is not None]
        return max(0.0, min(ends)) if ends else None


def price(model: str, input_tokens: int, output_tokens: int, *, at: datetime | None = None) -> Decimal | None:
    """Return the dollars that one call costs, or None when the price of the model is not known.

    `model` is `provider/name`. Models of the provider `offline` run inside the process and cost 0.
    `at` picks the price of that day; without it the library takes the present one.
    """
    provider, _, name = model.partition("/")
    if provider == "offline":
        return Decimal(0)
    usage = PricedUsage(input_tokens=input_tokens, output_tokens=output_tokens)
    try:
        return calc_price(usage, model_ref=name, provider_id=provider, genai_request_timestamp=at).total_price
    except LookupError:
        return None


def check_model_call(
    budgets: Iterable[Budget], model: str, prompt_tokens: int, max_output_tokens: int
) -> int:
    """Return how many output tokens the next call may ask for, at most `max_output_tokens`.

    Every budget has to allow it. Raises LimitReached when less than a useful answer would be left.
    """
    allowed = max_output_tokens
    for budget in budgets:
        _check_time(budget)
        allowed = min(allowed, _by_tokens(budget, model, prompt_tokens, allowed))
        allowed = min(allowed, _by_dollars(budget, model, prompt_tokens, allowed))
    return allowed


def check_tool_call(budgets: Iterable[Budget], calls: int = 1) -> None:
    """Raise LimitReached when `calls` more tool calls would break a limit."""
    for budget in budgets:
        _check_time(budget)
        limit, spent = budget.limits.calls, budget.spent.calls
        if limit is not None and spent + calls > limit:
            raise _reached(budget, "calls", f"{limit:,} tool calls", f"{spent:,} are made", f"{calls:,} more")


def check_time(budgets: Iterable[Budget]) -> None:
    """Raise LimitReached when the time of a budget is over."""
    for budget in budgets:
        _check_time(budget)


def overdue(deadline: str, why: str = "") -> LimitReached:
    """Return what ends a run that is not done by its deadline."""
    return LimitReached(
        f"the run was to be done by {deadline}, and {why or 'that is over'}",
        hint="what is done stays done; submit it again with a later deadline, or with none",
        scope="run",
        limit="deadline",
        value=deadline,
    )


def _check_time(budget: Budget) -> None:
    if budget.left is not None and budget.left <= 0:
        raise overdue(budget.deadline)
    limit, spent = budget.limits.time, budget.spent.seconds
    if limit is not None and spent >= limit:
        raise _reached(budget, "time", f"{limit:g} s", f"{spent:.1f} s have passed", "more time")


def _by_tokens(budget: Budget, model: str, prompt_tokens: int, wanted: int) -> int:
    limit, spent = budget.limits.tokens, budget.spent.tokens
    if limit is None:
        return wanted
    left = limit - spent - prompt_tokens
    least = min(wanted, LEAST_OUTPUT)
    if left < least:
        need = f"about {prompt_tokens:,} for the prompt of {model} and at least {least:,} for its answer"
        raise _reached(budget, "tokens", f"{limit:,} tokens", f"{spent:,} are spent", need)
    return min(wanted, left)


def _by_dollars(budget: Budget, model: str, prompt_tokens: int, wanted: int) -> int:
    if budget.limits.usd is None:
        return wanted
    left = Decimal(str(budget.limits.usd)) - budget.spent.usd
    all_of_it = price(model, prompt_tokens, wanted)
    if all_of_it is None or budget.spent.unpriced:
        raise _unpriced(budget, model if all_of_it is None else budget.spent.unpriced[0])
    if all_of_it <= left:
        return wanted
    least = min(wanted, LEAST_OUTPUT)
    lowest = price(model, prompt_tokens, least)
    if lowest is None or lowest > left:
        raise _reached(
            budget,
            "usd",
            f"${budget.limits.usd:.2f}",
            f"${budget.spent.usd:.4f} is spent",
            f"at least ${lowest or 0:.4f} for {model}",
        )
    return _most_for(model, prompt_tokens, least, wanted - 1, left)


def _most_for(model: str, prompt_tokens: int, low: int, high: int, dollars: Decimal) -> int:
    """The most output tokens between `low`, which `dollars` pay for, and `high`."""
    while low < high:
        middle = (low + high + 1) // 2
        cost = price(model, prompt_tokens, middle)
        if cost is not None and cost <= dollars:
            low = middle
        else:
            high = middle - 1
    return low


def _reached(budget: Budget, limit: str, value: str, spent: str, needs: str) -> LimitReached:
    return LimitReached(
        f"the {budget.name} would break its limit of {value}: {spent}, and the next call needs {needs}",
        hint=f"raise `limits.{limit}` in the workflow's file and resume the run; what is done stays done",
        scope=budget.name,
        limit=limit,
        value=getattr(budget.limits, limit),
        spent=budget.spent.model_dump(mode="json"),
    )


def _unpriced(budget: Budget, model: str) -> LimitReached:
    return LimitReached(
        f"the {budget.name} may spend ${budget.limits.usd:.2f}, but the price of {model!r} is not known, "
        "so nobody can say what the next call costs",
        hint="choose a model whose price is known, or limit `tokens` instead of `usd`",
        scope=budget.name,
        limit="usd",
        value=budget.limits.usd,
        model=model,
        spent=budget.spent.model_dump(mode="json"),
    )
