"""Runs against a product that wants its requests in other words: understood, remembered, or asked about."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from click.testing import CliRunner

from definable.calls import Ask, Decision, Outcome, Receipt, Send, ToolCall
from definable.cli.app import root
from definable.verify.case import Catalog
from definable.verify.flow import replay
from definable.verify.record import Record
from tests.integration.conftest import Bench, Hex

pytestmark = pytest.mark.anyio

Hexes = Callable[..., AbstractAsyncContextManager[Hex]]


def wish(fault: str, times: int = 99, tool: str = "HEX_CREATE_CELL", **given: Any) -> dict[str, Any]:
    """Return a fault of the server."""
    return {
        "tool": tool,
        "fault": fault,
        "times": times,
        "with": {k.rstrip("_"): v for k, v in given.items()},
    }


RENAMED = wish("request_rename", from_="label", to="title")


def cell(hex: Hex, label: str) -> dict[str, Any]:
    """Return the arguments of a cell."""
    contents = {"markdownCell": {"source": "x"}}
    return {"projectId": hex.project(), "cellType": "MARKDOWN", "label": label, "contents": contents}


async def create(bench: Bench, hex: Hex, label: str) -> tuple[Receipt, list[Send], list[Outcome]]:
    """Create a cell; return its receipt and how the call itself was sent, replayed to the same end."""
    given = cell(hex, label)
    async with bench.open(hex) as runner:
        row, receipt = await runner.call("HEX_CREATE_CELL", given)
        history = runner.store.exchanges(row.id, "call.1")
        kit = runner.workspace.toolkit_of("HEX_CREATE_CELL")
        proposed = next(e.data for e in runner.store.events(row.id) if e.type == "call.proposed")
        call = ToolCall.model_validate_json(json.dumps(proposed))
        catalog = Catalog({s: (kit, t) for s, t in kit.tools.items()}, record=Record(runner.store.known()))
        again = replay(call, catalog, history)[1]
        effect = runner.store.effect(call.effect_id)
    assert receipt is not None
    assert isinstance(again, Receipt)
    assert (again.status, again.heals) == (receipt.status, receipt.heals)
    assert receipt.arguments == given
    assert effect is not None
    assert effect.arguments["label"] == label
    calls = [e for e in history if isinstance(e.order, Send) and e.order.role == "call"]
    return receipt, [e.order for e in calls], [e.reply for e in calls]  # type: ignore[misc]


def rules(receipt: Receipt) -> list[tuple[str, str]]:
    """Return how a request was healed."""
    return [(heal.rule, heal.drift) for heal in receipt.heals if heal.failure == "request_drift"]


async def test_what_was_learned_of_a_request_is_used_before_the_next_one_is_sent(
    hexes: Hexes, bench: Bench
) -> None:
    """The first call is refused once; the second leaves in the server's words at once; each is there once."""
    async with hexes(RENAMED) as hex:
        first, sent, _ = await create(bench, hex, "one")
        assert (first.status, first.evidence, first.attempts) == ("verified", "state", 2)
        assert rules(first) == [("rename", "argument_renamed")]
        second, sent, came = await create(bench, hex, "two")
        assert (second.status, second.attempts, len(sent)) == ("verified", 1, 1)
        assert rules(second) == [("patch", "argument_renamed")]
        assert [change.to for change in came[0].reworded] == ["title"]
        labels = [c["label"] for c in hex.cells(hex.project())]
        assert (labels.count("one"), labels.count("two")) == (1, 1)


async def test_what_was_learned_and_is_not_so_any_more_is_taken_back(hexes: Hexes, bench: Bench) -> None:
    """A server that is as before ignores the new name: the look shows it, and it is used no more."""
    async with hexes(RENAMED) as hex:
        await create(bench, hex, "one")
    async with hexes() as hex, bench.open(hex) as runner:
        row, _ = await runner.call("HEX_CREATE_CELL", cell(hex, "two"))
        assert (row.status, row.reason) == ("waiting", "review")
        runner.answer(row.id, None, Decision(approve=False, by="ann"))
        assert (await runner.resume(row.id)).status == "failed"
        right, _, came = await create(bench, hex, "three")
        assert (right.status, right.heals, came[0].reworded) == ("verified", (), ())


async def test_people_see_what_was_learned_of_requests_and_can_reject_it(
    hexes: Hexes, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`contracts list` and `diff` tell it; once it is rejected, the same words of the server ask a person."""
    monkeypatch.setenv("DEFINABLE_HOME", str(bench.home))

    def contracts(*words: str) -> Any:
        return CliRunner().invoke(root, ["contracts", *words], catch_exceptions=False)

    async with hexes(RENAMED) as hex:
        await create(bench, hex, "one")
        listed = contracts("list")
        assert "argument renamed: label sent as title" in listed.stdout
        ident = listed.stdout.split()[0]
        shown = contracts("diff", ident)
        assert "- label" in shown.stdout
        assert "+ title" in shown.stdout
        assert "the server named both sides" in shown.stdout
        assert "arguments: argument renamed" in contracts("export").stderr
        assert contracts("reject", ident).exit_code == 0
        async with bench.open(hex) as runner:
            row, receipt = await runner.call(
                "HEX_CREATE_CELL",
                cell(hex, "two"),
            )
            assert (row.status, row.reason, receipt) == ("waiting", "review", None)
        assert [c["label"] for c in hex.cells(hex.project())].count("two") == 0


@pytest.mark.parametrize(("yes", "status", "times"), [(True, "done", 1), (False, "failed", 0)])
async def test_what_is_not_certain_waits_for_a_person_and_goes_on(
    hexes: Hexes, bench: Bench, yes: bool, status: str, times: int
) -> None:
    """The server demands what nobody gave: a yes sends it again, in a new process; a no sends nothing."""
    async with hexes(wish("request_required", 1, field="ticketId")) as hex:
        async with bench.open(hex) as runner:
            row, _ = await runner.call("HEX_CREATE_CELL", cell(hex, "two"))
            assert (row.status, row.reason) == ("waiting", "review")
            ask = runner.store.open_asks(row.id)[0].ask
            assert isinstance(ask, Ask)
            assert ask.diff == ("new: ticketId is required, and there is no value for it",)
        async with bench.open(hex) as runner:
            runner.answer(row.id, None, Decision(approve=yes, by="ann"))
            ended = await runner.resume(row.id)
        assert ended.status == status
        assert len(hex.effects()) == times


@pytest.mark.parametrize(
    "fault",
    [
        wish("request_case", words="loc"),
        wish("request_word", field="cellType", words="keys"),
        wish("request_retype", field="label", to="array", words="sentences"),
        wish("request_rename", from_="contents.markdownCell.source", to="contents.markdownCell.text"),
    ],
    ids=["case", "word", "type", "nested"],
)
async def test_each_kind_of_wish_is_met_and_remembered(
    hexes: Hexes, bench: Bench, fault: dict[str, Any]
) -> None:
    """Another casing, word, type, a nested name: refused once, then known."""
    async with hexes(fault) as hex:
        first, _, _ = await create(bench, hex, "one")
        second, _, _ = await create(bench, hex, "two")
        assert (first.status, second.status, second.attempts) == ("verified", "verified", 1)
        assert {rule for rule, _ in rules(second)} == {"patch"}
        made = [c for c in hex.cells(hex.project()) if c["label"] in ("one", "two")]
        assert [(c["cellType"], c["source"]) for c in made] == [("MARKDOWN", "x")] * 2
