"""The sandbox over real HTTP: connections that really break, the levers, the pages."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from definable.errors import UsageError
from definable.sandbox import Faults, Served, World, app, serve
from definable.sandbox.wire import ConnectionCut


@contextmanager
def _client(*faults: dict[str, Any], timeout: float = 5.0) -> Iterator[tuple[httpx.Client, Served]]:
    with serve(World(), Faults.parse(list(faults))) as served:
        headers = {"authorization": f"Bearer {served.token}"}
        with httpx.Client(base_url=served.base_url, headers=headers, timeout=timeout) as client:
            yield client, served


def _create(client: httpx.Client, served: Served) -> httpx.Response:
    project = next(iter(served.world.state["projects"]))
    contents = {"markdownCell": {"source": "# <b>Hi</b>"}}
    return client.post("/v1/cells", json={"projectId": project, "cellType": "MARKDOWN", "contents": contents})


def _total(served: Served) -> int:
    return int(httpx.get(f"{served.url}/_sandbox/effects").json()["total"])


@pytest.mark.parametrize(
    ("fault", "error", "effects"),
    [
        ({"fault": "lost_answer"}, httpx.RemoteProtocolError, 1),
        ({"fault": "reset"}, httpx.ReadError, 0),
        ({"fault": "cut"}, httpx.RemoteProtocolError, 1),
        ({"fault": "cut", "with": {"after": 0}}, httpx.RemoteProtocolError, 1),
        ({"fault": "late_commit", "with": {"seconds": 3600}}, httpx.RemoteProtocolError, 0),
        ({"fault": "stall", "with": {"seconds": 0.05}}, httpx.RemoteProtocolError, 1),
    ],
)
def test_connections_really_break(
    fault: dict[str, Any], error: type[Exception], effects: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """The client sees the break, the effect is as named, the next request works, nothing is logged."""
    with _client({"tool": "HEX_CREATE_CELL", **fault}) as (client, served):
        with pytest.raises(error):
            _create(client, served)
        assert _total(served) == effects
        assert _create(client, served).status_code == 200
        counted = httpx.get(f"{served.url}/_sandbox/requests").json()["tools"]["HEX_CREATE_CELL"]
    assert counted["count"] == 2
    assert capfd.readouterr() == ("", "")


def test_a_stalled_client_that_leaves_is_no_trouble(capfd: pytest.CaptureFixture[str]) -> None:
    """A client that times out in a stall leaves its effect behind, and the sandbox stops in silence."""
    with _client({"tool": "*", "fault": "stall", "with": {"seconds": 60}}, timeout=0.2) as (client, served):
        with pytest.raises(httpx.ReadTimeout):
            _create(client, served)
        assert _total(served) == 1
    assert capfd.readouterr() == ("", "")


def test_stopping_does_not_wait_for_stalls(capfd: pytest.CaptureFixture[str]) -> None:
    """A sandbox that stops breaks off what is stalled, and its thread ends."""
    failures: list[Exception] = []
    with _client({"tool": "*", "fault": "slow", "with": {"seconds": 60}}, timeout=30) as (client, served):

        def ask() -> None:
            try:
                _create(client, served)
            except httpx.TransportError as error:
                failures.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        while not served.world.requests:
            time.sleep(0.01)
        began = time.monotonic()
    asking.join()
    assert time.monotonic() - began < 3
    assert len(failures) == 1
    assert "hex-sandbox" not in [thread.name for thread in threading.enumerate()]
    assert capfd.readouterr() == ("", "")


def test_only_the_connection_at_fault_is_broken() -> None:
    """While one connection is closed without an answer, another one goes on."""
    with _client({"tool": "HEX_CREATE_CELL", "fault": "lost_answer"}) as (client, served):
        headers = {"authorization": f"Bearer {served.token}"}
        with httpx.Client(base_url=served.base_url, headers=headers) as other:
            assert other.get("/v1/users/me").status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                _create(client, served)
            assert other.get("/v1/users/me").status_code == 200
            assert other.get("/v1/users/me").extensions["network_stream"] is not None


def test_huge_answers_are_streamed() -> None:
    """A huge answer has the size asked for and is still JSON."""
    with _client({"tool": "*", "fault": "huge", "with": {"bytes": 3_000_000}}) as (client, served):
        answer = _create(client, served)
    assert len(answer.content) == 3_000_000
    assert answer.json()["cellType"] == "MARKDOWN"


def test_no_body_answers_work_over_http() -> None:
    """A 204 keeps the connection usable."""
    with _client() as (client, _):
        draft = client.get("/v1/guides/draft/list").json()["values"][0]["id"]
        answer = client.delete(f"/v1/guides/draft/{draft}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert client.get("/v1/users/me").status_code == 200


def test_levers_move_the_clock_and_issue_tokens() -> None:
    """An expired token is refused once the clock was advanced over its end."""
    with _client() as (client, served):
        levers = httpx.Client(base_url=f"{served.url}/_sandbox")
        with levers:
            token = levers.post("/tokens", json={"expires_in": 60}).json()["token"]
            header = {"authorization": f"Bearer {token}"}
            assert client.get("/v1/users/me", headers=header).status_code == 200
            assert levers.post("/clock", json={"advance": 61}).status_code == 200
            assert client.get("/v1/users/me", headers=header).status_code == 401
            refusal = levers.post("/tokens", json={"kind": "workspace", "scopes": ["project:read"]})
            assert (refusal.status_code, refusal.json()["error"]) == (400, "UsageError")
            assert levers.post("/clock", json={"advance": -1}).status_code == 400


def test_levers_replace_the_faults() -> None:
    """Posted faults strike from then on; wrong ones are refused with their places and change nothing."""
    with _client() as (client, served):
        url = f"{served.url}/_sandbox/faults"
        assert httpx.post(url, json=[{"tool": "HEX_ME", "fault": "forbidden"}]).status_code == 200
        refusal = httpx.post(url, json=[{"tool": "HEX_ME", "fault": "forbid"}])
        assert refusal.status_code == 400
        assert "did you mean 'forbidden'?" in refusal.json()["message"]
        assert [client.get("/v1/users/me").status_code for _ in range(2)] == [403, 200]
        assert httpx.get(url).json()["faults"][0]["hits"] == 1


def test_the_state_shows_no_token() -> None:
    """The state can be read without a token, so it holds none."""
    with _client() as (_, served):
        text = httpx.get(f"{served.url}/_sandbox/state").text
    assert served.token not in text
    assert '"hxtp_…"' in text


def test_pages_show_a_project_and_escape_it() -> None:
    """A project's page has its title, its cells and its runs; a cell's HTML stays text."""
    with _client() as (client, served):
        cell = _create(client, served).json()
        page = httpx.get(f"{served.url}/hex/{cell['projectId']}/draft/logic?cellId={cell['id']}")
        runs = httpx.get(f"{served.url}/hex/{list(served.world.state['projects'])[1]}")
        index = httpx.get(served.url)
    assert (page.status_code, index.status_code) == (200, 200)
    assert "&lt;b&gt;Hi&lt;/b&gt;" in page.text
    assert "<b>Hi</b>" not in page.text
    assert "Last runs" in runs.text


def test_run_links_open() -> None:
    """The URLs in a run's answer lead to a page and to its status."""
    with _client() as (client, _):
        project = client.get("/v1/projects", params={"statuses": "Production"}).json()["values"][-1]["id"]
        run = client.post(f"/v1/projects/{project}/runs").json()
        assert httpx.get(run["runUrl"]).status_code == 200
        assert client.get(run["runStatusUrl"]).json()["runId"] == run["runId"]


def test_a_taken_port_is_refused_in_words() -> None:
    """Serving on a port that is in use says which, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match=rf"cannot listen on 127\.0\.0\.1:{port}") as caught,
            serve(World(), port=port),
        ):
            pass
    assert caught.value.hint == "take another --port, or 0 for any free one"


@pytest.mark.anyio
async def test_the_application_works_in_process() -> None:
    """Without a server the same application answers, and a broken connection is an exception of its own."""
    world = World()
    faults = Faults.parse([{"tool": "HEX_ME", "fault": "lost_answer"}])
    transport = httpx.ASGITransport(app(world, faults))
    headers = {"authorization": f"Bearer {world.token}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://sandbox/api", headers=headers
    ) as client:
        with pytest.raises(ConnectionCut):
            await client.get("/v1/users/me")
        assert (await client.get("/v1/users/me")).status_code == 200
