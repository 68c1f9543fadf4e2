"""What a key's level allows at the AG-UI and MCP doors. One service: the queue allows one in a process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.integration.test_mcp import CELL, Person, text, told
from tests.integration.test_service import ASKS
from tests.service import Service, in_no_hurry, serving

SEEDED = "a27178e5-9bd5-5a0c-a2b1-7dffebd3a5d6"

Keys = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve a workspace with a workflow that asks a person."""
    root: Path = tmp_path_factory.mktemp("keys")
    (root / "workflows").mkdir()
    (root / "workflows" / "asks.yaml").write_text(ASKS)
    with in_no_hurry() as environ, serving(root, environ) as up:
        yield up


@pytest.fixture(scope="module")
def keys(service: Service) -> Keys:
    """Return the headers of a key of each level."""
    found: Keys = {}
    for level in ("admin", "viewer", "operator", "approver"):
        wish = {"name": level, "level": level}
        made = service.http.post("/api/keys", json=wish, headers=found.get("admin", {}))
        found[level] = {"authorization": f"Bearer {made.json()['key']}"}
    return found


@asynccontextmanager
async def keyed(
    service: Service, headers: dict[str, str], person: Person | None = None
) -> AsyncIterator[Client]:
    """Yield a client that has a key."""
    async with httpx2.AsyncClient(headers=headers) as http:
        transport = streamable_http_client(f"{service.url}/mcp", http_client=http)
        async with Client(transport, elicitation_callback=person) as via:
            yield via


def test_only_an_approver_may_answer_over_ag_ui(service: Service, keys: Keys) -> None:
    """An operator's key starts runs; the answer to a question is refused, and the thread is nobody else's."""
    wish: dict[str, Any] = {"threadId": "t", "runId": "1", "messages": []}
    wish["forwardedProps"] = {"inputs": {"cell": SEEDED}}
    assert service.http.post("/agui/asks", json=wish).status_code == 401
    assert service.http.post("/agui/asks", json=wish, headers=keys["viewer"]).status_code == 403
    asked = service.http.post("/agui/asks", json=wish, headers=keys["operator"]).text.splitlines()
    end = json.loads(next(line for line in asked if "RUN_FINISHED" in line)[6:])
    answer = {"interruptId": end["outcome"]["interrupts"][0]["id"], "status": "resolved"}
    wish |= {"runId": "2", "resume": [{**answer, "payload": {"approve": True}}]}
    assert service.http.post("/agui/asks", json=wish, headers=keys["operator"]).status_code == 403
    other = service.http.post("/agui/asks", json=wish, headers=keys["approver"])
    assert "unknown_interrupt" in other.text


@pytest.mark.anyio
async def test_a_key_s_level_holds_over_mcp(service: Service, keys: Keys) -> None:
    """A viewer lists, but calls nothing; an operator's question is not put to the operator."""
    assert service.http.post("/mcp", json={}).status_code == 401
    person = Person("accept", approve=True)
    async with keyed(service, keys["viewer"]) as via:
        assert (await via.list_tools()).tools
        refused = await via.call_tool("HEX_LIST_PROJECTS", {})
    assert (refused.is_error, "needs operator" in text(refused)) == (True, True)
    async with keyed(service, keys["operator"], person) as via:
        cell = told(await via.call_tool("HEX_CREATE_CELL", {**CELL, "label": "level"}))["result"]["id"]
        waits = await via.call_tool("HEX_DELETE_CELL", {"cellId": cell})
    assert (told(waits)["status"], person.asked) == ("waiting", [])
    async with keyed(service, keys["approver"], person) as via:
        again = await via.call_tool("definable_run", {"run": told(waits)["run"]})
    assert (told(again)["status"], len(person.asked)) == ("done", 1)


def test_a_session_is_its_key_s_alone(service: Service, keys: Keys) -> None:
    """Who knows another's session, which logs have, cannot answer in it what its person is asked."""
    about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    accept = {"accept": "application/json, text/event-stream"}
    call = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about}
    begun = service.http.post("/mcp", json=call, headers=keys["approver"] | accept)
    session = accept | {"mcp-session-id": begun.headers["mcp-session-id"]}
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"action": "accept", "content": {"approve": True}}}
    statuses = [
        service.http.post("/mcp", json=answer, headers=keys[level] | session).status_code
        for level in ("viewer", "admin", "approver")
    ]
    assert statuses == [404, 404, 202]
