"""Repair: what is healed, what is refused, and that nothing else ever comes out."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from definable.verify.contracts import Contract
from definable.verify.repair import RULES, Repair, Unrepairable, additions, repair
from tests.unit.drifts import bodies, drifted

Json = Any

DEFS: dict[str, Json] = {
    "User": {"type": "object", "required": ["email"], "properties": {"email": {"type": "string"}}},
    "Project": {
        "type": "object",
        "required": ["id", "title", "status", "kind", "createdAt", "analytics", "owner"],
        "properties": {
            "id": {"type": "string"},
            "title": {"type": "string"},
            "description": {"type": ["string", "null"]},
            "status": {"enum": ["DRAFT", "PUBLISHED"]},
            "kind": {"type": "string", "examples": ["APP", "COMPONENT"]},
            "createdAt": {"type": "string", "format": "date-time"},
            "archived": {"type": "boolean"},
            "owner": {"anyOf": [{"$ref": "#/$defs/User"}, {"type": "null"}]},
            "creator": {"$ref": "#/$defs/User"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "analytics": {
                "type": "object",
                "required": ["views", "published"],
                "properties": {"views": {"type": "integer"}, "published": {"type": ["string", "null"]}},
            },
        },
    },
}
LIST: dict[str, Json] = {
    "type": "object",
    "required": ["values", "pagination"],
    "properties": {
        "values": {"type": "array", "items": {"$ref": "#/$defs/Project"}},
        "pagination": {
            "type": "object",
            "properties": {"after": {"type": ["string", "null"]}, "before": {"type": ["string", "null"]}},
        },
    },
}
CONTRACT = Contract(LIST, DEFS, reads=("pagination.after",))


def project(number: int) -> dict[str, Json]:
    """Return one project in which every declared property stands."""
    return {
        "id": f"p{number}",
        "title": f"Plan {number}",
        "description": None,
        "status": "DRAFT",
        "kind": "APP",
        "createdAt": "2026-01-01T00:00:00Z",
        "archived": False,
        "owner": {"email": "o@x.y"},
        "creator": {"email": "c@x.y"},
        "tags": ["a", "b"],
        "analytics": {"views": number, "published": None},
    }


ORIGINAL: dict[str, Json] = {
    "values": [project(1), project(2)],
    "pagination": {"after": "next-page", "before": None},
}
Change = Callable[[dict[str, Json]], Json]


def each(change: Change) -> Json:
    """Return the list with `change` made to every project."""
    body = copy.deepcopy(ORIGINAL)
    return {**body, "values": [change(entry) for entry in body["values"]]}


def without(entry: dict[str, Json], *names: str) -> dict[str, Json]:
    """Return an object without some of its properties."""
    return {key: value for key, value in entry.items() if key not in names}


def renamed(old: str, new: str) -> Json:
    """Return the list with one property of every project renamed."""
    return each(lambda entry: {**without(entry, old), new: entry[old]})


def body(**changed: Json) -> Json:
    """Return the list with some of its own properties changed."""
    return {**copy.deepcopy(ORIGINAL), **changed}


def upper(value: Json) -> Json:
    """Return a value with every name in capitals."""
    if isinstance(value, dict):
        return {key.upper(): upper(inner) for key, inner in value.items()}
    return [upper(inner) for inner in value] if isinstance(value, list) else value


HEALED: list[tuple[str, Json, str, str]] = [
    (
        "another casing",
        renamed("createdAt", "created_at"),
        "case",
        "values[*].created_at → values[*].createdAt",
    ),
    (
        "its thing's name",
        renamed("title", "projectTitle"),
        "rename",
        "values[*].projectTitle → values[*].title",
    ),
    ("a version mark", renamed("title", "titleV2"), "rename", "values[*].titleV2 → values[*].title"),
    (
        "its format",
        renamed("createdAt", "createdTimestamp"),
        "rename",
        "values[*].createdTimestamp → values[*].createdAt",
    ),
    ("a word of an enum", renamed("status", "state"), "rename", "values[*].state → values[*].status"),
    ("a known word", renamed("kind", "flavour"), "rename", "values[*].flavour → values[*].kind"),
    ("two required names", renamed("analytics", "stats"), "rename", "values[*].stats → values[*].analytics"),
    (
        "a list of objects",
        {"projects": ORIGINAL["values"], "pagination": ORIGINAL["pagination"]},
        "rename",
        "projects → values",
    ),
    ("an empty list by its name", {"items": [], "pagination": {"after": None}}, "rename", "items → values"),
    (
        "left out and cased",
        renamed("archived", "Archived"),
        "case",
        "values[*].Archived → values[*].archived",
    ),
    ("an envelope", {"data": ORIGINAL}, "unwrap", "data → the body"),
    ("an envelope with more in it", {"result": ORIGINAL, "meta": {"v": 2}}, "unwrap", "result → the body"),
    (
        "an envelope around each",
        each(lambda entry: {"project": entry}),
        "unwrap",
        "values[*].project → values[*]",
    ),
    (
        "a value in a box",
        each(lambda e: {**e, "title": {"value": e["title"]}}),
        "unwrap",
        "values[*].title.value → values[*].title",
    ),
    (
        "paging at the top",
        {"values": ORIGINAL["values"], "after": "next-page", "before": None},
        "move",
        "after → pagination.after",
    ),
    (
        "flattened",
        each(lambda e: {**without(e, "owner"), "ownerEmail": "o@x.y"}),
        "move",
        "values[*].ownerEmail → values[*].owner.email",
    ),
    (
        "moved into a carrier",
        each(lambda e: {"id": e["id"], "attributes": without(e, "id")}),
        "move",
        "values[*].attributes.title → values[*].title",
    ),
    (
        "a number as text",
        each(lambda e: {**e, "analytics": {**e["analytics"], "views": str(e["analytics"]["views"])}}),
        "coerce",
        "values[*].analytics.views: string → integer",
    ),
    (
        "a boolean as text",
        each(lambda e: {**e, "archived": "false"}),
        "coerce",
        "values[*].archived: string → boolean",
    ),
    (
        "a list of one",
        each(lambda e: {**e, "title": [e["title"]]}),
        "coerce",
        "values[*].title: array → string",
    ),
    (
        "an enum's word in another casing",
        each(lambda e: {**e, "status": "draft"}),
        "coerce",
        "values[*].status: another casing",
    ),
    ("everything in capitals", upper(ORIGINAL), "case", "VALUES → values"),
]


@pytest.mark.parametrize(
    ("drift", "rule", "detail"), [case[1:] for case in HEALED], ids=[c[0] for c in HEALED]
)
def test_a_drift_that_proves_itself_is_healed_to_the_very_same_body(
    drift: Json, rule: str, detail: str
) -> None:
    """The healed body equals the original, and the receipt names the rule and the place."""
    given_body = copy.deepcopy(drift)
    mended = repair(CONTRACT, drift)
    assert isinstance(mended, Repair), mended
    wanted = ORIGINAL if drift.get("items") != [] else {"values": [], "pagination": {"after": None}}
    assert mended.body == wanted
    assert (rule, detail) in [(heal.rule, heal.detail) for heal in mended.heals]
    assert {heal.rule for heal in mended.heals} <= set(RULES)
    assert mended.diff
    assert drift == given_body


REFUSED: list[tuple[str, Json, str]] = [
    ("a text under another name", renamed("title", "name"), "neither its name nor its value proves"),
    ("another date", renamed("createdAt", "updatedAt"), "neither its name nor its value proves"),
    ("another's id", renamed("id", "ownerId"), "neither its name nor its value proves"),
    ("a sibling's word", renamed("status", "previousStatus"), "neither its name nor its value proves"),
    (
        "a cursor under another name",
        body(pagination={"next": "next-page", "before": None}),
        "is new and may be it",
    ),
    (
        "a cursor that moved out",
        {"values": ORIGINAL["values"], "pagination": {}, "next_cursor": "x"},
        "is new and may be it",
    ),
    (
        "one of two alike objects",
        each(lambda e: {**without(e, "owner"), "reviewer": {"email": "r@x.y"}}),
        "neither its name nor its value proves",
    ),
    ("null for a value", each(lambda e: {**e, "title": None}), "title is null"),
    ("a new word in an enum", each(lambda e: {**e, "status": "RETIRED"}), 'status is "RETIRED"'),
    (
        "a number that lost its form",
        each(lambda e: {**e, "analytics": {"views": "012", "published": None}}),
        'views is "012"',
    ),
    (
        "a number as words",
        each(lambda e: {**e, "analytics": {"views": "12 views", "published": None}}),
        'views is "12 views"',
    ),
    ("a boolean as a number", each(lambda e: {**e, "archived": 0}), "archived is 0"),
    ("a list cut to its first entry", body(values=project(1)), "values is an object"),
    ("a list as a map", body(values={"p1": project(1), "p2": project(2)}), "values is an object"),
    ("a list with its own paging", body(values={"items": [project(1)], "more": True}), "values is an object"),
    ("a bare list that lost its paging", ORIGINAL["values"], "the body is an array"),
    (
        "an entry that lost what its neighbours have",
        body(values=[{**without(project(1), "title"), "projectTitle": "Plan 1"}, project(2)]),
        "title is gone",
    ),
    (
        "names that differ among entries",
        body(
            values=[
                {**without(project(1), "title"), "Title": "x"},
                {**without(project(2), "title"), "titleV2": "y"},
            ]
        ),
        "only in some of the entries",
    ),
    ("two candidates", each(lambda e: {**without(e, "title"), "projectTitle": "a", "titleV2": "b"}), "both"),
    ("an error in the place of the answer", {"error": ORIGINAL}, "values is missing"),
    ("an earlier answer", {"previous": ORIGINAL}, "values is missing"),
    ("an empty list under any name", {"warnings": [], "pagination": {"after": None}}, "values is missing"),
    ("nothing", {}, "values is gone"),
    ("a text", "maintenance", "the body is"),
]


@pytest.mark.parametrize(
    ("drift", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_drift_that_another_body_could_have_led_to_is_refused(drift: Json, reason: str) -> None:
    """Nothing is guessed: the body stays as it is, and the reasons say why."""
    mended = repair(CONTRACT, drift)
    assert isinstance(mended, Unrepairable), mended
    assert reason in " | ".join([*mended.tried, mended.message])
    assert mended.diff
    assert mended.message


ACCEPTED: list[tuple[str, Json]] = [
    ("as promised", ORIGINAL),
    ("with more", {**each(lambda entry: {**entry, "color": "red", "team": {"id": 1}}), "traceId": "t"}),
    ("without what may be left out", each(lambda entry: without(entry, "description", "archived", "tags"))),
    ("with something new instead of it", each(lambda entry: {**without(entry, "tags"), "labels": ["a"]})),
    ("without any entry", body(values=[])),
]


@pytest.mark.parametrize("same", [case[1] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED])
def test_what_is_added_or_may_be_left_out_raises_no_alarm(same: Json) -> None:
    """An additive change is accepted as it is."""
    mended = repair(CONTRACT, same)
    assert isinstance(mended, Repair)
    assert mended.body is same or mended.body == same
    assert mended.heals == ()


def test_a_doubt_about_what_may_be_left_out_is_said_and_nothing_is_done() -> None:
    """What is gone beside something new that fits is mentioned, since it may have been renamed."""
    mended = repair(CONTRACT, each(lambda entry: {**without(entry, "tags"), "labels": ["a"]}))
    assert isinstance(mended, Repair)
    assert mended.doubts == ("values[*].tags is gone; values[*].labels may be it",)


def test_values_of_two_properties_that_were_exchanged_are_not_turned_into_each_other() -> None:
    """Two coercions that would cancel an exchange are refused: 34 may be the id and 12 the count."""
    pair = Contract(
        {
            "type": "object",
            "required": ["orderId", "count"],
            "properties": {"orderId": {"type": "string"}, "count": {"type": "integer"}},
        }
    )
    mended = repair(pair, {"orderId": 12, "count": "34"})
    assert isinstance(mended, Unrepairable)
    assert mended.tried == ("count and orderId may have been exchanged",)


def test_an_integer_becomes_the_text_of_an_id_and_of_nothing_else() -> None:
    """A number is taken for a text only where ids are, and only as far as every JSON reader is exact."""
    texts = Contract(
        {"properties": {"orderId": {"type": "string"}, "note": {"type": "string"}}, "required": []}
    )
    healed = repair(texts, {"orderId": 12})
    assert isinstance(healed, Repair)
    assert healed.body == {"orderId": "12"}
    assert isinstance(repair(texts, {"note": 12}), Unrepairable)
    assert isinstance(repair(texts, {"orderId": 2**53 + 1}), Unrepairable)


def test_a_single_value_is_a_list_of_one_only_when_longer_lists_stand_beside_it() -> None:
    """Lists of one that lost their brackets are recognised by their neighbours; a lone value is not."""
    lists = Contract({"type": "array", "items": {"type": "array", "items": {"type": "integer"}}})
    healed = repair(lists, [[1, 2], 3, [4, 5, 6]])
    assert isinstance(healed, Repair)
    assert healed.body == [[1, 2], [3], [4, 5, 6]]
    assert isinstance(repair(lists, [3, 4]), Unrepairable)
    assert isinstance(repair(lists, [[1, 2], 3, [4]]), Unrepairable)


def test_a_bare_list_is_wrapped_when_the_object_has_nothing_else() -> None:
    """The envelope is put back when it can hold nothing but this list."""
    only = {"type": "object", "required": ["values"], "properties": {"values": LIST["properties"]["values"]}}
    mended = repair(Contract(only, DEFS), [project(1)])
    assert isinstance(mended, Repair)
    assert mended.body == {"values": [project(1)]}
    assert [heal.rule for heal in mended.heals] == ["wrap"]


def test_a_value_of_a_union_is_healed_in_the_one_branch_that_it_can_be() -> None:
    """The branch is the one in which a repair exists; two branches are no proof."""
    cat = {"type": "object", "required": ["kind", "lives"],
           "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}}}  # fmt: skip
    dog = {"type": "object", "required": ["kind", "age"],
           "properties": {"kind": {"const": "dog"}, "age": {"type": "integer"}}}  # fmt: skip
    either = Contract({"type": "array", "items": {"oneOf": [cat, dog]}})
    healed = repair(either, [{"kind": "cat", "lives": "9"}, {"kind": "dog", "Age": 3}])
    assert isinstance(healed, Repair)
    assert healed.body == [{"kind": "cat", "lives": 9}, {"kind": "dog", "age": 3}]
    numbers = Contract({"anyOf": [{"type": "integer"}, {"type": "boolean"}]})
    assert isinstance(repair(numbers, "yes"), Unrepairable)


def test_the_keys_of_a_map_are_data_and_never_renamed() -> None:
    """Values of a map are healed, its keys stay."""
    table = Contract({"type": "object", "additionalProperties": {"type": "integer"}})
    mended = repair(table, {"Alpha": "1", "alpha": 2})
    assert isinstance(mended, Repair)
    assert mended.body == {"Alpha": 1, "alpha": 2}


def test_a_status_that_was_not_promised_is_noted() -> None:
    """A body that fits under another 2xx is accepted, and the receipt says so."""
    mended = repair(CONTRACT, ORIGINAL, status=202, success=(200, 201))
    assert isinstance(mended, Repair)
    assert [(heal.rule, heal.detail) for heal in mended.heals] == [
        ("success_code", "202 instead of 200 or 201")
    ]


def test_what_was_added_is_listed_by_its_place() -> None:
    """Additions are paths, one for all entries of a list."""
    drift = {
        **each(lambda entry: {**entry, "color": "red", "owner": {"email": "a", "team": 1}}),
        "traceId": "t",
    }
    assert additions(CONTRACT, drift) == ["traceId", "values[*].color", "values[*].owner.team"]


def declared(contract: Contract, schema: Json, value: Json) -> Json:
    """Return `value` with declared properties only."""
    shape = contract.shape(schema)
    if shape.branches:
        fitting = [branch for branch in shape.branches if contract.fits(branch, value)]
        return declared(contract, fitting[0], value) if fitting else value
    if isinstance(value, dict) and not shape.data_keys:
        kept = {key: inner for key, inner in value.items() if key in shape.properties}
        return {key: declared(contract, shape.properties[key], inner) for key, inner in kept.items()}
    if isinstance(value, list) and shape.items is not None:
        return [declared(contract, shape.items, entry) for entry in value]
    return value


def part_of(healed: Json, original: Json) -> bool:
    """Whether nothing differs but properties that may be left out, and were when the body came."""
    if isinstance(healed, dict) and isinstance(original, dict):
        return all(key in original and part_of(inner, original[key]) for key, inner in healed.items())
    if isinstance(healed, list) and isinstance(original, list):
        return len(healed) == len(original) and all(map(part_of, healed, original))
    return json.dumps(healed) == json.dumps(original)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(drifted(bodies(LIST, DEFS)))
def test_repair_gives_the_original_or_refuses_and_never_another_body(
    drift: tuple[Json, Json, list[str]],
) -> None:
    """Whatever was done to a valid body, what comes out healed is that body."""
    original, body, names = drift
    before = json.dumps(body, sort_keys=True)
    mended = repair(CONTRACT, body)
    assert json.dumps(body, sort_keys=True) == before, "the body given is left alone"
    if isinstance(mended, Repair):
        assert CONTRACT.valid(mended.body)
        healed = declared(CONTRACT, CONTRACT.schema, mended.body)
        assert mended.body == body if not mended.heals else part_of(healed, original), names
