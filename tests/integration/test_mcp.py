"""The MCP door, as the official client meets it: over HTTP in both generations of MCP, and over a pipe."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ElicitResult, InputRequiredResult, RequestParamsMeta

from tests.integration.test_service import ASKS, LISTS, MAKES
from tests.service import PROJECT, Service, in_no_hurry, serving

GENERATIONS = pytest.mark.parametrize("mode", ["auto", "legacy"])
"""Protocol 2026-07-28, and 2025-11-25."""

CELL = {
    "projectId": PROJECT,
    "cellType": "MARKDOWN",
    "contents": {"markdownCell": {"source": "# Here"}},
}

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve a workspace with small workflows of its own, one of them wrong."""
    root: Path = tmp_path_factory.mktemp("mcp")
    (root / "workflows").mkdir()
    for name, text in (("asks", ASKS), ("makes", MAKES), ("lists", LISTS), ("wrong", "steps: 7\n")):
        (root / "workflows" / f"{name}.yaml").write_text(text)
    with in_no_hurry() as environ, serving(root, environ) as up:
        yield up


class Person:
    """Somebody in front of a client: what they were asked, and what they say."""

    def __init__(self, action: Any, **content: Any) -> None:
        self.asked: list[str] = []
        self.says = ElicitResult(action=action, content=content or None)

    async def __call__(self, context: Any, params: Any) -> ElicitResult:
        """Take in what is asked, and answer."""
        self.asked.append(params.message)
        return self.says


def client(service: Service, mode: Any = "auto", person: Person | None = None) -> Client:
    """Return a client, with or without somebody in front of it."""
    return Client(f"{service.url}/mcp", mode=mode, elicitation_callback=person)


def told(result: CallToolResult) -> dict[str, Any]:
    """Return a result's data."""
    found: dict[str, Any] = result.structured_content
    return found


def text(result: CallToolResult) -> str:
    """Return what a model reads first of a result."""
    return str(getattr(result.content[0], "text", ""))


async def made(via: Client, label: str) -> str:
    """Make a cell and return its id."""
    cell: str = told(await via.call_tool("HEX_CREATE_CELL", {**CELL, "label": label}))["result"]["id"]
    return cell


async def test_all_there_is_to_call_is_listed(service: Service) -> None:
    """Each workflow that is right, each tool that is offered, with what it takes and what it may do."""
    async with client(service) as via:
        found = {tool.name: tool for tool in (await via.list_tools()).tools}
        assert "sandbox" not in (via.instructions or "")
    slugs = {each["slug"] for each in service.http.get("/api/tools").json()}
    workflows = {each["name"] for each in service.http.get("/api/workflows").json() if not each["problems"]}
    assert set(found) == slugs | workflows | {"definable_run"}
    assert "wrong" not in found
    lists = found["lists"].input_schema
    assert lists["properties"]["most"] == {"type": "integer", "default": 3, "minimum": 1.0, "maximum": 100.0}
    assert (found["makes"].input_schema["required"], lists["required"]) == (["label"], [])
    assert found["HEX_CREATE_CELL"].input_schema["required"] == ["projectId", "cellType", "contents"]
    hints = {name: tool.annotations for name, tool in found.items() if tool.annotations}
    assert hints["HEX_LIST_PROJECTS"].read_only_hint
    assert hints["lists"].read_only_hint
    assert not hints["HEX_CREATE_CELL"].destructive_hint
    assert not hints["HEX_CREATE_CELL"].idempotent_hint
    assert hints["asks"].destructive_hint


@GENERATIONS
async def test_a_call_is_verified_and_says_so(service: Service, mode: str) -> None:
    """Its progress arrives while it goes on, its result is data and text, and the receipt is in both."""
    news: list[tuple[float, str]] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        news.append((progress, message or ""))

    async with client(service, mode) as via:
        result = await via.call_tool("HEX_CREATE_CELL", {**CELL, "label": mode}, progress_callback=progress)
        briefed = await via.call_tool("makes", {"label": mode})
    data = told(result)
    assert (data["status"], data["known_by"], data["attempts"]) == ("verified", "state", 1)
    assert data["result"]["label"] == mode
    assert text(result).startswith("HEX_CREATE_CELL: verified (read back")
    assert [done for done, _ in news] == sorted({done for done, _ in news})
    assert any("HEX_CREATE_CELL: verified" in message for _, message in news)
    assert told(briefed)["outputs"]["cell"]
    assert text(briefed) == "makes: done; 1 of 1 calls verified"
    assert not briefed.is_error
    receipt = service.http.get(f"/api/runs/{data['run']}/receipts/call.1").json()
    assert receipt["result"] == data["result"]


@GENERATIONS
async def test_a_person_is_asked_where_one_has_to_decide(service: Service, mode: str) -> None:
    """A yes lets the call go on, once; a no ends it."""
    yes, no = Person("accept", approve=True, reason="old"), Person("decline")
    async with client(service, mode, yes) as via:
        cell = await made(via, f"asked {mode}")
        gone = await via.call_tool("HEX_DELETE_CELL", {"cellId": cell})
    assert (told(gone)["status"], told(gone)["known_by"]) == ("verified", "existence")
    assert len(yes.asked) == 1
    assert cell in yes.asked[0]
    receipt = service.http.get(f"/api/runs/{told(gone)['run']}/receipts/call.1").json()
    assert receipt["decided_by"] == "this machine"
    async with client(service, mode, no) as via:
        kept = await via.call_tool("asks", {"cell": await made(via, f"kept {mode}")})
    assert kept.is_error
    assert told(kept)["status"] == "failed"
    assert "denied" in text(kept)


@GENERATIONS
async def test_without_anybody_to_ask_it_says_where_to_answer(service: Service, mode: str) -> None:
    """The call comes back as waiting; once it was answered elsewhere, its run can be waited for."""
    async with client(service, mode) as via:
        waits = await via.call_tool("HEX_DELETE_CELL", {"cellId": await made(via, f"inbox {mode}")})
        data = told(waits)
        assert (data["status"], waits.is_error) == ("waiting", False)
        assert "definable runs approve" in text(waits)
        [ask] = data["asks"]
        answer = {"approve": True, "arguments_hash": ask["arguments_hash"]}
        assert service.http.post(f"/api/approvals/{ask['id']}", json=answer).status_code == 200
        over = await via.call_tool("definable_run", {"run": data["run"]})
    assert told(over)["status"] == "done"
    assert [call["status"] for call in told(over)["calls"]] == ["verified"]


async def test_who_dismisses_the_question_has_not_answered_it(service: Service) -> None:
    """It stays open, for somebody else."""
    async with client(service, person=Person("cancel")) as via:
        first = await via.session.call_tool(
            "HEX_DELETE_CELL", {"cellId": await made(via, "dismissed")}, allow_input_required=True
        )
        assert isinstance(first, InputRequiredResult)
        [name] = first.input_requests or {}
    assert service.http.get(f"/api/approvals/{name}").json()["decision"] is None


async def test_an_answer_is_for_the_call_that_asked(service: Service) -> None:
    """State of another call, or made up, is refused; nothing is approved by it."""
    async with client(service, person=Person("accept", approve=True)) as via:
        cell, other = await made(via, "one"), await made(via, "other")
        asked = await via.session.call_tool("HEX_DELETE_CELL", {"cellId": cell}, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)
        [name] = asked.input_requests or {}
        yes: Any = {name: ElicitResult(action="accept", content={"approve": True})}
        for state, arguments in (
            (asked.request_state, {"cellId": other}),
            ('{"run": "20200101-0000-000000"}', {"cellId": cell}),
            ("[[[", {"cellId": cell}),
        ):
            with pytest.raises(MCPError, match="of another call"):
                await via.session.call_tool(
                    "HEX_DELETE_CELL", arguments, input_responses=yes, request_state=state
                )
    assert service.http.get(f"/api/approvals/{name}").json()["decision"] is None


@GENERATIONS
async def test_what_is_wrong_is_told_so_that_a_model_can_do_better(service: Service, mode: str) -> None:
    """Arguments that do not fit are an error in the result, with what is meant; nothing is sent."""
    before = len(service.http.get("/api/runs?limit=200").json()["runs"])
    async with client(service, mode) as via:
        wrong = await via.call_tool("HEX_LIST_PROJECTS", {"limt": 2})
        assert wrong.is_error
        assert "did you mean 'limit'" in text(wrong)
        missing = await via.call_tool("makes", {})
        assert (missing.is_error, "label: missing" in text(missing)) == (True, True)
        nowhere = await via.call_tool("definable_run", {"run": "20200101-0000-000000"})
        assert (nowhere.is_error, "there is no run" in text(nowhere)) == (True, True)
        with pytest.raises(MCPError, match="there is no tool 'hex'"):
            await via.call_tool("hex", {})
    assert len(service.http.get("/api/runs?limit=200").json()["runs"]) == before


async def test_a_call_that_is_sent_again_under_its_key_writes_once(service: Service) -> None:
    """Side by side or later, from another connection too, there is one run; without a key there are two."""
    meta: Any = RequestParamsMeta(**{"definable/idempotency-key": "k-1"})  # type: ignore[typeddict-unknown-key]
    async with client(service) as via, client(service, "legacy") as other:
        found = await asyncio.gather(
            *(each.call_tool("makes", {"label": "once"}, meta=meta) for each in (via, other, via))
        )
        assert len({told(each)["run"] for each in found}) == 1
        twice = [await via.call_tool("makes", {"label": "twice"}) for _ in range(2)]
        assert len({told(each)["run"] for each in twice}) == 2
        clash = await via.call_tool("makes", {"label": "another"}, meta=meta)
        assert clash.is_error


async def test_a_foreign_page_does_not_get_in(service: Service) -> None:
    """The service's gate stands before this door too: another host's name, or another site's page."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"accept": "application/json, text/event-stream"}
    foreign = service.http.post("/mcp", json=body, headers={**accept, "host": "evil.example"})
    assert foreign.status_code == 421
    page = service.http.post("/mcp", json=body, headers={**accept, "origin": "http://evil.example"})
    assert page.status_code == 403


async def test_over_a_pipe_it_carries_its_runs_on_itself(tmp_path: Path) -> None:
    """A client that starts the command calls, is asked, and gets receipts; no log line is in its way."""
    person = Person("accept", approve=True)
    environ = {"PATH": os.environ["PATH"], "DEFINABLE_HOME": str(tmp_path), "DEFINABLE_LOG": "info"}
    command = StdioServerParameters(command=sys.executable, args=["-m", "definable", "mcp"], env=environ)
    async with Client(command, elicitation_callback=person) as via:
        assert "touch nothing real" in (via.instructions or "")
        assert "offline" in (via.instructions or "")
        gone = await via.call_tool("HEX_DELETE_CELL", {"cellId": await made(via, "pipe")})
    assert (told(gone)["status"], len(person.asked)) == ("verified", 1)


async def test_a_signal_ends_it_while_its_client_says_nothing(tmp_path: Path) -> None:
    """It lets go of its worker's lock and ends with 0."""
    environ = {**os.environ, "DEFINABLE_HOME": str(tmp_path)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "definable", "mcp"), stdin=-1, stdout=-1, stderr=-1, env=environ
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
    assert b'"id":1' in await asyncio.wait_for(process.stdout.readline(), 60)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 0
