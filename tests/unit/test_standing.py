"""What known things tell of values that stand where they stood: exchanged, in another unit, written anew."""

from __future__ import annotations

import base64
import copy
import html
import json
from collections.abc import Callable
from typing import Any

import pytest

from definable.calls import Lesson
from definable.spec.toolkit import Toolkit
from definable.verify.contracts import Contract
from definable.verify.judge import Judge
from definable.verify.record import Record, patch_id, sample
from definable.verify.repair import Repair, Unrepairable
from tests.unit.test_judge import KIT_DATA

Json = Any
NOON = "2026-01-01T12:00:00.000Z"
LATER = "2026-01-02T12:00:00.000Z"

NAMES = ("id", "title", "about", "made", "edited", "state", "before")
TASK: dict[str, Json] = {
    "type": "object",
    "required": ["id", "title", "about", "made", "edited", "state", "before", "lasted", "by", "done"],
    "properties": {
        **{
            name: {"type": "string"} for name in ("id", "title", "about", "made", "edited", "state", "before")
        },
        "lasted": {"type": "number"},
        "by": {"type": "object", "required": ["email"], "properties": {"email": {"type": "string"}}},
        "done": {"type": "boolean"},
        "note": {"type": ["string", "null"]},
        "marks": {"type": "array", "items": {"$ref": "#/$defs/Mark"}},
    },
}
MARK: dict[str, Json] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "text": {"type": "string"}},
}
TASKS: dict[str, Json] = {
    "type": "object",
    "required": ["tasks"],
    "properties": {"tasks": {"type": "array", "items": {"$ref": "#/$defs/Task"}}},
}
TOOL = {"description": "x", "operation": "x", "effect": "read"}
KIT = Toolkit.model_validate_json(
    json.dumps(
        {
            **KIT_DATA,
            "shapes": {"Task": TASK, "Mark": MARK},
            "tools": {
                "LIST": {
                    **TOOL,
                    "title": "List",
                    "request": "GET /tasks",
                    "response": TASKS,
                    "identity": ["tasks[*].id"],
                },
                "GET": {
                    **TOOL,
                    "title": "Get",
                    "request": "GET /tasks/{id}",
                    "arguments": {"id": {"type": "string"}},
                    "required": ["id"],
                    "response": {"$ref": "#/$defs/Task"},
                },
            },
        }
    )
)
TITLES = ["Tides of the Elbe", "On salt marshes & mud", "Dunes, revisited", "A year of fog", "Über Watt"]


def task(n: int) -> dict[str, Json]:
    """Return one of five tasks, unlike the others."""
    return {
        "id": f"{n}f3a5c1e-0000-4000-8000-00000000000{n}",
        "title": TITLES[n],
        "about": f"What there is to know of {TITLES[n].lower()}",
        "made": f"2025-0{n + 1}-03T10:07:11.000Z",
        "edited": f"2025-0{n + 2}-04T11:17:2{n}.000Z",
        "state": ["open", "closed", "open", "open", "closed"][n],
        "before": ["closed", "open", "closed", "closed", "open"][n],
        "lasted": [12, 340, 7, 95, 1500][n],
        "by": {"email": ["ana@sea.example", "bo@sea.example"][n % 2]},
        "done": n % 2 == 0,
        "note": None,
        "marks": [{"name": f"mark {n} of them", "text": f"it says {n} and more"}],
    }


HEALTHY: dict[str, Json] = {"tasks": [task(n) for n in range(5)]}


def judge(body: Json, tool: str = "LIST", *more: Lesson) -> Repair | Unrepairable:
    """Return what becomes of a body where the healthy list is known."""
    first = lesson(1, "sample", sample({}, HEALTHY))
    record = Record([first, *more])
    contract = Contract.of_response(KIT, KIT.tools[tool])
    assert contract is not None
    known = record.at(KIT, tool, record.seq, LATER)
    return Judge(contract, KIT.tools[tool], tool, {}, known)(body)


def lesson(seq: int, kind: str, data: Json, at: str = NOON) -> Lesson:
    """Return one row of the record."""
    return Lesson.model_validate(
        {"seq": seq, "at": at, "toolkit": "press", "tool": "LIST", "kind": kind, "data": data}
    )


def changed(change: Callable[[dict[str, Json], int], object], some: slice = slice(None)) -> Json:
    """Return the healthy list with something done to each task, or to some."""
    body = copy.deepcopy(HEALTHY)
    for n, each in list(enumerate(body["tasks"]))[some]:
        change(each, n)
    return body


def swap(one: str, other: str) -> Callable[[dict[str, Json], int], object]:
    """Return what exchanges two values."""

    def change(each: dict[str, Json], n: int) -> None:
        each[one], each[other] = each[other], each[one]

    return change


def put(name: str, new: Callable[[Json], Json]) -> Callable[[dict[str, Json], int], object]:
    """Return what makes another value of one."""
    return lambda each, n: each.__setitem__(name, new(each[name]))


def healed(found: Repair | Unrepairable) -> list[str]:
    """Return what was healed; all is as it was, and there is no doubt left."""
    assert isinstance(found, Repair), found
    assert found.body == HEALTHY
    assert found.doubts == ()
    return [each.detail for each in found.heals]


def doubted(found: Repair | Unrepairable) -> str:
    """Return what is told of a body that is left as it came."""
    assert isinstance(found, Repair), found
    assert found.heals == ()
    return "; ".join(found.doubts)


@pytest.mark.parametrize(("one", "other"), [("title", "about"), ("made", "edited")])
def test_values_that_changed_places_in_things_that_nobody_touched_go_back(one: str, other: str) -> None:
    """Whole texts and moments, each of them in one thing only: no edit does that to several."""
    assert healed(judge(changed(swap(one, other)))) == [
        " ↔ ".join(sorted([f"tasks[*].{one}", f"tasks[*].{other}"]))
    ]


def test_three_values_that_went_round_are_noticed() -> None:
    """Title to about to before: pairs do not explain it, so it is told and left."""

    def round_(each: dict[str, Json], n: int) -> None:
        each["title"], each["about"], each["before"] = each["before"], each["title"], each["about"]

    assert "tasks[*].title" in doubted(judge(changed(round_)))


def test_one_thing_whose_values_changed_places_may_have_been_edited() -> None:
    """Told where it is all that is known, and nothing where other things say otherwise."""
    one = {**task(0), "title": task(0)["about"], "about": task(0)["title"]}
    assert "title may have changed places with about, by 1 known thing" in doubted(judge(one, "GET"))
    assert doubted(judge(changed(swap("title", "about"), slice(0, 1)))) == ""


def test_things_that_somebody_edited_meanwhile_are_not_changed_back() -> None:
    """A moment that moved on is the trace of an edit: then it is only told."""

    def edited(each: dict[str, Json], n: int) -> None:
        swap("title", "about")(each, n)
        each["edited"] = f"2026-01-01T08:0{n}:00.000Z"

    assert "may have changed places" in doubted(judge(changed(edited)))


def test_words_that_things_have_in_turn_are_no_exchange() -> None:
    """All that was open is closed now: two words prove nothing, however many things have them."""
    found = judge(changed(swap("state", "before")))
    assert isinstance(found, Repair)
    assert found.heals == ()


@pytest.mark.parametrize(("factor", "unit"), [(1000, "times 1000"), (100, "times 100"), (0.001, "per 1000")])
def test_a_number_in_another_unit_is_read_in_the_old_one(factor: float, unit: str) -> None:
    """Several numbers, none like the other, by one factor, exactly."""
    body = changed(put("lasted", lambda n: n / 1000 if factor < 1 else n * factor))
    assert healed(judge(body)) == [f"tasks[*].lasted → tasks[*].lasted (read as {unit})"]


def test_numbers_that_are_rounded_in_another_unit_are_told() -> None:
    """What was lost cannot be brought back: 1500 ms are 1 s or 2 s."""
    assert "tasks[*].lasted" in doubted(judge(changed(put("lasted", lambda n: round(n / 7)))))


def test_numbers_that_grow_are_no_change() -> None:
    """Counters do that."""
    assert (
        doubted(judge(changed(lambda each, n: each.__setitem__("lasted", each["lasted"] + 3 * n + 1)))) == ""
    )


@pytest.mark.parametrize(
    "new",
    [
        html.escape,
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: json.dumps(text),
        lambda text: text.encode().decode("latin-1"),
    ],
)
def test_a_text_that_went_through_an_encoder_is_decoded(new: Callable[[str], str]) -> None:
    """When what several known things had comes out; where one alone says so it is told."""
    found = judge(changed(put("title", new)))
    assert isinstance(found, Repair)
    assert found.heals or found.doubts
    if found.heals:
        assert found.body == HEALTHY


def test_a_moment_in_another_zone_is_written_as_it_was() -> None:
    """The same moment: nothing is lost, and who cuts off the day gets the right one."""
    found = judge(changed(put("made", lambda text: text.replace("T10", "T12").replace("Z", "+02:00"))))
    assert healed(found) == ["tasks[*].made → tasks[*].made (read as moment)"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (put("title", str.upper), "tasks[*].title"),
        (put("title", lambda text: text[:8] + "…"), "tasks[*].title"),
        (put("title", lambda text: f"x-{text}"), "tasks[*].title"),
        (put("title", lambda _: "the same for all"), "tasks[*].title"),
        (lambda each, n: each.__setitem__("title", TITLES[n - 1]), "tasks[*].title"),
        (put("made", lambda text: text.replace("T10", "T12")), "apart from what it was by what a zone is"),
        (put("made", lambda text: text[8:10] + "/" + text[5:7]), "is no moment any more"),
        (put("note", lambda _: ""), "is an empty text where it was null"),
        (put("done", lambda value: not value), "tasks[*].done"),
        (
            put("marks", lambda m: [{"name": m[0]["name"], "text": m[0]["text"][:5]}]),
            "tasks[*].marks[*].text",
        ),
    ],
)
def test_what_all_known_things_have_otherwise_is_told(change: Any, told: str) -> None:
    """Capitals, cuts, prefixes, a neighbour's value: nothing says what was meant, so that it is left."""
    assert told in doubted(judge(changed(change)))


@pytest.mark.parametrize(
    "change",
    [
        put("title", lambda text: f"{text}, again"),
        put("title", str.upper),
        put("about", lambda _: "written anew"),
        swap("title", "about"),
        put("lasted", lambda n: n + 1),
        put("state", lambda _: "gone"),
        put("made", lambda _: "2026-01-01T00:00:00.000Z"),
    ],
)
def test_an_edit_of_one_thing_among_others_is_nothing(change: Any) -> None:
    """Titles are changed, runs end, counters count."""
    body = changed(change, slice(2, 3))
    found = judge(body)
    assert isinstance(found, Repair)
    assert (found.body, found.heals) == (body, ())


def test_two_entries_for_one_thing_that_differ_are_refused() -> None:
    """Which of them is right, nobody can know; two that are alike do no harm."""
    body = copy.deepcopy(HEALTHY)
    body["tasks"].append({**task(1), "title": "Another one"})
    assert "tasks[*].id is the same in entries that differ" in judge(body).message  # type: ignore[union-attr]
    body["tasks"][-1] = task(1)
    assert isinstance(judge(body), Repair)


def test_an_exchange_is_proven_each_time_anew() -> None:
    """A body does not show whether it still is so: known things do, or a person is asked."""
    found = judge(changed(swap("title", "about")))
    assert isinstance(found, Repair)
    heal = found.heals[0]
    name = patch_id("LIST", heal.drift, heal.detail)
    patch = lesson(2, "patch", {"id": name, "heal": heal.model_dump(mode="json", by_alias=True)}, LATER)
    new: dict[str, Json] = {
        "id": "af3a5c1e-0000-4000-8000-00000000000a",
        "title": "Unheard of",
        "about": "Nobody knows",
    }
    new |= {"made": "2026-01-01T03:00:00.000Z", "edited": "2026-01-01T05:00:00.000Z"}
    new["marks"] = []
    strangers = {"tasks": [{**task(0), **new}]}
    assert judge(HEALTHY, "LIST", patch) == Repair(HEALTHY)
    assert healed(judge(changed(swap("title", "about")), "LIST", patch))
    assert isinstance(judge(strangers, "LIST", patch), Unrepairable)
    assert isinstance(judge(strangers), Repair)
    accepted = judge(strangers, "LIST", patch, lesson(3, "accepted", {"id": name}, LATER))
    assert isinstance(accepted, Repair)
    assert accepted.body["tasks"][0]["title"] == "Nobody knows"
    rejected = judge(strangers, "LIST", patch, lesson(3, "rejected", {"id": name}, LATER))
    assert rejected == Repair(strangers)


def test_a_name_that_only_some_entries_have_is_read_in_all() -> None:
    """Half of the servers are newer: what lacks the old name has what it was under the new one."""

    def renamed(each: dict[str, Json], n: int) -> None:
        each["heading"] = each.pop("title")

    body = changed(renamed, slice(0, 5, 2))
    assert healed(judge(body)) == ["tasks[*].heading → tasks[*].title"]


ODD: list[Json] = [
    None, True, 0, -0.0, 10**40, 1e300, 5e-324, "", " ", "[" * 3_000, "{", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "&#99999999999;", "%ff", "9" * 17, [], {}, [[]], [None], {"email": 7},
]  # fmt: skip


@pytest.mark.parametrize("name", ["id", "made", "lasted", "marks"])
def test_whatever_stands_there_nothing_falls_over(name: str) -> None:
    """Numbers beyond all bounds, moments at the ends of time, texts that no decoder likes."""
    for value in ODD:
        for some in (slice(None), slice(0, 5, 2)):
            found = judge(changed(lambda each, n, value=value: each.__setitem__(name, value), some))  # type: ignore[misc]
            assert isinstance(found, Repair | Unrepairable)
    for odd in (*ODD, {"tasks": [None, 1, "x", [], task(0), {"id": []}, {"id": None}]}):
        assert isinstance(judge(odd), Repair | Unrepairable)
        assert isinstance(judge({"tasks": odd}), Repair | Unrepairable)
