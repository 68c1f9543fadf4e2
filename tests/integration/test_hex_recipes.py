"""Every tool of the Hex toolkit, settled by the Verifier's own flow against the sandbox over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from definable.calls import Ask, Decision, Order, Outcome, Receipt, Reply, Send, ToolCall
from definable.redaction import Redactor
from definable.sandbox import Clock, Faults, Served, World, serve
from definable.toolkits.adapter import Adapter
from definable.toolkits.arguments import normalise
from definable.toolkits.credentials import KeyRing
from definable.toolkits.where import web
from definable.verify.case import Catalog
from definable.verify.flow import advance, settle
from tests.hexkit import tool, toolkit, writes

pytestmark = pytest.mark.anyio


@pytest.fixture
def hex_() -> Iterator[Served]:
    """Serve a fresh world without quotas; time in it only passes when a flow waits."""
    with serve(World(clock=Clock(speed=0), quotas=False)) as served:
        yield served


@asynccontextmanager
async def _adapter(served: Served) -> AsyncIterator[Adapter]:
    ring = KeyRing(toolkit().credentials, {"HEX_API_TOKEN": served.token})
    adapter = Adapter(toolkit(), served.base_url, ring, Redactor([served.token]))
    yield adapter
    await adapter.aclose()


async def _settle(served: Served, slug: str, ensure: tuple[str, ...] = (), **arguments: Any) -> Receipt:
    """Settle one call; waits pass on the world's clock, and asks are answered with yes."""
    exact = normalise(toolkit(), tool(slug), slug, arguments)
    call = ToolCall(id="t.1", tool=slug, arguments=exact, step="t", run="r", ensure=ensure)
    tools = {name: (toolkit(), each) for name, each in toolkit().tools.items()}
    catalog = Catalog(tools, web={"hex": web(toolkit(), served.base_url)})
    async with _adapter(served) as adapter:
        flow = settle(call, catalog)
        step: Order | Receipt = advance(flow, None)
        while not isinstance(step, Receipt):
            step = advance(flow, await _reply(served, adapter, step))
    return step


async def _reply(served: Served, adapter: Adapter, order: Order) -> Reply:
    if isinstance(order, Ask):
        return Decision(approve=True, by="test", arguments_hash=order.arguments_hash)
    assert isinstance(order, Send)
    if order.delay:
        served.world.clock.advance(order.delay)
        served.world.settle()
    outcome: Outcome = await adapter.attempt(order)
    return outcome


def _some(served: Served, table: str, **match: Any) -> str:
    rows = served.world.state[table].items()
    return next(key for key, row in rows if all(row[name] == value for name, value in match.items()))


def _published(served: Served) -> str:
    rows = served.world.state["projects"].items()
    return next(
        key
        for key, p in rows
        if p["version"] is not None
        and p["type"] == "PROJECT"
        and not p["archivedAt"]
        and not p["trashedAt"]
        and p["character"]["outcome"] == "COMPLETED"
    )


def _arguments(served: Served) -> dict[str, dict[str, Any]]:
    """Return arguments for each tool that fit the seeded world."""
    project = _published(served)
    user = _some(served, "users", role="EDITOR")
    group, collection = _some(served, "groups"), _some(served, "collections")
    code = _some(served, "cells", cellType="CODE")
    draft = next(key for key, g in served.world.state["guides"].items() if g["draft"] is not None)
    running = {"projectId": project, "runId": _running(served, project)}
    grant = {"access": "CAN_VIEW"}
    return {
        "HEX_CANCEL_RUN": running,
        "HEX_CREATE_CELL": {
            "project_id": project,
            "cellType": "MARKDOWN",
            "label": "Brief",
            "contents": {"markdownCell": {"source": "# Brief"}},
        },
        "HEX_CREATE_COLLECTION": {
            "name": "Board",
            "description": "For the board",
            "sharing": {"users": [{"id": user, "access": "MEMBER"}], "workspace": {"members": "MEMBER"}},
        },
        "HEX_CREATE_GROUP": {"name": "Auditors", "members": {"users": [{"id": user}]}},
        "HEX_DEACTIVATE_USER": {"userId": user},
        "HEX_DELETE_CELL": {"cellId": code},
        "HEX_DELETE_GROUP": {"groupId": group},
        "HEX_DELETE_GUIDE_DRAFT": {"orgGuideFileId": draft},
        "HEX_EDIT_COLLECTION": {
            "collectionId": collection,
            "name": "Renamed",
            "sharing": {"upsert": {"groups": [{"id": group, "access": "MANAGER"}]}},
        },
        "HEX_EDIT_GROUP": {"groupId": group, "name": "Renamed", "members": {"add": {"users": [{"id": user}]}}},
        "HEX_EDIT_PROJECT_SHARING_COLLECTIONS": {
            "projectId": project,
            "sharing": {"upsert": {"collections": [{"collection": {"id": collection}, **grant}]}},
        },
        "HEX_EDIT_PROJECT_SHARING_GROUPS": {
            "projectId": project,
            "sharing": {"upsert": {"groups": [{"group": {"id": group}, **grant}]}},
        },
        "HEX_EDIT_PROJECT_SHARING_ORG_AND_PUBLIC": {
            "projectId": project,
            "sharing": {"workspace": "APP_ONLY", "publicWeb": "NONE"},
        },
        "HEX_EDIT_PROJECT_SHARING_USERS": {
            "projectId": project,
            "sharing": {"upsert": {"users": [{"user": {"id": user}, **grant}]}},
        },
        "HEX_GET_CELL": {"cellId": code},
        "HEX_GET_COLLECTION": {"collectionId": collection},
        "HEX_GET_GROUP": {"groupId": group},
        "HEX_GET_PROJECT": {"projectId": f"https://app.hex.tech/x/hex/{project}/draft", "includeSharing": True},
        "HEX_GET_PROJECT_RUNS": {"projectId": project},
        "HEX_GET_RUN_STATUS": running,
        "HEX_LIST_CELLS": {"projectId": project},
        "HEX_LIST_COLLECTIONS": {},
        "HEX_LIST_DATA_CONNECTIONS": {},
        "HEX_LIST_GROUPS": {},
        "HEX_LIST_PROJECTS": {"statuses": ["Production", "Approved"], "includeSharing": True},
        "HEX_LIST_USERS": {},
        "HEX_PUBLISH_GUIDE_DRAFTS": {"publishAllDraftGuides": True},
        "HEX_RUN_PROJECT": {"projectId": project},
        "HEX_UPDATE_CELL": {"cellId": code, "contents": {"codeCell": {"source": "print(2)"}}},
        "HEX_UPDATE_PROJECT": {"projectId": project, "status": None},
        "HEX_UPSERT_GUIDE_DRAFT": {"files": [{"filePath": "guides/new.md", "contents": "# New"}]},
        "HEX_ME": {},
        "HEX_LIST_DRAFT_GUIDES": {},
    }


def _running(served: Served, project: str) -> str:
    """Plant a run that is under way."""
    key = served.world.new_id()
    served.world.state["runs"][key] = {
        **next(iter(served.world.state["runs"].values())),
        "id": key,
        "projectId": project,
        "trigger": "API",
        "asked": served.world.now() - 1,
        "pending": 0.0,
        "seconds": 3600.0,
        "outcome": "COMPLETED",
        "killed": None,
    }
    return key


@pytest.mark.parametrize("slug", sorted(toolkit().tools))
async def test_each_tool_is_verified_and_has_its_effect_once(hex_: Served, slug: str) -> None:
    """Its contract fits what the product says, its read-back confirms it, and one write is one effect."""
    before = len(hex_.world.effects)
    receipt = await _settle(hex_, slug, **_arguments(hex_)[slug])
    assert (receipt.status, receipt.message if receipt.status != "verified" else "") == ("verified", "")
    assert receipt.evidence == tool(slug).evidence
    assert not receipt.heals
    effects = [e["tool"] for e in hex_.world.effects[before:]]
    assert effects == ([slug] if tool(slug).effect.writes else [])
