"""A process that was stopped while another took its run over: it sends nothing, however late it goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests import warm
from tests.e2e.test_cli_processes import COMMAND, clean, definable, last
from tests.e2e.test_kill import PATIENCE, asked, pending, sandbox, weekly, where


@pytest.mark.timeout(120)
def test_a_process_that_was_stopped_sends_nothing_when_it_goes_on(tmp_path: Path) -> None:
    """Its lock is gone with the folder of locks; another process ends the run, and the cell is there once."""
    slow = {"tool": "HEX_LIST_CELLS", "fault": "slow", "with": {"seconds": 3}}
    with sandbox(slow) as served:
        arguments = [*COMMAND, "run", "weekly-brief", "-i", f"project={weekly(served)}"]
        first = warm.Process(arguments, cwd=tmp_path, env=clean(**where(served)), stderr=warm.PIPE)
        try:
            deadline = time.monotonic() + PATIENCE
            while not served.world.requests.get("HEX_LIST_CELLS") and time.monotonic() < deadline:
                time.sleep(0.005)
            os.kill(first.pid, signal.SIGSTOP)
            run = json.loads(definable("runs", "list", "--json", cwd=tmp_path).stdout)[0]["id"]
            busy = definable("runs", "resume", run, cwd=tmp_path, **where(served))
            assert "is being worked on by another process" in busy.stderr
            shutil.rmtree(tmp_path / ".definable" / "locks")
            done = definable("runs", "resume", run, "--json", cwd=tmp_path, **where(served))
            assert last(done)["status"] == "done", done.stderr
            before = {tool: asked(served, tool) for tool in served.world.requests}
            os.kill(first.pid, signal.SIGCONT)
            _, said = first.communicate(timeout=PATIENCE)
        finally:
            first.kill()
            first.wait()
        assert first.returncode == 1
        assert f"run {run} was taken over by another process, so this one has stopped" in said
        assert {tool: asked(served, tool) for tool in served.world.requests} == before
        assert [e["tool"] for e in served.world.effects] == ["HEX_CREATE_CELL"]
        shown = last(definable("runs", "show", run, "--json", cwd=tmp_path))
        assert shown["status"] == "done"
        assert [r["status"] for r in shown["receipts"]] == ["verified"] * len(shown["receipts"])


@pytest.mark.timeout(120)
def test_two_processes_that_write_the_same_each_have_their_own(tmp_path: Path) -> None:
    """Both answers are lost; the second process waits until the first knows which cell is its own."""
    with sandbox({"tool": "HEX_CREATE_CELL", "fault": "lost_answer", "times": 2}) as served:
        cell = {
            "projectId": weekly(served),
            "cellType": "MARKDOWN",
            "label": "Same",
            "contents": {"markdownCell": {"source": "# Same"}},
        }
        (tmp_path / "cell.json").write_text(json.dumps(cell))
        command = [*COMMAND, "tools", "call", "HEX_CREATE_CELL", "--inputs", "cell.json", "--json"]
        both = [
            warm.Process(command, cwd=tmp_path, env=clean(**where(served)), stdout=warm.PIPE)
            for _ in range(3)
        ]
        receipts = [json.loads(process.communicate(timeout=PATIENCE)[0].splitlines()[-1]) for process in both]
        assert [receipt["status"] for receipt in receipts] == ["verified"] * 3
        assert len({receipt["data"]["id"] for receipt in receipts}) == 3
        assert [e["tool"] for e in served.world.effects] == ["HEX_CREATE_CELL"] * 3


@pytest.mark.timeout(120)
def test_who_interrupts_is_told_what_is_left(tmp_path: Path) -> None:
    """Ctrl-C while a write is out: it is in doubt. Resumed, found, failed later: it can be taken back."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "two.yaml").write_text(TWO)
    with sandbox({"tool": "HEX_CREATE_CELL", "fault": "stall", "with": {"seconds": 20}}) as served:
        first = warm.Process(
            [*COMMAND, "run", "two", "-i", f"project={weekly(served)}"],
            cwd=tmp_path,
            env=clean(**where(served)),
            stderr=warm.PIPE,
        )
        deadline = time.monotonic() + PATIENCE
        while not pending(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.01)
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=PATIENCE)
        assert first.returncode == 130
        assert "in doubt: note.1 HEX_CREATE_CELL: it was sent, and no answer was noted" in said
        assert "never sent: later HEX_CREATE_GROUP" in said
        run = json.loads(definable("runs", "list", "--json", cwd=tmp_path).stdout)[0]["id"]
        failed = last(definable("runs", "resume", run, "--json", cwd=tmp_path, **where(served)))
        assert [each["state"] for each in failed["left"]] == ["done", "not_sent"]
        done = last(definable("runs", "undo", run, "--yes", "--json", cwd=tmp_path, **where(served)))
        assert (done["status"], done["receipts"][0]["tool"]) == ("done", "HEX_DELETE_CELL")
        again = definable("runs", "undo", run, "--yes", cwd=tmp_path, **where(served))
        assert (again.returncode, "everything that can be taken back was" in again.stderr) == (2, True)


TWO = """
name: two
description: A cell, a look that fails, and a group that is never made
inputs:
  project: { type: string, description: Project }
steps:
  - id: note
    call: HEX_CREATE_CELL
    arguments:
      projectId: ${{ inputs.project }}
      cellType: MARKDOWN
      label: Note
      contents: { markdownCell: { source: text } }
  - { id: fails, call: HEX_GET_CELL, arguments: { cellId: 85451515-12ab-55f4-85f5-d73048b59eae } }
  - { id: later, call: HEX_CREATE_GROUP, arguments: { name: Later } }
"""
