"""What known things prove about a changed response, what they do not, and what is remembered of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from definable.calls import Lesson
from definable.spec.toolkit import Toolkit
from definable.verify.contracts import Contract
from definable.verify.judge import Judge
from definable.verify.record import Record, patch_id, sample
from definable.verify.repair import Repair, Unrepairable
from tests.unit.drifts import bodies, drifted
from tests.unit.test_repair import DEFS, LIST, declared, part_of

Json = Any
NOON = "2026-01-01T12:00:00.000Z"
LATER = "2026-03-01T12:00:00.000Z"

PAPER: dict[str, Json] = {
    "type": "object",
    "required": ["id", "title", "state", "madeAt", "archived"],
    "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
        "state": {"type": "string"},
        "madeAt": {"type": "string"},
        "archived": {"type": "boolean"},
        "author": {"type": "object", "required": ["email"], "properties": {"email": {"type": "string"}}},
        "note": {"type": ["string", "null"]},
    },
}
PAPERS: dict[str, Json] = {
    "type": "object",
    "required": ["papers", "paging"],
    "properties": {
        "papers": {"type": "array", "items": {"$ref": "#/$defs/Paper"}},
        "paging": {"type": "object", "properties": {"next": {"type": ["string", "null"]}}},
    },
}
TOOL = {"description": "x", "operation": "x"}
KIT_DATA: dict[str, Json] = {
    "toolkit": "press",
    "title": "Press",
    "base_url": {"env": "PRESS_URL", "default": "https://press.example"},
    "credentials": [{"env": "PRESS_KEY"}],
    "shapes": {"Paper": PAPER},
    "tools": {
        "LIST": {
            **TOOL,
            "title": "List",
            "request": "GET /papers",
            "effect": "read",
            "response": PAPERS,
            "arguments": {"limit": {"type": "integer"}, "from": {"type": "string"}},
            "paging": {
                "kind": "cursor",
                "items": "papers",
                "next": "paging.next",
                "into": "from",
                "largest": 9,
            },
            "identity": ["papers[*].id"],
        },
        "GET": {
            **TOOL,
            "title": "Get",
            "request": "GET /papers/{id}",
            "effect": "read",
            "arguments": {"id": {"type": "string"}},
            "required": ["id"],
            "response": {"$ref": "#/$defs/Paper"},
        },
        "MAKE": {
            **TOOL,
            "title": "Make",
            "request": "POST /papers",
            "effect": "create",
            "response": {"$ref": "#/$defs/Paper"},
        },
    },
}
KIT = Toolkit.model_validate_json(json.dumps(KIT_DATA))


def paper(n: int) -> dict[str, Json]:
    """Return one of four papers, unlike the others."""
    return {
        "id": f"{n}f3a5c1e-0000-4000-8000-00000000000{n}",
        "title": ["Tides of the Elbe", "On salt marshes", "Dunes, revisited", "A year of fog"][n],
        "state": ["printed", "drafted", "printed", "printed"][n],
        "madeAt": f"2025-0{n + 1}-03T10:00:00.000Z",
        "archived": n == 2,
        "author": {"email": ["ana@sea.example", "bo@sea.example", "ana@sea.example", "cy@sea.example"][n]},
        "note": None,
    }


HEALTHY: dict[str, Json] = {"papers": [paper(n) for n in range(4)], "paging": {"next": "c2Vjb25kIHBhZ2U"}}


def lesson(seq: int, tool: str, kind: str, data: Json, at: str = NOON) -> Lesson:
    """Return one row of the record."""
    return Lesson.model_validate(
        {"seq": seq, "at": at, "toolkit": "press", "tool": tool, "kind": kind, "data": data}
    )


def known(*more: Lesson) -> Record:
    """Return a record with one healthy list, and what else is given."""
    return Record([lesson(1, "LIST", "sample", sample({}, HEALTHY)), *more])


def judge(body: Json, tool: str = "LIST", record: Record | None = None, **more: Any) -> Repair | Unrepairable:
    """Return what is made of a body."""
    record = known() if record is None else record
    contract = Contract.of_response(KIT, KIT.tools[tool])
    assert contract is not None
    at, follows = more.get("at", NOON), more.get("follows", False)
    view = record.at(KIT, tool, more.get("seq", record.seq), at)
    return Judge(contract, KIT.tools[tool], tool, {}, view, follows)(body)


def each(change: Callable[[dict[str, Json]], dict[str, Json]]) -> dict[str, Json]:
    """Return the healthy list with every paper changed."""
    return {**copy.deepcopy(HEALTHY), "papers": [change(copy.deepcopy(p)) for p in HEALTHY["papers"]]}


def renamed(old: str, new: str) -> dict[str, Json]:
    """Return the healthy list with one property of every paper renamed."""
    return each(lambda p: {new if key == old else key: value for key, value in p.items()})


def without(entry: dict[str, Json], name: str) -> dict[str, Json]:
    """Return an object without a property."""
    return {key: value for key, value in entry.items() if key != name}


PROVEN = {
    "another word": renamed("title", "zibeline"),
    "another word for a moment": renamed("madeAt", "dawn"),
    "the id": renamed("id", "key"),
    "an object": renamed("author", "hand"),
    "what may be left out": each(lambda p: {**without(p, "author"), "wrote": p["author"]}),
    "nested": each(lambda p: {"id": p["id"], "author": p["author"], "note": None, "core": {
        k: p[k] for k in ("title", "state", "madeAt", "archived")}}),
    "flattened": each(lambda p: {**without(p, "author"), "mail": p["author"]["email"]}),
    "an unknown envelope": {"qux": HEALTHY},
    "a map by id": {**HEALTHY, "papers": {p["id"]: without(p, "id") for p in HEALTHY["papers"]}},
    "seconds": each(lambda p: {**p, "madeAt": {0: 1735898400, 1: 1738576800, 2: 1740996000, 3: 1743674400}[
        int(p["id"][0])]}),
    "the old name with null": each(lambda p: {**p, "title": None, "heading": p["title"]}),
    "an old name with null, where null may be": each(lambda p: {**p, "author": None, "hand": p["author"]}),
}  # fmt: skip


@pytest.mark.parametrize("body", PROVEN.values(), ids=PROVEN)
def test_what_known_things_had_there_is_put_back(body: Json) -> None:
    """Names say nothing here; the values of known papers say where everything went."""
    found = judge(body)
    assert isinstance(found, Repair), found.diff
    assert {**found.body, "papers": found.body["papers"]} == HEALTHY
    assert all(heal.drift and heal.evidence and heal.tool == "LIST" for heal in found.heals)


def changed(entry: dict[str, Json], **new: Json) -> dict[str, Json]:
    """Return an object with more in it."""
    return {**entry, **new}


UNPROVEN = {
    "two candidates": each(lambda p: changed(without(p, "title"), one=p["title"], two=p["title"])),
    "something else of the same kind": each(
        lambda p: changed(without(p, "title"), other="wholly other text")
    ),
    "another's id": each(lambda p: changed(without(p, "id"), owner="9f3a5c1e-0000-4000-8000-000000000009")),
    "the id of the next one": each(
        lambda p: changed(without(p, "id"), parent=paper((int(p["id"][0]) + 1) % 4)["id"])
    ),
    "a copy of a neighbour": each(lambda p: changed(without(p, "title"), mail=p["author"]["email"])),
    "a flag, of so few papers": renamed("archived", "shelved"),
    "a flag that is always the same": each(lambda p: changed(without(p, "archived"), fresh=False)),
    "some of the list": {"paging": {"next": None}, "featured": HEALTHY["papers"][:2]},
    "moments that lost their precision": each(lambda p: changed(p, madeAt=1735898401)),
    "an id of another format": each(lambda p: changed(p, id=int(p["id"][0]))),
    "null for what is needed": each(lambda p: changed(p, title=None)),
}


@pytest.mark.parametrize("body", UNPROVEN.values(), ids=UNPROVEN)
def test_what_nothing_proves_is_refused(body: Json) -> None:
    """A new field that fits is no proof, nor are two of them, nor a part of the list."""
    found = judge(body)
    assert isinstance(found, Unrepairable) or found.body["papers"] != HEALTHY["papers"]
    assert isinstance(found, Unrepairable), found.heals
    assert found.diff


def test_a_field_that_says_it_is_an_earlier_value_does_not_win_over_the_present_one() -> None:
    """A title was changed and, in the same hour, the server renamed it and added what it had been."""
    body = judge({**without(paper(0), "title"), "name": "Tides", "was": paper(0)["title"]}, "GET")
    assert isinstance(body, Unrepairable)


def test_added_fields_raise_no_alarm() -> None:
    """Whatever is new beside all that was there."""
    body = each(lambda p: changed(p, color="red", title2=p["title"], owner={"id": p["id"]}))
    assert judge({**body, "trace": "abc"}) == Repair({**body, "trace": "abc"})


def test_what_was_always_there_is_missed_although_it_may_be_left_out() -> None:
    """Nothing is done about it, and the receipt says so."""
    found = judge(each(lambda p: without(p, "author")))
    assert isinstance(found, Repair)
    assert found.doubts == ("papers[*].author is gone in all 4; in 4 before it never was",)
    found = judge(each(lambda p: changed(p, author=None)))
    assert not isinstance(found, Repair), "null is not what an author may be"


def test_a_cursor_is_taken_only_where_it_is_used_or_says_itself_what_it_is() -> None:
    """Reading on is the proof; an address with the right parameter is one, too."""
    moved = {"papers": HEALTHY["papers"], "paging": {"weiter": "dGhpcmQ"}}
    assert isinstance(judge(moved), Unrepairable)
    found = judge(moved, follows=True)
    assert isinstance(found, Repair)
    assert found.body == {**HEALTHY, "paging": {"next": "dGhpcmQ"}}
    assert [heal.drift for heal in found.heals] == ["paging_moved"]
    linked = {"papers": HEALTHY["papers"], "links": {"x": "https://press.example/p?from=c2Vjb25kIHBhZ2U&n=9"}}
    found = judge({**linked, "paging": {}})
    assert isinstance(found, Repair)
    assert found.body["paging"] == {"next": "c2Vjb25kIHBhZ2U"}
    assert isinstance(
        judge({"papers": HEALTHY["papers"], "paging": {"a": "x", "b": "y"}}, follows=True), Unrepairable
    )


def patch(found: Repair | Unrepairable, seq: int = 2) -> Lesson:
    """Return the row that is kept of a repair."""
    assert isinstance(found, Repair)
    heal = found.heals[0]
    data = {
        "id": patch_id(heal.tool, heal.drift, heal.detail),
        "heal": heal.model_dump(mode="json", by_alias=True),
    }
    return lesson(seq, heal.tool, "patch", data)


def test_a_repair_that_was_proven_is_used_again_for_things_that_nobody_knows() -> None:
    """Also in another tool's answer, where the toolkit says that it is the same kind of thing."""
    record = known(patch(judge(renamed("title", "zibeline"))))
    stranger = {**without(paper(1), "title"), "zibeline": "Never seen", "id": "another"}
    found = judge(stranger, "GET", record)
    assert isinstance(found, Repair)
    assert found.body == {**without(stranger, "zibeline"), "title": "Never seen"}
    assert [heal.rule for heal in found.heals] == ["patch"]
    assert judge(paper(1), "GET", record) == Repair(paper(1)), "the server went back"
    assert isinstance(judge(stranger, "GET"), Unrepairable)


def test_a_repair_grows_old_unless_a_person_accepts_it_and_a_rejected_one_is_none() -> None:
    """After its time a response that needs it is refused, and what was rejected at once."""
    learned = patch(judge(renamed("title", "zibeline")))
    stranger = {**without(paper(1), "title"), "zibeline": "Never seen", "id": "another"}
    name = {"id": learned.data["id"], "by": "ana"}
    assert isinstance(judge(stranger, "GET", known(learned)), Repair)
    assert isinstance(judge(stranger, "GET", known(learned), at=LATER), Unrepairable)
    accepted = known(learned, lesson(3, "LIST", "accepted", name))
    assert isinstance(judge(stranger, "GET", accepted, at=LATER), Repair)
    rejected = known(learned, lesson(3, "LIST", "accepted", name), lesson(4, "LIST", "rejected", name))
    assert isinstance(judge(renamed("title", "zibeline"), record=rejected), Unrepairable)


def test_an_outcome_is_judged_by_what_was_known_then() -> None:
    """What was learned since changes nothing, so that a replay comes to the same end."""
    record = known(patch(judge(renamed("title", "zibeline"))))
    stranger = {**without(paper(1), "title"), "zibeline": "Never seen", "id": "another"}
    assert isinstance(judge(stranger, "GET", record, seq=1), Unrepairable)
    assert isinstance(judge(stranger, "GET", record, seq=0), Unrepairable)
    assert isinstance(judge(stranger, "GET", record, seq=2), Repair)
    assert isinstance(judge(renamed("title", "zibeline"), record=Record()), Unrepairable)


def test_the_answer_to_a_write_is_not_repaired_by_evidence() -> None:
    """What a write did is looked up instead."""
    body = {**without(paper(1), "title"), "zibeline": paper(1)["title"]}
    assert isinstance(judge(body, "GET"), Repair)
    assert isinstance(judge(body, "MAKE"), Unrepairable)


def test_a_name_that_fits_is_no_proof_against_what_known_things_had() -> None:
    """`paperTitle` would be `title` by its name, and holds something else for every known paper."""
    body = each(lambda p: {**without(p, "title"), "paperTitle": f"{p['state']} in spring"})
    assert isinstance(judge(body, record=Record()), Repair), "the name alone has nothing against it"
    assert isinstance(judge(body), Unrepairable)


OTHER_DATA = {
    **KIT_DATA,
    "shapes": DEFS,
    "tools": {"ANY": {**TOOL, "title": "Any", "request": "GET /", "effect": "read", "response": LIST}},
}
OTHER = Toolkit.model_validate_json(json.dumps(OTHER_DATA))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(drifted(bodies(LIST, DEFS)))
def test_known_things_never_lead_to_another_body(drift: tuple[Json, Json, list[str]]) -> None:
    """Texts and numbers here are few and alike, so that much agrees by chance: no repair comes of that."""
    original, body, names = drift
    record = Record(
        [Lesson(seq=1, at=NOON, toolkit="press", tool="ANY", kind="sample", data=sample({}, original))]
    )
    contract = Contract.of_response(OTHER, OTHER.tools["ANY"])
    assert contract is not None
    found = Judge(contract, OTHER.tools["ANY"], "ANY", {}, record.at(OTHER, "ANY", 1, NOON))(body)
    if isinstance(found, Repair):
        healed = declared(contract, contract.schema, found.body)
        assert found.body == body if not found.heals else part_of(healed, original), names


SHELF: dict[str, Json] = {
    "type": "object",
    "required": ["books"],
    "properties": {
        "books": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "lent"],
                "properties": {
                    "id": {"type": "string"},
                    "lent": {"type": "boolean"},
                    "pages": {"type": "object", "properties": {"read": {"type": "integer"}}},
                },
            },
        }
    },
}


def shelf(change: Callable[[Json], object] = lambda books: None) -> Json:
    """Return three books, changed."""
    books: list[Json] = [
        {"id": f"book-{n}-of-the-shelf", "lent": n == 1, "pages": {"read": n}} for n in range(3)
    ]
    change(books)
    return {"books": books}


@pytest.mark.parametrize(
    "change",
    [
        lambda books: books[0].update(lent=0),
        lambda books: books[1].update(lent=1),
        lambda books: books[1]["pages"].update(read=True),
        lambda books: books[0]["pages"].update(read=0.5),
        lambda books: books[2].pop("lent"),
        lambda books: books[2].update(lent="true"),
        lambda books: books[2].update(id=7),
        lambda books: books.append("book"),
    ],
)
def test_what_is_as_it_was_is_so_to_the_letter(change: Callable[[Json], object]) -> None:
    """Entries that have not changed are not held against the contract again; 1 for true is a change."""
    kit = copy.deepcopy(KIT_DATA)
    kit["tools"] = {
        "LIST": {**TOOL, "title": "List", "request": "GET /b", "effect": "read", "response": SHELF}
    }
    toolkit = Toolkit.model_validate_json(json.dumps(kit))
    data = sample({}, shelf())
    assert data
    lesson = Lesson(seq=1, at=NOON, toolkit="press", tool="LIST", kind="sample", data=data)
    known = Record([lesson]).at(toolkit, "LIST", 1, NOON)
    assert known
    assert (unchanged := known.watch.unchanged({})) is not None
    assert unchanged(shelf())
    assert not unchanged(shelf(change))
    assert known.usual({}, shelf())
    assert not known.usual({}, shelf(change))
