"""From arguments to an HTTP request, without a network."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.errors import UsageError
from definable.toolkits.request import Request, build
from tests.hexkit import tool, toolkit


def _build(slug: str, **arguments: Any) -> Request:
    return build(toolkit(), tool(slug), arguments)


def test_a_read_sends_everything_but_the_path_in_the_query() -> None:
    """Numbers and booleans are written as JSON writes them; null is left out."""
    request = _build("HEX_GET_PROJECT_RUNS", projectId="p", limit=5, statusFilter="RUNNING", offset=None)
    assert request == Request(
        "GET", "/v1/projects/p/runs", (("limit", "5"), ("statusFilter", "RUNNING")), None
    )
    assert _build("HEX_GET_PROJECT", projectId="p", includeSharing=True).params == (
        ("includeSharing", "true"),
    )


def test_a_write_sends_the_rest_as_json() -> None:
    """What is in the path is not in the body; null in the body is a value."""
    request = _build("HEX_UPDATE_PROJECT", projectId="p", status=None)
    assert request == Request("PATCH", "/v1/projects/p", (), {"status": None})


def test_a_delete_has_no_body() -> None:
    """Both ids are in the path."""
    assert _build("HEX_CANCEL_RUN", projectId="p", runId="r") == Request("DELETE", "/v1/projects/p/runs/r")


def test_an_empty_body_is_left_out_where_it_may_be() -> None:
    """A run without options is a POST without a body; a publish without options is not."""
    assert _build("HEX_RUN_PROJECT", projectId="p").json is None
    assert _build("HEX_RUN_PROJECT", projectId="p", dryRun=False).json == {"dryRun": False}
    assert _build("HEX_PUBLISH_GUIDE_DRAFTS").json == {}


@pytest.mark.parametrize(
    ("arrays", "params"),
    [
        ("repeat", (("statuses", "A"), ("statuses", "B & C"))),
        ("comma", (("statuses", "A,B & C"),)),
        ("brackets", (("statuses[]", "A"), ("statuses[]", "B & C"))),
    ],
)
def test_lists_in_the_query_are_written_as_the_toolkit_says(
    arrays: Any, params: tuple[tuple[str, str], ...]
) -> None:
    """Three ways are common."""
    kit = toolkit().model_copy(update={"arrays": arrays})
    assert build(kit, tool("HEX_LIST_PROJECTS"), {"statuses": ["A", "B & C"]}).params == params


def test_arguments_can_go_into_the_query_of_a_write() -> None:
    """A tool may name some that do."""
    each = tool("HEX_UPDATE_PROJECT").model_copy(update={"query": ("status",)})
    assert build(toolkit(), each, {"projectId": "p", "status": "x"}) == Request(
        "PATCH", "/v1/projects/p", (("status", "x"),), {}
    )


@pytest.mark.parametrize("value", ["", ".", "..", None, True, ["x"], {}])
def test_a_part_of_the_path_must_not_lead_elsewhere(value: Any) -> None:
    """Empty and dotted parts would reach another operation."""
    with pytest.raises(UsageError) as caught:
        _build("HEX_GET_CELL", cellId=value)
    assert caught.value.message == f"cellId: {value!r} cannot be part of a path"


@given(st.text(min_size=1).filter(lambda t: t not in (".", "..") and t.isprintable()))
def test_whatever_is_in_a_part_of_the_path_stays_in_it(text: str) -> None:
    """Slashes, question marks and anything else are quoted."""
    path = _build("HEX_GET_CELL", cellId=text).path
    assert path.startswith("/v1/cells/")
    assert path.count("/") == 3
    assert not set("?#% ").intersection(path.removeprefix("/v1/cells/").replace("%", "", path.count("%")))
