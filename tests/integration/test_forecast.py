"""What is foretold of quotas is what then happens, and people hear of it in time."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.virtual import in_virtual_time, now
from definable.calls import Outcome, Phase
from definable.cli import main
from definable.engine.ahead import requests
from definable.engine.options import Options
from definable.engine.runner import Runner
from definable.graph.governor import Account, Governor
from definable.quota.claim import Allowance, Bucket, Claim
from definable.quota.forecast import forecast
from definable.sandbox import World, serve
from definable.sandbox.clock import Clock
from definable.settings import Settings
from definable.spec.workflow import RunLimits, Step, Workflow
from definable.store import Event, open_store
from definable.workspace import find
from tests.hexkit import toolkit
from tests.integration.conftest import Hex

STARTS = Bucket("starts", (Allowance(20, 60.0), Allowance(60, 600.0)))
DONE = Outcome(phase=Phase.COMMITTED, status=200, headers={})


def leave(path: Path, bucket: Bucket, calls: int, before: int) -> tuple[float, float]:
    """Let requests leave, `before` of them first; return how long the others took, and what was foretold."""
    count = iter(range(1000))

    async def lane(governor: Governor, left: list[float], until: int) -> None:
        while (number := next(count)) < until:
            claim = Claim("o", f"t{number}", "run", (bucket,))
            await governor.admit(claim, lambda wait, waited: None)
            left.append(now())
            await asyncio.sleep(0.3)
            governor.learn("t", "T", claim, DONE)

    async def all_of_them() -> tuple[float, float]:
        with open_store(path) as store:
            governor = Governor(store, {"t": Account(lambda: "o")}, asyncio.sleep, now)
            await lane(governor, [], before)
            await asyncio.sleep(7.0)
            began, left = now(), list[float]()
            foretold = forecast({bucket: calls}, store.taken("o", began)).seconds
            lanes = (lane(governor, left, before + 1 + calls) for _ in range(4))
            await asyncio.gather(*lanes)
            return max(left) - began, foretold

    return in_virtual_time(all_of_them())


@pytest.mark.parametrize(
    ("bucket", "calls", "before"),
    [
        (STARTS, 150, 0),
        (STARTS, 70, 17),
        (Bucket("b", (Allowance(20, 60.0),)), 130, 13),
        (Bucket("b", (Allowance(5, 60.0), Allowance(60, 600.0))), 80, 4),
    ],
)
def test_the_governor_takes_as_long_as_was_foretold(
    tmp_path: Path, bucket: Bucket, calls: int, before: int
) -> None:
    """In virtual time with its own store: never less, and a little more, for answers take 0.3 s."""
    took, foretold = leave(tmp_path / "state.db", bucket, calls, before)
    assert foretold > 60
    assert foretold - 0.01 <= took <= foretold * 1.02


def reads(count: int, **limits: Any) -> Workflow:
    """Return a workflow that reads users so many times; Hex allows 30 a minute."""
    steps = tuple(Step(id=f"s{n}", call="HEX_LIST_USERS", arguments={"limit": 1}) for n in range(count))
    return Workflow(name="reads", description="Reads", steps=steps, limits=RunLimits(**limits))


@pytest.fixture
def hex_(tmp_path: Path) -> Any:
    """Serve a sandbox with Hex's quotas, whose time passes only by waiting."""
    with serve(World(clock=Clock(speed=0))) as served:
        environ = {"HEX_BASE_URL": served.base_url, "HEX_API_TOKEN": served.token}
        yield Hex(served, None, environ)  # type: ignore[arg-type]


def opened(hex_: Hex, home: Path) -> Any:
    """Open a runner in that time."""
    space = find(Path(__file__).parent, {"DEFINABLE_HOME": str(home)})
    return Runner.open(space, Settings(), hex_.environ, Options(offline=True), hex_.sleep, hex_.now)


@pytest.mark.anyio
async def test_a_run_says_how_long_it_takes_before_it_calls_anything(hex_: Hex, tmp_path: Path) -> None:
    """70 reads at 30 a minute: two minutes, and that is how long they take; the rest is told at each wait."""
    events: list[Event] = []
    async with opened(hex_, tmp_path) as runner:
        foretold = runner.ahead(reads(70), {})
        began = hex_.now()
        row = await runner.go(await runner.start(reads(70), {}), events.append)
    assert row.status == "done"
    types = [event.type for event in events]
    assert types.index("run.ahead") < types.index("step.started")
    told = next(event.data for event in events if event.type == "run.ahead")
    assert foretold is not None
    assert told == foretold.model_dump(mode="json")
    assert (told["requests"], told["quota"], told["tools"]) == (70, "hex-api-30rpm", ["HEX_LIST_USERS"])
    assert hex_.now() - began == pytest.approx(told["seconds"], rel=0.02)
    waits = [event.data for event in events if event.type == "run.waiting"]
    assert [wait["ahead"]["requests"] for wait in waits] == [41, 11]  # the key was asked about
    assert waits[0]["ahead"]["seconds"] == pytest.approx(120, abs=1)
    assert waits[0]["seconds"] == pytest.approx(60, abs=1)


@pytest.mark.anyio
async def test_a_limit_on_time_that_is_too_short_is_said_before(hex_: Hex, tmp_path: Path) -> None:
    """The run starts with a warning, and ends as it says."""
    events: list[Event] = []
    async with opened(hex_, tmp_path) as runner:
        row = await runner.go(await runner.start(reads(31, time=30.0), {}), events.append)
    assert row.status == "limited"
    assert [e.data["time"] for e in events if e.type == "run.ahead"] == [pytest.approx(30.0, abs=1)]


@pytest.mark.anyio
async def test_what_others_wait_for_counts(hex_: Hex, tmp_path: Path) -> None:
    """A run that is parked has its turn among ours; without a governor nothing is foretold."""
    async with opened(hex_, tmp_path) as runner:
        row = await runner.go(await runner.start(reads(31), {}), wait=False)
        assert row.status == "waiting"
        found = runner.ahead(reads(30), {})
        assert (found.others, found.seconds) == (1, pytest.approx(120, abs=1))
        assert runner.ahead(reads(1), {}, runs=1000).requests == 1000
        runner.settings = Settings(quota_share=0.0)
        assert runner.ahead(reads(30), {}) is None


@pytest.mark.anyio
async def test_a_call_asks_for_what_was_counted(hex_: Hex, tmp_path: Path) -> None:
    """Neither lists of one page nor a finished run ask for more than the floor but for polls."""
    project = {"projectId": hex_.project()}
    cell = {**project, "cellType": "MARKDOWN", "label": "x", "contents": {"markdownCell": {"source": "x"}}}
    for slug, arguments in (("HEX_CREATE_CELL", cell), ("HEX_RUN_PROJECT", project)):
        async with opened(hex_, tmp_path) as runner:
            row, receipt = await runner.call(slug, arguments, approve=True)
            assert receipt is not None
            assert receipt.status == "verified", receipt.message
            sent = [each.order.tool for each in runner.store.exchanges(row.id, "call.1")]
        floor = requests(toolkit(), slug, arguments)
        assert {tool: n for tool, n in floor.items() if sent.count(tool) < n} == {}
        assert set(sent) == set(floor)
        assert len([tool for tool in sent if tool != "HEX_GET_RUN_STATUS"]) == sum(
            n for tool, n in floor.items() if tool != "HEX_GET_RUN_STATUS"
        )


def test_the_command_line_says_it_beforehand_and_while_it_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--dry` has it, a run begins with it, and a run that waits has what is to come, live and later."""
    for name in ("HEX_API_TOKEN", "HEX_BASE_URL", "DEFINABLE_HOME", "DEFINABLE_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "workflows").mkdir()
    text = yaml.safe_dump(reads(65, time=90.0).model_dump(mode="json", by_alias=True, exclude_unset=True))
    (tmp_path / "workflows" / "reads.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["run", "reads", "--sandbox", "--dry"]) == 0
    about = "at least 65 requests: about 2 min until the last can leave: 30 per minute of HEX_LIST_USERS"
    out = capsys.readouterr().out
    assert about in out
    assert "this will end as limited: limits.time leaves 90 s" in out
    assert main(["run", "reads", "--sandbox", "--no-wait"]) == 3
    err = capsys.readouterr().err
    assert err.index(about) < err.index("s0")
    assert "  to come: at least 36 requests: about" in err
    assert main(["runs", "list", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)[0]["id"]
    assert main(["runs", "show", run, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["ahead"]["requests"] == 36
    assert shown["until"] is not None
    assert math.isfinite(shown["ahead"]["seconds"])
