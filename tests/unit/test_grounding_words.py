"""Grounding of words: names, what a number is about, how it is rounded, and figures that compare."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.spec.artifacts import Against, Change, Draft, Figure, Findings, Point, Where
from definable.verify.grounding import ground

Json = Any


MAIL = "priya.raman@x.example"


def run(project: str, number: int, status: str, day: str, seconds: float) -> dict[str, Json]:
    """Return a run of a project; its end tells that `elapsedTime` is in ms."""
    end = f"{day}T06:{int(seconds) // 60:02d}:{int(seconds) % 60:02d}Z"
    return {"runId": f"{number:08d}-aaaa-4bbb-8ccc-0123456789ab", "projectId": project, "status": status,
            "startTime": f"{day}T06:00:00Z", "endTime": end, "elapsedTime": seconds * 1000}  # fmt: skip


def project(number: int, title: str, week: int, month: int) -> dict[str, Json]:
    """Return a project with its counters."""
    views = {"lastSevenDays": week, "lastThirtyDays": month}
    return {
        "id": f"project-{number}",
        "title": title,
        "views": views,
        "owner": {"email": "priya.raman@x.example"},
    }


RESULTS: dict[str, Json] = {
    "r.1": {"tool": "ACME_LIST_PROJECTS", "arguments": {}, "result": {"values": [
        project(1, "Churn Model", 14, 812), project(2, "Sales by Region", 402, 1733),
        project(3, "Finance", 0, 9),
    ]}},
    "r.2": {"tool": "ACME_GET_RUNS", "arguments": {"projectId": "project-1"}, "result": {"runs": [
        run("project-1", 1, "ERRORED", "2026-10-05", 60), run("project-1", 2, "ERRORED", "2026-10-04", 90),
        run("project-1", 3, "ERRORED", "2026-09-20", 30), run("project-1", 4, "COMPLETED", "2026-10-03", 120),
    ]}},
    "r.3": {"tool": "ACME_GET_RUNS", "arguments": {"projectId": "project-2"}, "result": {"runs": [
        run("project-2", n, "COMPLETED", f"2026-10-0{n}", 100) for n in range(1, 6)
    ]}},
    "r.4": {"tool": "ACME_GET_RUNS", "arguments": {"projectId": "project-3"}, "result": {"runs": []}},
}  # fmt: skip
KNOWN = {"inputs": {"days": 7}, "run": {"date": "2026-10-06"}, "links": ["https://acme.example/p/project-1"]}


def reasons(text: str) -> list[str]:
    """Return why a draft may not pass."""
    return ground(Draft(markdown=text), RESULTS, KNOWN, (), ["the Acme brief"])


@pytest.mark.parametrize(
    "text",
    [
        "“Churn Model” failed 3 times.",
        "Churn Model failed three times, and twice in the last 7 days.",
        "3 of 4 runs of “Churn Model” failed, that is 75 %.",
        "“Churn Model” failed 3 times; “Sales by Region” ran 5 times, with 402 views in the last seven days.",
        "- **Churn Model:** 4 runs, 3 failed",
        "### Churn Model\n\n- Failed runs: 3\n- Views in the last 30 days: 812",
        "| Project | Failed runs | Views |\n|---|---|---|\n| Churn Model | 3 | 812 |",
        "There are 9 runs in all: 6 completed and 3 errored.",
        "A third of the runs errored.",
        "No run of “Sales by Region” failed. No run is on record for “Finance”.",
        "A run of “Churn Model” took 75 s on average, 120 s at most; its shortest run took 30 s.",
        "The median run of “Churn Model” took 1.25 min, and all of them 5 min in total.",
        "“Sales by Region” has 1.7k views, about 1,750, over 1,700 and nearly 1,740 in the last 30 days.",
        "Most opened is “Sales by Region”. “Churn Model” failed most.",
        "Churn Model failed on 4 and 5 October. It took 60 s on 2026-10-05.",
        "Ask priya.raman@x.example, that is Priya Raman, or @priya.raman. Yesterday Churn Model was slow.",
        "See [Churn Model](https://acme.example/p/project-1) and run `00000001-aaaa-4bbb-8ccc-0123456789ab`.",
        "Both “Churn Model” and “Finance” are listed, two of the projects. Two things matter.",
        "On Monday, Acme ran it. What next? Check Churn Model first. I'd wait. (We know.)",
        "# What Nobody Looked At\n\n**Next Steps:** none.",
        "Two other projects, “Churn Model” and “Finance”, matter.",
        "“Churn Model” failed three mornings in a row.",
        "Churn Model had the most failures with 3. Most things ran. It failed on 4, 5 and 6 October.",
        "### Churn Model\n\n- 4 runs, 3 of them failed (75 %)\n- Priya Raman's project",
        "The one opened most is “Sales by Region”. There are 3 projects and no one is to blame.",
        "“Sales …” is a part, and the status is `ERRORED`.",
    ],
)  # fmt: skip
def test_what_holds_passes_however_it_is_said(text: str) -> None:
    """Counts, shares, averages, names and links in the forms that people use."""
    assert reasons(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("“Sales by Region” failed 3 times.", "'3'"),
        ("“Churn Model” had 402 views.", "'402'"),
        ("“Churn Model” completed 3 times.", "'3'"),
        ("“Churn Model” failed 3 times in the last 7 days.", "'3'"),
        ("“Churn Model” had 812 views in the last 7 days.", "'812'"),
        ("“Churn Model” failed once.", "'once'"),
        ("“Churn Model” failed a dozen times.", "'dozen'"),
        ("No run of “Churn Model” failed.", "'No'"),
        ("Half of the runs of “Churn Model” failed.", "'Half'"),
        ("Two thirds of the runs errored.", "'Two thirds'"),
        ("45 % of the runs failed.", "'45 %'"),
        ("Failures are up 12 percentage points.", "'12 percentage points'"),
        ("A run of “Churn Model” took 120 s on average.", "'120 s'"),
        ("The longest run of “Churn Model” took 90 s.", "'90 s'"),
        ("“Churn Model” took 60 min on 2026-10-05.", "'60 min'"),
        ("“Sales by Region” has 1.8k views in the last 30 days.", "'1.8k'"),
        ("“Sales by Region” has more than 1,800 views in the last 30 days.", "'1,800'"),
        ("“Sales by Region” has nearly 1,700 views in the last 30 days.", "'1,700'"),
        ("“Sales by Region” ran on 2026-09-20.", "'2026-09-20'"),
        ("“Churn Model” was opened most.", "'opened most'"),
        ("“Revenue Cockpit” failed.", "'Revenue Cockpit'"),
        ("We looked at Revenue Cockpit.", "'Revenue Cockpit'"),
        ("“Churn Modl” failed.", "'Churn Modl'"),
        ("The Churn Model Report failed.", "'Churn Model Report'"),
        ("“Sales by” failed.", "'Sales by'"),
        ("It runs in Tableau now.", "'Tableau'"),
        ("Ask jonas@x.example.", "'jonas@x.example'"),
        ("Ask @jonas about it.", "'jonas'"),
        ("Run 00000009-aaaa-4bbb-8ccc-0123456789ab failed.", "'00000009-aaaa-4bbb-8ccc-0123456789ab'"),
        ("See https://acme.example/p/project-9.", "'project-9'"),
        ("See [it](https://evil.example/p/project-1).", "evil.example"),
        ("See [Sales by Region](https://acme.example/p/project-1).", "'Sales by Region'"),
    ],
)  # fmt: skip
def test_what_does_not_hold_comes_back_by_name(text: str, said: str) -> None:
    """One thing is wrong in each sentence, and the reason names it."""
    found = reasons(text)
    assert any(said in reason for reason in found), found


def test_a_reason_says_what_the_results_say_instead() -> None:
    """The Writer is told the number that is known, or the name that was meant."""
    (reason,) = reasons("“Churn Model” failed 4 times.")
    assert "; the results say 3 runs with status ERRORED in r.2. " in reason
    (reason,) = reasons("“Churn Modl” is slow.")
    assert "; did you mean “Churn Model”?" in reason


def figure(value: float, **recipe: Json) -> Figure:
    """Return a figure over the runs of “Churn Model” unless told otherwise."""
    return Figure.model_validate(
        {
            "value": value,
            "op": "count",
            "receipts": ["r.2"],
            "path": "runs[*].status",
            "equals": None,
            **recipe,
        }
    )


ERRORED = {"op": "count", "receipts": ["r.2"], "path": "runs[*].status", "equals": "ERRORED", "where": []}
ALL = {**ERRORED, "equals": None}
LATE = [{"field": "startTime", "test": ">=", "to": "2026-10-04"}]


@pytest.mark.parametrize(
    ("value", "recipe", "wrong"),
    [
        (75.0, {"op": "mean", "path": "runs[*].elapsedTime", "where": []}, None),
        (75000.0, {"op": "mean", "path": "runs[*].elapsedTime"}, 75.0),
        (75000.0, {"op": "median", "path": "runs[*].elapsedTime"}, 60000.0),
        (120000.0, {"op": "max", "path": "runs[*].elapsedTime"}, 90000.0),
        (30000.0, {"op": "min", "path": "runs[*].elapsedTime"}, 60000.0),
        (2.0, {"equals": "ERRORED", "where": LATE}, 3.0),
        (0.0, {"where": [{"field": "elapsedTime", "test": ">", "to": "999999"}]}, 4.0),
        (75.0, {**ERRORED, "against": {**ALL, "how": "share"}}, 3.0),
        (2.0, {**ALL, "against": {**ALL, "equals": "ERRORED", "how": "difference", "where": LATE}}, 1.0),
        (-25.0, {**ERRORED, "against": {**ALL, "how": "change"}}, 25.0),
    ],
)  # fmt: skip
def test_figures_filter_and_compare(value: float, recipe: dict[str, Json], wrong: float | None) -> None:
    """A mean, a window, a share, a difference and a change are computed again."""
    true = 75000.0 if wrong is None else value
    point = Point(text="See the figure.", receipts=["r.2"], figures=[figure(true, **recipe)])
    assert ground(Findings(title="T", points=[point], markdown=""), RESULTS, KNOWN) == []
    bad = Point(
        text="See the figure.",
        receipts=["r.2"],
        figures=[figure(value if wrong is None else wrong, **recipe)],
    )
    (reason,) = ground(Findings(title="T", points=[bad], markdown=""), RESULTS, KNOWN)
    assert "is not what" in reason


def test_a_share_of_nothing_is_no_share() -> None:
    """What divides by 0 is refused in words."""
    none = {**ALL, "receipts": ["r.4"], "how": "share"}
    point = Point(text="A share.", receipts=["r.2"], figures=[figure(0.0, against=none)])
    (reason,) = ground(Findings(title="T", points=[point], markdown=""), RESULTS, KNOWN)
    assert "divides by the count of 'runs[*].status' in r.4, which is 0" in reason


def test_a_declared_figure_may_say_what_no_derivation_names() -> None:
    """A share over the other status, a difference in percentage points: declared, they pass in copy."""
    share = figure(75.0, **ERRORED, against={**ALL, "how": "share"})
    point = Point(text="75 % of its runs did not complete.", receipts=["r.2"], figures=[share])
    findings = Findings(title="T", points=[point], markdown="- 75 % of its runs did not complete.")
    assert ground(findings, RESULTS, KNOWN) == []
    assert Where.model_fields.keys() == {"field", "test", "to"}
    assert Against.model_validate({**ALL, "how": "share"}).equals is None


def test_an_explanation_may_name_what_the_code_names() -> None:
    """Identifiers of the new source are no inventions; others are."""
    change = Change(source="select churn_rate from t", explanation="Reads `churn_rate` from `t`.")
    assert ground(change, RESULTS, KNOWN) == []
    (reason,) = ground(change.model_copy(update={"explanation": "Reads `lead_time`."}), RESULTS, KNOWN)
    assert "names 'lead_time'" in reason


@given(st.text(alphabet="“”\"'`*_[](){}#|.,:;!?-0123456789 %\nABabhrun", max_size=120))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever a model hands in, there are reasons or none."""
    assert isinstance(reasons(text), list)


@pytest.mark.parametrize(
    "piece", ["“", "**", "A A ", "1 of ", "[a](", "a-b.c ", "| 1 ", "(", "`x", "no no ", "“A” and "]
)
def test_a_long_text_is_read_in_time(piece: str) -> None:
    """Three thousand characters of the worst kind take no longer than a test may."""
    assert isinstance(reasons(piece * (3000 // len(piece))), list)
