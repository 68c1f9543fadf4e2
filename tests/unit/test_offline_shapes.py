"""What the offline designer draws and the offline engineer changes."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from definable.models import ToolUse
from definable.models.offline.prose import quote
from definable.spec.artifacts import Asset, Change
from tests.unit.offline_world import COMPANY, ask, company, ident, run

pytestmark = pytest.mark.anyio

GPT, CLAUDE = "openai/gpt-5.5", "anthropic/claude-opus-4-7"
SQL: Any = COMPANY[2][1][0]


def read(name: str, **arguments: str) -> Any:
    """Return what a tool of the company's workspace answers."""
    return company().call(ToolUse(id="", name=name, arguments=arguments))


def data(asset: dict[str, Any]) -> dict[str, Any]:
    """Return the data that stands in the source of a chart."""
    frames = [n for n in ast.walk(ast.parse(asset["source"])) if isinstance(n, ast.Call) and n.args]
    literal = next(f.args[0] for f in frames if isinstance(f.args[0], ast.Dict))
    return dict(ast.literal_eval(literal))


async def test_a_chart_holds_the_numbers_as_they_stand() -> None:
    """Names and values of what is shown; what was put away is left out."""
    asset = await ask(CLAUDE, "App views of the last seven days", Asset, previous=read("HEX_LIST_PROJECTS"))
    assert asset["kind"] == "python"
    shown = dict(zip(*data(asset).values(), strict=True))
    assert shown == {
        "Revenue Daily": 41,
        "Churn Model": 0,
        "Sales, by funnel": 7,
        "Old Board": 0,
        "Draft Idea": 0,
        "Finance Close": 3,
    }
    assert asset["caption"] == (
        "App views last seven days. Source: the step before. Drawn by the offline model."
    )


async def test_statuses_are_counted_by_the_chart_and_not_by_the_model() -> None:
    """The rows stand in the source, so that everything in it can be found in the results."""
    runs = {"history": read("HEX_GET_PROJECT_RUNS", projectId=ident(1))}
    asset = await ask(CLAUDE, "How did the runs end?", Asset, **{"with": runs})
    assert data(asset) == {"name": ["ERRORED", "ERRORED", "COMPLETED"]}
    assert 'alt.X("count():Q", title="Runs by status")' in asset["source"]
    assert asset["caption"].startswith("Runs by status. Source: history.")


async def test_runs_are_drawn_in_time_and_told_apart_by_how_they_ended() -> None:
    """Things without a name go by their moment, the oldest first; what has no value yet is left out."""
    runs = [run(0, "2026-11-22"), run(0, "2026-11-21", "ERRORED"), run(0, "2026-11-20")]
    waiting = {**run(0, "2026-11-23", "RUNNING"), "elapsedTime": None}
    asset = await ask(
        CLAUDE, "Draw how long each of these runs took", Asset, **{"with": {"runs": [waiting, *runs]}}
    )
    assert data(asset) == {
        "name": [f"2026-11-{day}T06:00:00Z" for day in (20, 21, 22)],
        "value": [60000, 60000, 60000],
        "status": ["COMPLETED", "ERRORED", "COMPLETED"],
    }
    assert "sort=None" in asset["source"]
    assert 'alt.Color("status:N", title="Status")' in asset["source"]
    assert asset["caption"] == (
        "Elapsed time. What has no value yet is left out. Source: runs. Drawn by the offline model."
    )


async def test_names_are_data_and_never_code() -> None:
    """A title full of quotes and brackets stays one string."""
    title = 'a"]}); import os # \\ “b”'
    values = {"values": [{"id": "1", "name": title, "size": 2}, {"id": "2", "name": "c", "size": 1}]}
    asset = await ask(CLAUDE, "Draw size", Asset, previous=values)
    assert data(asset) == {"name": [title, "c"], "value": [2, 1]}


async def test_findings_are_drawn_by_their_figures() -> None:
    """Counts that were verified once may be drawn."""
    figures = [{"value": 5.0, "equals": "COMPLETED"}, {"value": 2.0, "equals": "ERRORED"}, {"value": 7.0}]
    findings = {"title": "T", "markdown": "", "points": [{"text": "x", "figures": figures}]}
    asset = await ask(CLAUDE, "Draw it", Asset, previous=findings)
    assert data(asset) == {"name": ["completed", "errored"], "value": [5.0, 2.0]}


async def test_nothing_to_draw_is_said() -> None:
    """No numbers, no chart."""
    asset = await ask(CLAUDE, "Draw our growth", Asset)
    assert asset["kind"] == "markdown"
    assert asset["source"] == "There is nothing to draw: no numbers and no statuses were handed over."


@pytest.mark.parametrize(
    "request_text",
    [
        'Replace "churn_date" with "day".',
        "please replace `churn_date` by `day`",
        "replace “churn_date” with 'day'",
    ],
)
async def test_a_replacement_is_made_word_for_word(request_text: str) -> None:
    """The one kind of change that needs no understanding."""
    change = await ask(GPT, request_text, Change, previous=SQL)
    assert change["source"] == "-- churn base\nselect day from accounts"
    assert change["explanation"].startswith("Replaced `churn_date` with `day`.")


async def test_a_replacement_of_what_is_not_there_changes_nothing() -> None:
    """And says so."""
    change = await ask(GPT, 'Replace "revenue" with "x"', Change, previous=SQL)
    assert change["source"] == SQL["contents"]["sqlCell"]["source"]
    assert "`revenue` does not stand in the cell" in change["explanation"]


@pytest.mark.parametrize(
    ("cell", "first"),
    [
        (SQL, "-- Make it faster"),
        ({"contents": {"codeCell": {"source": "x = 1"}}}, "# Make it faster"),
        ({"contents": {"markdownCell": {"source": "Hello"}}}, "<!-- Make it faster -->"),
        ({"source": "  select 1"}, "-- Make it faster"),
        ("print(1)", "# Make it faster"),
    ],
)
async def test_what_it_cannot_do_is_left_as_a_comment(cell: Any, first: str) -> None:
    """The code stays as it is, and the explanation is honest."""
    change = await ask(GPT, "Ship it.", Change, previous=cell, inputs={"request": "Make it faster"})
    assert change["source"].splitlines()[0] == first
    assert "cannot write code" in change["explanation"]
    again = await ask(
        GPT, "Ship it.", Change, previous={"source": change["source"]}, inputs={"request": "Make it faster"}
    )
    assert again["source"].count("Make it faster") == 1 or first.startswith("<!--")


async def test_the_cell_is_found_beside_the_request() -> None:
    """`with` holds both; the request is not taken for a source, and asked for twice it is done once."""
    wanted = 'replace "churn" with "loss"'
    change = await ask(GPT, wanted, Change, **{"with": {"request": wanted, "cell": SQL}})
    assert change["source"] == "-- loss base\nselect loss_date from accounts"
    assert change["explanation"] == "Replaced `churn` with `loss`. Done by the offline model, word for word."


async def test_without_a_cell_nothing_is_changed() -> None:
    """No source is invented."""
    change = await ask(GPT, "Write a forecast", Change)
    assert change == {
        "source": "",
        "explanation": "No cell was handed over or read, so there is nothing to change.",
    }


def test_a_quotation_is_never_cut_within_a_name_that_stands_in_it() -> None:
    """Half a name in quotation marks would be another name, which stands in nothing that was read."""
    text = f"{'word ' * 25}“Churn Risk Scores”, “Inventory Reorder Forecast” and more"
    assert quote(text).endswith("word “Churn Risk Scores”” …")
    assert quote(f"“{'word ' * 50}”").startswith("““word")
