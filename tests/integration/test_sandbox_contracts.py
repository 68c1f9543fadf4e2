"""The sandbox held to the contracts that the toolkit declares, with requests made up from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from definable.sandbox import World
from definable.sandbox.gateway import Gateway, Request
from definable.sandbox.operations import BY_TOOL, OPERATIONS
from definable.spec.toolkit import Tool, Toolkit
from definable.toolkits.request import build
from definable.verify.contracts import Contract
from definable.workspace import find
from tests.integration.schema_values import values
from tests.unit.sandbox_desk import still

ROOT = Path(__file__).parents[2]
TOOLKIT: Toolkit = find(ROOT, {}).toolkits()["hex"]
IDS = [
    key
    for table in ("projects", "cells", "runs", "users", "groups", "collections", "guides", "connections")
    for key in World(1, still()).state[table]
]
DOCUMENTED = {400, 401, 403, 404, 422, 429, 503}
"""Statuses of refusals that Hex documents."""


def _owned(name: str) -> list[str]:
    state = World(1, still()).state
    tables = {"projectId": "projects", "cellId": "cells", "runId": "runs", "userId": "users"}
    tables |= {"groupId": "groups", "collectionId": "collections", "orgGuideFileId": "guides"}
    return list(state[tables[name]]) if name in tables else IDS


def _arguments(tool: Tool) -> st.SearchStrategy[dict[str, Any]]:
    formats = {"uuid": st.sampled_from(IDS), "project-id": st.sampled_from(_owned("projectId"))}
    schema = {"type": "object", "properties": tool.arguments, "required": list(tool.required)}
    plain = values(schema, formats)
    keys = {name: st.sampled_from(_owned(name)) for name in tool.arguments if name.endswith("Id")}
    known = st.fixed_dictionaries({n: s for n, s in keys.items() if n in tool.required})
    return st.builds(lambda a, k: {**a, **k}, plain, known)


def _ask(world: World, slug: str, arguments: dict[str, Any], token: str = "") -> tuple[int, Any]:
    request = build(TOOLKIT, TOOLKIT.tools[slug], arguments)
    body = b"" if request.json is None else json.dumps(request.json).encode()
    headers = {"authorization": f"Bearer {token or world.token}"}
    out = Gateway(world).handle(
        Request(request.method, unquote(request.path), urlencode(request.params), headers, body)
    )
    return out.status, json.loads(out.body) if out.body else None


def _check(slug: str, status: int, body: Any) -> None:
    tool = TOOLKIT.tools[slug]
    contract = Contract.of_response(TOOLKIT, tool)
    if status in tool.success and contract is not None:
        assert contract.violations(body) == [], slug
    elif status in tool.success:
        assert body is None
    else:
        assert status in DOCUMENTED, (slug, status, body)
        older = BY_TOOL[slug].envelope == "older"
        assert body.keys() >= ({"reason", "traceId"} if older else {"code", "message"})


def test_the_sandbox_has_every_tool_where_the_toolkit_says() -> None:
    """Each tool of the toolkit is an operation of the sandbox with the same method and path."""
    assert {o.tool: f"{o.method} {o.path}" for o in OPERATIONS} == {
        s: t.request for s, t in TOOLKIT.tools.items()
    }


def test_rate_groups_are_those_of_the_toolkit() -> None:
    """The sandbox counts no request against a group that the toolkit does not know of."""
    for operation in OPERATIONS:
        known = TOOLKIT.tools[operation.tool].quota
        assert "user" in known, operation.tool
        assert operation.group is None or operation.group in known, operation.tool


@pytest.mark.parametrize("slug", [o.tool for o in OPERATIONS])
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_answers_keep_their_contract(slug: str, data: st.DataObject) -> None:
    """Whatever is asked with declared arguments, the answer is in the contract or a documented refusal."""
    arguments = data.draw(_arguments(TOOLKIT.tools[slug]))
    world = World(1, still(), quotas=False)
    before = json.dumps(world.state)
    status, body = _ask(world, slug, arguments)
    _check(slug, status, body)
    reads = TOOLKIT.tools[slug].effect == "read"
    assert len(world.effects) <= (0 if reads or status >= 400 else 1)
    if status >= 400 or reads:
        assert json.dumps(world.state) == before


CASES: dict[str, dict[str, Any]] = {
    "HEX_CREATE_CELL": {
        "projectId": "projects",
        "cellType": "SQL",
        "contents": {"sqlCell": {"source": "select 1"}},
    },
    "HEX_UPDATE_CELL": {"cellId": "cells", "contents": {"markdownCell": {"source": "# New"}}},
    "HEX_DELETE_CELL": {"cellId": "cells"},
    "HEX_RUN_PROJECT": {"projectId": "projects"},
    "HEX_UPDATE_PROJECT": {"projectId": "projects", "status": "Approved"},
    "HEX_CREATE_COLLECTION": {"name": "New", "description": "D"},
    "HEX_EDIT_COLLECTION": {"collectionId": "collections", "name": "New"},
    "HEX_CREATE_GROUP": {"name": "New"},
    "HEX_EDIT_GROUP": {"groupId": "groups", "name": "New"},
    "HEX_DELETE_GROUP": {"groupId": "groups"},
    "HEX_DEACTIVATE_USER": {"userId": "users"},
    "HEX_UPSERT_GUIDE_DRAFT": {"files": [{"filePath": "guides/new.md", "contents": "# New"}]},
    "HEX_PUBLISH_GUIDE_DRAFTS": {"publishAllDraftGuides": True},
    "HEX_EDIT_PROJECT_SHARING_ORG_AND_PUBLIC": {
        "projectId": "projects",
        "sharing": {"workspace": "CAN_VIEW"},
    },
}
"""One change of each kind that succeeds; a table's name stands for the id of one of its objects."""


@pytest.mark.parametrize("slug", CASES)
def test_changes_succeed_within_their_contract_and_count_once(slug: str) -> None:
    """A change that is right answers with a declared success and is exactly one effect of that tool."""
    world = World(1, still(), quotas=False)
    picks = {table: next(reversed(world.state[table])) for table in ("collections", "groups", "users")}
    picks |= {table: next(iter(world.state[table])) for table in ("projects", "cells")}
    arguments = {n: picks.get(v, v) if isinstance(v, str) else v for n, v in CASES[slug].items()}
    status, body = _ask(world, slug, arguments)
    assert status in TOOLKIT.tools[slug].success, body
    _check(slug, status, body)
    assert [effect["tool"] for effect in world.effects] == [slug]


Steps = st.lists(st.tuples(st.sampled_from(sorted(CASES)), st.integers(0, 50)), max_size=12)


@settings(max_examples=40, deadline=None)
@given(steps=Steps)
def test_any_story_counts_its_effects_and_survives_a_snapshot(steps: list[tuple[str, int]]) -> None:
    """Each success of a series is one effect, in order, and a restored world equals the saved one."""
    world = World(1, still(), quotas=False)
    done = []
    for slug, number in steps:
        arguments = {name: _pick(world, value, number) for name, value in CASES[slug].items()}
        status, body = _ask(world, slug, arguments)
        _check(slug, status, body)
        done += [slug] if status < 400 and not _idle(slug, body) else []
        world.clock.advance(1)
    assert [effect["tool"] for effect in world.effects] == done
    saved = json.loads(json.dumps(world.snapshot()))
    assert World.restore(saved, still()).snapshot()["state"] == world.snapshot()["state"]


def _pick(world: World, value: Any, number: int) -> Any:
    if isinstance(value, str) and value in ("projects", "cells", "collections", "groups", "users"):
        keys = list(world.state[value])
        return keys[number % len(keys)] if keys else IDS[0]
    return value


def _idle(slug: str, body: Any) -> bool:
    return slug == "HEX_PUBLISH_GUIDE_DRAFTS" and not body["publishedGuides"]
