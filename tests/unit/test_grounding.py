"""Grounding: what traces passes, what does not comes back with a reason that says what would."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.spec.artifacts import Asset, Change, Draft, Figure, Findings, Point
from definable.verify.grounding import ground
from definable.verify.mentions import mentions
from definable.verify.prose import passages

Json = Any
Op = Literal["value", "count", "sum", "distinct"]

RESULTS: dict[str, Json] = {
    "research.1": {
        "tool": "ACME_LIST_RUNS",
        "result": {
            "runs": [
                {"runId": "3f2a91c0-1234-4abc-8def-0123456789ab", "status": "ERRORED", "elapsedTime": 192000,
                 "startTime": "2026-10-05T09:12:33.000Z", "share": 0.4512},
                {"runId": "run-b", "status": "COMPLETED", "elapsedTime": 4800000,
                 "startTime": "2026-10-04T22:00:00.000Z", "share": None},
            ]
        },
    },
    "research.2": {
        "tool": "ACME_LIST",
        "result": {"values": [{"title": "Q3 plan", "views": 14}, {"title": "Ops", "views": 1200}]},
    },
}  # fmt: skip
CONSTANTS = {"inputs": {"days": 7}, "run": {"date": "2026-10-06"}}


def figure(value: float, op: Op, path: str, *receipts: str, equals: str | None = None) -> Figure:
    """Return a figure."""
    return Figure(value=value, op=op, receipts=list(receipts), path=path, equals=equals)


FAILED = figure(1, "count", "runs[*].status", "research.1", equals="ERRORED")
RUNS = figure(2, "count", "runs[*].runId", "research.1")
VIEWS = figure(1214, "sum", "values[*].views", "research.2")


def findings(
    text: str, *figures: Figure, receipts: tuple[str, ...] = ("research.1",), markdown: str = ""
) -> Findings:
    """Return findings with one point."""
    point = Point(text=text, receipts=list(receipts), figures=list(figures))
    return Findings(title="The week to 2026-10-06", points=[point], markdown=markdown)


SOURCES = [findings("1 of 2 runs failed; 1,214 views.", FAILED, RUNS, VIEWS).model_dump()]


def draft(text: str) -> list[str]:
    """Return why a draft may not pass, given the findings."""
    return ground(Draft(markdown=text), RESULTS, CONSTANTS, SOURCES)


@pytest.mark.parametrize(
    "text",
    [
        "1 of 2 runs failed in the last 7 days.",
        "Run 3f2a91c0 failed on Oct 5 at 09:12 UTC after 3.2 min, that is 192 s or 192,000 ms.",
        "The longest took 1 h 20 min, or 1.3 hours.",
        "On 5 October 2026, in week 41 of 2026, 45% (45.1 %) of it was done.",
        "Seen from research.1.",
    ],
)
def test_what_is_computed_or_stands_in_a_cited_result_passes(text: str) -> None:
    """Figures, literals, dates, times, parts of ids, and lengths of time in another unit trace."""
    assert ground(findings(text, FAILED, RUNS), RESULTS, CONSTANTS) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It took 3.3 min.", "'3.3 min'"),
        ("It took 1 h 30 min.", "'1 h 30 min'"),
        ("It failed on October 9.", "'October 9'"),
        ("It failed at 09:13.", "'09:13'"),
        ("46% was done.", "'46%'"),
        ("Run 3f2a91c1 failed.", "'3f2a91c1'"),
        ("In Q4 it failed.", "'Q4'"),
        ("14 views.", "'14'"),
        ("It cost $12.50.", "'$12.50'"),
    ],
)
def test_what_traces_to_nothing_comes_back_with_the_sentence(text: str, said: str) -> None:
    """The reason names the number, quotes the sentence and says what would be accepted."""
    (reason,) = ground(findings(text, FAILED, RUNS), RESULTS, CONSTANTS)
    assert reason == (
        f"Point 1 says {said} in “{text}”, which traces to nothing verified. Accepted would be a figure of "
        "this point that computes it, or what stands in the result of research.1; otherwise leave it out."
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (figure(3, "count", "runs[*].status", "research.1", equals="ERRORED"),
         "Point 1: the figure 3 is not what the count of 'runs[*].status' equal to 'ERRORED' in research.1 "
         "comes to, which is 1. Correct the value, or the path and the receipts."),
        (figure(1215, "sum", "values[*].views", "research.2"),
         "Point 1: the figure 1215 is not what the sum of 'values[*].views' in research.2 comes to, which is "
         "1214. Correct the value, or the path and the receipts."),
        (figure(2, "distinct", "runs[*].state", "research.1"),
         "Point 1: the distinct of 'runs[*].state' in research.1 leads to nothing. Correct the path."),
        (figure(0, "count", "jobs", "research.1"),
         "Point 1: the count of 'jobs' in research.1 leads to nothing, and nothing cannot be counted. "
         "Correct the path."),
        (figure(0, "count", "runs[*].statsu", "research.1", equals="ERRORED"),
         "Point 1: the count of 'runs[*].statsu' equal to 'ERRORED' in research.1 leads to nothing, and "
         "nothing cannot be counted. Correct the path."),
        (figure(2, "sum", "runs[*].status", "research.1"),
         "Point 1: the sum of 'runs[*].status' in research.1 meets something that is no number, and cannot "
         "be added up."),
        (figure(5, "value", "values[0].views", "research.2"),
         "Point 1: the figure 5 is not what the value of 'values[0].views' in research.2 comes to, which is "
         "14. Correct the value, or the path and the receipts."),
        (figure(5, "value", "values[", "research.2"),
         "Point 1: the figure 5 cannot be computed: 'values[' is not a path."),
        (figure(5, "value", "values[0].views", "research.9"),
         "Point 1: a figure cites 'research.9', which is not a verified result of this step. "
         "There are: research.1, research.2."),
        (figure(5, "value", "values[0].views"), "Point 1: the figure 5 cites no call to compute it from."),
    ],
)  # fmt: skip
def test_a_figure_that_does_not_come_to_its_value_says_what_it_comes_to(wrong: Figure, reason: str) -> None:
    """Figures are computed again, never trusted."""
    assert ground(findings("Failures.", wrong), RESULTS, CONSTANTS) == [reason]


def test_a_figure_may_join_several_results() -> None:
    """The values of all cited results are taken together."""
    both = figure(3, "distinct", "values[*].views", "research.2", "research.3")
    results = {**RESULTS, "research.3": {"tool": "T", "result": {"values": [{"views": 14}, {"views": 3}]}}}
    assert ground(findings("3 counts.", both), results, CONSTANTS) == []


def test_counting_nothing_in_a_list_that_is_there_is_zero() -> None:
    """No match in a list that was read is a finding, and so is an empty list."""
    none = figure(0, "count", "runs[*].status", "research.1", equals="KILLED")
    assert ground(findings("0 were killed.", none), RESULTS, CONSTANTS) == []
    empty = {"research.1": {"tool": "T", "result": {"runs": []}}}
    assert ground(findings("0 were killed.", none), empty, CONSTANTS) == []


def test_every_point_cites_calls_that_exist() -> None:
    """A point without a receipt, or with one that is not there, comes back."""
    (missing,) = ground(findings("Nothing to see.", receipts=()), RESULTS, CONSTANTS)
    assert missing == "Point 1 cites no call: name the ids of the calls whose results show it."
    (unknown,) = ground(findings("Nothing.", receipts=("research.9",)), RESULTS, CONSTANTS)
    assert unknown.startswith("Point 1 cites 'research.9', which is not a verified result of this step.")


def test_the_title_and_the_markdown_are_held_to_the_points() -> None:
    """What stands beside the points may say what they say, and no more."""
    fine = findings("1 failed.", FAILED, markdown="1. **1** failed\n2. (research.1)")
    assert ground(fine, RESULTS, CONSTANTS) == []
    (reason,) = ground(findings("1 failed.", FAILED, markdown="- 9 failed"), RESULTS, CONSTANTS)
    assert reason.startswith("The Markdown says '9' in “9 failed”")


@pytest.mark.parametrize(
    "text",
    [
        "# 3. Runs\n\n1. 1 of 2 runs failed\n2. 1,214 views, or 1.2k\n\n| runs | 2 |\n",
        "The *last* 7 days: `3f2a91c0-…` and `run-b` are runs.",
        "Since 2026-10-04, [run-b](https://x.example/runs/run-b?days=7) is done.",
        "No numbers at all, two or three words.",
    ],
)
def test_a_draft_may_say_what_the_findings_say(text: str) -> None:
    """Markdown's own digits and ids inside code are not mentions; everything else traces."""
    assert draft(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("There were 17 runs.", "'17'"),
        ("Views went to `1,300`.", "'1,300'"),
        ("| runs | 18 |", "'18'"),
        ("Up 12% this week.", "'12%'"),
        ("See https://x.example/runs/run-z9.", "'https://x.example/runs/run-z9.'"),
        ("It took \u22125 s.", "'\u22125 s'"),
        ("```\ntotal 4711\n```", "'4711'"),
    ],
)
def test_a_draft_with_a_number_of_its_own_comes_back(text: str, said: str) -> None:
    """The reason lists what the findings offer instead."""
    (reason,) = draft(text)
    assert f"The draft says {said} in “" in reason
    assert "what the findings say (1, 2, 1214)" in reason or "no id of a verified result" in reason


def test_data_typed_into_a_chart_must_trace_and_its_layout_need_not() -> None:
    """Numbers in lists, dicts and pasted tables are data; sizes, limits and indices are not."""
    source = (
        '"""Draw 99 bars."""\nimport matplotlib.pyplot as plt\n'
        "rows = [{'title': 'Q3 plan', 'views': 14}, {'title': 'Ops', 'views': 1200}]\n"
        "plt.figure(figsize=[8, 4], dpi=144)\n"
        "plt.bar([r['title'] for r in rows][:50], [14, 1200], width=0.8)\n"
    )
    fine = Asset(kind="python", source=source, caption="1,214 views in all")
    assert ground(fine, RESULTS, CONSTANTS, SOURCES) == []
    forged = fine.model_copy(update={"source": source.replace("1200]", "1900]")})
    (reason,) = ground(forged, RESULTS, CONSTANTS, SOURCES)
    assert reason.startswith("The data in the source says '1900' in “plt.bar(")
    pasted = fine.model_copy(update={"source": 'data = """a,14\nb,1777\n"""'})
    (reason,) = ground(pasted, RESULTS, CONSTANTS, SOURCES)
    assert "'1777'" in reason
    (reason,) = ground(fine.model_copy(update={"caption": "88 views"}), RESULTS, CONSTANTS, SOURCES)
    assert reason.startswith("The caption says '88'")


def test_a_source_that_is_no_python_comes_back() -> None:
    """A chart that cannot run is no chart."""
    (reason,) = ground(Asset(kind="python", source="x = [1,", caption=""), RESULTS, CONSTANTS, SOURCES)
    assert reason == "The source is not valid Python: '[' was never closed in line 1. Correct it."


def test_rows_typed_into_sql_must_trace_and_limits_need_not() -> None:
    """What follows VALUES is data."""
    query = "select * from (values ('a', 14), ('b', {})) t where x > 3 limit 10"
    assert ground(Asset(kind="sql", source=query.format(1200), caption=""), RESULTS, CONSTANTS) == []
    (reason,) = ground(Asset(kind="sql", source=query.format(1300), caption=""), RESULTS, CONSTANTS)
    assert "'1300'" in reason


def test_an_explanation_may_speak_of_the_code_that_it_explains() -> None:
    """Numbers of the new source are no findings; others must trace."""
    change = Change(source="select * from t limit 250", explanation="Reads 250 rows for the 14 views.")
    assert ground(change, RESULTS, CONSTANTS) == []
    worse = change.model_copy(update={"explanation": "Reads 251 rows."})
    (reason,) = ground(worse, RESULTS, CONSTANTS)
    assert reason.startswith("The explanation says '251'")


@given(
    st.integers(0, 10**7),
    st.sampled_from(["{:,} runs", "{} runs", "(**{}**)", "about {:,}.", "{}\u2013{} runs"]),
)
def test_a_number_is_found_however_it_is_written(number: int, form: str) -> None:
    """Separators, emphasis, brackets and ranges hide no number."""
    found = [m for p in passages("It was " + form.format(number, number)) for m in mentions(p.text)]
    assert {each.value for each in found} == {float(number)}
    assert {each.kind for each in found} == {"number"}


@given(st.text(alphabet="0123456789 .,:-/%abhmsdTZW$#`|()", max_size=40))
def test_every_digit_belongs_to_one_mention(text: str) -> None:
    """Nothing with a digit in it goes unread, whatever the text looks like."""
    digits = sum(map(str.isdigit, text))
    assert sum(sum(map(str.isdigit, each.text)) for each in mentions(text) if not each.worded) == digits
