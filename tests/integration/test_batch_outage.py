"""Items at which a service always fails, in a batch: they do not pass for a service that is away."""

from __future__ import annotations

import asyncio

import pytest

from definable.engine.batch.progress import Progress
from tests.integration.test_batch import Desk, Desks, desks, hasty

__all__ = ["desks", "hasty"]

BROKEN = """
name: broken
description: Reads the cells of a project, after its runs, which the service cannot for some.
inputs: { project: { type: string }, label: { type: string } }
steps:
  - id: runs
    when: inputs.label == 'bad'
    call: HEX_GET_PROJECT_RUNS
    arguments: { projectId: "${{ inputs.project }}" }
  - { id: read, call: HEX_LIST_CELLS, arguments: { projectId: "${{ inputs.project }}" } }
limits: { retries: 0 }
"""
ALWAYS = {"tool": "HEX_GET_PROJECT_RUNS", "fault": "error_before", "times": 10_000, "with": {"status": 500}}


class Until(list[Progress]):
    """What was seen of a batch, which is told to stop when so many items are done."""

    def __init__(self, done: int) -> None:
        """See nothing yet."""
        super().__init__()
        self.done = done
        self.stop = asyncio.Event()

    def append(self, progress: Progress) -> None:
        """Take in where the batch stands."""
        super().append(progress)
        if progress.done == self.done:
            self.stop.set()


async def until_done(desk: Desk, count: int) -> None:
    """Run the batch until so many items are done, and no longer."""
    desk.seen = until = Until(count)
    await desk.run(until.stop, name="broken", concurrency=2)


@pytest.mark.anyio
@pytest.mark.usefixtures("hasty")
async def test_items_at_which_a_service_always_fails_do_not_hold_up_the_rest(desks: Desks) -> None:
    """More of them than are under way at a time stand at the front, also when the batch is run again."""
    async with desks(ALWAYS) as desk:
        (desk.folder / "workflows" / "broken.yaml").write_text(BROKEN)
        rows = [{**row, "label": "bad"} for row in desk.numbered(8)] + desk.numbered(12)[8:]
        good = [row["id"] for row in rows[8:]]
        desk.items(*[dict(row) for row in rows])
        await until_done(desk, 4)
        assert desk.ids("output.jsonl") == sorted(good)
        desk.items(*[dict(row) for row in rows], {**rows[8], "id": "more"})
        await until_done(desk, 5)
        assert desk.ids("output.jsonl") == sorted([*good, "more"])
