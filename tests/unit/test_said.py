"""What a person's words name: ids, numbers, pairs, quoted texts; and what does not stand in them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.spec.said import extract, free, ids, numbers, pairs, quoted, stands, wants_id, whole
from definable.spec.workflow import Input

ID = "85451515-12ab-55f4-85f5-d73048b59eae"
CELL = "12345678-12ab-55f4-85f5-d73048b59eae"
URL = f"https://app.hex.tech/acme/hex/Weekly-{ID}/draft/logic"

PROJECT = Input(type="string", description="Project that receives it; an id or a /hex/ URL")
BRIEF = {"project": PROJECT, "days": Input(type="integer", default=7, minimum=1, maximum=31)}
CHANGE = {
    "project": PROJECT,
    "cell": Input(type="string", description="Cell to change, by its id"),
    "request": Input(type="string", description="What to change, in words"),
    "status": Input(type="string", default="In review"),
    "run": Input(type="boolean", default=False),
}
SHAPES = {
    "region": Input(type="string", enum=("emea", "apac")),
    "ratio": Input(type="number", default=0.5),
    "tags": Input(type="array", default=None),
}


@pytest.mark.parametrize(
    ("inputs", "text", "found"),
    [
        (BRIEF, f"run it for {ID} over the last 14 days", {"project": ID, "days": 14}),
        (BRIEF, f"the last two weeks, in {URL}.", {"project": URL, "days": 14}),
        (BRIEF, f"a two-week brief for ({ID})", {"project": ID, "days": 14}),
        (BRIEF, f"last week's brief, project {ID}", {"project": ID, "days": 7}),
        (BRIEF, f"project={ID}, days=3", {"project": ID, "days": 3}),
        (BRIEF, f"project: {ID}\ndays: two\n", {"project": ID, "days": 2}),
        (BRIEF, f"- **project**: {ID}\n- **days**: 5", {"project": ID, "days": 5}),
        (BRIEF, f"PROJECT = '{ID}' and days = 9 please", {"project": ID, "days": 9}),
        (BRIEF, f'{{"project": "{ID}", "days": 4}}', {"project": ID, "days": 4}),
        (BRIEF, f'```json\n{{"project": "{ID}"}}\n```', {"project": ID}),
        (BRIEF, "days: many", {"days": "many"}),
        (BRIEF, "the last run of a project, 25 runs", {}),
        (BRIEF, "for Data Team Weekly", {}),
        (BRIEF, f"the last {'9' * 400} days", {"days": float("inf")}),
        (BRIEF, f"{ID} or {CELL}", {}),
        (BRIEF, f"version v{ID}x", {}),
        (CHANGE, f"change cell {CELL} in project {ID}", {"cell": CELL, "project": ID}),
        (CHANGE, f"change {CELL} in {URL}", {"cell": CELL, "project": URL}),
        (CHANGE, f"change {CELL}", {}),
        (
            CHANGE,
            f'cell {CELL}: fix it, set status to "Done", and run it',
            {"cell": CELL, "status": "Done", "run": True},
        ),
        (CHANGE, f"cell {CELL}: fix it but do not run it", {"cell": CELL, "run": False}),
        (SHAPES, "for APAC please", {"region": "apac"}),
        (SHAPES, 'ratio: 0.25\ntags: ["a", "b"]', {"ratio": 0.25, "tags": ["a", "b"]}),
        (SHAPES, "emeaapac", {}),
    ],
)
def test_inputs_are_read_from_words(inputs: dict[str, Input], text: str, found: dict[str, Any]) -> None:
    """Ids go to the input that the word before them names, numbers to the one that counts their noun."""
    assert extract(inputs, text) == found


@pytest.mark.parametrize(
    ("inputs", "text", "asked", "found"),
    [
        (BRIEF, ID, ["project"], {"project": ID}),
        (BRIEF, "it is 12", ["days"], {"days": 12}),
        (BRIEF, "Twelve.", ["days"], {"days": 12}),
        (BRIEF, "between 3 and 5", ["days"], {}),
        (BRIEF, "proj_0019", ["project"], {"project": "proj_0019"}),
        (BRIEF, "whichever", ["project"], {}),
        (CHANGE, f"{CELL}", ["cell"], {"cell": CELL}),
        (CHANGE, "yes", ["run"], {"run": True}),
        (CHANGE, "yes", ["cell"], {}),
    ],
)
def test_an_answer_is_read_for_what_was_asked(
    inputs: dict[str, Input], text: str, asked: list[str], found: dict[str, Any]
) -> None:
    """A bare value is enough then, if it can be meant in one way only."""
    assert extract(inputs, text, asked) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("context-pull: how do we measure churn?", "how do we measure churn?"),
        ('please run the context pull on "how we count seats"', "how we count seats"),
        ("How do we measure churn?", "How do we measure churn?"),
        ("run context-pull", ""),
    ],
)
def test_what_is_left_of_a_request_is_its_text(text: str, words: str) -> None:
    """The call for the workflow is no part of it."""
    assert free(text, "context-pull", ["question"]) == words


def test_a_request_behind_ids_is_the_clause_after_them() -> None:
    """Ids and the nouns before them are taken away."""
    text = f'change cell {CELL} in project {ID}: replace "a" with "b"'
    assert free(text, "ship-change", CHANGE) == 'replace "a" with "b"'


@pytest.mark.parametrize(
    ("name", "value", "text", "yes"),
    [
        ("project", ID, f"for {ID}", True),
        ("project", ID.upper(), f"for {ID}", True),
        ("project", ID, "for Data Team Weekly", False),
        ("project", "Data Team Weekly", "for Data Team Weekly", False),
        ("project", CELL, f"for {ID}", False),
        ("project", ID[:-1], f"for {ID}", False),
        ("days", 14, "the last two weeks", True),
        ("days", 14, "the last 14 days", True),
        ("days", 14, "the last 140 days", False),
        ("days", 7, "last week", True),
        ("days", 30, "for ever", False),
        ("request", "replace revenue with bookings", "Replace “revenue” with bookings, would you", True),
        ("request", "delete all rows", "replace revenue with bookings", False),
        ("run", True, "and run it", True),
        ("run", True, "fix it", False),
        ("status", None, "whatever", True),
    ],
)
def test_what_nobody_wrote_does_not_stand(name: str, value: Any, text: str, yes: bool) -> None:
    """An id stands letter by letter, a number in figures or words, a text with each of its words."""
    assert stands(name, {**BRIEF, **CHANGE}[name], value, ["hello", text]) is yes


def test_small_parts() -> None:
    """Ids without what punctuation follows, quoted texts, numbers with nouns, and which inputs are ids."""
    assert ids(f"see {URL}, or {ID}.") == [URL, ID]
    assert quoted("“a b” and `c`, it's 'd'") == ["a b", "c", "d"]
    assert numbers("10 latest runs, two weeks, the past month, v2 runs") == [
        (10, "run"),
        (2, "week"),
        (1, "month"),
    ]
    assert [name for name, each in CHANGE.items() if wants_id(name, each)] == ["project", "cell"]
    assert wants_id("projectId", Input(type="string"))
    assert whole("[1]") is None
    assert pairs([], "a: b") == {}


@given(st.text(alphabet=st.sampled_from("abc :=-\n\"'`{}0123days projectrun" + ID), max_size=120))
def test_what_is_read_stands_in_the_text(text: str) -> None:
    """Whatever is written, reading it neither fails nor makes anything up."""
    for name, value in extract(CHANGE | BRIEF, text, ["cell", "days"]).items():
        if whole(text) is None and not isinstance(value, bool):
            declared = (CHANGE | BRIEF)[name]
            assert wants_id(name, declared) or value == "" or stands(name, declared, value, [text]), value
