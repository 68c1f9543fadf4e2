"""The path `${{ }}`: what it leads to, texts filled in, and the paths that texts name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.errors import UsageError
from definable.spec.paths import MISSING, join, lookup, parse, references, render, show

SCOPE: dict[str, Any] = {
    "inputs": {"days": 7, "who": None, "on": True},
    "steps": {
        "my-step": {"output": {"values": [{"id": 1, "tags": ["a"]}, {"tags": ["b", "c"]}, {"id": None}]}}
    },
    "a b": {"1": "text"},
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("inputs.days", 7),
        ("steps.my-step.output.values[0].id", 1),
        ("steps.my-step.output.values.0.id", 1),
        ("steps.my-step.output.values[-1]", {"id": None}),
        ("steps.my-step.output.values[*].id", [1, None]),
        ("steps.my-step.output.values[*].tags", [["a"], ["b", "c"]]),
        ("steps.my-step.output.values[*].tags[*]", ["a", "b", "c"]),
        ("steps.my-step.output.values[9]", MISSING),
        ("steps.my-step.output.values.id", MISSING),
        ("inputs.who.name.first", None),
        ("inputs.who.all[*].id", []),
        ("inputs.days[*]", MISSING),
        ("inputs.days.x", MISSING),
        ('["a b"]["1"]', "text"),
        ("['a b'].1", "text"),
        ("", SCOPE),
    ],
)
def test_lookup(path: str, found: Any) -> None:
    """A path goes through names, indices and stars; through null it gives null."""
    assert lookup(SCOPE, path) == found


def test_missing_is_false_and_nothing_else() -> None:
    """MISSING is false, and not equal to null."""
    assert not MISSING
    assert MISSING != None  # noqa: E711


@pytest.mark.parametrize("path", ["a..b", "a b", "[", "a[x]", "a.", "1 + 1", "f(x)", ".a"])
def test_text_that_is_no_path_is_refused(path: str) -> None:
    """What is not a path is a UsageError that shows it."""
    with pytest.raises(UsageError, match="is not a path") as caught:
        lookup(SCOPE, path)
    assert repr(path) in str(caught.value)


def test_a_quoted_key_is_a_json_text() -> None:
    """Double quotes are read as JSON reads them, so wrong escapes are refused; single ones take anything."""
    with pytest.raises(UsageError, match=r'"\\q" is not a JSON text'):
        lookup(SCOPE, r'["\q"]')
    assert parse(r"['\q']") == ("\\q",)


def test_a_path_alone_keeps_its_type() -> None:
    """A lone `${{ }}` gives the value itself, of whatever type."""
    assert render({"a": ["${{ inputs.days }}", " ${{inputs.who}} "]}, SCOPE) == {"a": [7, None]}


def test_paths_inside_a_text_become_text() -> None:
    """Inside a text, numbers and booleans are inserted as text."""
    assert render("${{ inputs.days }} days: ${{ inputs.on }}", SCOPE) == "7 days: true"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("inputs", "an object"), ("steps.my-step.output.values", "a list"), ("inputs.who", "null")],
)
def test_what_has_no_text_cannot_stand_in_one(path: str, kind: str) -> None:
    """An object, a list or null inside a text is refused, with its kind."""
    with pytest.raises(UsageError, match=f"is {kind} and cannot stand inside a text"):
        render(f"x ${{{{ {path} }}}}", SCOPE)


def test_what_leads_nowhere_names_the_nearest() -> None:
    """A path that leads nowhere is refused with the part that is wrong and the name probably meant."""
    with pytest.raises(UsageError, match=r"there is no 'dayz' in inputs; did you mean 'days'\?"):
        render("${{ inputs.dayz }}", SCOPE)


def test_what_leads_nowhere_is_dropped_on_request() -> None:
    """With `drop`, what leads nowhere is left out, with the text or object that holds nothing else."""
    value = {"a": "${{ no }}", "b": ["${{ no.x }}", 1, "x ${{ no }}"], "c": {"d": "${{ no }}"}, "e": {}}
    assert render(value, SCOPE, missing="drop") == {"b": [1], "e": {}}
    assert render("${{ no }}", SCOPE, missing="drop") is MISSING


def test_inserted_text_is_not_rendered_again() -> None:
    """What a path leads to is data: a `${{ }}` in it stays as it is."""
    assert render("${{ x }} ${{ y }}", {"x": "${{ y }}", "y": "z"}) == "${{ y }} z"


@pytest.mark.parametrize(("text", "why"), [("${{ a", "without"), ("a ${{ }}", "without a path")])
def test_templates_that_are_none_are_refused(text: str, why: str) -> None:
    """An open `${{` and an empty one are refused."""
    with pytest.raises(UsageError, match=why):
        render(text, SCOPE)


def test_references_of_values_and_conditions() -> None:
    """References are the parts of every path, in texts anywhere in a value, or in a `when`."""
    value = {"a": "${{ x.y[0] }} and ${{ z[*].id }}", "b": [1, "no"]}
    assert references(value) == [("x", "y", "0"), ("z", "*", "id")]
    assert references("a.b == 'c' and not ${{ d }}", expression=True) == [("a", "b"), ("d",)]


@given(JSON.filter(lambda value: "${{" not in repr(value)))
def test_data_without_templates_renders_to_itself(value: Any) -> None:
    """Rendering leaves data alone that has no template in it."""
    assert render(value, {}) == value


@given(st.lists(st.text() | st.integers(0, 3), min_size=1, max_size=5), JSON)
def test_a_path_built_from_keys_leads_to_the_value(keys: list[str | int], value: Any) -> None:
    """`join` writes a path for any keys and indices, and lookup follows it back."""
    scope = value
    for key in reversed(keys):
        scope = {key: scope} if isinstance(key, str) else [None] * key + [scope]
    assert lookup(scope, join(keys)) == value


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_shown_paths_read_back(keys: list[str]) -> None:
    """What `show` writes is a path with the same parts."""
    parts = parse(join(keys))
    assert parse(show(parts)) == parts
