"""A process that was stopped while another took its run over: it sends nothing, however late it goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.test_cli_processes import COMMAND, clean, definable, last
from tests.e2e.test_kill import PATIENCE, asked, sandbox, weekly, where


@pytest.mark.timeout(120)
def test_a_process_that_was_stopped_sends_nothing_when_it_goes_on(tmp_path: Path) -> None:
    """Its lock is gone with the folder of locks; another process ends the run, and the cell is there once."""
    slow = {"tool": "HEX_LIST_CELLS", "fault": "slow", "with": {"seconds": 3}}
    with sandbox(slow) as served:
        arguments = [*COMMAND, "run", "weekly-brief", "-i", f"project={weekly(served)}"]
        first = subprocess.Popen(
            arguments, cwd=tmp_path, env=clean(**where(served)), stderr=subprocess.PIPE, text=True
        )
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
