"""The HTTP API of runs, as a client meets it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from definable.service.access import Limits
from tests.service import PROJECT, Service, serving

ASKS = """
name: asks
description: Delete a cell, once a person has said yes.
inputs:
  cell: { type: string, description: The cell }
steps:
  - id: delete
    call: HEX_DELETE_CELL
    arguments: { cellId: "${{ inputs.cell }}" }
"""

MAKES = """
name: makes
description: Make a cell.
inputs:
  label: { type: string }
steps:
  - id: make
    call: HEX_CREATE_CELL
    arguments:
      projectId: 85451515-12ab-55f4-85f5-d73048b59eae
      cellType: MARKDOWN
      label: ${{ inputs.label }}
      contents: { markdownCell: { source: "# Here" } }
outputs: { cell: "${{ steps.make.output.id }}" }
"""

LISTS = """
name: lists
description: List some projects.
inputs:
  most: { type: integer, default: 3, minimum: 1, maximum: 100 }
steps:
  - id: list
    call: HEX_LIST_PROJECTS
    arguments: { limit: "${{ inputs.most }}" }
outputs: { first: "${{ steps.list.output.values[0].id }}" }
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve a workspace with two small workflows of its own."""
    root: Path = tmp_path_factory.mktemp("service")
    (root / "workflows").mkdir()
    (root / "workflows" / "asks.yaml").write_text(ASKS)
    (root / "workflows" / "makes.yaml").write_text(MAKES)
    (root / "workflows" / "lists.yaml").write_text(LISTS)
    (root / "workflows" / "wrong.yaml").write_text("name: wrong\nsteps: 7\n")
    with serving(root) as up:
        yield up


def cell(service: Service, label: str) -> str:
    """Make a cell in the simulator and return its id."""
    run = service.follow(service.submit("makes", label=label))
    assert run["status"] == "done", run
    made: str = run["outputs"]["cell"]
    return made


def test_a_run_is_submitted_followed_and_shown(service: Service) -> None:
    """What was submitted runs, its stream ends when it has, and its page says what it brought."""
    run = service.follow(service.submit("weekly-brief", project=PROJECT))
    assert run["status"] == "done"
    assert run["outputs"]["brief"].startswith("#")
    assert run["offline"] is True
    assert run["sandbox"] is True
    assert run["spent"]["calls"] >= 3
    receipts = service.http.get(f"/api/runs/{run['id']}/receipts").json()
    assert {each["status"] for each in receipts} == {"verified"}
    one = service.http.get(f"/api/runs/{run['id']}/receipts/deliver.1").json()
    assert one["evidence"] == "state"
    assert one["result"]["id"] == run["outputs"]["cell"]


def test_one_idempotency_key_is_one_run(service: Service) -> None:
    """However often, and by however many at once, a run is submitted under a key, there is one."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: service.submit("lists", key="k-1"), range(16)))
    assert len(set(found)) == 1
    other = {"workflow": "lists", "inputs": {"most": 5}}
    refused = service.http.post("/api/runs", json=other, headers={"Idempotency-Key": "k-1"})
    assert refused.status_code == 422
    assert "k-1" in refused.json()["detail"]


def _stream(service: Service, run: str, last: int = 0) -> list[dict[str, Any]]:
    headers = {"accept": "text/event-stream", **({"last-event-id": str(last)} if last else {})}
    with service.http.stream("GET", f"/api/runs/{run}/events", headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in stream.iter_lines() if line.startswith("data: {")]
    return [found for line in lines if "seq" in (found := json.loads(line[6:]))]


def test_the_stream_is_the_log_and_goes_on_where_it_broke(service: Service) -> None:
    """The stream has each event once, in order; with Last-Event-ID, those after it."""
    run = service.submit("lists")
    streamed = _stream(service, run)
    log = service.http.get(f"/api/runs/{run}/events").json()["events"]
    assert streamed == log
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
    assert _stream(service, run, 3) == log[3:]
    beyond = service.http.get(f"/api/runs/{run}/events", headers={"last-event-id": "9" * 20})
    assert beyond.json() == {"events": []}


def test_runs_are_found_by_words_and_paged(service: Service) -> None:
    """Words are looked for in ids, names and inputs; `next` leads through all of them, each once."""
    made = [service.submit("lists", most=7) for _ in range(3)]
    found = service.http.get("/api/runs", params={"q": 'LISTS "most":7'}).json()["runs"]
    assert {each["id"] for each in found} == set(made)
    seen: list[str] = []
    before = None
    while True:
        wanted: dict[str, Any] = {"workflow": "lists", "limit": 2} | ({"before": before} if before else {})
        page = service.http.get("/api/runs", params=wanted).json()
        seen += [each["id"] for each in page["runs"]]
        before = page["next"]
        if before is None:
            break
    assert len(seen) == len(set(seen))
    assert set(made) <= set(seen)
    assert service.http.get("/api/runs", params={"q": "100%_"}).json()["runs"] == []


NOWHERE = "00000000-0000-4000-8000-000000000000"


def _asked(service: Service, cell: str = NOWHERE) -> dict[str, Any]:
    run = service.submit("asks", cell=cell)
    service.follow(run, until=("waiting",))
    (ask,) = [each for each in service.http.get("/api/approvals").json() if each["run"] == run]
    found: dict[str, Any] = ask
    return found


def test_an_approval_is_bound_used_once_and_kept(service: Service) -> None:
    """An answer to other arguments is refused, the right one lets the run go on, a second one is refused."""
    ask = _asked(service, cell(service, "to go"))
    assert ask["tool"] == "HEX_DELETE_CELL"
    path = f"/api/approvals/{ask['id']}"
    stale = service.http.post(path, json={"approve": True, "arguments_hash": "0" * 32})
    assert stale.status_code == 409
    said = {"approve": True, "arguments_hash": ask["arguments_hash"], "reason": "it is old"}
    assert service.http.post(path, json=said).json()["decision"]["reason"] == "it is old"
    assert service.http.post(path, json=said).status_code == 422
    run = service.follow(ask["run"])
    assert run["status"] == "done"
    receipt = service.http.get(f"/api/runs/{ask['run']}/receipts/delete.1").json()
    assert receipt["decided_by"] == "this machine"


def test_a_denied_call_is_never_sent(service: Service) -> None:
    """Deny, and the call ends as denied, with nothing sent."""
    ask = _asked(service)
    said = {"approve": False, "arguments_hash": ask["arguments_hash"], "reason": "keep it"}
    service.http.post(f"/api/approvals/{ask['id']}", json=said)
    run = service.follow(ask["run"])
    assert run["status"] == "failed"
    receipt = service.http.get(f"/api/runs/{ask['run']}/receipts/delete.1").json()
    assert (receipt["status"], receipt["attempts"], receipt["message"]) == ("denied", 0, "keep it")


def test_a_person_may_approve_other_arguments(service: Service) -> None:
    """What is sent is what the person made of it; the receipt says who changed what."""
    ask, other = _asked(service), cell(service, "another")
    assert ask["editable"] is True
    path = f"/api/approvals/{ask['id']}"
    said = {"approve": True, "arguments_hash": ask["arguments_hash"]}
    wrong = service.http.post(path, json={**said, "arguments": {"cell": 7, "x": 1}})
    assert wrong.status_code == 422
    service.http.post(path, json={**said, "arguments": {"cellId": other}}).raise_for_status()
    assert service.follow(ask["run"])["status"] == "done"
    receipt = service.http.get(f"/api/runs/{ask['run']}/receipts/delete.1").json()
    assert receipt["arguments"] == {"cellId": other}
    assert "this machine changed cellId before approving it" in receipt["message"]


def test_a_run_that_waits_is_cancelled_forked_and_told_to_go_on(service: Service) -> None:
    """A cancelled run ends; what ended cannot be cancelled; a fork is a run of its own."""
    ask = _asked(service)
    cancelled = service.http.post(f"/api/runs/{ask['run']}/cancel").json()
    assert cancelled["status"] == "cancelled"
    assert service.http.post(f"/api/runs/{ask['run']}/cancel").status_code == 409
    assert service.http.post(f"/api/runs/{ask['run']}/resume").status_code == 409
    assert ask["id"] not in {each["id"] for each in service.http.get("/api/approvals").json()}
    forked = service.http.post(f"/api/runs/{ask['run']}/fork", json={"step": "delete"})
    assert forked.status_code == 201, forked.text
    service.follow(forked.json()["id"], until=("waiting",))


WRONG: list[tuple[str, str, Any, int, str]] = [
    ("GET", "/api/runs/20990101-0000-abcdef", None, 404, "there is no run"),
    ("GET", "/api/runs/nope/events", None, 404, "there is no run 'nope'"),
    ("GET", "/api/workflows/nothing", None, 404, "there is no workflow 'nothing'"),
    ("GET", "/api/tools/HEX_NOTHING", None, 404, "there is no tool"),
    ("GET", "/api/approvals/nope", None, 404, "there is no question"),
    ("GET", "/api/contracts/nope", None, 404, "there is no repair"),
    ("POST", "/api/runs", {"workflow": "../../etc/passwd"}, 404, "there is no workflow"),
    ("POST", "/api/runs", {"workflow": "asks"}, 422, "cell: missing"),
    ("POST", "/api/runs", {"workflow": "lists", "inputs": {"most": 1000}}, 422, "most"),
    ("POST", "/api/runs", {"workflow": "lists", "extra": 1}, 422, "extra"),
    ("POST", "/api/runs", {"workflow": "wrong"}, 422, "wrong.yaml:2"),
    ("POST", "/api/runs", {"workflow": "lists", "deadline": "2030-01-01T00:00:00"}, 422, "no time zone"),
    ("POST", "/api/runs", {"workflow": "lists", "deadline": "9999-12-31T23:59:59-12:00"}, 422, "in no year"),
    ("POST", "/api/runs", {"workflow": "lists", "deadline": "0001-01-01T00:00:00+12:00"}, 422, "in no year"),
    ("GET", "/api/runs?limit=0", None, 422, "limit"),
    ("GET", f"/page/{'a' * 300}.js", None, 422, "at most 100"),
    ("PUT", "/api/runs", {}, 405, "Method Not Allowed"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "words"), WRONG)
def test_what_is_wrong_is_told_as_a_problem(
    service: Service, method: str, path: str, body: Any, status: int, words: str
) -> None:
    """Every mistake is answered with one problem that says what is wrong."""
    answer = service.http.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert words in problem["detail"]


def test_half_a_character_in_what_is_wrong_is_told_escaped(service: Service) -> None:
    """What cannot be written as UTF-8 breaks no answer that repeats it."""
    body = b'{"workflow": "lists", "inputs": {"\\ud800": 1}}'
    answer = service.http.post("/api/runs", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert "\ud800: unknown input" in answer.json()["detail"]


def test_a_bug_is_told_kept_in_the_log_and_ends_nothing_else(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody foresaw is a problem as well, which shows nothing of the inside; the log has the rest."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("an inner secret")

    with monkeypatch.context() as patch:
        patch.setattr("definable.service.views.brief", broken)
        answer = service.http.post("/api/runs", json={"workflow": "lists"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "inner secret" not in answer.text
    assert "an inner secret" in caplog.text
    assert service.http.get("/healthz").status_code == 200


def test_workflows_and_tools_are_shown(service: Service) -> None:
    """The catalog has the workspace's own workflows, the built-in ones, and 31 tools of Hex."""
    found = {each["name"]: each for each in service.http.get("/api/workflows").json()}
    assert {"asks", "lists", "weekly-brief", "wrong"} <= set(found)
    assert "wrong.yaml:2" in found["wrong"]["problems"][0] or found["wrong"]["problems"]
    assert found["lists"]["inputs"][0]["maximum"] == 100
    page = service.http.get("/api/workflows/lists").json()
    assert page["source"].lstrip().startswith("name: lists")
    assert "HEX_LIST_PROJECTS" in page["graph"] or "distributor" in page["graph"]
    assert len(service.http.get("/api/tools").json()) == 31
    assert "cellId" in service.http.get("/api/tools/HEX_DELETE_CELL").json()["arguments"]["properties"]


def test_a_changed_file_counts_for_the_next_run(service: Service) -> None:
    """A workflow's file is read again once it has changed; nobody has to start the service again."""
    path = service.home.parent / "workflows" / "fresh.yaml"
    path.write_text(LISTS.replace("name: lists", "name: fresh"))
    service.submit("fresh", most=4)
    path.write_text(LISTS.replace("name: lists", "name: fresh").replace("maximum: 100", "maximum: 3"))
    refused = service.http.post("/api/runs", json={"workflow": "fresh", "inputs": {"most": 4}})
    assert refused.status_code == 422


def test_machines_are_told_how_it_stands(service: Service) -> None:
    """Health, readiness and metrics answer."""
    assert service.http.get("/healthz").text == "ok\n"
    assert service.http.get("/readyz").text == "ready\n"
    service.follow(service.submit("lists", most=2))
    text = service.http.get("/metrics").text
    assert 'definable_runs{status="done",workflow="lists"}' in text
    assert "definable_workers 1.0" in text


def test_no_answer_may_be_used_by_another_site(service: Service) -> None:
    """Another name, another site's page and its posts are refused; answers carry a strict policy."""
    assert service.http.get("/api", headers={"host": "evil.example"}).status_code == 421
    assert (
        service.http.post("/api/runs", json={}, headers={"origin": "http://evil.example"}).status_code == 403
    )
    assert service.http.get("/api", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    policy = httpx.get(f"{service.url}/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_a_client_has_so_many_streams_and_no_more(tmp_path: Path) -> None:
    """One stream too many is refused, and taken once another has ended."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "lists.yaml").write_text(LISTS)
    with serving(tmp_path, slots=0, limits=Limits(rate=1e6, burst=1e6, streams=1)) as up:
        path = f"/api/runs/{up.submit('lists')}/events"
        headers = {"accept": "text/event-stream"}
        with up.http.stream("GET", path, headers=headers) as first:
            assert first.status_code == 200
            refused = up.http.get(path, headers=headers)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
            assert "as many streams are open as may be: 1" in refused.json()["detail"]
        with httpx.Client(base_url=up.url) as another:
            for _ in range(200):
                with another.stream("GET", path, headers=headers) as again:
                    if again.status_code == 200:
                        break
            assert again.status_code == 200
