"""snake_case spellings of a product's names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.spec.aliases import proper, renamed, snake

SCHEMA = {
    "properties": {
        "projectId": {},
        "fileList": {"items": {"$ref": "#/$defs/File"}},
        "some": {"anyOf": [{"properties": {"markdownCell": {}}}, {"properties": {"codeCell": {}}}]},
        "free": {"type": "object"},
    }
}
SHAPES = {"File": {"properties": {"filePath": {}, "inner": {"$ref": "#/$defs/File"}}}}


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("projectId", "project_id"),
        ("externalURLId", "external_url_id"),
        ("plain", "plain"),
        ("isSQL", "is_sql"),
    ],
)
def test_snake_case(name: str, alias: str) -> None:
    """Humps become underscores."""
    assert snake(name) == alias
    assert proper(alias, {name}) == name


def test_an_alias_that_could_mean_two_names_is_left_alone() -> None:
    """When two names have the same snake_case spelling, it stands for neither."""
    assert proper("a_b", {"aB", "AB", "a"}) == "aB"
    assert proper("user_id", {"userId", "userID"}) == "user_id"


def test_aliases_are_replaced_wherever_the_schema_knows_the_name() -> None:
    """Nested objects, lists, references and unions are followed; free objects are left as they are."""
    value = {
        "project_id": 1,
        "file_list": [{"file_path": 2, "inner": {"file_path": 3}}],
        "some": {"code_cell": 4},
        "free": {"project_id": 5},
    }
    new, moved = renamed(value, SCHEMA, SHAPES)
    assert new == {
        "projectId": 1,
        "fileList": [{"filePath": 2, "inner": {"filePath": 3}}],
        "some": {"codeCell": 4},
        "free": {"project_id": 5},
    }
    assert moved[("fileList", 0, "filePath")] == ("file_list", 0, "file_path")
    assert ("free", "project_id") not in moved


def test_both_spellings_stay_to_be_refused() -> None:
    """A key given in both spellings is not silently merged."""
    assert renamed({"project_id": 1, "projectId": 2}, SCHEMA, SHAPES)[0] == {"project_id": 1, "projectId": 2}


@given(st.dictionaries(st.sampled_from(["projectId", "some", "free", "x"]), st.integers() | st.text()))
def test_proper_names_are_left_as_they_are(value: dict[str, object]) -> None:
    """What is spelled as the product does comes back unchanged."""
    assert renamed(value, SCHEMA, SHAPES) == (value, {})
