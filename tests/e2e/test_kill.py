"""A process that is killed without warning: its run goes on in another one, and nothing happens twice."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from definable.sandbox import Faults, Served, World, serve
from tests import warm
from tests.e2e.test_cli_processes import COMMAND, clean, definable, last

PATIENCE = 60.0
"""Seconds for a process to get where a test wants it."""


@contextmanager
def sandbox(*faults: dict[str, Any]) -> Iterator[Served]:
    """Serve a sandbox with these faults."""
    with serve(World(quotas=False), Faults.parse({"seed": 1, "faults": list(faults)})) as served:
        yield served


def where(served: Served) -> dict[str, str]:
    """Return the environment that leads to it."""
    return {"HEX_BASE_URL": served.base_url, "HEX_API_TOKEN": served.token, "DEFINABLE_OFFLINE": "1"}


def weekly(served: Served) -> str:
    """Return the id of the project that gets the brief."""
    projects = served.world.state["projects"]
    return next(str(i) for i, p in projects.items() if p["title"] == "Data Team Weekly")


def killed_when(ready: Callable[[], bool], served: Served, cwd: Path) -> str:
    """Start the weekly brief, kill its process as soon as `ready`, and return its run."""
    arguments = [*COMMAND, "run", "weekly-brief", "-i", f"project={weekly(served)}"]
    process = warm.Process(arguments, cwd=cwd, env=clean(**where(served)), stderr=warm.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline, "the run did not get that far"
            time.sleep(0.005)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    runs = json.loads(definable("runs", "list", "--json", cwd=cwd).stdout)
    return str(runs[0]["id"])


def asked(served: Served, tool: str) -> int:
    """Return how many answers a tool has given."""
    return sum(served.world.requests.get(tool, {}).values())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("committed", [True, False], ids=["after the effect", "before the effect"])
def test_killed_while_the_write_is_out(tmp_path: Path, committed: bool) -> None:
    """Nobody knows whether it happened; the next process looks, and there is one cell in the end."""
    stall = {"fault": "stall", "with": {"seconds": 20, "commit": committed}}
    with sandbox({"tool": "HEX_CREATE_CELL", **stall}) as served:

        def out() -> bool:
            return bool(served.world.effects) if committed else pending(tmp_path)

        run = killed_when(out, served, tmp_path)
        done = definable("runs", "resume", run, "--json", cwd=tmp_path, **where(served))
        assert last(done)["status"] == "done", done.stderr
        receipt = last(done)["receipts"][-1]
        assert (receipt["status"], receipt["evidence"]) == ("verified", "state")
        assert [e["tool"] for e in served.world.effects] == ["HEX_CREATE_CELL"]


def pending(cwd: Path) -> bool:
    """Whether a run in `cwd` has an effect that was sent and not answered."""
    from definable.store import open_store

    database = cwd / ".definable" / "definable.db"
    if not database.exists():
        return False
    with open_store(database) as store:
        return any(e.state == "sent" for r in store.runs() for e in store.effects(r.id))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("reads", [1, 3, 7])
def test_killed_among_the_reads(tmp_path: Path, reads: int) -> None:
    """What was read and noted before the kill is not read again, and the brief is there once."""
    slow = {"tool": "HEX_GET_PROJECT_RUNS", "fault": "slow", "times": 50, "with": {"seconds": 0.1}}
    with sandbox(slow) as served:
        run = killed_when(lambda: asked(served, "HEX_GET_PROJECT_RUNS") >= reads, served, tmp_path)
        done = definable("runs", "resume", run, "--json", cwd=tmp_path, **where(served))
        assert last(done)["status"] == "done", done.stderr
        assert [e["tool"] for e in served.world.effects] == ["HEX_CREATE_CELL"]
        assert asked(served, "HEX_LIST_PROJECTS") <= 2
