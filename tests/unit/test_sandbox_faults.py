"""Fault files, and what each fault does to a request and to the world."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from definable.errors import DefinitionError
from definable.sandbox import FAULTS, Faults, describe
from definable.sandbox.wire import Ending
from tests.unit.sandbox_desk import Desk, markdown

CREATE = "HEX_CREATE_CELL"


def _fault(name: str, tool: str = CREATE, **params: Any) -> dict[str, Any]:
    return {"tool": tool, "fault": name, "with": params} if params else {"tool": tool, "fault": name}


def _create(desk: Desk) -> tuple[int, Any]:
    return desk.ask("POST", "/cells", markdown(desk))


def test_a_file_is_read_with_its_seed(tmp_path: Path) -> None:
    """A mapping with seed and faults, and a bare list, are both fault files."""
    path = tmp_path / "faults.yaml"
    path.write_text(
        "seed: 7\nfaults:\n  - { tool: HEX_LIST_*, fault: rate_limit, with: { retry_after: date } }\n"
    )
    assert Faults.load(path).show() == [
        {"tool": "HEX_LIST_*", "fault": "rate_limit", "with": {"retry_after": "date"}, "seen": 0, "hits": 0}
    ]
    assert Faults.load(path).seed == 7
    assert Faults.parse("- { tool: '*', fault: noop }").seed == 0
    assert Faults.parse("[]").entries == []


def test_every_problem_of_a_file_is_named_with_its_place(tmp_path: Path) -> None:
    """Unknown faults, tools, keys and parameters, and wrong values, all come at once with file:line:col."""
    path = tmp_path / "bad.yaml"
    path.write_text(
        "faults:\n"
        "  - { tool: HEX_CREATE_CELL, fault: lost_answers }\n"
        "  - { tool: HEX_CREATE_SELL, fault: noop, time: 2 }\n"
        "  - { tool: '*', fault: slow, with: { second: 3 } }\n"
        "  - { tool: '*', fault: drift_rename, with: { from: a } }\n"
        "  - { tool: '*', fault: noop, probability: 1.5 }\n"
        "  - { tool: '*', fault: [noop] }\n"
    )
    with pytest.raises(DefinitionError) as caught:
        Faults.load(path)
    found = [(p.line, p.message) for p in caught.value.problems]
    assert [line for line, _ in found] == [2, 3, 3, 4, 5, 6, 7]
    assert "unknown fault 'lost_answers'; did you mean 'lost_answer'?" in found[0][1]
    assert "no tool matches 'HEX_CREATE_SELL'; did you mean 'HEX_CREATE_CELL'?" in found[1][1]
    assert "unknown key 'time'; did you mean 'times'?" in found[2][1]
    assert "unknown key 'second'; did you mean 'seconds'?" in found[3][1]
    assert "missing key 'to'" in found[4][1]
    assert str(caught.value).startswith(f"{path}:2:")


@pytest.mark.parametrize("text", ["seed: 1\nfault: []", "3", "faults: 3", "- 3", "- { fault: noop }"])
def test_what_is_no_fault_file_is_refused(text: str) -> None:
    """Data of another form is refused with a place, not with a crash."""
    with pytest.raises(DefinitionError, match=r"^faults:\d+:\d+: "):
        Faults.parse(text)


def test_every_fault_is_described() -> None:
    """Each fault has a description and says its parameters with their defaults."""
    table = {name: (text, params) for name, text, params in describe()}
    assert table.keys() == FAULTS.keys()
    assert all(text for text, _ in table.values())
    assert table["late_commit"][1].startswith("seconds=5.0: sandbox seconds until it commits; looks: ")
    assert "from (required): path" in table["drift_rename"][1]


def test_times_and_after_count_matching_requests() -> None:
    """A fault with after 1 and times 2 hits the second and third matching request and no other."""
    desk = Desk([{"tool": "HEX_GET_*", "fault": "error_before", "times": 2, "after": 1}])
    path = f"/cells/{desk.cell('Data Team Weekly')}"
    desk.ask("GET", "/projects")
    assert [desk.ask("GET", path)[0] for _ in range(5)] == [200, 500, 500, 200, 200]


def test_probability_is_repeatable() -> None:
    """With the same seed the same requests are hit; about as many as the probability says."""
    hits = []
    for _ in range(2):
        desk = Desk([{"tool": "*", "fault": "error_before", "probability": 0.3}])
        hits.append([desk.ask("GET", "/users/me")[0] for _ in range(200)])
    assert hits[0] == hits[1]
    assert 40 < hits[0].count(500) < 80


def test_faults_that_exclude_each_other_take_turns() -> None:
    """Of two faults that end a request only the first hits it; the second hits the next."""
    desk = Desk([_fault("rate_limit"), _fault("error_before", status=502)])
    assert [_create(desk)[0] for _ in range(3)] == [429, 502, 200]


@pytest.mark.parametrize(
    ("name", "status"),
    [("rate_limit", 429), ("unauthorized", 401), ("forbidden", 403), ("not_found", 404), ("capacity", 503),
     ("error_before", 500)],
)  # fmt: skip
def test_refusals_do_nothing_and_pass(name: str, status: int) -> None:
    """A fault that refuses has no effect, and the next request is performed."""
    desk = Desk([_fault(name)])
    assert _create(desk)[0] == status
    assert desk.world.effects == []
    assert _create(desk)[0] == 200
    assert desk.tools == [CREATE]


@pytest.mark.parametrize("name", ["revoke", "expire"])
def test_ended_tokens_stay_ended(name: str) -> None:
    """revoke and expire refuse the token for good, and not another one of the same user."""
    desk = Desk([_fault(name)])
    other = desk.world.issue_token()
    assert [_create(desk)[0] for _ in range(2)] == [401, 401]
    assert desk.ask("GET", "/users/me", token=other)[0] == 200


@pytest.mark.parametrize(
    ("params", "header"),
    [
        ({}, None),
        ({"retry_after": "none"}, None),
        ({"retry_after": 7}, "7"),
        ({"retry_after": 1.5}, "1.5"),
        ({"retry_after": "garbage"}, "soon, perhaps"),
    ],
)
def test_rate_limits_say_when_or_nothing(params: dict[str, Any], header: str | None) -> None:
    """Retry-After is there in seconds when asked for, otherwise not at all."""
    desk = Desk([_fault("rate_limit", **params)])
    assert desk.raw("POST", "/cells", markdown(desk)).headers.get("retry-after") == header


def test_rate_limits_as_a_date_follow_the_servers_own_clock() -> None:
    """Retry-After as a date lies `seconds` after the Date of the answer, both skewed alike."""
    desk = Desk([_fault("rate_limit", retry_after="date", seconds=10, skew=3600)])
    headers = desk.raw("POST", "/cells", markdown(desk)).headers
    assert headers["date"] == "Sun, 17 Mar 2030 18:46:40 GMT"
    assert headers["retry-after"] == "Sun, 17 Mar 2030 18:46:50 GMT"


@pytest.mark.parametrize(
    ("name", "params", "ending"),
    [("lost_answer", {}, Ending.CLOSED), ("cut", {}, Ending.CUT), ("stall", {"seconds": 1}, Ending.CLOSED),
     ("slow", {"seconds": 1}, Ending.WHOLE), ("error_after", {"status": 504}, Ending.WHOLE),
     ("garbage", {}, Ending.WHOLE), ("truncated", {}, Ending.WHOLE), ("empty", {}, Ending.WHOLE),
     ("huge", {"bytes": 100_000}, Ending.WHOLE)],
)  # fmt: skip
def test_faults_after_the_commit_leave_the_effect(name: str, params: dict[str, Any], ending: Ending) -> None:
    """Whatever the client is told, the cell is there exactly once."""
    desk = Desk([_fault(name, **params)])
    out = desk.raw("POST", "/cells", markdown(desk))
    assert out.ending is ending
    assert out.wait == params.get("seconds", 0)
    assert desk.tools == [CREATE]


def test_answers_are_spoiled_as_named() -> None:
    """garbage is HTML with a 200, truncated no JSON, empty no body, huge padded JSON."""
    desk = Desk([_fault(n) for n in ("garbage", "truncated", "empty")] + [_fault("huge", bytes=50_000)])
    garbage, cut, empty, huge = (desk.raw("POST", "/cells", markdown(desk)) for _ in range(4))
    assert (garbage.status, garbage.headers["content-type"]) == (200, "text/html")
    assert garbage.body.startswith(b"<!doctype html>")
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut.body)
    assert empty.body == b""
    assert huge.fill == 50_000


@pytest.mark.parametrize(("name", "params"), [("noop", {}), ("stall", {"seconds": 1, "commit": False})])
def test_faults_instead_of_the_commit_leave_nothing(name: str, params: dict[str, Any]) -> None:
    """A 200 that did nothing, and a stall without commit, change nothing at all."""
    desk = Desk([_fault(name, **params)])
    before = json.dumps(desk.world.state)
    status, body = _create(desk)
    assert (status, body["label"]) == (200, "Note")
    assert json.dumps(desk.world.state) == before


def test_late_commits_happen_after_the_look() -> None:
    """A look sees nothing; after its time the effect is there, dated when it was due."""
    desk = Desk([_fault("late_commit", seconds=5)])
    assert desk.raw("POST", "/cells", markdown(desk)).ending is Ending.CLOSED
    project = desk.project("Data Team Weekly")
    assert len(desk.ask("GET", "/cells", projectId=project)[1]["values"]) == 3
    assert desk.world.effects == []
    desk.world.clock.advance(60)
    assert len(desk.ask("GET", "/cells", projectId=project)[1]["values"]) == 4
    assert [e["at"] for e in desk.world.effects] == ["2030-03-17T17:46:45.000Z"]


def test_late_commits_can_wait_for_looks() -> None:
    """With looks 2 the effect is there after two reads were answered, however long that takes."""
    desk = Desk([_fault("late_commit", looks=2, answer="error")])
    assert _create(desk)[0] == 500
    project = desk.project("Data Team Weekly")
    counts = [len(desk.ask("GET", "/cells", projectId=project)[1]["values"]) for _ in range(3)]
    assert counts == [3, 3, 4]


def test_late_commits_of_what_is_refused_never_happen() -> None:
    """A request that would have been refused is not put off."""
    desk = Desk([_fault("late_commit", answer="error")])
    desk.ask("POST", "/cells", {})
    assert desk.world.state["pending"] == []


def test_partial_refuses_the_first_entries() -> None:
    """Of two users the first is refused with a reason, and the second is given access."""
    desk = Desk([_fault("partial", "HEX_EDIT_PROJECT_SHARING_USERS")])
    keys = [desk.key("users", name=name) for name in ("Hanna Virtanen", "Oskar Lindqvist")]
    entries = [{"user": {"id": key}, "access": "CAN_VIEW"} for key in keys]
    project = desk.project("Daily Revenue Pulse")
    _, body = desk.ask(
        "PATCH", f"/projects/{project}/sharing/users", {"sharing": {"upsert": {"users": entries}}}
    )
    assert [e["userIds"] for e in body["errors"]] == [keys[:1]]
    assert desk.world.state["projects"][project]["sharing"]["users"].keys() & set(keys) == {keys[1]}


def test_partial_of_a_single_change_does_nothing_and_says_so() -> None:
    """A request without entries answers like a success, with errors, and changes nothing."""
    desk = Desk([_fault("partial")])
    status, body = _create(desk)
    assert (status, body["errors"]) == (200, [{"reason": "The change could not be made"}])
    assert desk.world.effects == []


def test_a_renamed_request_field_is_wanted_and_taken() -> None:
    """The old name is refused with both names, and the new one does what the old one did."""
    desk = Desk([_fault("request_rename", **{"from": "label", "to": "title"})])
    status, body = _create(desk)
    assert (status, [i["message"] for i in body["issues"]]) == (
        400,
        ["label: Unrecognized key", "title: Required"],
    )
    changed = markdown(desk)
    changed["title"] = changed.pop("label")
    assert desk.ask("POST", "/cells", changed)[1]["label"] == "Note"
    assert desk.tools == [CREATE]


def test_a_renamed_query_field_is_wanted_and_taken() -> None:
    """The same holds for query parameters."""
    desk = Desk(
        [_fault("request_rename", "HEX_LIST_PROJECTS", **{"from": "limit", "to": "pageSize", "status": 422})]
    )
    assert desk.ask("GET", "/projects", limit=2)[0] == 422
    assert len(desk.ask("GET", "/projects", pageSize=2)[1]["values"]) == 2


def test_a_required_field_is_wanted() -> None:
    """A request without the field is refused by its name, one with it passes."""
    desk = Desk([_fault("request_required", field="location.childPosition")])
    status, body = _create(desk)
    assert (status, body["issues"][0]["message"]) == (400, "location.childPosition: Required")
    assert desk.ask("POST", "/cells", {**markdown(desk), "location": {"childPosition": "LAST"}})[0] == 200


@pytest.mark.parametrize(
    ("name", "params", "status", "keys"),
    [
        ("drift_rename", {"from": "id", "to": "cellId"}, 200, {"cellId"}),
        ("drift_move", {"from": "id", "to": "meta.id"}, 200, {"meta"}),
        ("drift_case", {}, 200, {"cell_type", "project_id"}),
        ("drift_wrap", {"key": "data"}, 200, {"data"}),
        ("drift_unwrap", {"key": "contents"}, 200, {"markdownCell"}),
        ("drift_add", {"path": "color"}, 200, {"color"}),
        ("drift_status", {}, 201, {"id"}),
        ("drift_status", {"status": 202}, 202, {"id"}),
    ],
)
def test_drift_of_a_success(name: str, params: dict[str, Any], status: int, keys: set[str]) -> None:
    """A drifted answer has the new keys, the effect is there, and the next answer is as it was."""
    desk = Desk([_fault(name, **params)])
    answered, body = _create(desk)
    assert answered == status
    assert keys <= body.keys()
    assert desk.tools == [CREATE]
    assert _create(desk)[1].keys() >= {"id", "cellType", "contents"}


@pytest.mark.parametrize(
    ("name", "params", "value"),
    [
        ("drift_retype", {"path": "values[*].n", "to": "string"}, None),
        ("drift_null", {"path": "values[*].title"}, None),
        ("drift_enum", {"path": "values[*].type", "to": "APP"}, "APP"),
    ],
)
def test_drift_of_values(name: str, params: dict[str, Any], value: Any) -> None:
    """A drifted value stands in every entry of a list; a path that is not there uses up nothing."""
    desk = Desk([_fault(name, "HEX_LIST_PROJECTS", **params)])
    _, body = desk.ask("GET", "/projects", limit=3)
    field = params["path"].rpartition(".")[2]
    assert [entry.get(field) for entry in body["values"]] == [value] * 3
    assert desk.gateway.faults.entries[0].hits == (0 if field == "n" else 1)


def test_drift_of_bodies_paging_and_errors() -> None:
    """A body vanishes or appears, the cursor moves, and an error has another envelope."""
    desk = Desk(
        [
            _fault("drift_body"),
            _fault("drift_body", "HEX_DELETE_GUIDE_DRAFT"),
            _fault("drift_paging", "HEX_LIST_PROJECTS"),
            _fault("drift_remove", "HEX_LIST_USERS", path="pagination"),
            _fault("drift_errors", "HEX_GET_CELL"),
        ]
    )
    assert _create(desk) == (204, None)
    draft = desk.key("guides", filePath="guides/churn-model.md")
    assert desk.ask("DELETE", f"/guides/draft/{draft}") == (200, {"success": True})
    _, body = desk.ask("GET", "/projects", limit=2)
    assert body.keys() == {"values", "nextCursor"}
    assert desk.ask("GET", "/users")[1].keys() == {"values"}
    assert desk.ask("GET", f"/cells/{desk.cell('Data Team Weekly')}")[0] == 200
    status, body = desk.ask("GET", f"/cells/{draft}")
    assert (status, body["error"]["type"]) == (404, "error_404")


def test_drift_waits_for_an_answer_it_can_change() -> None:
    """A drift is not used up by a refusal before it."""
    desk = Desk([_fault("rate_limit"), _fault("drift_wrap")])
    assert _create(desk)[0] == 429
    assert _create(desk)[1].keys() == {"data"}
