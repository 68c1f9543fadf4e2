"""Refused requests, put into the server's own words: what is understood, and what is left to a person."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from definable.calls import Ask, Decision, Lesson, Outcome, Rewording, Send
from definable.toolkits.request import build
from definable.verify.changes import applied, cast
from definable.verify.contracts import Contract
from definable.verify.flow import replay
from definable.verify.record import Record, patch_id
from definable.verify.request import Adapted, Proof, Unadaptable, understand
from definable.verify.shape import Json
from tests.hexkit import tool, toolkit
from tests.unit.acme import CATALOG, Acme, answer, call, run

TEXT = {"type": "string"}
ARGUMENTS = Contract(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "name": TEXT,
            "text": TEXT,
            "limit": {"type": "integer"},
            "cellType": {"enum": ["MARKDOWN", "SQL"]},
            "note": TEXT,
            "inputs": {"type": "object"},
            "contents": {
                "anyOf": [
                    {"type": "object", "properties": {"codeCell": {"properties": {"source": TEXT}}}},
                    {"type": "object", "properties": {"sqlCell": {"properties": {"query": TEXT}}}},
                ]
            },
            "files": {"type": "array", "items": {"properties": {"path": TEXT}}},
        },
    }
)
SENT: dict[str, Json] = {
    "name": "Weekly",
    "text": "hello",
    "limit": 5,
    "cellType": "MARKDOWN",
    "inputs": {"region": "eu", "limit": 2},
    "contents": {"codeCell": {"source": "1"}},
    "files": [{"path": "a"}, {"path": "b"}],
}


def reading(body: Json, untyped: frozenset[str] = frozenset()) -> Adapted | Unadaptable | None:
    """Return what is understood of an error body."""
    return understand(ARGUMENTS, SENT, untyped, body)


RENAMED = [
    {
        "code": "BAD_REQUEST",
        "issues": [{"message": "name: Unrecognized key"}, {"message": "title: Required"}],
    },
    {"reason": "Invalid request body", "details": "name: Unrecognized key; title: Required", "traceId": "1"},
    {"error": {"type": "error_400", "detail": "name: Unrecognized key; title: Required"}},
    {"errors": [{"type": "error_400", "detail": "name: Unrecognized key; title: Required"}]},
    "name: Unrecognized key; title: Required",
    '{"message": "name: Unrecognized key; title: Required"}',
    [
        {"code": "unrecognized_keys", "keys": ["name"], "path": [], "message": "Unrecognized key: 'name'"},
        {"code": "invalid_type", "expected": "string", "received": "undefined", "path": ["title"]},
    ],
    {
        "detail": [
            {
                "loc": ["body", "title"],
                "msg": "Field required",
                "type": "missing",
                "input": {"name": "Weekly"},
            },
            {"loc": ["body", "name"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"},
        ]
    },
    {
        "message": "Validation Failed",
        "details": {
            "body.name": {"message": '"name" is an excess property and not allowed', "value": "Weekly"},
            "body.title": {"message": "'title' is required"},
        },
    },
    {
        "type": "about:blank",
        "title": "Your request is not valid",
        "invalid-params": [
            {"name": "name", "reason": "is unknown"},
            {"name": "title", "reason": "must be given"},
        ],
    },
    {"errors": {"title": ["can't be blank"], "name": ["Unknown field."]}},
    {"name": ["Unknown field."], "title": ["Missing data for required field."]},
    {"unknown_fields": ["name"], "missing_fields": ["title"]},
    {"statusCode": 400, "message": ["property name should not exist", "title should not be empty"]},
    {
        "errors": [
            {"keyword": "additionalProperties", "params": {"additionalProperty": "name"}, "instancePath": ""},
            {"keyword": "required", "params": {"missingProperty": "title"}, "instancePath": ""},
        ]
    },
    {"error": {"message": "Received unknown parameter: name. Did you mean title?", "param": "name"}},
    {"message": "`name` is no longer supported, use `title` instead"},
    "Unknown field 'name'. Did you mean 'title'?",
    "name is not allowed, title is required",
    "unexpected parameter: name; allowed parameters: title, text",
    "name was renamed to title",
    'Unrecognized field "name" (class com.x.Note), not marked as ignorable (2 known: "title", "text")',
]


@pytest.mark.parametrize("body", RENAMED, ids=range(len(RENAMED)))
def test_a_renamed_field_is_understood_in_every_envelope(body: Json) -> None:
    """The server names both sides, in whatever form: one rename, and nothing else."""
    found = reading(body)
    assert isinstance(found, Adapted), found
    assert found.changes == (Rewording(rule="rename", path="name", to="title"),)
    assert found.proof is Proof.NAMED


@pytest.mark.parametrize(
    ("body", "change", "proof"),
    [
        ("limit must be a string", Rewording(rule="coerce", path="limit", to="string"), Proof.LOSSLESS),
        (
            {"issues": [{"path": ["limit"], "message": "Expected string, received number"}]},
            Rewording(rule="coerce", path="limit", to="string"),
            Proof.LOSSLESS,
        ),
        (
            "json: cannot unmarshal number into Go struct field Note.limit of type string",
            Rewording(rule="coerce", path="limit", to="string"),
            Proof.LOSSLESS,
        ),
        ("`text` must be an array", Rewording(rule="coerce", path="text", to="array"), Proof.LOSSLESS),
        (
            {
                "issues": [
                    {"path": ["cellType"], "code": "invalid_enum_value", "options": ["sql", "markdown"]}
                ]
            },
            Rewording(rule="word", path="cellType", to="markdown", of="MARKDOWN"),
            Proof.LOSSLESS,
        ),
        (
            {"message": "cellType must be one of code, sql, markdown"},
            Rewording(rule="word", path="cellType", to="markdown", of="MARKDOWN"),
            Proof.LOSSLESS,
        ),
        (
            {"message": "cellType: Unrecognized key; cell_type: Required; name: fine"},
            Rewording(rule="rename", path="cellType", to="cell_type"),
            Proof.LOSSLESS,
        ),
        ("cell_type is required", Rewording(rule="rename", path="cellType", to="cell_type"), Proof.LOSSLESS),
        ("noteName: Required", Rewording(rule="rename", path="name", to="noteName"), None),
        (
            "contents.codeCell.source: Unrecognized key; contents.codeCell.code: Required",
            Rewording(rule="rename", path="contents.codeCell.source", to="contents.codeCell.code"),
            Proof.NAMED,
        ),
        (
            {
                "issues": [
                    {"path": ["files", 0], "keys": ["path"], "code": "unrecognized_keys"},
                    {"path": ["files", 0, "filePath"], "message": "Required"},
                ]
            },
            Rewording(rule="rename", path="files[*].path", to="files[*].filePath"),
            Proof.NAMED,
        ),
        (
            "name: Unrecognized key; attributes.name: Required",
            Rewording(rule="rename", path="name", to="attributes.name"),
            Proof.LOSSLESS,
        ),
    ],
)
def test_other_changes_of_form_are_understood(body: Json, change: Rewording, proof: Proof | None) -> None:
    """Types, words and casings lose nothing; nested places and lists are named as the server names them."""
    found = reading(body)
    if proof is None:
        assert not isinstance(found, Adapted)
        return
    assert isinstance(found, Adapted), found
    assert found.changes == (change,)


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "Cannot update the cache if specifying custom input parameters"},
        {"message": "A collection with this name already exists"},
        {"message": "The project is not published"},
        {"traceId": "x", "invalid": [{"dataType": "STRING", "paramName": "region"}], "notFound": ["limit2"]},
        {"message": "Invalid property 'region' in inputs"},
        {"message": "inputs.region must be a number"},
        {"message": "name must be at most 50 characters"},
        {"message": "name must be a string of at most 50 characters"},
        {"message": "unknown cell type MARKDOWN"},
        {"message": "cellType: unknown value 'MARKDOWN'"},
        {"message": "name must not be set when cellType is SQL"},
        {"message": "Authentication is required"},
        {"message": "note is required"},
        {"message": "limit: expected number, got string"},
        {"message": "You have reached the limit of 50 notes. Please use fewer."},
        {"error": "Bad Request"},
        "",
        None,
        [],
        {"message": "Unknown field 'name2'"},
    ],
)
def test_what_is_not_about_the_form_is_left_to_the_caller(body: Json) -> None:
    """Values, rules of the business, the caller's own keys, arguments that could be given: no drift."""
    assert reading(body) is None


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('json: unknown field "name"', "name is not known"),
        ("Unknown field 'name'. Did you mean 'title' or 'heading'?", "title"),
        ("name: Unrecognized key; text: Unrecognized key; title: Required; body: Required", "body"),
        ("kindOf: Required", "kindOf is required, and there is no value for it"),
        ("name must be an integer", "the server wants integer"),
        ("name: Unrecognized key; title: Required; ownerMail: Required", "ownerMail"),
    ],
)
def test_what_is_not_certain_is_laid_out(body: Json, line: str) -> None:
    """Two candidates, none, a value that nobody gave, a type that would lose something: never a guess."""
    found = reading(body)
    assert isinstance(found, Unadaptable), found
    assert any(line in each for each in found.diff), found.diff


def test_in_a_query_all_is_text() -> None:
    """What type a number of the query has, no request can say: there is nothing to change."""
    assert reading("limit must be a string", frozenset({"limit"})) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=80) | st.sampled_from(RENAMED),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["message", "path", "errors", "name", "keys", "code", "x"]), inner
            )
        ),
        max_leaves=12,
    )
)
@settings(max_examples=300)
def test_no_body_can_make_a_value_up(body: Json) -> None:
    """Whatever a server says, what is sent has the values that were to be sent, as text at the latest."""

    def leaves(value: Json) -> list[str]:
        if isinstance(value, dict):
            return [leaf for each in value.values() for leaf in leaves(each)]
        if isinstance(value, list):
            return [leaf for each in value for leaf in leaves(each)]
        return [str(value).lower()]

    found = reading(body)
    if isinstance(found, Adapted):
        assert sorted(leaves(applied(SENT, found.changes))) == sorted(leaves(SENT))


@pytest.mark.parametrize(
    ("value", "to", "wanted"),
    [
        (5, "string", "5"),
        ("5", "integer", 5),
        (5.0, "integer", 5),
        ("x", "array", ["x"]),
        ("true", "boolean", True),
        (True, "string", "true"),
    ],
)
def test_a_cast_loses_nothing(value: Json, to: str, wanted: Json) -> None:
    """One way there, and the value can be told from the result."""
    assert cast(value, to) == wanted


@pytest.mark.parametrize(
    ("value", "to"), [("05", "integer"), (1.5, "integer"), (None, "string"), (1, "boolean"), ("a", "object")]
)
def test_a_cast_that_would_lose_something_is_none(value: Json, to: str) -> None:
    """What is written in two ways, what is nothing, what is something else stays as it is."""
    assert not cast(value, to)
    assert cast(value, to) is not None


def test_a_renamed_argument_goes_where_it_went_before() -> None:
    """Query stays query, body stays body, and the path is never touched."""
    update = tool("HEX_UPDATE_CELL")
    given_ = {"cellId": "c1", "contents": {"codeCell": {"source": "1"}}}
    changes = [
        Rewording(rule="rename", path="contents", to="content"),
        Rewording(rule="rename", path="content.codeCell", to="content.code_cell"),
        Rewording(rule="rename", path="cellId", to="cell_id"),
    ]
    request = build(toolkit(), update, given_, changes)
    assert request.path == "/v1/cells/c1"
    assert request.json == {"content": {"code_cell": {"source": "1"}}}
    listed = build(
        toolkit(),
        tool("HEX_LIST_CELLS"),
        {"projectId": "p"},
        [Rewording(rule="rename", path="projectId", to="project")],
    )
    assert (listed.params, listed.json) == ((("project", "p"),), None)


def wants(new: str, old: str, said: Json, status: int = 400) -> Any:
    """Return a server that refuses `old` and takes `new`, in its own words."""

    def fault(acme: Acme, send: Send) -> Outcome:
        sent = applied(send.arguments, send.changes)
        if old in sent:
            return answer(status, said)
        sent[old] = sent.pop(new)
        return acme.serve(send.model_copy(update={"arguments": sent}))

    return fault


BOTH = {"message": "no", "issues": [{"message": "title: Unrecognized key"}, {"message": "heading: Required"}]}


def test_a_write_is_sent_in_the_words_of_the_server_and_read_back_in_ours() -> None:
    """One effect; the receipt has our arguments, the rule, and `state` as its evidence."""
    asked = call("ACME_CREATE", title="a", text="b")
    acme = Acme(ACME_CREATE=[wants("heading", "title", BOTH)] * 3)
    receipt, history = run(asked, acme)
    assert (receipt.status, receipt.evidence, acme.effects) == ("verified", "state", ["ACME_CREATE"])
    assert receipt.arguments == {"title": "a", "text": "b"}
    assert [(h.failure, h.rule, h.detail) for h in receipt.heals] == [
        ("request_drift", "rename", "title sent as heading")
    ]
    assert receipt.effect == asked.effect_id
    assert replay(asked, CATALOG, history)[1] == receipt


@pytest.mark.parametrize(("yes", "status"), [(True, "verified"), (False, "failed")])
def test_a_write_with_one_side_named_waits_for_a_person(yes: bool, status: str) -> None:
    """The server only says what it wants; only one of ours can be it, and a person says whether it is."""
    said = {"message": "titleV2: Required"}
    acme = Acme(ACME_CREATE=[wants("titleV2", "title", said)] * 3)
    receipt, history = run(call("ACME_CREATE", title="a", text="b"), acme, Decision(approve=yes, by="ann"))
    asks = [e.order for e in history if isinstance(e.order, Ask)]
    assert len(asks) == 1
    assert asks[0].reason == "review"
    assert asks[0].diff == ("would do: title sent as titleV2",)
    assert asks[0].yes == "send it like that"
    assert (receipt.status, len(acme.effects)) == (status, int(yes))
    assert yes or (receipt.failure == "request_drift" and "titleV2" in receipt.message)


def test_a_write_that_cannot_be_read_back_as_it_is_waits_for_a_person() -> None:
    """Nobody could see whether the new name was the right one."""
    acme = Acme(ACME_DELETE=[answer(400, {"message": "id: Unrecognized key; key: Required"})])
    tools = {**CATALOG.tools}
    kit, delete = tools["ACME_DELETE"]
    tools["ACME_DELETE"] = (kit, delete.model_copy(update={"request": "DELETE /notes"}))
    acme.add("a", "b")
    catalog = type(CATALOG)(tools)
    receipt, history = run(call("ACME_DELETE", id="n1"), acme, catalog=catalog)
    assert (receipt.status, acme.effects) == ("failed", [])
    assert isinstance(history[-1].order, Ask)


def test_a_read_is_healed_by_the_side_that_was_named() -> None:
    """A read changes nothing: what only the name tells is tried, and the contract has the last word."""
    said = {
        "message": "no",
        "issues": [{"message": "pageAfter: Required"}, {"message": "after: Unknown field"}],
    }
    acme = Acme(ACME_LIST=[wants("pageAfter", "after", said)] * 3)
    for i in range(3):
        acme.add(f"t{i}", "x")
    receipt, _ = run(call("ACME_LIST", after="2"), acme)
    assert receipt.status == "verified"
    assert len(receipt.result["values"]) == 1


def test_a_server_that_is_never_content_ends_with_a_question() -> None:
    """Each form is sent once; when the server goes back to the first, a person decides."""
    there = {"message": "title: Unrecognized key; heading: Required"}
    back = {"message": "heading: Unrecognized key; title: Required"}
    acme = Acme(ACME_CREATE=[answer(400, there), answer(400, back), answer(400, there)])
    receipt, history = run(call("ACME_CREATE", title="a", text="b"), acme)
    sends = [e.order for e in history if isinstance(e.order, Send) and e.order.role == "call"]
    assert (receipt.status, len(sends), acme.effects) == ("failed", 2, [])


def test_a_refusal_of_a_value_is_not_sent_again() -> None:
    """What the server does not like about a value only the caller can mend."""
    acme = Acme(ACME_CREATE=[answer(422, {"message": "title: must be at most 50 characters"})])
    receipt, history = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert (receipt.status, receipt.failure) == ("failed", "invalid_input")
    assert sum(isinstance(e.order, Ask) for e in history) == 0


def learned(seq: int, path: str, to: str) -> Lesson:
    """Return a row of the record: how a request was put when the server took it."""
    change = Rewording(rule="rename", path=path, to=to)
    heal = Adapted((change,), Proof.NAMED, ()).heals("ACME_CREATE", "no")[0]
    data: dict[str, Json] = {"id": patch_id("ACME_CREATE", heal.drift, heal.detail)}
    data |= {"heal": heal.model_dump(mode="json", by_alias=True), "call": "c"}
    at = f"2026-11-0{seq}T12:00:00.000Z"
    return Lesson(seq=seq, at=at, toolkit="acme", tool="ACME_CREATE", kind="patch", data=data)


def test_a_request_is_put_as_it_was_proven_last() -> None:
    """There, back, and there again; for 30 days, and not after a person has said no."""
    there, back = learned(1, "title", "heading"), learned(2, "heading", "title")
    again = learned(3, "title", "heading")
    name = again.data["id"]
    no = Lesson(seq=4, at=again.at, toolkit="acme", tool="ACME_CREATE", kind="rejected", data={"id": name})

    def put(*rows: Lesson, at: str = "2026-11-05") -> dict[str, Json]:
        return applied({"title": "a"}, Record(rows).rewordings("acme", "ACME_CREATE", at))

    assert put(there) == {"heading": "a"}
    assert put(there, back) == {"title": "a"}
    assert put(there, back, again) == {"heading": "a"}
    assert put(there, back, again, no) == {"title": "a"}
    assert put(again, at="2026-12-24") == {"title": "a"}
    assert Record([there]).rewordings("acme", "ACME_GET", "2026-11-05") == ()


def test_what_the_record_put_in_other_words_is_put_back_when_the_server_wants_ours_again() -> None:
    """The refused name is the new one, and the one that is wanted is our own."""
    known = (Rewording(rule="rename", path="title", to="heading"),)
    body = {"message": "heading: Unrecognized key; title: Required"}

    def back(acme: Acme, send: Send) -> Outcome:
        sent = applied(send.arguments, send.changes or known)
        return answer(400, body) if "heading" in sent else acme.serve(send)

    def stamped(acme: Acme, send: Send) -> Outcome:
        return back(acme, send).model_copy(update={"reworded": send.changes or known})

    asked = call("ACME_CREATE", title="a", text="b")
    acme = Acme(ACME_CREATE=[stamped, stamped])
    receipt, history = run(asked, acme)
    assert (receipt.status, acme.effects) == ("verified", ["ACME_CREATE"])
    assert [(heal.rule, heal.detail) for heal in receipt.heals] == [
        ("patch", "title sent as heading"),
        ("rename", "heading sent as title"),
    ]
    assert replay(asked, CATALOG, history)[1] == receipt
