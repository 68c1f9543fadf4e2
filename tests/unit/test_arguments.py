"""Arguments made exact: names, ids out of URLs, and every problem at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from definable.errors import UsageError
from definable.spec.aliases import snake
from definable.toolkits.arguments import normalise, schema
from tests.hexkit import tool, toolkit

ID = "0f0e6a2c-90ab-4def-8234-567890abcdef"


def _exact(slug: str, **arguments: Any) -> dict[str, Any]:
    return normalise(toolkit(), tool(slug), slug, arguments)


def _refused(slug: str, **arguments: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        _exact(slug, **arguments)
    return caught.value


def test_snake_case_becomes_the_products_own_names() -> None:
    """At the top, in nested objects, and inside a union."""
    exact = _exact(
        "HEX_CREATE_CELL",
        project_id=ID,
        cell_type="SQL",
        contents={"sql_cell": {"source": "select 1", "is_dataframe_sql": True}},
        location={"insert_after_cell_id": ID},
    )
    assert exact == {
        "projectId": ID,
        "cellType": "SQL",
        "contents": {"sqlCell": {"source": "select 1", "isDataframeSql": True}},
        "location": {"insertAfterCellId": ID},
    }


def test_names_that_a_schema_leaves_open_stay_as_they_are() -> None:
    """Inputs of an app are named by their author."""
    exact = _exact("HEX_RUN_PROJECT", projectId=ID, inputParams={"start_date": "x", "projectId": 1})
    assert exact["inputParams"] == {"start_date": "x", "projectId": 1}


@pytest.mark.parametrize(
    "pasted",
    [
        ID,
        f"  {ID}\n",
        ID.upper(),
        f"https://app.hex.tech/hex/{ID}",
        f"https://app.hex.tech/acme/hex/{ID}/draft/logic?view=app",
        f"https://app.hex.tech/11111111-1111-1111-1111-111111111111/hex/{ID}/draft/logic",
        f"https://eu.hex.tech/acme/hex/Weekly-brief/{ID}/logic",
        f"https://acme.hex.tech/app/{ID}/latest",
        f"http://127.0.0.1:8080/hex/{ID}",
        f"/hex/{ID}/",
        f"https://app.hex.tech/api/v1/projects/{ID}/runs",
    ],
)
def test_a_projects_id_is_taken_out_of_what_was_pasted(pasted: str) -> None:
    """Spaces, capitals and any address that carries the id."""
    assert _exact("HEX_GET_PROJECT", projectId=pasted) == {"projectId": ID}


@pytest.mark.parametrize(
    "pasted",
    [
        "https://app.hex.tech/acme/app/Weekly-Report-032LxMQQqaWFrDgUIVIRCs/latest",
        f"https://app.hex.tech/{ID}/app/Weekly-Report-032LxMQQqaWFrDgUIVIRCs/latest",
        f"https://app.hex.tech/{ID}/compare/{ID}",
        "Weekly-Report-032LxMQQqaWFrDgUIVIRCs",
        f"{ID}0",
        "",
    ],
)
def test_an_address_without_the_id_is_refused_with_a_way_out(pasted: str) -> None:
    """The slug of an app's address is no id, and another id in the address is not taken for it."""
    error = _refused("HEX_GET_PROJECT", projectId=pasted)
    assert error.message.startswith(f"HEX_GET_PROJECT: projectId: {pasted!r} is no project-id. ")
    assert "the part after /hex/" in error.message
    assert "HEX_LIST_PROJECTS" in error.message


def test_every_problem_is_named_at_once() -> None:
    """Wrong values, unknown and missing names, each with what to give instead."""
    error = _refused("HEX_LIST_CELLS", limit="5", projct_id=ID, after=None)
    assert sorted(error.facts["problems"]) == [
        "after: None is null, where string is wanted",
        "limit: '5' is a text, where integer is wanted",
        "projct_id is unknown; did you mean 'projectId'?",
        "projectId is missing",
    ]
    assert error.hint == "see what it takes with: definable tools HEX_LIST_CELLS"


def test_of_a_union_only_the_nearest_kind_is_explained() -> None:
    """Whoever gave a codeCell hears about codeCells."""
    error = _refused("HEX_CREATE_CELL", projectId=ID, cellType="CODE", contents={"codeCell": {"text": "1"}})
    assert error.facts["problems"] == [
        "contents.codeCell.text is unknown; known: source",
        "contents.codeCell.source is missing",
    ]


def test_a_value_outside_an_enumeration_is_told_what_there_is() -> None:
    """The known values are listed."""
    error = _refused("HEX_LIST_GROUPS", sortBy="AGE")
    assert error.message == "HEX_LIST_GROUPS: sortBy: 'AGE' is none of CREATED_AT, NAME"


def test_half_of_a_character_is_refused_before_anything_is_sent() -> None:
    """JSON may have it, and a command line that is not UTF-8; no request can."""
    error = _refused("HEX_LIST_CELLS", projectId=ID, after="a\ud800")
    assert "half of a character (a lone surrogate), which cannot be sent" in error.message


def test_both_spellings_of_one_argument_are_refused() -> None:
    """Nobody can tell which was meant."""
    error = _refused("HEX_GET_CELL", cellId=ID, cell_id=ID)
    assert error.message == "HEX_GET_CELL: cell_id is given twice, also as 'cellId'"


@pytest.mark.parametrize(
    ("slug", "arguments", "says"),
    [
        (
            "HEX_CREATE_CELL",
            {"projectId": ID, "cellType": "CODE", "contents": {"sqlCell": {"source": "1"}}},
            "of one kind",
        ),
        ("HEX_UPDATE_CELL", {"cellId": ID}, "nothing to update"),
        ("HEX_EDIT_GROUP", {"groupId": ID}, "nothing to edit"),
        ("HEX_EDIT_COLLECTION", {"collectionId": ID}, "nothing to edit"),
        ("HEX_RUN_PROJECT", {"projectId": ID, "viewId": "v", "inputParams": {}}, "exclude each other"),
        ("HEX_PUBLISH_GUIDE_DRAFTS", {}, "either orgGuideFileIds, or publishAllDraftGuides"),
        ("HEX_PUBLISH_GUIDE_DRAFTS", {"publishAllDraftGuides": False}, "either orgGuideFileIds"),
    ],
)
def test_what_does_not_go_together_is_refused(slug: str, arguments: dict[str, Any], says: str) -> None:
    """Rules over several arguments are checked before a request is spent on them."""
    assert says in _refused(slug, **arguments).message


def test_nothing_is_added_and_the_callers_value_stays_as_it_is() -> None:
    """Defaults are the product's business, and normalising is not done in place."""
    given: dict[str, Any] = {"project_id": ID.upper(), "limit": 3}
    assert normalise(toolkit(), tool("HEX_LIST_CELLS"), "HEX_LIST_CELLS", given) == {
        "projectId": ID,
        "limit": 3,
    }
    assert given == {"project_id": ID.upper(), "limit": 3}


PASTED = {
    "project-id": st.sampled_from([ID, f" {ID.upper()} ", f"https://app.hex.tech/hex/{ID}"]),
    "uuid": st.sampled_from([ID, f" {ID.upper()} "]),
}
LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(min_size=1, max_size=5),
    "integer": st.integers(1, 100),
    "boolean": st.booleans(),
    "object": st.dictionaries(st.text(max_size=3), st.none() | st.integers(), max_size=2),
    "null": st.none(),
}


def _values(of: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values that fit a schema, with any name in snake_case and any id in what was pasted."""
    if kinds := of.get("anyOf"):
        return st.one_of([_values(kind) for kind in kinds])
    if known := of.get("properties"):
        names = {name: st.sampled_from([name, snake(name)]) for name in known}
        needed = {name: st.tuples(names[name], _values(known[name])) for name in of.get("required", ())}
        other = {n: st.tuples(names[n], _values(v)) for n, v in known.items() if n not in needed}
        return st.fixed_dictionaries(needed, optional=other).map(lambda pairs: dict(pairs.values()))
    if "enum" in of:
        return st.sampled_from(of["enum"])
    if of.get("type") == "array":
        return st.lists(_values(of["items"]), min_size=1, max_size=3)
    kinds = [of["type"]] if isinstance(of["type"], str) else of["type"]
    return st.one_of([PASTED[of["format"]] if k == "string" and "format" in of else LEAVES[k] for k in kinds])


@settings(max_examples=25, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize(
    "slug", ["HEX_CREATE_CELL", "HEX_RUN_PROJECT", "HEX_EDIT_GROUP", "HEX_LIST_PROJECTS"]
)
def test_normalising_twice_gives_the_same_as_once(slug: str, data: st.DataObject) -> None:
    """Whatever was accepted is accepted again, unchanged: effect ids are built on it."""
    whole = schema(toolkit(), tool(slug))
    given = data.draw(_values(whole))
    try:
        once = normalise(toolkit(), tool(slug), slug, given)
    except UsageError:
        reject()
    assert normalise(toolkit(), tool(slug), slug, once) == once
    assert normalise(toolkit(), tool(slug), slug, given) == once
