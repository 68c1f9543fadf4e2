"""A run's inputs, read by their declared types."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.errors import UsageError
from definable.spec.events import DEEPEST
from definable.spec.inputs import complete, declaration_problems, read_inputs
from definable.spec.load import load
from definable.spec.source import read_yaml
from definable.spec.workflow import Input, Workflow

WORKFLOW = load(
    read_yaml(
        """
name: w
description: d
inputs:
  project: { type: string, description: Where it goes }
  days: { type: integer, default: 7, minimum: 1, maximum: 31 }
  rate: { type: number, default: 0.5 }
  loud: { type: boolean, default: false }
  tags: { type: array, required: false }
  extra: { type: object, required: false }
  size: { type: string, enum: [small, large], default: small }
  code: { type: string, pattern: "^x", default: null }
steps: [{ id: a, agent: writer }]
""",
        "w.yaml",
    ),
    Workflow,
)


def read(*pairs: str) -> dict[str, Any]:
    """Return the inputs of the workflow above, with a project."""
    return read_inputs(WORKFLOW, ["project=p", *pairs])


def test_defaults_fill_what_is_not_given() -> None:
    """Defaults are filled in, and what need not be given is null."""
    rest = {"days": 7, "rate": 0.5, "loud": False, "tags": None, "extra": None, "size": "small", "code": None}
    assert read() == {"project": "p", **rest}


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("days=31", 31),
        ("rate=2", 2),
        ("rate=1e-3", 0.001),
        ("loud=true", True),
        ('tags=["a", 1]', ["a", 1]),
        ('extra={"a": null}', {"a": None}),
        ("size=large", "large"),
        ("code=x=y", "x=y"),
    ],
)
def test_values_are_read_by_type(pair: str, value: Any) -> None:
    """Each text is read as its input's type says; objects and lists are JSON."""
    assert read(pair)[pair.partition("=")[0]] == value


@pytest.mark.parametrize(
    ("pair", "problem"),
    [
        ("days=3.0", "days: a whole number is expected, not '3.0'"),
        ("days=three", "days: a whole number is expected, not 'three'"),
        ("days=0", "days: at least 1 is expected, not 0"),
        ("days=32", "days: at most 31 is expected, not 32"),
        ("days=" + "9" * 5000, "days: a whole number is expected"),
        ("rate=NaN", "rate: a number is expected, not 'NaN'"),
        ("rate=true", "rate: a number is expected, not true"),
        ("loud=yes", "loud: true or false is expected, not 'yes'"),
        ("tags=a,b", 'tags: a list as JSON, such as ["a", "b"], is expected, not \'a,b\''),
        ("tags=" + "[" * 100000, "tags: a list as JSON"),
        ("extra=[1]", "extra: an object is expected, not a list"),
        ('extra={"a": 1e999}', "extra: a number is too large, or none: an object"),
        ("tags=[[-1e999]]", "tags: a number is too large, or none: a list"),
        ("tags=" + "[" * 66 + "]" * 66, "tags: more than 64 levels deep: a list"),
        ("size=medium", "size: one of 'small', 'large' is expected, not 'medium'"),
        ("code=y", "code: a text that matches ^x is expected, not 'y'"),
        ("dayz=3", "dayz: unknown input; did you mean 'days'?"),
        ("project=q", "project: given twice"),
        ("=q", "'=q' is not key=value"),
        ("oops", "'oops' is not key=value"),
    ],
)
def test_values_that_do_not_fit(pair: str, problem: str) -> None:
    """What does not fit is refused with the value and what is expected, and said once."""
    with pytest.raises(UsageError) as caught:
        read(pair)
    assert problem in caught.value.message
    assert caught.value.message.count("\n") == 1
    assert "-i project=… -i days=7" in caught.value.hint


def test_everything_wrong_is_said_at_once() -> None:
    """Missing, unknown and unfit inputs are listed together."""
    with pytest.raises(UsageError) as caught:
        read_inputs(WORKFLOW, ["days=x", "nope=1"])
    lines = caught.value.message.splitlines()
    assert lines[0] == "the inputs of 'w' are wrong:"
    assert len(lines) == 4
    assert "  - project: missing; a text is expected (Where it goes)" in lines


def test_values_with_types() -> None:
    """Values that already have types are checked in the same way."""
    assert complete(WORKFLOW, {"project": "p", "days": 3})["days"] == 3
    with pytest.raises(UsageError, match="days: a whole number is expected, not true"):
        complete(WORKFLOW, {"project": "p", "days": True})
    with pytest.raises(UsageError, match="project: a text is expected, not null"):
        complete(WORKFLOW, {"project": None})


def test_what_is_within_a_value_is_looked_at_too() -> None:
    """No part of an object is something that JSON does not know, or deeper than it can be written down."""
    deep: Any = 1
    for _ in range(DEEPEST):
        deep = {"a": deep}
    workflow = WORKFLOW.model_copy(update={"inputs": {"o": Input(type="object")}})
    assert complete(workflow, {"o": deep}) == {"o": deep}
    for wrong, words in (
        ({"a": [deep]}, f"o: more than {DEEPEST} levels deep"),
        ({"a": [float("nan")]}, "o: a number is too large, or none"),
        ({"a": float("inf")}, "o: a number is too large, or none"),
        ({"a": {"\ud800": 1}}, "o: a text has half a character"),
    ):
        with pytest.raises(UsageError, match=words):
            complete(workflow, {"o": wrong})


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({"type": "integer", "default": "7"}, ("default", "default: a whole number is expected, not '7'")),
        (
            {"type": "integer", "default": 0, "minimum": 1},
            ("default", "default: at least 1 is expected, not 0"),
        ),
        ({"type": "string", "minimum": 1}, ("minimum", "minimum does not go with the type 'string'")),
        ({"type": "integer", "pattern": "x"}, ("pattern", "pattern does not go with the type 'integer'")),
        (
            {"type": "integer", "minimum": 3, "maximum": 2},
            ("maximum", "the maximum 2 is below the minimum 3"),
        ),
        ({"type": "string", "enum": ["a", 1]}, ("enum", "enum: a text is expected, not 1")),
        (
            {"type": "string", "enum": ["a"], "default": "b"},
            ("default", "default: one of 'a' is expected, not 'b'"),
        ),
    ],
)
def test_declarations_that_make_no_sense(declared: dict[str, Any], problem: tuple[str, str]) -> None:
    """A default must fit its own declaration, and the declaration its type."""
    assert list(
        declaration_problems(
            Input(**{**declared, "enum": tuple(declared["enum"])} if "enum" in declared else declared)
        )
    ) == [problem]


def test_a_pattern_must_be_a_regular_expression() -> None:
    """A pattern that cannot be compiled is a problem of the declaration."""
    ((key, message),) = declaration_problems(Input(type="string", pattern="("))
    assert key == "pattern"
    assert message.startswith("this is not a regular expression: ")


@given(
    st.lists(
        st.text()
        | st.sampled_from(["days=", "tags=", "extra=", "rate="]).flatmap(lambda k: st.text().map(k.__add__))
    )
)
def test_any_pairs_are_read_or_refused(pairs: list[str]) -> None:
    """Whatever is given, the result has every input, or it is a UsageError."""
    try:
        found = set(read_inputs(WORKFLOW, pairs))
    except UsageError:
        found = set(WORKFLOW.inputs)
    assert found == set(WORKFLOW.inputs)
