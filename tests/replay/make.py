"""Makes a database with runs in all stages, by the version of Definable that is imported.

See README.md. `python -m tests.replay.make HOME`, in a checkout of that version with this folder beside it.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from definable.calls import Decision
from definable.engine import segment
from definable.sandbox import Faults, World, serve
from tests.replay.story import STORY, Scripted, opened

STAGES = {
    "review": "",
    "approval": "",
    "dead at look/0": "dies look/0",
    "dead at look/1": "dies look/1",
    "dead at look/2": "dies look/2",
    "dead at draft": "dies draft/0",
    "failed at look/1": "fails look/1",
    "failed at draft": "fails draft/0",
    "without a key": "locked look/1",
    "parked": "",
}
"""Where a run is left → the trouble that leads there, if it is one of its model."""


async def leave(home: str, environ: dict[str, str], stage: str, project: str) -> None:
    """Begin a run and leave it at a stage."""
    async with opened(home, environ) as runner:
        run = await runner.start(STORY, {"project": project, "trouble": STAGES[stage]})
        Scripted.note(f"{run} is left: {stage}")
        row = await runner.go(run, wait=False)
        if stage == "approval":
            runner.answer(run, None, Decision(approve=True, by="tomas", reason="it is new"))
            row = await runner.resume(run, wait=False)
        Scripted.note(f"{run} {row.status} {row.reason}")


def main() -> None:
    """Make it."""
    home = Path(sys.argv[1])
    home.mkdir(parents=True)
    Scripted.paid = home / "paid.txt"
    setattr(segment, "Models", Scripted)  # noqa: B010 - it is not exported
    limited = {"tool": "HEX_LIST_PROJECTS", "fault": "rate_limit", "times": 1, "with": {"retry_after": 60}}
    for stage in STAGES:
        faults = [limited] if stage == "parked" else []
        with serve(World(quotas=False), Faults.parse({"seed": 1, "faults": faults})) as served:
            project = next(i for i, p in served.world.state["projects"].items() if "Weekly" in p["title"])
            environ = {"HEX_BASE_URL": served.base_url, "HEX_API_TOKEN": served.token}
            if not (child := os.fork()):
                asyncio.run(leave(str(home), environ, stage, project))
                os._exit(0)
            os.waitpid(child, 0)
    with closing(sqlite3.connect(home / "definable.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("VACUUM")


if __name__ == "__main__":
    main()
