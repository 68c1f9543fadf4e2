"""Ten thousand items in one batch: what memory it takes as it goes on, and whether it slows down.

    python -m benchmarks.batch [--items 10000] [--concurrency 8] [--database postgresql://…]

Each item is a run of a workflow with one step: one verified read (`HEX_GET_PROJECT`) of a sandbox without
quotas, over HTTP. The batch runs in a process of its own, the sandbox in this one, so that its memory is not
counted. Both share the machine's cores, so the rate is that of a laptop, not of a server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from definable.engine.batch.carry import Watch
from definable.engine.batch.job import Job, Order
from definable.engine.batch.progress import Progress
from definable.engine.options import Options
from definable.sandbox import World, serve
from definable.settings import Settings
from definable.workspace import find
from definable.workspace.check import checked

WORKFLOW = """
name: one-read
description: One verified read.
inputs: { number: { type: integer }, project: { type: string } }
steps: [{ id: read, call: HEX_GET_PROJECT, arguments: { projectId: "${{ inputs.project }}" } }]
outputs: { title: "${{ steps.read.output.title }}" }
"""

STEP = 1000


def used() -> dict[str, float]:
    """Return the memory of this process now, in kB, and the seconds of a core that it has had."""
    status = Path("/proc/self/status").read_text()
    memory = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return {"rss": int(memory.split()[1]), "cpu": time.process_time()}


def work(folder: Path, concurrency: int) -> None:
    """Run the batch, and print time and memory whenever another thousand are done, as JSON lines."""
    environ = dict(os.environ)
    space, began, told = find(folder, environ), time.monotonic(), 0

    def progress(now: Progress) -> None:
        nonlocal told
        while told < now.done // STEP:
            told += 1
            line = {"done": told * STEP, "seconds": time.monotonic() - began, **used()}
            print(json.dumps(line), flush=True)

    workflow, options = checked(space, "one-read"), Options(offline=True, file="one-read")
    order = Order(str(folder / "items.jsonl"), concurrency=concurrency, name="bench")
    with Job.open(space, Settings.read(environ), environ, workflow, options, order) as job:
        print(json.dumps({"done": 0, "seconds": time.monotonic() - began, **used()}), flush=True)
        ended = asyncio.run(job.run(Watch(progress), asyncio.Event()))
        progress(ended.progress)
        print(json.dumps({"summary": ended.summary, **used()}), flush=True)


def measure(items: int, concurrency: int, database: str | None) -> list[dict[str, Any]]:
    """Run the batch in a child and return what it printed."""
    with tempfile.TemporaryDirectory() as name, serve(World(quotas=False)) as served:
        folder = Path(name)
        (folder / "workflows").mkdir()
        (folder / "workflows" / "one-read.yaml").write_text(WORKFLOW)
        with (folder / "items.jsonl").open("w") as file:
            project = next(iter(served.world.state["projects"]))
            for number in range(items):
                file.write(json.dumps({"custom_id": f"item-{number}", "number": number, "project": project}))
                file.write("\n")
        there = {
            "HEX_BASE_URL": served.base_url,
            "HEX_API_TOKEN": served.token,
            "DEFINABLE_QUOTA_SHARE": "off",
            **({"DEFINABLE_DATABASE": database} if database else {}),
        }
        command = [
            sys.executable,
            "-m",
            "benchmarks.batch",
            "--child",
            name,
            "--concurrency",
            str(concurrency),
        ]
        child = subprocess.Popen(command, env={**os.environ, **there}, stdout=subprocess.PIPE, text=True)
        assert child.stdout
        found = []
        for line in child.stdout:
            found.append(json.loads(line))
            print(line, end="", file=sys.stderr, flush=True)
        assert child.wait() == 0
        output = folder / "bench" / "output.jsonl"
        whose = {json.loads(line)["custom_id"] for line in output.open()}
        assert len(whose) == items == sum(1 for _ in output.open())
        return found


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--database")
    parser.add_argument("--child", type=Path)
    given = parser.parse_args()
    if given.child:
        work(given.child, given.concurrency)
        return
    found = measure(given.items, given.concurrency, given.database)
    marks = [each for each in found if "done" in each]
    start, first, before, end = marks[0], marks[1], marks[-2], marks[-1]
    seconds = end["seconds"] - start["seconds"]
    print(f"{given.items:,} items, {given.concurrency} at a time, load {os.getloadavg()[0]:.1f}")
    print(f"  rows checked in {start['seconds']:.1f} s")
    print(f"  run in {seconds:.0f} s: {end['done'] / seconds:.1f} a second")
    for what, name in (("seconds", "a second"), ("cpu", "a second of a core")):
        early, late = (STEP / (b[what] - a[what]) for a, b in ((start, first), (before, end)))
        print(f"  first thousand {early:.1f} {name}, last {late:.1f}: {late / early:.2f}")
    most = max(each["rss"] for each in marks[1:])
    held = [each / 1024 for each in (first["rss"], end["rss"], most)]
    print(f"  memory {held[0]:.0f} MB after 1,000, {held[1]:.0f} MB after the last: {held[1] / held[0]:.2f}")
    print(f"  and {held[2]:.0f} MB at most: {held[2] / held[0]:.2f}")


if __name__ == "__main__":
    main()
