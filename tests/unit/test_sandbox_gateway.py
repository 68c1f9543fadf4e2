"""How the sandbox lets requests in: tokens, scopes, envelopes, paging, and what counts as an effect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from definable.sandbox.gateway import Request
from definable.sandbox.operations import OPERATIONS, Operation
from tests.unit.sandbox_desk import NOW, Desk, markdown

NOWHERE = "00000000-0000-4000-8000-000000000000"


def test_no_token_is_a_plain_text_401() -> None:
    """Without a token any path answers `Unauthorized` in plain text with a bare challenge."""
    out = Desk().gateway.handle(Request("GET", "/v1/nowhere"))
    assert (out.status, out.body) == (401, b"Unauthorized")
    assert out.headers["www-authenticate"] == "Bearer"
    assert out.headers["content-type"].startswith("text/plain")


def test_bad_tokens_are_challenged() -> None:
    """An unknown, revoked or expired token, and one of a deactivated user, gets error="invalid_token"."""
    desk = Desk()
    yuki = desk.key("users", name="Yuki Tanabe")
    tokens = {name: desk.world.issue_token(yuki, expires=NOW + 50) for name in ("revoked", "expired")}
    mine = desk.world.issue_token(yuki)
    desk.world.revoke(tokens["revoked"])
    desk.world.expire(tokens["expired"])
    assert desk.ask("POST", f"/users/{yuki}/deactivate")[0] == 200
    for token in ("hxtp_nonsense", *tokens.values(), mine):
        out = desk.raw("GET", "/users/me", token=token)
        assert (out.status, out.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


def test_me_tells_users_and_workspaces_apart() -> None:
    """A personal token has a user and an expiry, a workspace token only an organisation."""
    desk = Desk()
    _, person = desk.ask("GET", "/users/me")
    assert (person["role"], person["token"]) == ("ADMIN", {"exp": int(NOW) + 90 * 86_400})
    _, workspace = desk.ask("GET", "/users/me", token=desk.world.issue_token(kind="workspace"))
    assert workspace == {"org": {"id": person["org"]["id"]}, "token": {"exp": None}}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.tool)
def test_missing_scope_is_a_403_in_the_operations_envelope(operation: Operation) -> None:
    """A workspace token without scopes gets a 403 in the right envelope; only users/me takes any token."""
    desk = Desk()
    token = desk.world.issue_token(kind="workspace")
    path = operation.path.replace("{", "").replace("}", "").removeprefix("/v1")
    out = desk.raw(operation.method, path, token=token)
    if operation.tool == "HEX_ME":
        assert out.status == 200
        return
    body = json.loads(out.body)
    assert out.status == 403
    if operation.envelope == "older":
        assert body.keys() == {"reason", "traceId"}
        assert "x-trace-id" not in out.headers
    else:
        assert (body["code"], body.keys()) == ("FORBIDDEN", {"code", "message"})
        assert out.headers["x-trace-id"]


def test_what_a_token_may_not_see_is_not_found() -> None:
    """A project that a user may not see answers like one that does not exist, and its cells as well."""
    desk = Desk()
    daniel = desk.world.issue_token("daniel.achebe@harrowlane.example")
    close = desk.project("Month-End Close")
    assert desk.ask("GET", f"/projects/{close}", token=daniel)[0] == 404
    assert desk.ask("GET", f"/cells/{desk.cell('Month-End Close')}", token=daniel)[0] == 404
    _, listed = desk.ask("GET", "/projects", token=daniel, limit=100)
    assert close not in [p["id"] for p in listed["values"]]
    assert desk.ask("GET", f"/projects/{NOWHERE}", token=daniel)[0] == 404


def test_who_may_look_may_not_always_write() -> None:
    """A user with CAN_VIEW reads a cell, and gets a 403 that says what is missing on writing it."""
    desk = Desk()
    daniel = desk.world.issue_token("daniel.achebe@harrowlane.example")
    path = f"/cells/{desk.cell('Daily Revenue Pulse')}"
    assert desk.ask("GET", path, token=daniel)[0] == 200
    status, body = desk.ask("PATCH", path, {"contents": {"markdownCell": {"source": "x"}}}, token=daniel)
    assert (status, body["message"]) == (
        403,
        "Changing a cell needs CAN_EDIT on the project; this token has CAN_VIEW",
    )


def test_wrong_fields_are_all_named() -> None:
    """A 400 of the newer operations has an issue for every wrong field, of the older ones a details text."""
    desk = Desk()
    _, body = desk.ask("POST", "/cells", {"projectId": "x", "cellType": "CHART"})
    assert [i["message"].split(":")[0] for i in body["issues"]] == ["projectId", "cellType", "contents"]
    _, body = desk.ask("POST", "/groups", {"members": {"users": [{"id": 7}]}})
    assert body["reason"] == "Invalid request body"
    assert body["details"].startswith("name: Field required; members.users.0.id: ")


@pytest.mark.parametrize(
    ("path", "limit", "status"),
    [
        ("/projects", 100, 200),
        ("/projects", 101, 400),
        ("/projects", 0, 400),
        ("/users", 500, 200),
        ("/users", 501, 400),
        ("/groups", 500, 200),
        ("/groups", 501, 400),
        ("/collections", 101, 400),
    ],
)
def test_each_list_has_its_own_limit(path: str, limit: int, status: int) -> None:
    """Lists take up to 100 entries a page, users and groups up to 500."""
    assert Desk().ask("GET", path, limit=limit)[0] == status


def test_projects_come_newest_first_and_hide_what_is_not_asked_for() -> None:
    """Archived, trashed and component projects are left out unless asked for, and the newest comes first."""
    desk = Desk()
    _, body = desk.ask("GET", "/projects", limit=100)
    created = [p["createdAt"] for p in body["values"]]
    assert created == sorted(created, reverse=True)
    assert {p["type"] for p in body["values"]} == {"PROJECT"}
    every = {"includeArchived": "true", "includeTrashed": "true", "includeComponents": "true"}
    _, whole = desk.ask("GET", "/projects", limit=100, **every)
    assert len(whole["values"]) == len(body["values"]) + 3


def test_filters_take_repeated_keys() -> None:
    """`statuses` given twice shows projects of both."""
    _, body = Desk().ask("GET", "/projects", statuses=["In review", "Draft"])
    assert {p["status"]["name"] for p in body["values"]} == {"In review", "Draft"}


def test_runs_page_by_offset_with_urls() -> None:
    """nextPage and previousPage lead through the runs, with the filters kept."""
    desk = Desk()
    path = f"/projects/{desk.project('Orders Freshness Monitor')}/runs"
    _, first = desk.ask("GET", path, limit=25, statusFilter="COMPLETED")
    assert first["previousPage"] is None
    assert first["nextPage"].endswith(f"/api/v1{path}?limit=25&offset=25&statusFilter=COMPLETED")
    _, last = desk.ask("GET", path, limit=25, offset=25)
    assert (last["nextPage"], last["previousPage"].rpartition("?")[2]) == (None, "limit=25&offset=0")
    assert not {r["runId"] for r in first["runs"]} & {r["runId"] for r in last["runs"]}


def test_quota_answers_429_and_opens_again() -> None:
    """The 31st cell read of a minute is a 429 even with another token of the same user."""
    desk = Desk(quotas=True)
    other = desk.world.issue_token()
    path = f"/cells/{desk.cell('Data Team Weekly')}"
    assert [desk.ask("GET", path)[0] for _ in range(30)] == [200] * 30
    assert desk.ask("GET", path, token=other)[0] == 429
    desk.world.clock.advance(60)
    assert desk.ask("GET", path, token=other)[0] == 200


def test_deleted_objects_are_gone_and_counted() -> None:
    """DeleteCell answers 200 with the id, a second time 404, and counts one effect."""
    desk = Desk()
    path = f"/cells/{(cell := desk.cell('Data Team Weekly'))}"
    assert desk.ask("DELETE", path) == (200, {"cellId": cell})
    assert desk.ask("DELETE", path)[0] == 404
    assert [(e["tool"], e["id"]) for e in desk.world.effects] == [("HEX_DELETE_CELL", cell)]


def test_new_cells_go_where_they_are_told() -> None:
    """A cell is put after the one that `insertAfterCellId` names, otherwise at the end."""
    desk = Desk()
    first = desk.cell("Data Team Weekly")
    _, after = desk.ask("POST", "/cells", {**markdown(desk), "location": {"insertAfterCellId": first}})
    _, end = desk.ask("POST", "/cells", markdown(desk))
    _, body = desk.ask("GET", "/cells", projectId=desk.project("Data Team Weekly"))
    order = [c["id"] for c in body["values"]]
    assert (order.index(after["id"]), order[-1]) == (1, end["id"])


@pytest.mark.parametrize(
    ("change", "issue"),
    [
        ({"cellType": "CODE"}, "contents: expected only codeCell, got markdownCell"),
        (
            {"location": {"insertAfterCellId": NOWHERE}},
            f"location.insertAfterCellId: no cell {NOWHERE} in this project",
        ),
    ],
)
def test_cells_that_do_not_fit_are_refused(change: dict[str, Any], issue: str) -> None:
    """Contents of another type, or a place that is not there, are a 400 and change nothing."""
    desk = Desk()
    status, body = desk.ask("POST", "/cells", {**markdown(desk), **change})
    assert (status, [i["message"] for i in body["issues"]]) == (400, [issue])
    assert desk.world.effects == []


def test_sharing_fails_in_part_with_a_200() -> None:
    """Unknown users come back in `errors`, the known ones are given access, and one effect is counted."""
    desk = Desk()
    hanna = desk.key("users", name="Hanna Virtanen")
    entries = [{"user": {"id": key}, "access": "CAN_VIEW"} for key in (hanna, NOWHERE)]
    path = f"/projects/{desk.project('Daily Revenue Pulse')}/sharing/users"
    status, body = desk.ask("PATCH", path, {"sharing": {"upsert": {"users": entries}}})
    assert (status, body["errors"]) == (200, [{"userIds": [NOWHERE], "reason": "User not found"}])
    shown = {entry["user"]["email"] for entry in body["project"]["sharing"]["users"]}
    assert "hanna.virtanen@harrowlane.example" in shown
    assert desk.tools == ["HEX_EDIT_PROJECT_SHARING_USERS"]


def test_group_names_are_not_unique() -> None:
    """Creating a group twice makes two; the answer has members and no creation date."""
    desk = Desk()
    made = [desk.ask("POST", "/groups", {"name": "Analysts"}) for _ in range(2)]
    assert [status for status, _ in made] == [201, 201]
    assert made[0][1]["id"] != made[1][1]["id"]
    assert made[0][1].keys() == {"id", "name", "members"}


def test_group_members_show_in_the_list_of_users() -> None:
    """Members added and removed show in ListUsers by groupId, and GetGroup shows none."""
    desk = Desk()
    group, ingrid = desk.key("groups", name="Finance"), desk.key("users", name="Ingrid Solheim")
    oskar = desk.key("users", name="Oskar Lindqvist")
    edit = {"members": {"add": {"users": [{"id": oskar}]}, "remove": {"users": [{"id": ingrid}]}}}
    _, body = desk.ask("PATCH", f"/groups/{group}", edit)
    assert body.keys() == {"id", "name", "createdAt"}
    assert [u["id"] for u in desk.ask("GET", "/users", groupId=group)[1]["values"]] == [oskar]


def test_unknown_statuses_are_refused() -> None:
    """A status that the workspace does not have is a 400 with the known ones; null takes the status away."""
    desk = Desk()
    path = f"/projects/{desk.project('Churn Risk Scores')}"
    status, body = desk.ask("PATCH", path, {"status": "Great"})
    assert status == 400
    assert "Needs attention" in body["issues"][0]["message"]
    assert desk.ask("PATCH", path, {"status": None})[1]["status"] is None


def test_guides_kept_elsewhere_are_only_warned_about() -> None:
    """A guide from GitHub is left alone with a warning, and written with forceWrite."""
    desk = Desk()
    body = {"files": [{"filePath": "guides/warehouse-naming.md", "contents": "# New"}]}
    _, answer = desk.ask("PUT", "/guides/draft", body)
    assert answer["files"] == []
    assert "use forceWrite" in answer["warnings"][0]["message"]
    _, answer = desk.ask("PUT", "/guides/draft", {**body, "forceWrite": True})
    assert answer["warnings"] == []
    assert desk.tools == ["HEX_UPSERT_GUIDE_DRAFT"]


def test_drafts_are_published_or_deleted_once() -> None:
    """Publishing all empties the list of drafts, and deleting one that is gone is a 404."""
    desk = Desk()
    _, drafts = desk.ask("GET", "/guides/draft/list")
    assert [d["filePath"] for d in drafts["values"]] == ["guides/churn-model.md", "guides/returns.md"]
    assert desk.ask("DELETE", f"/guides/draft/{drafts['values'][0]['id']}")[0] == 204
    _, answer = desk.ask("POST", "/guides/publish", {"publishAllDraftGuides": True})
    assert [g["filePath"] for g in answer["publishedGuides"]] == ["guides/returns.md"]
    assert desk.ask("GET", "/guides/draft/list")[1]["values"] == []
    assert desk.ask("DELETE", f"/guides/draft/{drafts['values'][1]['id']}")[0] == 404
