"""Runs against a product that changes its answers: what is learned, used again, told, and taken back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from definable.calls import Receipt, ToolCall
from definable.cli.app import root
from definable.verify.case import Catalog
from definable.verify.flow import replay
from definable.verify.record import Record
from tests.integration.conftest import Bench, Hex

pytestmark = pytest.mark.anyio

Hexes = Callable[..., AbstractAsyncContextManager[Hex]]
RENAMED = {
    "tool": "HEX_LIST_PROJECTS",
    "fault": "drift_rename",
    "with": {"from": "values[*].title", "to": "label"},
    "times": 99,
}
ALSO = {**RENAMED, "tool": "HEX_GET_PROJECT", "with": {"from": "title", "to": "label"}}


async def called(bench: Bench, hex: Hex, tool: str, **arguments: Any) -> Receipt:
    """Make one call and return its receipt; the whole of it is replayed to the same receipt."""
    async with bench.open(hex) as runner:
        row, receipt = await runner.call(tool, arguments, bench.events.append)
        kit = runner.workspace.toolkit_of(tool)
        tools = {slug: (kit, each) for slug, each in kit.tools.items()}
        proposed = next(e.data for e in runner.store.events(row.id) if e.type == "call.proposed")
        call = ToolCall.model_validate_json(json.dumps(proposed))
        history = runner.store.exchanges(row.id, call.id)
        catalog = Catalog(tools, web={}, record=Record(runner.store.known()))
        again = replay(call, catalog, history)[1]
    assert receipt is not None
    assert isinstance(again, Receipt)
    assert (again.result, again.heals, again.status) == (receipt.result, receipt.heals, receipt.status)
    return receipt


def rules(receipt: Receipt) -> list[tuple[str, str]]:
    """Return how a response was healed."""
    return [(heal.rule, heal.drift) for heal in receipt.heals if heal.drift]


async def test_a_rename_is_proven_once_and_used_again_also_for_another_tool(
    hexes: Hexes, bench: Bench
) -> None:
    """A healthy list, then a renamed field: proven by values, then known, then known for one project."""
    async with hexes() as hex:
        healthy = await called(bench, hex, "HEX_LIST_PROJECTS")
        assert (healthy.heals, healthy.doubts) == ((), ())
        project = hex.project()
    async with hexes(RENAMED, ALSO) as hex:
        first = await called(bench, hex, "HEX_LIST_PROJECTS")
        second = await called(bench, hex, "HEX_LIST_PROJECTS")
        third = await called(bench, hex, "HEX_GET_PROJECT", projectId=project)
    titles = [each["title"] for each in healthy.result["values"]]
    assert [each["title"] for each in first.result["values"]] == titles
    assert [each["title"] for each in second.result["values"]] == titles
    assert third.result["title"] in titles
    assert rules(first) == [("evidence", "field_renamed")]
    assert rules(second) == rules(third) == [("patch", "field_renamed")]


async def test_without_anything_known_a_rename_is_no_result(hexes: Hexes, bench: Bench) -> None:
    """The first answer ever may say anything: it is not taken, and the call ends without a title made up."""
    async with hexes(RENAMED) as hex, bench.open(hex) as runner:
        _, receipt = await runner.call("HEX_LIST_PROJECTS", {}, bench.events.append)
        assert receipt is None or receipt.status != "verified"
        assert [each.kind for each in runner.store.known()] == []


async def test_healthy_runs_leave_no_doubt_and_few_samples(hexes: Hexes, bench: Bench) -> None:
    """The same workflow three times: no heal of a response, no doubt, no sample twice."""
    async with hexes() as hex:
        for _ in range(3):
            row = await bench.run(hex, "weekly-brief", {"project": hex.project()})
            assert row.status == "done"
            for receipt in await bench.receipts(hex, row.id):
                assert (rules(receipt), receipt.doubts) == ([], ())
        async with bench.open(hex) as runner:
            kept = [(each.tool, json.dumps(each.data)) for each in runner.store.known()]
    assert len(kept) == len(set(kept))


def invoke(bench: Bench, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command as a user would and return its result."""
    monkeypatch.setenv("DEFINABLE_HOME", str(bench.home))
    return CliRunner().invoke(root, ["contracts", *arguments], catch_exceptions=False)


async def test_people_see_a_repair_decide_on_it_and_take_it_over(
    hexes: Hexes, bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`contracts list`, `diff`, `accept` and `export`; a rejected one is used no more."""
    async with hexes() as hex:
        await called(bench, hex, "HEX_LIST_PROJECTS")
    async with hexes(RENAMED) as hex:
        await called(bench, hex, "HEX_LIST_PROJECTS")

        (one,) = json.loads(invoke(bench, "list", "--json", monkeypatch=monkeypatch).stdout)
        assert (one["status"], one["drift"], one["seen"]) == ("learned", "field_renamed", 1)
        assert one["expires"] > one["since"]
        told = invoke(bench, "diff", one["id"][:4], monkeypatch=monkeypatch).stdout
        assert "- values[*].title\n+ values[*].label\n" in told
        assert "of 12 known rows" in told

        accepted = invoke(bench, "accept", one["id"], "--json", monkeypatch=monkeypatch)
        assert json.loads(accepted.stdout)["expires"] is None
        check_export(invoke(bench, "export", "--json", monkeypatch=monkeypatch).stdout, tmp_path)

        invoke(bench, "reject", one["id"], monkeypatch=monkeypatch)
        assert (
            json.loads(invoke(bench, "list", "--json", monkeypatch=monkeypatch).stdout)[0]["status"]
            == "rejected"
        )
        async with bench.open(hex) as runner:
            _, receipt = await runner.call("HEX_LIST_PROJECTS", {}, bench.events.append)
            assert receipt is None or receipt.status != "verified"


def check_export(printed: str, folder: Path) -> None:
    """The diff applies to the toolkit's files, which then have the new name where they had the old one."""
    change = json.loads(printed)["diff"]
    shapes = Path(__file__).parents[2] / "tools" / "hex" / "shapes.yaml"
    copy = folder / "tools" / "hex" / "shapes.yaml"
    copy.parent.mkdir(parents=True)
    copy.write_text(shapes.read_text(encoding="utf-8"), encoding="utf-8")
    name = next(line.removeprefix("--- a/") for line in change.splitlines() if line.startswith("--- a/"))
    change = change.replace(name, "tools/hex/shapes.yaml")
    done = subprocess.run(["git", "apply", "-"], input=change, cwd=folder, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    before, after = shapes.read_text(encoding="utf-8"), copy.read_text(encoding="utf-8")
    assert after == before.replace("[id, title, description,", "[id, label, description,").replace(
        "      title: { type: string }\n      description: { type: [string",
        "      label: { type: string }\n      description: { type: [string",
        1,
    )


def test_what_is_no_repair_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty record, and an id that nothing has."""
    assert json.loads(invoke(bench, "list", "--json", monkeypatch=monkeypatch).stdout) == []
    monkeypatch.setenv("DEFINABLE_HOME", str(bench.home))
    found = CliRunner().invoke(root, ["contracts", "diff", "x"])
    assert "there is no repair 'x'" in str(found.exception)
