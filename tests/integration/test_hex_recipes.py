"""Every tool of the Hex toolkit, settled by the Verifier's own flow against the sandbox over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
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
from tests.hexcalls import arguments, published
from tests.hexkit import tool, toolkit, writes

pytestmark = pytest.mark.anyio


@contextmanager
def _serve(*faults: dict[str, Any]) -> Iterator[Served]:
    """Serve a fresh world without quotas; time in it only passes when a flow waits."""
    world = World(clock=Clock(speed=0), quotas=False)
    with serve(world, Faults.parse(list(faults))) as served:
        yield served


@pytest.fixture
def hex_() -> Iterator[Served]:
    """A world without faults."""
    with _serve() as served:
        yield served


@asynccontextmanager
async def _adapter(served: Served) -> AsyncIterator[Adapter]:
    ring = KeyRing(toolkit().credentials, {"HEX_API_TOKEN": served.token})
    adapter = Adapter(toolkit(), served.base_url, ring, Redactor([served.token]))
    yield adapter
    await adapter.aclose()


async def _settle(served: Served, slug: str, ensure: tuple[str, ...] = (), **arguments: Any) -> Receipt:
    """Settle one call; waits pass on the world's clock, and approvals are given, reviews are not."""
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
        wanted = order.reason == "approval"
        return Decision(approve=wanted, by="test", arguments_hash=order.arguments_hash)
    assert isinstance(order, Send)
    if order.delay:
        served.world.clock.advance(order.delay)
        served.world.settle()
    outcome: Outcome = await adapter.attempt(order)
    return outcome


@pytest.mark.parametrize("slug", sorted(toolkit().tools))
async def test_each_tool_is_verified_and_has_its_effect_once(hex_: Served, slug: str) -> None:
    """Its contract fits what the product says, its read-back confirms it, and one write is one effect."""
    before = len(hex_.world.effects)
    receipt = await _settle(hex_, slug, **arguments(hex_.world)[slug])
    assert (receipt.status, receipt.message if receipt.status != "verified" else "") == ("verified", "")
    assert receipt.evidence == (tool(slug).evidence or "response")
    assert not receipt.heals
    effects = [e["tool"] for e in hex_.world.effects[before:]]
    assert effects == ([slug] if tool(slug).effect.writes else [])


NOBODY_CAN_TELL = {"HEX_DEACTIVATE_USER", "HEX_RUN_PROJECT"}
LOST = [(s, f) for s in sorted(set(writes()) - NOBODY_CAN_TELL) for f in ("lost_answer", "reset", "noop")]
LOST += [
    ("HEX_CREATE_CELL", fault)
    for fault in ("error_before", "error_after", "cut", "garbage", "truncated", "empty", "huge")
]


@pytest.mark.parametrize(("slug", "fault"), LOST)
async def test_a_lost_answer_is_settled_by_looking(slug: str, fault: str) -> None:
    """Whether it happened or not before the answer was lost, it has happened once in the end.

    Only guide drafts are sent twice: nobody can read them, and writing the same twice leaves the same.
    """
    with _serve({"tool": slug, "fault": fault, "times": 1}) as served:
        receipt = await _settle(served, slug, **arguments(served.world)[slug])
        assert (receipt.status, receipt.message if receipt.status != "verified" else "") == ("verified", "")
        twice = slug == "HEX_UPSERT_GUIDE_DRAFT" and fault == "lost_answer"
        assert [e["tool"] for e in served.world.effects] == [slug] * (2 if twice else 1)


@pytest.mark.parametrize("slug", ["HEX_CREATE_CELL", "HEX_CREATE_GROUP", "HEX_CREATE_COLLECTION"])
async def test_an_effect_that_comes_after_the_first_look_is_not_made_twice(slug: str) -> None:
    """The settle time is longer than an effect is late, so that it is adopted and not repeated."""
    with _serve({"tool": slug, "fault": "late_commit", "times": 1, "with": {"seconds": 5.0}}) as served:
        receipt = await _settle(served, slug, **arguments(served.world)[slug])
        assert receipt.status == "verified"
        assert [e["tool"] for e in served.world.effects] == [slug]
        assert [h.rule for h in receipt.heals] == ["adopted"]


@pytest.mark.parametrize("slug", sorted(NOBODY_CAN_TELL))
async def test_where_nobody_can_tell_a_person_decides(slug: str) -> None:
    """A run could be anybody's and a deactivation cannot be seen: neither is adopted nor sent again."""
    with _serve({"tool": slug, "fault": "lost_answer", "times": 1}) as served:
        receipt = await _settle(served, slug, **arguments(served.world)[slug])
        assert receipt.status == "needs_review"
        assert [e["tool"] for e in served.world.effects] == [slug]


SHARING = [slug for slug in writes() if "SHARING" in slug]


@pytest.mark.parametrize("slug", SHARING)
async def test_a_success_that_refused_a_part_is_no_success(slug: str) -> None:
    """A 200 with `errors` fails, with the server's reason in the receipt."""
    with _serve({"tool": slug, "fault": "partial"}) as served:
        receipt = await _settle(served, slug, **arguments(served.world)[slug])
        assert receipt.status == "failed"
        assert "refused part of it" in receipt.message


async def test_guide_warnings_are_a_failure() -> None:
    """A draft that was not written is told in `warnings`, under a 200."""
    with _serve({"tool": "HEX_UPSERT_GUIDE_DRAFT", "fault": "partial"}) as served:
        receipt = await _settle(
            served, "HEX_UPSERT_GUIDE_DRAFT", **arguments(served.world)["HEX_UPSERT_GUIDE_DRAFT"]
        )
        assert (receipt.status, receipt.failure) == ("failed", "false_success")
        assert "Hex accepted the request but warns" in receipt.message


async def test_access_is_taken_away(hex_: Served) -> None:
    """NONE is verified by the user's absence from what is shown."""
    given = arguments(hex_.world)["HEX_EDIT_PROJECT_SHARING_USERS"]
    await _settle(hex_, "HEX_EDIT_PROJECT_SHARING_USERS", **given)
    entry = given["sharing"]["upsert"]["users"][0]
    given["sharing"] = {"upsert": {"users": [{**entry, "access": "NONE"}]}}
    receipt = await _settle(hex_, "HEX_EDIT_PROJECT_SHARING_USERS", **given)
    assert (receipt.status, receipt.evidence) == ("verified", "state")


async def test_a_group_whose_name_is_not_unique_goes_to_a_person(hex_: Served) -> None:
    """Hex shows groups by name, so of two with one name nobody can tell which was set."""
    twins = [key for key, g in hex_.world.state["groups"].items() if g["name"] == "Analysts"]
    assert len(twins) == 2
    sharing = {"upsert": {"groups": [{"group": {"id": twins[0]}, "access": "CAN_VIEW"}]}}
    project = published(hex_.world)
    receipt = await _settle(hex_, "HEX_EDIT_PROJECT_SHARING_GROUPS", projectId=project, sharing=sharing)
    assert receipt.status == "needs_review"
    assert "'Analysts' is the name of more than one" in receipt.message


async def test_members_are_removed_from_a_group(hex_: Served) -> None:
    """Removal is verified by the list of the group's users."""
    key, group = next((k, g) for k, g in hex_.world.state["groups"].items() if g["members"])
    remove = {"users": [{"id": group["members"][0]}]}
    receipt = await _settle(hex_, "HEX_EDIT_GROUP", groupId=key, members={"remove": remove})
    assert receipt.status == "verified"


async def test_a_dry_run_starts_nothing_and_is_not_waited_for(hex_: Served) -> None:
    """The dummy answer of a dry run is not polled, and its run does not exist."""
    receipt = await _settle(hex_, "HEX_RUN_PROJECT", projectId=published(hex_.world), dryRun=True)
    assert receipt.status == "verified"
    assert hex_.world.effects == []


async def test_a_finished_run_is_the_result(hex_: Served) -> None:
    """What comes of a run is how it ended, not the answer to its start; the link is the run's page."""
    receipt = await _settle(hex_, "HEX_RUN_PROJECT", projectId=published(hex_.world))
    assert receipt.result["status"] == "COMPLETED"
    assert receipt.link == receipt.result["runUrl"]


CELLS: dict[str, dict[str, Any]] = {
    "CODE": {"codeCell": {"source": "print(1)"}},
    "MARKDOWN": {"markdownCell": {"source": "# One"}},
    "SQL": {"sqlCell": {"source": "select 1", "isDataframeSql": True, "outputDataframe": "one"}},
}


@pytest.mark.parametrize("kind", sorted(CELLS))
async def test_ensuring_a_cell_twice_leaves_one(hex_: Served, kind: str) -> None:
    """The second time, the cell with this label is brought up to date; the third time nothing is sent."""
    field, contents = next(iter(CELLS[kind].items()))
    given = {"projectId": published(hex_.world), "cellType": kind, "label": "Weekly"}
    first = await _settle(hex_, "HEX_CREATE_CELL", ("label",), **given, contents={field: contents})
    newer = {field: {**contents, "source": "-- two"}}
    second = await _settle(hex_, "HEX_CREATE_CELL", ("label",), **given, contents=newer)
    third = await _settle(hex_, "HEX_CREATE_CELL", ("label",), **given, contents=newer)
    assert [r.status for r in (first, second, third)] == ["verified"] * 3
    assert [e["tool"] for e in hex_.world.effects] == ["HEX_CREATE_CELL", "HEX_UPDATE_CELL"]
    assert first.result["id"] == second.result["id"] == third.result["id"]
    assert third.result["contents"][field]["source"] == "-- two"


@pytest.mark.parametrize("slug", ["HEX_CREATE_GROUP", "HEX_CREATE_COLLECTION"])
async def test_ensuring_by_name_leaves_one(hex_: Served, slug: str) -> None:
    """What has this name already is brought up to date instead of made again."""
    given = arguments(hex_.world)[slug]
    first = await _settle(hex_, slug, ("name",), **given)
    second = await _settle(hex_, slug, ("name",), **given)
    assert (first.status, second.status) == ("verified", "verified")
    assert [e["tool"] for e in hex_.world.effects] == [slug]


async def test_a_cell_links_to_its_notebook(hex_: Served) -> None:
    """A receipt's link is a page that a person can open."""
    given = arguments(hex_.world)["HEX_CREATE_CELL"]
    receipt = await _settle(hex_, "HEX_CREATE_CELL", **given)
    assert receipt.link == f"{hex_.url}/hex/{given['project_id']}"
