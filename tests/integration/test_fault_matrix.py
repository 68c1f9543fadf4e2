"""A receipt that says verified is true: each tool against each fault, compared with what really happened."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

import httpx
import pytest

from definable.calls import Ask, Decision, Exchange, Order, Outcome, Receipt, Reply, Send, ToolCall
from definable.redaction import Redactor
from definable.sandbox import FAULTS, Clock, Faults, World, app
from definable.sandbox.wire import ConnectionCut
from definable.spec.toolkit import Toolkit
from definable.toolkits.adapter import Adapter
from definable.toolkits.arguments import normalise
from definable.toolkits.credentials import KeyRing
from definable.verify.case import Catalog
from definable.verify.flow import advance, replay, settle
from definable.verify.readback import same
from tests.hexcalls import arguments
from tests.hexkit import tool, toolkit, writes

pytestmark = pytest.mark.anyio

Fault = dict[str, Any]

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "rate_limit": [{}, {"retry_after": 1}, {"retry_after": "date", "skew": 300}],
    "late_commit": [{"seconds": 5}, {"looks": 1}, {"seconds": 5, "answer": "error"}],
    "stall": [{"seconds": 0.01}, {"seconds": 0.01, "commit": False}],
    "slow": [{"seconds": 0.01}],
    "refused_but_done": [
        *({"status": status} for status in (400, 401, 403, 404, 409, 422, 429, 503)),
        {"status": 429, "retry_after": 1},
    ],
    "cut": [{}, {"after": 0}],
    "huge": [{"bytes": 200_001}],
    "request_rename": [
        {"from": "name", "to": "title"},
        {"from": "label", "to": "title", "words": "sentences"},
        {"from": "contents", "to": "cell.contents", "words": "loc"},
        {"from": "sharing.upsert", "to": "sharing.set", "words": "keys"},
        {"from": "limit", "to": "pageSize", "words": "text"},
        {"from": "after", "to": "cursor", "words": "fields"},
    ],
    "request_required": [{"field": "reason"}, {"field": "sharing.reason", "words": "keys"}],
    "request_case": [{}, {"words": "keys"}, {"words": "fields"}],
    "request_retype": [
        {"field": "label", "to": "array", "words": "loc"},
        {"field": "useCachedSqlResults", "words": "keys"},
    ],
    "request_word": [{"field": "cellType"}, {"field": "sharing.workspace", "words": "keys"}],
    "drift_rename": [{"from": "id", "to": "identifier"}],
    "drift_move": [{"from": "id", "to": "meta.id"}],
    "drift_retype": [{"path": "id", "to": "list"}, {"path": "id", "to": "number"}],
    "drift_null": [{"path": "id"}],
    "drift_remove": [{"path": "id"}],
    "drift_add": [{"path": "added"}],
    "drift_enum": [{"path": "status"}],
    "drift_wrap": [{}],
    "drift_unwrap": [{"key": "contents"}],
    "drift_body": [{}],
}
"""Fault → the parameters with which it is tried, where it has any that matter."""

VOLATILE = {
    "asked",
    "pending",
    "seconds",
    "trace",
    "killed",
    "staticId",
    "lastEditedAt",
    "createdAt",
    "runUrl",
}
"""What differs between two worlds in which the same was done at different times."""

LISTS: dict[str, list[dict[str, Any]]] = {
    "drift_rename": [
        {"from": name, "to": to}
        for name, to in [
            ("values", "items"),
            ("runs", "entries"),
            ("values[*].id", "key"),
            ("runs[*].runId", "key"),
            ("pagination.after", "cursor"),
            ("nextPage", "next"),
        ]
    ],
    "drift_move": [
        {"from": "pagination.after", "to": "meta.next"},
        {"from": "nextPage", "to": "links.next"},
        {"from": "values", "to": "data.values"},
    ],
    "drift_retype": [
        {"path": path, "to": to}
        for path in ("pagination.after", "nextPage", "values", "runs")
        for to in ("number", "boolean", "list", "object", "null")
    ],
    "drift_null": [{"path": p} for p in ("pagination.after", "nextPage", "pagination", "values", "runs")],
    "drift_remove": [
        {"path": p} for p in ("pagination.after", "nextPage", "pagination", "values", "runs[*].status")
    ],
    "drift_paging": [{"to": to} for to in ("nextCursor", "pagination.next", "links.next", "more")],
    "drift_unwrap": [{"key": key} for key in ("values", "pagination", "runs")],
}
"""The same for lists."""

TABLES = ("users", "groups", "collections", "guides", "projects", "cells", "runs")


@cache
def small() -> Toolkit:
    """Return the toolkit with pages of four, and a limit on answers that is quickly reached."""
    tools = {
        slug: each.model_copy(update={"paging": each.paging.model_copy(update={"largest": 4})})
        if each.paging
        else each
        for slug, each in toolkit().tools.items()
    }
    return toolkit().model_copy(update={"tools": tools, "max_response": 200_000})


def faults(name: str, more: Mapping[str, list[dict[str, Any]]] = MappingProxyType({})) -> list[Fault]:
    """Return a fault with each of the parameters with which it is tried."""
    return [{"fault": name, "with": given} for given in more.get(name, PARAMETERS.get(name, [{}]))]


class Wire(httpx.ASGITransport):
    """The sandbox without sockets: what it breaks on purpose ends as a lost connection does."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        try:
            return await super().handle_async_request(request)
        except ConnectionCut:
            raise httpx.RemoteProtocolError("server disconnected", request=request) from None


CATALOG = Catalog({n: (small(), t) for n, t in small().tools.items()}, web={"hex": "http://sandbox"})


@dataclass
class Bed:
    """One world that goes back to its beginning before each call."""

    world: World
    planned: Faults
    start: str
    given: dict[str, dict[str, Any]]
    keys: dict[str, str]
    time: dict[str, float]
    history: list[Exchange] = field(default_factory=list)
    """The exchanges of the last call."""

    def fresh(self, *planned: Fault) -> None:
        """Take everything back, and plan other faults."""
        with self.world.lock:
            self.world.state = json.loads(self.start)
            self.world.clock.restore(self.time)
            self.planned.entries = Faults.parse(list(planned)).entries

    def effects(self) -> list[str]:
        """Return the tools whose effects really happened, late ones included."""
        self.world.clock.advance(3600)
        return [e["tool"] for e in self.world.effects]

    def shape(self) -> dict[str, list[str]]:
        """Return what is in the world, but for times and for ids that are new."""
        return {
            name: sorted(self._row(name, k, r) for k, r in self.world.state[name].items()) for name in TABLES
        }

    def _row(self, table: str, key: str, row: Mapping[str, Any]) -> str:
        drop = VOLATILE if key in self.start else VOLATILE | {"id"}
        killed = {"dead": row["killed"] is not None} if "killed" in row else {}
        return json.dumps({**{k: v for k, v in row.items() if k not in drop}, **killed}, sort_keys=True)

    def call(self, slug: str) -> ToolCall:
        """Return the call of a tool, with approval needed where the tool asks."""
        exact = normalise(toolkit(), tool(slug), slug, dict(self.given[slug]))
        asks = "needed" if tool(slug).asks else "none"
        return ToolCall(id="t.1", tool=slug, arguments=exact, step="t", run="r", approval=asks)

    async def settle(self, slug: str) -> Receipt:
        """Settle one call; approvals are given, reviews are not, and waits pass on the world's clock."""
        call = self.call(slug)
        flow = settle(call, CATALOG)
        ring = KeyRing(toolkit().credentials, self.keys)
        wire = Wire(app(self.world, self.planned))
        adapter = Adapter(small(), "http://sandbox/api", ring, Redactor(list(self.keys.values())), wire)
        self.history.clear()
        step: Order | Receipt = advance(flow, None)
        while not isinstance(step, Receipt):
            reply = await self._reply(adapter, step)
            self.history.append(Exchange(call=call.id, n=len(self.history), order=step, reply=reply))
            step = advance(flow, reply)
        return step

    async def _reply(self, adapter: Adapter, order: Order) -> Reply:
        if isinstance(order, Ask):
            return Decision(
                approve=order.reason == "approval", by="test", arguments_hash=order.arguments_hash
            )
        assert isinstance(order, Send)
        if order.delay:
            self.world.clock.advance(order.delay)
        outcome: Outcome = await adapter.attempt(order)
        return outcome


@pytest.fixture
def bed() -> Bed:
    """A world with two keys, and time that only passes when somebody waits."""
    world = World(clock=Clock(speed=0), quotas=False)
    given = arguments(world)
    keys = {"HEX_API_TOKEN": world.token, "HEX_API_TOKEN_NEXT": world.issue_token()}
    planned = Faults()
    return Bed(world, planned, json.dumps(world.state), given, keys, world.clock.snapshot())


def wrong(bed: Bed, slug: str, receipt: Receipt, wanted: dict[str, list[str]]) -> str:
    """Say in which way the receipt of a write is not true, or nothing."""
    effects = bed.effects()
    lost = tool(slug).lost
    most = 4 if lost and lost.how == "resend" else 1
    if set(effects) - {slug} or len(effects) > most:
        return f"what happened: {effects}"
    if receipt.status != "verified":
        return "" if receipt.message else "no message"
    if bed.shape() != wanted:
        return f"verified by {receipt.evidence}, and the world is not as wanted after {effects}"
    return "" if effects or "already" in receipt.message else "verified, and nothing happened"


async def found(bed: Bed, slug: str, plans: Iterable[Iterable[Fault]]) -> list[str]:
    """Settle a write once with each plan of faults; return what is wrong with any of the receipts."""
    bed.fresh()
    clean = await bed.settle(slug)
    assert (clean.status, bed.effects()) == ("verified", [slug])
    wanted = bed.shape()
    problems = []
    for plan in plans:
        bed.fresh(*plan)
        receipt = await bed.settle(slug)
        if problem := wrong(bed, slug, receipt, wanted):
            problems.append(f"{plan}: {receipt.status}: {problem}: {receipt.message}")
    return problems


def looks(slug: str) -> list[str]:
    """Return the reads by which a write is verified."""
    each = tool(slug)
    found = [look.call for look in [*each.before.values(), *each.after.values()]]
    return sorted({*found, *([each.poll.call] if each.poll else [])})


NOBODY_CAN_LOOK = {
    "HEX_DEACTIVATE_USER": ("noop", "refused_but_done"),
    "HEX_UPSERT_GUIDE_DRAFT": ("refused_but_done",),
}
"""Tool → faults that it cannot see through: what cannot be looked at rests on the product's own word."""


@pytest.mark.parametrize("slug", sorted(writes()))
async def test_a_write_is_true_whatever_happens_to_it(bed: Bed, slug: str) -> None:
    """Each fault on the write itself, once and again and again."""
    plans = [
        [{"tool": slug, **fault, "times": times}]
        for name in FAULTS
        if name not in NOBODY_CAN_LOOK.get(slug, ())
        for fault in faults(name)
        for times in (1, 9)
    ]
    assert await found(bed, slug, plans) == []


@pytest.mark.parametrize("slug", sorted(slug for slug in writes() if looks(slug)))
async def test_a_write_is_true_whatever_happens_to_its_looks(bed: Bed, slug: str) -> None:
    """Each fault on what it is verified by, while the write goes well, is lost, is refused or is a lie."""
    ways = itertools.cycle([None, "noop", "lost_answer", "reset", "refused_but_done"])
    plans = []
    for look in looks(slug):
        for name in FAULTS:
            if name == "refused_but_done":
                continue  # of a read, that is any other refusal
            for fault in faults(name):
                for times in (1, 9):
                    way = next(ways)
                    first = [{"tool": slug, "fault": way}] if way else []
                    plans.append([*first, {"tool": look, **fault, "times": times}])
            next(ways)  # so that no fault always meets the same way
    assert await found(bed, slug, plans) == []


LOOKED_FOR = sorted(
    slug for slug in writes() if (lost := tool(slug).lost) is not None and lost.how in ("new", "state")
)
"""The writes that a look can find, or show to be so."""


@pytest.mark.parametrize("slug", LOOKED_FOR)
async def test_a_refused_write_that_was_done_is_found(bed: Bed, slug: str) -> None:
    """Whatever the refusal, also after an honest 429: done once, verified, and said to have been refused."""
    bed.fresh()
    await bed.settle(slug)
    wanted = bed.shape()
    for lie in faults("refused_but_done"):
        for first in ([], [{"tool": slug, "fault": "rate_limit"}]):
            bed.fresh(*first, {"tool": slug, **lie})
            receipt = await bed.settle(slug)
            if tool(slug).lost.foreign:  # type: ignore[union-attr]
                assert (receipt.status, bed.effects()) == ("needs_review", [slug]), lie
                continue
            assert (receipt.status, bed.effects(), bed.shape()) == ("verified", [slug], wanted), lie
            unknown = lie["with"]["status"] == 503 and 503 not in tool(slug).rejects
            assert receipt.heals[-1].rule == ("adopted" if unknown else "refused_but_done"), lie


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
async def test_where_nobody_can_look_a_refusal_says_so(bed: Bed, status: int) -> None:
    """It was done, and fails by the server's word; the receipt says that this is all that is known."""
    slug = "HEX_DEACTIVATE_USER"
    bed.fresh({"tool": slug, "fault": "refused_but_done", "with": {"status": status}})
    receipt = await bed.settle(slug)
    assert (receipt.status, receipt.attempts) == ("failed", 1)
    assert "that nothing was done is the server's word: nobody could look" in receipt.message


@pytest.mark.parametrize("times", [1, 9])
@pytest.mark.parametrize("status", [401, 403, 409, 429])
async def test_a_draft_that_was_refused_and_written_is_the_same_draft(
    bed: Bed, status: int, times: int
) -> None:
    """Its contents cannot be seen, and twice leaves the same: sent again, or failed by the server's word."""
    slug = "HEX_UPSERT_GUIDE_DRAFT"
    bed.fresh()
    await bed.settle(slug)
    wanted = bed.shape()
    bed.fresh({"tool": slug, "fault": "refused_but_done", "with": {"status": status}, "times": times})
    receipt = await bed.settle(slug)
    assert set(bed.effects()) == {slug}
    assert bed.shape() == wanted
    if receipt.status != "verified":
        assert status in (403, 409) or (status, times) == (401, 9)
        assert receipt.status == "failed"
        assert status == 401 or "the server's word" in receipt.message


@pytest.mark.parametrize("fault", ["forbidden", "not_found"])
@pytest.mark.parametrize("slug", sorted(writes()))
async def test_an_honest_refusal_stays_one(bed: Bed, slug: str, fault: str) -> None:
    """Refused, sent once, not done: failed with the server's reason, and no person is asked."""
    bed.fresh({"tool": slug, "fault": fault, "times": 9})
    receipt = await bed.settle(slug)
    assert (receipt.status, receipt.attempts, bed.effects()) == ("failed", 1, [])
    assert receipt.failure.value == {"forbidden": "permission"}.get(fault, fault)
    assert not any(isinstance(e.order, Ask) and e.order.reason == "review" for e in bed.history)


def renames(slug: str, given: Mapping[str, Any]) -> list[Fault]:
    """Return the renames of each argument at the top of a body, told in each form of words."""
    forms = itertools.cycle(["issues", "sentences", "text", "keys", "loc", "fields"])
    return [
        {"fault": "request_rename", "with": {"from": name, "to": f"{name}Given", "words": next(forms)}}
        for name in given
        if f"{{{name}}}" not in tool(slug).path and name not in tool(slug).query
        for _ in range(6)
    ]


@pytest.mark.parametrize("slug", sorted(slug for slug in writes() if tool(slug).evidence == "state"))
async def test_a_write_is_sent_as_the_server_words_it(bed: Bed, slug: str) -> None:
    """Both names told, in any form of words: done once, read back in our names, no person asked."""
    bed.fresh()
    await bed.settle(slug)
    wanted = bed.shape()
    for fault in renames(slug, bed.call(slug).arguments):
        bed.fresh({"tool": slug, **fault, "times": 9})
        receipt = await bed.settle(slug)
        assert (receipt.status, bed.effects(), bed.shape()) == ("verified", [slug], wanted), fault
        assert [heal.rule for heal in receipt.heals] == ["rename"]


@pytest.mark.parametrize("fault", ["lost_answer", "noop", "rate_limit", "unauthorized", "refused_but_done"])
@pytest.mark.parametrize("slug", sorted(writes()))
async def test_a_crash_after_any_exchange_changes_nothing(bed: Bed, slug: str, fault: str) -> None:
    """What was recorded leads a new process to the same next order, and in the end to the same receipt."""
    bed.fresh({"tool": slug, "fault": fault})
    receipt = await bed.settle(slug)
    for n, exchange in enumerate(bed.history):
        assert replay(bed.call(slug), CATALOG, bed.history[:n])[1] == exchange.order
    assert replay(bed.call(slug), CATALOG, bed.history)[1] == receipt


READS = sorted(slug for slug in toolkit().tools if slug not in writes() and slug != "HEX_ME")
"""All but the one that shows whose key is used: another key truly shows something else."""


def plain(value: Any) -> Any:
    """Return a value without trace ids and the way back of a list, its names in one casing.

    What no contract names is as it came; where a list came from is null or gone once it was read whole.
    """
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {name.replace("_", "").lower(): plain(each) for name, each in value.items()}
    return {name: each for name, each in named.items() if name not in ("traceid", "before")}


@pytest.mark.parametrize("slug", READS)
async def test_a_read_is_true_whatever_happens_to_it(bed: Bed, slug: str) -> None:
    """Each fault on any page: what was really there, to the last entry, or a failure with its reason."""
    if slug == "HEX_GET_PROJECT_RUNS":
        bed.given[slug] = {"projectId": paged(bed.world), "statusFilter": "COMPLETED"}
    bed.fresh()
    truth = plain((await bed.settle(slug)).result)
    problems = []
    for name in FAULTS:
        for fault in faults(name, LISTS if small().tools[slug].paging else {}):
            if name == "drift_enum":
                continue  # a value that changed its word is that word now
            for times, after in ((1, 0), (9, 0), (1, 1)):
                bed.fresh({"tool": slug, **fault, "times": times, "after": after})
                receipt = await bed.settle(slug)
                lied = receipt.status == "verified" and not same(truth, plain(receipt.result))
                if (
                    lied
                    or receipt.status not in ("verified", "failed")
                    or not (receipt.result or receipt.message)
                ):
                    problems.append(f"{fault}, {times} after {after}: {receipt.status}: {receipt.message}")
    assert problems == []


def paged(world: World) -> str:
    """Return a project whose completed runs fill a page and a part of another."""
    runs = Counter(run["projectId"] for run in world.state["runs"].values() if run["outcome"] == "COMPLETED")
    return next(str(project) for project, count in runs.items() if 5 <= count <= 11)
