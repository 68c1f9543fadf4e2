"""Makes the histories of schema 7: run it with the code of commit c97ed4a (see README.md).

PYTHONPATH=CHECKOUT_OF_c97ed4a python schema7_make.py OUT [postgresql://…]
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from definable.sandbox import Faults, Served, World, serve
from definable.store import RunRow, Store, open_store, place

COMMAND = [sys.executable, "-m", "definable"]

WORKFLOWS = {
    "tell": """\
name: tell
description: Writes one cell.
inputs: { project: { type: string }, label: { type: string } }
steps:
  - id: deliver
    call: HEX_CREATE_CELL
    arguments:
      projectId: ${{ inputs.project }}
      cellType: MARKDOWN
      label: ${{ inputs.label }}
      contents: { markdownCell: { source: "Written by an old run: ${{ inputs.label }}" } }
outputs: { cell: "${{ steps.deliver.output.id }}" }
""",
    "ask": """\
name: ask
description: Writes one cell once somebody says yes.
inputs: { project: { type: string }, label: { type: string } }
steps:
  - id: look
    call: HEX_GET_PROJECT
    arguments: { projectId: "${{ inputs.project }}" }
  - id: deliver
    call: HEX_CREATE_CELL
    arguments:
      projectId: ${{ inputs.project }}
      cellType: MARKDOWN
      label: ${{ inputs.label }}
      contents: { markdownCell: { source: "Into ${{ steps.look.output.title }}" } }
outputs: { cell: "${{ steps.deliver.output.id }}" }
approvals: [{ tools: [HEX_CREATE_CELL], timeout: 36500d }]
""",
}


class Maker:
    """One workspace, one sandbox, and the old command line."""

    def __init__(self, root: Path, served: Served, faults: Faults, database: str) -> None:
        """Write the workflows and find the project."""
        self.root, self.served, self.faults, self.database = root, served, faults, database
        (root / "workflows").mkdir()
        for name, text in WORKFLOWS.items():
            (root / "workflows" / f"{name}.yaml").write_text(text)
        projects = served.world.state["projects"]
        self.project = next(str(i) for i, p in projects.items() if p["title"] == "Data Team Weekly")

    def environ(self) -> dict[str, str]:
        """Return the environment that leads to the sandbox."""
        drop = ("HEX_", "OPENAI_", "ANTHROPIC_", "DEFINABLE_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
        mine = {"HEX_BASE_URL": self.served.base_url, "HEX_API_TOKEN": self.served.world.issue_token()}
        mine |= {"DEFINABLE_OFFLINE": "1", **({"DEFINABLE_DATABASE": self.database} if self.database else {})}
        return {**kept, **mine}

    def store(self) -> Store:
        """Open the old store."""
        return open_store(place(self.root / ".definable", self.database or None))

    def fault(self, *faults: dict[str, Any]) -> None:
        """Have the sandbox do these things wrong from now on."""
        self.faults.__dict__.update(Faults.parse({"seed": 1, "faults": list(faults)}).__dict__)

    def run(self, workflow: str, label: str = "", project: str = "") -> dict[str, Any]:
        """Run a workflow until it ends or waits, and return what is said of it."""
        inputs = ["-i", f"project={project or self.project}", *(["-i", f"label={label}"] if label else [])]
        done = subprocess.run(
            [*COMMAND, "run", workflow, *inputs, "--json", "--no-wait"],
            cwd=self.root,
            env=self.environ(),
            capture_output=True,
            text=True,
            check=False,
        )
        row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        print(workflow, label, row["run_id"], row["status"], row["reason"], file=sys.stderr)
        return row

    def killed(self, workflow: str, ready: Callable[[], bool], label: str = "") -> str:
        """Run a workflow and kill its process as soon as `ready`; return its run."""
        inputs = ["-i", f"project={self.project}", *(["-i", f"label={label}"] if label else [])]
        with self.store() as store:
            before = {row.id for row in store.runs()}
        process = subprocess.Popen(
            [*COMMAND, "run", workflow, *inputs], cwd=self.root, env=self.environ(), stderr=subprocess.DEVNULL
        )
        while not ready():
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with self.store() as store:
            (run,) = {row.id for row in store.runs()} - before
        print(workflow, label, run, "killed", file=sys.stderr)
        return run


def make(maker: Maker) -> dict[str, str]:
    """Make the runs and return their ids by what became of them."""
    found = {"done": maker.run("weekly-brief")["run_id"]}
    maker.fault({"tool": "HEX_CREATE_CELL", "fault": "forbidden"})
    found["failed"] = maker.run("tell", label="Failed")["run_id"]
    maker.fault()
    found["approval"] = maker.run("ask", label="Approved")["run_id"]
    maker.fault({"tool": "HEX_CREATE_CELL", "fault": "stall", "with": {"seconds": 20, "commit": True}})
    projects = maker.served.world.state["projects"]
    other = next(
        str(i) for i, p in projects.items() if p["title"] != "Data Team Weekly" and not p.get("archivedAt")
    )
    count = len(maker.served.world.effects)
    found["sent"] = maker.killed("tell", lambda: len(maker.served.world.effects) > count, label="Sent")
    maker.fault({"tool": "HEX_CREATE_CELL", "fault": "stall", "with": {"seconds": 20, "commit": False}})
    with maker.store() as store:

        def out() -> bool:
            newest = store.runs()[0]
            return newest.inputs.get("label") == "Lost" and any(
                effect.state == "sent" for effect in store.effects(newest.id)
            )

        found["lost"] = maker.killed("tell", out, label="Lost")
    maker.fault({"tool": "HEX_GET_PROJECT_RUNS", "fault": "stall", "with": {"seconds": 20}})
    count = asked(maker)
    found["reading"] = maker.killed("weekly-brief", lambda: asked(maker) > count)
    maker.fault({"tool": "HEX_CREATE_CELL", "fault": "unauthorized", "times": 20})
    found["keys"] = maker.run("tell", label="Keys")["run_id"]
    maker.fault({"tool": "HEX_CREATE_CELL", "fault": "rate_limit", "with": {"retry_after": 120}})
    found["parked"] = maker.run("tell", label="Parked", project=other)["run_id"]
    with maker.store() as store:  # the wait is over long before anybody goes on with it
        assert store.run(found["parked"]).reason == "quota", store.run(found["parked"])
    maker.fault()
    return {**found, "ledger": ledger(maker)}


def asked(maker: Maker) -> int:
    """How many project runs were asked for."""
    return sum(maker.served.world.requests.get("HEX_GET_PROJECT_RUNS", {}).values())


def ledger(maker: Maker) -> str:
    """A run whose effects are in every state that there is, made by the store's own steps."""
    from definable.calls import Phase
    from definable.spec.model import Evidence

    with maker.store() as store:
        run = store.create_run(
            RunRow(id="20260101-0000-1edge7", workflow="ledger", definition={"name": "ledger"}, inputs={})
        ).id
        for state in (
            "intended",
            "sent",
            "committed",
            "rejected",
            "unknown",
            "reconciled",
            "needs_review",
            "verified",
        ):
            effect = f"effect-{state}"
            store.intend(effect, run, f"{state}.1", "HEX_CREATE_CELL", {"label": state})
            if state == "intended":
                continue
            store.sent(effect, 1)
            phases = {"committed": Phase.COMMITTED, "verified": Phase.COMMITTED, "rejected": Phase.REJECTED}
            if state == "sent":
                continue
            store.outcome(effect, phases.get(state, Phase.UNKNOWN))
            if state == "reconciled":
                store.reconciled(effect, {"id": "c-1"})
            elif state == "needs_review":
                store.needs_review(effect, "two match")
            elif state == "verified":
                store.verified(effect, Evidence.STATE)
        return run


def dumped(maker: Maker) -> str:
    """The database as SQL."""
    if maker.database:
        programs = Path(os.environ["PGPROGRAMS"])
        text = subprocess.run(
            [programs / "pg_dump", "--inserts", "--no-owner", "--schema=definable", maker.database],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        lines = [
            line
            for line in text.splitlines()
            if line and not line.startswith(("--", "\\", "SET transaction_timeout"))
        ]
        return "\n".join(lines) + "\n"
    with sqlite3.connect(maker.root / ".definable" / "definable.db") as db:
        marks = [
            f"PRAGMA {name} = {db.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("application_id", "user_version")
        ]
        return "\n".join([*db.iterdump(), *marks]) + "\n"


def main() -> None:
    """Write OUT.sql and OUT.json, which has the ids and the sandbox's state."""
    out, database = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""
    faults = Faults.parse({"seed": 1, "faults": []})
    with tempfile.TemporaryDirectory() as folder, serve(World(quotas=False), faults) as served:
        maker = Maker(Path(folder), served, faults, database)
        runs = make(maker)
        world = served.world.snapshot()
        world["token"], world["state"]["tokens"] = "", {}
        facts = {"runs": runs, "project": maker.project, "world": world}
        out.with_suffix(".sql").write_text(dumped(maker))
        out.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
