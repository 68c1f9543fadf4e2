"""What `when` says: comparisons, and, or, not, parentheses, literals."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.errors import UsageError
from definable.spec.paths import truth

SCOPE: dict[str, Any] = {
    "n": 3,
    "s": "b",
    "t": True,
    "z": None,
    "e": [],
    "my-step": {"output": {"ok": "yes"}},
}


@pytest.mark.parametrize(
    "holds",
    [
        "n == 3",
        "n == 3.0",
        "n != '3'",
        "${{ n }} > 2",
        "${{ n >= 3 and s < 'c' }}",
        'not (n < 1 or s == "a")',
        "not not t",
        "t == true",
        "t != 1",
        "z == null",
        "nothing.at.all == null",
        "not e",
        "not nothing",
        "not (nothing > 1)",
        "not z < 1",
        "my-step.output.ok == 'yes'",
        "false or n == 3 and t",
        "-1 < 1e3",
        "n == 003",
        "notes == null",
        "e == e",
    ],
)
def test_expressions_that_hold(holds: str) -> None:
    """Each of these holds in the scope."""
    assert truth(holds, SCOPE) is True


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("", "it ends where a value was expected"),
        ("n ==", "it ends where a value was expected"),
        ("(n", "'(' is not closed by ')'"),
        ("${{ n )", "'${{' is not closed by '}}'"),
        ("n == == 3", "a value was expected, not '=='"),
        ("n 3", "'3' was not expected"),
        ("n = 3", "'= 3' cannot be read"),
        ('n == "\\q"', "is not a JSON text"),
        ("n == " + "9" * 400, "cannot be read"),
        ("f(n)", "'(' was not expected"),
        ("n + 1 == 4", "'+ 1 == 4' cannot be read"),
        ("not " * 60 + "n", "more than 50 levels deep"),
        ("(" * 60, "more than 50 levels deep"),
    ],
)
def test_expressions_that_cannot_be_read(expression: str, why: str) -> None:
    """What is not an expression is refused, with what is wrong and what there is."""
    with pytest.raises(UsageError) as caught:
        truth(expression, SCOPE)
    assert why in caught.value.message
    assert "`when` knows paths" in caught.value.hint or "Single quotes" in caught.value.hint


def test_values_without_an_order_are_not_compared() -> None:
    """A number and a text have no order, and neither have two booleans."""
    with pytest.raises(UsageError, match="3 < 'b': only two numbers or two texts have an order"):
        truth("n < s", SCOPE)
    with pytest.raises(UsageError, match="only two numbers or two texts"):
        truth("t < t", SCOPE)


@given(st.text())
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    """Whatever the text, reading it gives a truth value or a UsageError."""
    with suppress(UsageError):
        assert truth(text, SCOPE) in (True, False)
