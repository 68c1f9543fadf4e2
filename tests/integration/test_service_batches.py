"""Batches over HTTP, as a client meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from definable.service.access import Limits
from definable.store import RunStatus, TallyRow, open_store
from tests.integration.test_service import ASKS, LISTS
from tests.service import Service, in_no_hurry, serving

REST = ("stopped", "ended", "limited", "away", "failed", "keyless", "waiting")


def _workspace(root: Path) -> Path:
    (root / "workflows").mkdir()
    (root / "workflows" / "asks.yaml").write_text(ASKS)
    (root / "workflows" / "lists.yaml").write_text(LISTS)
    return root


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve a workspace with two small workflows of its own."""
    root = _workspace(tmp_path_factory.mktemp("batches"))
    _by_hand(root)
    limits = Limits(rate=1e6, burst=1e6, body=5_000, upload=50_000)
    with in_no_hurry() as environ, serving(root, environ, limits=limits) as up:
        yield up


def _by_hand(root: Path) -> None:
    """Run a batch on the command line: before there is a service, which has the sandbox to itself."""
    (root / "mine.jsonl").write_bytes(items([1, 2]))
    words = ["batch", "lists", "mine.jsonl", "--name", "by-hand", "--sandbox", "--offline"]
    done = subprocess.run(
        [sys.executable, "-m", "definable", *words],
        cwd=root,
        env={**os.environ, "DEFINABLE_HOME": str(root / "home")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def process(root: Path) -> Iterator[tuple[Service, subprocess.Popen[str]]]:
    """Run `definable serve` as a process of its own: it can be killed."""
    home = root / "home"
    arguments = [sys.executable, "-m", "definable", "serve", "--port", "0", "--sandbox", "--offline"]
    environ = {**os.environ, "DEFINABLE_HOME": str(home)}
    with subprocess.Popen(arguments, cwd=root, env=environ, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            url = running.stdout.readline().strip()
            with httpx.Client(base_url=url, timeout=30) as http:
                yield Service(url, http, home), running
        finally:
            running.terminate()


def items(numbers: Any) -> bytes:
    """Return a file of items for `lists`."""
    return b"".join(json.dumps({"custom_id": f"n{n}", "most": n}).encode() + b"\n" for n in numbers)


def order(
    service: Service,
    content: bytes,
    workflow: str = "lists",
    *,
    called: str = "items.jsonl",
    key: str | None = None,
    **terms: Any,
) -> httpx.Response:
    """Upload a batch."""
    headers = {"Idempotency-Key": key} if key else {}
    files = {"file": (called, content, "application/octet-stream")}
    return service.http.post(
        "/api/batches", data={"workflow": workflow, **terms}, files=files, headers=headers
    )


def until(service: Service, batch: str, *states: str, seconds: float = 60) -> dict[str, Any]:
    """Look at a batch until it stands there, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found: dict[str, Any] = service.http.get(f"/api/batches/{batch}").raise_for_status().json()
        if found["state"] in states:
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def lines(service: Service, batch: str, what: str) -> list[dict[str, Any]]:
    """Return the lines of a batch's results."""
    answer = service.http.get(f"/api/batches/{batch}/{what}").raise_for_status()
    assert answer.headers["content-type"].startswith("application/jsonl")
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_batch_is_uploaded_runs_and_is_fetched(service: Service) -> None:
    """Each row has a run and a line in the output; the view counts them, and its runs are found."""
    answer = order(service, items(range(1, 7)), concurrency="3")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["progress"]["total"] == 6
    assert answer.headers["location"] == f"/api/batches/{made['id']}"
    ended = until(service, made["id"], *REST)
    assert (ended["state"], ended["items"], ended["place"]) == ("ended", "items.jsonl", service.place)
    progress = ended["progress"]
    assert (progress["done"], progress["failed"], progress["left"], progress["running"]) == (6, 0, 0, 0)
    output = lines(service, made["id"], "output")
    assert {each["custom_id"] for each in output} == {f"n{n}" for n in range(1, 7)}
    assert all(each["response"]["body"]["outputs"]["first"] for each in output)
    assert lines(service, made["id"], "errors") == []
    runs = service.http.get("/api/runs", params={"batch": made["id"]}).json()["runs"]
    assert {each["item"] for each in runs} == {each["custom_id"] for each in output}
    assert made["id"] in [each["id"] for each in service.http.get("/api/batches").json()]


def test_a_table_is_read_as_one(service: Service) -> None:
    """A CSV file has its inputs in columns."""
    made = order(service, b"custom_id,most\na,2\nb,3\n", called="C:\\x\\my table.csv").json()
    assert made["items"] == "my table.csv"
    assert until(service, made["id"], *REST)["progress"]["done"] == 2


def test_bad_rows_are_told_by_line_and_nothing_starts(service: Service) -> None:
    """Each bad row is an error with its line; with skip_bad the others run, and bad ones are errors."""
    content = b'{"most": 2}\n{"most": 1000}\nnot json\n'
    before = len(service.http.get("/api/batches").json())
    refused = order(service, content, called="my items.jsonl")
    assert refused.status_code == 422
    problem = refused.json()
    assert "2 of 3 rows cannot be run; nothing was started" in problem["detail"]
    assert [each["where"] for each in problem["errors"]] == ["my items.jsonl:2", "my items.jsonl:3"]
    assert "most" in problem["errors"][0]["message"]
    assert len(service.http.get("/api/batches").json()) == before
    for terms in ({}, {"skip_bad": "true"}):
        alone = order(service, b'{"most": 1000}\n', **terms).json()
        assert alone["errors"][0]["where"] == "items.jsonl:1"
        assert alone["hint"] == "correct them: there is no other row"
    made = order(service, content, skip_bad="true").json()
    ended = until(service, made["id"], *REST)
    assert (ended["progress"]["done"], ended["progress"]["failed"]) == (1, 2)
    assert [each["error"]["line"] for each in lines(service, made["id"], "errors")] == [2, 3]


@pytest.mark.parametrize(
    ("content", "workflow", "terms", "status", "words"),
    [
        (b"", "lists", {}, 422, "items.jsonl is empty"),
        (b"[1]", "lists", {}, 422, "items.jsonl is one JSON list"),
        (b"\x1f\x8b....", "lists", {}, 422, "items.jsonl is compressed"),
        (b"{}\n", "nothing", {}, 404, "there is no workflow 'nothing'"),
        (b"{}\n", "lists", {"name": "../x"}, 422, "name"),
        (b"{}\n", "lists", {"limit_usd": "-1"}, 422, "limit_usd"),
        (b"{}\n", "lists", {"limit_usd": "inf"}, 422, "limit_usd"),
        (b"{}\n", "lists", {"concurrency": "0"}, 422, "concurrency"),
        (b" " * 60_000, "lists", {}, 413, "50,000 are taken"),
    ],
)
def test_what_cannot_be_a_batch_is_refused(
    service: Service, content: bytes, workflow: str, terms: dict[str, str], status: int, words: str
) -> None:
    """The file, the workflow, the terms and the size are each refused in words, with no path of ours."""
    answer = order(service, content, workflow, **terms)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
    assert str(service.home) not in answer.text


def test_a_key_is_one_batch_and_a_name_is_used_once(service: Service) -> None:
    """However many send the same upload under a key at once, there is one batch; another file is refused."""
    content = items([1, 2])
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: order(service, content, key="b-1"), range(6)))
    assert sorted(each.status_code for each in answers) == [200] * 5 + [201]
    (batch,) = {each.json()["id"] for each in answers}
    assert order(service, items([3]), key="b-1").status_code == 422
    assert until(service, batch, *REST)["progress"]["total"] == 2
    assert order(service, content, name="mine").status_code == 201
    again = order(service, content, name="mine")
    assert again.status_code == 409
    assert "there is a batch 'mine' already" in again.json()["detail"]
    until(service, "mine", *REST)


def test_a_batch_is_stopped_and_goes_on(service: Service) -> None:
    """Stopped, it begins nothing more and loses nothing; resumed, each item has been run once."""
    made = order(service, items(range(1, 81)), concurrency="1").json()
    assert service.http.post(f"/api/batches/{made['id']}/resume").status_code == 409
    stopped = service.http.post(f"/api/batches/{made['id']}/stop")
    assert stopped.status_code == 200, stopped.text
    stands = until(service, made["id"], "stopped")["progress"]
    assert stands["running"] == 0
    assert 0 < stands["left"] <= 80
    assert service.http.post(f"/api/batches/{made['id']}/stop").status_code == 409
    had = len(lines(service, made["id"], "output"))
    assert had == stands["done"]
    service.http.post(f"/api/batches/{made['id']}/resume", json={"concurrency": 8}).raise_for_status()
    ended = until(service, made["id"], *REST)
    assert (ended["state"], ended["concurrency"], ended["progress"]["done"]) == ("ended", 8, 80)
    output = lines(service, made["id"], "output")
    assert len({each["custom_id"] for each in output}) == len(output) == 80
    runs = service.http.get("/api/runs", params={"batch": made["id"], "limit": 200}).json()["runs"]
    assert len(runs) == 80


def test_no_more_run_at_once_than_was_ordered(service: Service) -> None:
    """With a concurrency of one, no two of its runs overlap, though the service has more slots."""
    made = order(service, items(range(1, 6)), concurrency="1").json()
    until(service, made["id"], "ended")
    runs = service.http.get("/api/runs", params={"batch": made["id"]}).json()["runs"]
    times = sorted((each["created_at"], each["ended_at"]) for each in runs)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(times))


def test_an_item_that_waits_for_a_person_is_named_and_ends_by_the_answer(service: Service) -> None:
    """The batch waits with it, and its result is there once it was answered, without anybody resuming."""
    nowhere = "00000000-0000-4000-8000-000000000000"
    content = json.dumps({"custom_id": "one", "cell": nowhere}).encode()
    made = order(service, content, "asks").json()
    waits = until(service, made["id"], "waiting")
    (wait,) = waits["waits"]
    assert (wait["custom_id"], wait["reason"]) == ("one", "approval")
    (ask,) = [each for each in service.http.get("/api/approvals").json() if each["run"] == wait["run"]]
    said = {"approve": False, "arguments_hash": ask["arguments_hash"], "reason": "no"}
    service.http.post(f"/api/approvals/{ask['id']}", json=said).raise_for_status()
    ended = until(service, made["id"], "ended")
    assert (ended["progress"]["failed"], ended["waits"]) == (1, [])
    (failed,) = lines(service, made["id"], "errors")
    assert failed["custom_id"] == "one"


def test_a_batch_of_the_command_line_is_listed_too(service: Service) -> None:
    """It is shown with its results; it is stopped and gone on with where it was made."""
    found = next(each for each in service.http.get("/api/batches").json() if each["id"] == "by-hand")
    assert (found["state"], found["items"], found["progress"]["done"]) == ("ended", "mine.jsonl", 2)
    assert len(lines(service, "by-hand", "output")) == 2
    refused = service.http.post("/api/batches/by-hand/resume")
    assert refused.status_code == 409
    assert "command line" in refused.json()["detail"]
    assert order(service, items([1]), name="by-hand").status_code == 409


def test_what_it_may_cost_is_heeded_and_raised(service: Service) -> None:
    """At its limit a batch begins nothing more and says why; with a higher one it goes on to its end."""
    made = order(service, items(range(1, 81)), concurrency="1", limit_usd="1.5").json()
    while not (output := lines(service, made["id"], "output")):
        time.sleep(0.02)
    service.http.post(f"/api/batches/{made['id']}/stop").raise_for_status()
    stopped = until(service, made["id"], "stopped")
    assert (stopped["limit_usd"], stopped["progress"]["usd"]) == (1.5, 0)
    with open_store(service.home / "definable.db") as store:  # as if a model had been paid
        store.tally(TallyRow(run=output[0]["id"], batch=made["id"], usd=1.0))
    path = f"/api/batches/{made['id']}/resume"
    service.http.post(path).raise_for_status()
    limited = until(service, made["id"], *REST)
    assert limited["state"] == "limited"
    assert limited["why"].startswith("$1.0000 of $1.50 is spent")
    assert limited["progress"]["left"] == stopped["progress"]["left"] > 0
    assert service.http.post(path, json={"limit_usd": 0}).status_code == 422
    service.http.post(path, json={"limit_usd": 50}).raise_for_status()
    ended = until(service, made["id"], "ended")
    assert (ended["progress"]["done"], ended["limit_usd"]) == (80, 50)


def test_what_is_not_there_is_not_found(service: Service) -> None:
    """An unknown batch has no view and no results."""
    for path in ("", "/output", "/errors"):
        assert service.http.get(f"/api/batches/nope{path}").status_code == 404
    assert service.http.post("/api/batches/nope/stop").status_code == 404


def test_a_batch_goes_on_after_a_restart(tmp_path: Path) -> None:
    """What was under way when the service was killed goes on by itself later; each item is run once."""
    root = _workspace(tmp_path)
    with process(root) as (first, running):
        batch = order(first, items(range(1, 11)), concurrency="2").json()["id"]
        while not lines(first, batch, "output"):
            time.sleep(0.05)
        running.kill()
    with process(root) as (second, _):
        assert second.http.get(f"/api/batches/{batch}").json()["progress"]["total"] == 10
        ended = until(second, batch, *REST)
        assert (ended["state"], ended["progress"]["done"]) == ("ended", 10)
        assert len(lines(second, batch, "output")) == 10
        assert len(second.http.get("/api/runs", params={"limit": 200}).json()["runs"]) == 10


def test_a_service_that_is_told_to_stop_brings_its_runs_to_rest(tmp_path: Path) -> None:
    """It ends with 0, no run is left as running, its worker has said so, and its batch is to go on."""
    root = _workspace(tmp_path)
    with process(root) as (service, running):
        batch = order(service, items(range(1, 91)), concurrency="4").json()["id"]
        while not lines(service, batch, "output"):
            time.sleep(0.02)
        running.terminate()
        assert running.wait(40) == 0
    with open_store(root / "home" / "definable.db") as store:
        assert [worker.state for worker in store.workers()] == ["stopped"]
        assert ("lists", RunStatus.RUNNING) not in store.counts()
        assert store.orders()[batch].state == "running"
