"""A batch with a limit in dollars, models asked over HTTP: it stops in time, and pays for nothing twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from definable.engine.batch.carry import End, Watch
from definable.engine.batch.job import Ended, Job, Order
from definable.engine.options import Options
from definable.settings import Settings
from definable.workspace import find
from definable.workspace.check import checked
from tests.integration.conftest import Hex
from tests.models import model_server

DRAFT = """
name: draft
description: Pays for one answer.
inputs: { project: { type: string } }
steps:
  - { id: look, call: HEX_GET_PROJECT, arguments: { projectId: "${{ inputs.project }}" } }
  - id: ask
    agent: researcher
    tools: [HEX_LIST_CELLS]
    prompt: Which cells does this project have?
    with: { project: "${{ steps.look.output }}" }
"""


@pytest.mark.anyio
async def test_a_limit_in_dollars_stops_the_batch_and_more_money_pays_for_the_rest(
    hexes: Callable[..., AbstractAsyncContextManager[Hex]], tmp_path: Path
) -> None:
    """Eight items at a limit of some three: fewer are begun, none is paid for twice, the rest later."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "draft.yaml").write_text(DRAFT)
    async with hexes() as hex:
        with model_server() as models:
            items = tmp_path / "items.jsonl"
            lines = [
                json.dumps({"custom_id": f"i{n}", "inputs": {"project": hex.project()}}) for n in range(8)
            ]
            items.write_text("\n".join(lines))
            space = find(tmp_path, {"DEFINABLE_HOME": str(tmp_path / "home")})
            settings = Settings.read({"DEFINABLE_QUOTA_SHARE": "off"})
            workflow = checked(space, "draft")

            async def run(usd: float) -> Ended:
                order = Order(str(items), out=tmp_path / "out", name="b", concurrency=3, limit_usd=usd)
                environ = {**hex.environ, **models.environ}
                with Job.open(space, settings, environ, workflow, Options(file="draft"), order) as job:
                    return await asyncio.wait_for(job.run(Watch(), asyncio.Event()), 50)

            one = await run(1e-9)
            assert (one.end, one.progress.done) == (End.LIMITED, 1)

            each = one.progress.usd
            asked = len(models.asked)
            assert each > 0
            assert set(models.asked) == {space.agent("researcher").model}
            some = await run(3.5 * each)
            assert (some.end, some.progress.done, some.exit_code) == (End.LIMITED, 3, 4)
            assert some.progress.usd == pytest.approx(3 * each, rel=0.1)
            assert "is spent" in some.why
            rest = await run(100.0)
            assert (rest.end, rest.progress.done, rest.exit_code) == (End.DONE, 8, 0)
            assert len(models.asked) == 8 * asked
