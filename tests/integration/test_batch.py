"""Batches in this process against the sandbox: what is done, paid, told, and done again."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from definable.calls import Failure
from definable.engine.batch.carry import End, Watch
from definable.engine.batch.job import Ended, Job, Order
from definable.engine.batch.progress import Progress
from definable.engine.options import Options
from definable.errors import UsageError
from definable.settings import Settings
from definable.store import RunStatus, open_store
from definable.workspace import find
from definable.workspace.check import checked
from tests.integration.conftest import Hex

Hexes = Callable[..., AbstractAsyncContextManager[Hex]]

MARK = """
name: mark
description: Writes a cell.
inputs:
  project: { type: string }
  label: { type: string }
  text: { type: string, default: hello }
steps:
  - id: write
    call: HEX_CREATE_CELL
    arguments:
      projectId: ${{ inputs.project }}
      cellType: MARKDOWN
      label: ${{ inputs.label }}
      contents: { markdownCell: { source: "${{ inputs.text }}" } }
  - id: ask
    when: inputs.text == 'ask'
    call: HEX_UPDATE_PROJECT
    approve: true
    arguments: { projectId: "${{ inputs.project }}", status: In review }
outputs: { cell: "${{ steps.write.output.id }}" }
limits: { retries: 1 }
"""

LOOK = """
name: look
description: Reads the cells of a project.
inputs: { project: { type: string }, label: { type: string, default: x } }
steps: [{ id: read, call: HEX_LIST_CELLS, arguments: { projectId: "${{ inputs.project }}" } }]
limits: { retries: 1 }
"""

NOWHERE = "00000000-0000-4000-8000-000000000000"


@dataclass
class Desk:
    """A workspace with one workflow, a file of items, and a sandbox."""

    folder: Path
    hex: Hex
    said: list[str] = field(default_factory=list)
    seen: list[Progress] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the workspace."""
        (self.folder / "workflows").mkdir()
        (self.folder / "workflows" / "mark.yaml").write_text(MARK)
        (self.folder / "workflows" / "look.yaml").write_text(LOOK)

    @property
    def out(self) -> Path:
        """Where results go."""
        return self.folder / "out"

    def items(self, *rows: dict[str, Any]) -> None:
        """Write the file of items."""
        text = "".join(json.dumps({"custom_id": row.pop("id"), "inputs": row}) + "\n" for row in rows)
        (self.folder / "items.jsonl").write_text(text)

    def numbered(self, count: int, **more: Any) -> list[dict[str, Any]]:
        """Return so many items."""
        return [
            {"id": f"i{n}", "project": a_project(self.hex, n), "label": f"n{n}", **more} for n in range(count)
        ]

    async def run(self, stop: asyncio.Event | None = None, name: str = "mark", **order: Any) -> Ended:
        """Run the batch."""
        space = find(self.folder, {"DEFINABLE_HOME": str(self.folder / "home")})
        settings = Settings.read({"DEFINABLE_QUOTA_SHARE": "off"})
        what = Order(str(self.folder / "items.jsonl"), out=self.out, name="b", **{"concurrency": 4, **order})
        workflow, options = checked(space, name), Options(offline=True, file=name)
        with Job.open(space, settings, self.hex.environ, workflow, options, what) as job:
            watch = Watch(self.seen.append, say=self.said.append)
            return await asyncio.wait_for(job.run(watch, stop or asyncio.Event()), 50)

    def lines(self, name: str) -> list[Any]:
        """Return the lines of a file of results."""
        return [json.loads(line) for line in (self.out / name).read_text().splitlines()]

    def ids(self, name: str) -> list[str]:
        """Return whose lines they are, in order of the names."""
        return sorted(line["custom_id"] for line in self.lines(name))

    def written(self) -> list[str]:
        """Return the labels of the cells that were made."""
        cells = self.hex.world.state["cells"].values()
        return sorted(c["label"] for c in cells if re.fullmatch(r"n\d+b?", str(c["label"])))


@pytest.fixture
def desks(hexes: Hexes, tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Desk]]:
    """Return what makes a desk with a sandbox that has these faults."""

    @asynccontextmanager
    async def start(*faults: dict[str, Any]) -> AsyncIterator[Desk]:
        async with hexes(*faults) as hex:
            yield Desk(tmp_path, hex)

    return start


Desks = Callable[..., AbstractAsyncContextManager[Desk]]


def a_project(hex: Hex, number: int) -> str:
    """Return the id of a project of its own: writes in one place take turns."""
    projects = hex.world.state["projects"]
    name = f"00000000-0000-4000-9000-{number:012}"
    projects.setdefault(name, {**projects[hex.project()], "id": name, "title": f"Project {number}"})
    return name


def labels(numbers: Iterable[int]) -> list[str]:
    """Return the labels of these items."""
    return sorted(f"n{n}" for n in numbers)


@pytest.mark.anyio
async def test_thirty_items_and_then_nothing(desks: Desks) -> None:
    """Each item is in Hex and in the output once, whatever went wrong; the second time nothing is sent."""
    limited = {"tool": "HEX_CREATE_CELL", "fault": "rate_limit", "times": 3, "with": {"seconds": 0.1}}
    lost = {"tool": "HEX_CREATE_CELL", "fault": "lost_answer", "after": 8, "times": 2}
    async with desks(limited, lost) as desk:
        desk.items(*desk.numbered(30))
        ended = await desk.run(concurrency=8)
        assert (ended.end, ended.exit_code, ended.progress.done) == (End.DONE, 0, 30)
        assert desk.written() == labels(range(30))
        assert desk.ids("output.jsonl") == sorted(f"i{n}" for n in range(30))
        assert desk.lines("errors.jsonl") == []
        with open_store(desk.folder / "home" / "definable.db") as store:
            calls = [receipt.heals for row in store.runs(100) for receipt in store.receipts(row.id)]
        failures = Counter(heal.failure for heals in calls for heal in heals)
        assert failures == {Failure.RATE_LIMITED: 3, Failure.UNKNOWN_OUTCOME: 2}
        assert ended.progress.healed == sum(map(bool, calls))
        assert max(each.running for each in desk.seen) <= 16
        requests = sum(sum(each.values()) for each in desk.hex.world.requests.values())
        again = await desk.run()
        assert (again.plan.done, again.plan.new, again.exit_code) == (30, 0, 0)
        assert sum(sum(each.values()) for each in desk.hex.world.requests.values()) == requests
        assert len(desk.lines("output.jsonl")) == 30


@pytest.mark.anyio
async def test_a_line_is_in_the_shape_of_openai(desks: Desks) -> None:
    """With the run's id, its outputs, what its receipts say, and what it cost."""
    async with desks() as desk:
        good, bad = desk.numbered(2)
        desk.items(good, {**bad, "project": NOWHERE})
        ended = await desk.run()
        assert (ended.exit_code, ended.summary["status"]) == (1, "done")
        (line,), (error,) = desk.lines("output.jsonl"), desk.lines("errors.jsonl")
        assert (line["custom_id"], line["error"]) == ("i0", None)
        response = line["response"]
        assert (response["status_code"], response["request_id"]) == (200, line["id"])
        body = response["body"]
        assert list(body["outputs"]) == ["cell"]
        assert body["receipts"] == {"calls": 1, "verified": 1, "healed": 0}
        assert (body["status"], body["spent"]["usd"], body["spent"]["calls"]) == ("done", 0.0, 1)
        assert (error["custom_id"], error["response"]) == ("i1", None)
        assert error["error"]["code"] == "not_found"
        assert "HEX_CREATE_CELL failed" in error["error"]["message"]
        summary = json.loads((desk.out / "summary.json").read_text())
        assert (summary["done"], summary["failed"], summary["total"], summary["usd"]) == (1, 1, 2, 0.0)


@pytest.mark.anyio
async def test_what_failed_goes_on_and_what_changed_is_run_anew(desks: Desks) -> None:
    """The rest is not touched; old results of changed items, and of those that are gone, leave the output."""
    async with desks({"tool": "HEX_CREATE_CELL", "fault": "forbidden", "after": 1, "times": 1}) as desk:
        rows = desk.numbered(4)
        desk.items(*rows)
        first = await desk.run(concurrency=1)
        assert (first.progress.done, first.progress.failed) == (3, 1)
        failed = desk.lines("errors.jsonl")[0]
        rows = desk.numbered(4)
        rows[2] |= {"label": "n2b"}
        desk.items(*rows[:3], {**rows[3], "id": "new", "label": "n9"})
        second = await desk.run()
        assert (second.plan.done, second.plan.again, second.plan.changed, second.plan.new) == (1, 1, 1, 1)
        assert second.exit_code == 0
        assert desk.written() == sorted(["n0", "n1", "n2", "n2b", "n3", "n9"])
        assert desk.ids("output.jsonl") == ["i0", "i1", "i2", "new"]
        assert desk.lines("errors.jsonl") == []
        assert failed["id"] in [line["id"] for line in desk.lines("output.jsonl")]


@pytest.mark.anyio
async def test_bad_rows_are_in_the_errors_and_the_rest_is_run(desks: Desks) -> None:
    """A row that does not fit has no run; what a call would refuse half-way is known before."""
    async with desks() as desk:
        good, bad, worse = desk.numbered(3)
        del bad["label"]
        desk.items(good, bad, {**worse, "project": "no id"})
        ended = await desk.run()
        assert (ended.exit_code, ended.progress.failed, ended.progress.total) == (1, 2, 3)
        errors = desk.lines("errors.jsonl")
        assert [(e["custom_id"], e["id"], e["error"]["code"], e["error"]["line"]) for e in errors] == [
            ("i1", None, "invalid_row", 2),
            ("i2", None, "invalid_row", 3),
        ]
        assert "'no id' is no project-id" in errors[1]["error"]["message"]


@pytest.mark.anyio
async def test_what_waits_for_a_person_holds_no_place(desks: Desks) -> None:
    """The others go on; once it is answered, the same command ends it."""
    async with desks() as desk:
        asking = desk.numbered(3, text="ask")
        desk.items(*asking, *desk.numbered(6)[3:])
        ended = await desk.run(concurrency=1)
        assert (ended.exit_code, ended.progress.done, ended.progress.waiting) == (3, 3, 3)
        assert [each["reason"] for each in ended.summary["waits"]] == ["approval"] * 3
        assert ended.summary["status"] == "waiting"
        with open_store(desk.folder / "home" / "definable.db") as store:
            for row in store.runs(status=RunStatus.WAITING, batch="b"):
                (ask,) = store.open_asks(row.id)
                store.answer(ask.id, Decide(ask.ask.arguments_hash))
        again = await desk.run()
        assert (again.exit_code, again.progress.done, again.progress.waiting) == (0, 6, 0)
        assert desk.written() == labels(range(6))


AWAY = {"tool": "HEX_LIST_CELLS", "fault": "error_before", "with": {"status": 500}}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pauses short."""
    monkeypatch.setattr("definable.engine.batch.weather.FIRST", 0.3)
    monkeypatch.setattr("definable.engine.batch.weather.LONGEST", 0.3)
    monkeypatch.setattr("definable.quota.breaker.FIRST", 0.1)
    monkeypatch.setattr("definable.quota.breaker.LONGEST", 0.1)


@pytest.mark.anyio
@pytest.mark.usefixtures("hasty")
async def test_a_service_that_is_away_pauses_the_batch(desks: Desks) -> None:
    """Nothing fails by it: a few items find out, it is said, and all go on when the service is back."""
    async with desks({**AWAY, "times": 12}) as desk:
        desk.items(*desk.numbered(12))
        ended = await desk.run(name="look")
        assert (ended.exit_code, ended.progress.done, ended.progress.failed) == (0, 12, 0)
        assert [text.partition(":")[0] for text in desk.said] == ["paused", "goes on"]
        assert len(desk.lines("output.jsonl")) == 12


@pytest.mark.anyio
@pytest.mark.usefixtures("hasty")
async def test_a_service_that_stays_away_ends_the_batch(
    desks: Desks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 5; few items found out, and the others are left for another time."""
    monkeypatch.setattr("definable.engine.batch.weather.PATIENCE", 1.0)
    async with desks({**AWAY, "times": 1000}) as desk:
        desk.items(*desk.numbered(40))
        ended = await desk.run(name="look", concurrency=2)
        assert (ended.end, ended.exit_code) == (End.AWAY, 5)
        assert ended.progress.left + ended.progress.failed == 40
        assert 0 < ended.progress.failed < 12


REVOKED = {"tool": "HEX_LIST_CELLS", "fault": "revoke", "after": 3, "times": 1}


@pytest.mark.anyio
async def test_without_a_key_nothing_fails(desks: Desks) -> None:
    """Where none can come it ends, and what had begun waits; with another key the same command goes on."""
    async with desks(REVOKED) as desk:
        desk.items(*desk.numbered(12))
        ended = await desk.run(name="look", concurrency=2)
        assert (ended.end, ended.exit_code, ended.progress.failed) == (End.KEYLESS, 3, 0)
        assert ended.progress.done >= 3
        assert 1 <= ended.progress.waiting <= 4
        assert {each["reason"] for each in ended.summary["waits"]} == {"auth"}
        desk.hex.environ["HEX_API_TOKEN"] = desk.hex.world.issue_token()
        again = await desk.run(name="look")
        assert (again.exit_code, again.progress.done) == (0, 12)


@pytest.mark.anyio
async def test_it_goes_on_by_itself_once_a_key_is_there(desks: Desks) -> None:
    """It says that it waits for one, and begins nothing meanwhile."""
    async with desks(REVOKED) as desk:
        desk.items(*desk.numbered(12))
        file = desk.folder / "token"
        file.write_text(desk.hex.environ.pop("HEX_API_TOKEN"))
        desk.hex.environ["HEX_API_TOKEN_FILE"] = str(file)

        async def renew() -> None:
            while not desk.said:  # noqa: ASYNC110 - it is told by the batch
                await asyncio.sleep(0.05)
            file.write_text(desk.hex.world.issue_token())

        ended, _ = await asyncio.gather(desk.run(name="look", concurrency=2), renew())
        assert (ended.exit_code, ended.progress.done) == (0, 12)
        assert [text.partition(":")[0] for text in desk.said] == ["paused", "goes on"]


@pytest.mark.anyio
async def test_told_to_stop_it_leaves_whole_files(desks: Desks) -> None:
    """What is at work ends, nothing new begins, and the same command does the rest."""
    slow = {"tool": "HEX_CREATE_CELL", "fault": "slow", "times": 100, "with": {"seconds": 0.3}}
    async with desks(slow) as desk:
        desk.items(*desk.numbered(16))
        stop = asyncio.Event()

        async def some() -> None:
            while len(desk.written()) < 3:  # noqa: ASYNC110 - the sandbox tells nobody
                await asyncio.sleep(0.05)
            stop.set()

        _, ended = await asyncio.gather(some(), desk.run(stop, concurrency=2))
        assert (ended.end, ended.exit_code) == (End.STOPPED, 130)
        assert 0 < ended.progress.done < 16
        assert len(desk.lines("output.jsonl")) == ended.progress.done == len(desk.written())
        again = await desk.run(concurrency=8)
        assert (again.exit_code, again.plan.done) == (0, ended.progress.done)
        assert desk.written() == labels(range(16))


@pytest.mark.anyio
async def test_what_a_kill_left_in_the_files_is_put_right(desks: Desks) -> None:
    """Half a line is cut off, a line that is there twice or missing is there once."""
    async with desks() as desk:
        desk.items(*desk.numbered(4))
        await desk.run()
        file = desk.out / "output.jsonl"
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(lines[0] + lines[0] + b"junk\n" + lines[1] + lines[2][:20])
        (desk.out / "errors.jsonl").write_bytes(b'{"half')
        again = await desk.run()
        assert (again.plan.done, again.exit_code) == (4, 0)
        assert desk.ids("output.jsonl") == ["i0", "i1", "i2", "i3"]
        assert desk.lines("errors.jsonl") == []
        assert len(desk.written()) == 4


@pytest.mark.anyio
async def test_one_process_at_a_time_runs_a_batch(desks: Desks) -> None:
    """The second is told so; and a folder with another batch's results is left alone."""
    async with desks({"tool": "HEX_CREATE_CELL", "fault": "slow", "with": {"seconds": 3}}) as desk:
        desk.items(*desk.numbered(1))
        first = asyncio.create_task(desk.run())
        await asyncio.sleep(0.5)
        with pytest.raises(UsageError, match="the batch 'b' is being run by another process"):
            await desk.run()
        await first
        (desk.out / "summary.json").write_text('{"batch": "other"}')
        with pytest.raises(UsageError, match="has the results of the batch 'other'"):
            await desk.run()


def Decide(arguments_hash: str) -> Any:
    """Return an approval."""
    from definable.calls import Decision

    return Decision(approve=True, by="ana", arguments_hash=arguments_hash)
