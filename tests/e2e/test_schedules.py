"""Workers in processes of their own see to schedules, by a clock that the test moves; one is killed."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.e2e.test_cli_processes import clean, definable
from tests.e2e.test_kill import sandbox, where
from tests.postgres import PostgresServer

PATIENCE = 60.0

BEGIN = datetime(2027, 3, 1, 6, 59, 30, tzinfo=UTC)

CLOCKED = """
import pathlib, sys
from definable.engine.schedules import Schedules
clock = pathlib.Path(sys.argv.pop(1))
plain = Schedules.__init__
Schedules.__init__ = lambda self, runner: plain(self, runner, lambda: float(clock.read_text()))
from definable.cli import main
sys.exit(main())
"""
"""A `definable` whose schedules go by the time in a file."""

WORKFLOW = """\
name: look
description: Looks at the projects, every minute.
steps: [{ id: look, call: HEX_LIST_PROJECTS }]
triggers:
  - { schedule: "* * * * *", timezone: Europe/Paris }
"""


@pytest.fixture(params=["file", "server"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Return the environment with the database: a file that processes share, or a server."""
    if request.param == "file":
        return {"DEFINABLE_HOME": str(tmp_path / "home")}
    server: PostgresServer = request.getfixturevalue("postgres")
    return {"DEFINABLE_DATABASE": server.database()}


@contextmanager
def worker(clock: Path, cwd: Path, **environ: str) -> Iterator[warm.Process]:
    """Start a worker that goes by this clock, and see to it that it ends."""
    command = [sys.executable, "-c", CLOCKED, str(clock), "worker"]
    with warm.Process(command, cwd=cwd, env=clean(**environ), stderr=warm.PIPE) as process:
        try:
            assert process.stderr
            assert process.stderr.readline().startswith("worker ")
            yield process
        finally:
            process.kill()


def move(clock: Path, **span: float) -> None:
    """Let some time pass, or begin."""
    now = float(clock.read_text()) + timedelta(**span).total_seconds() if span else BEGIN.timestamp()
    new = clock.with_suffix(".new")
    new.write_text(str(now))
    new.replace(clock)


def runs(cwd: Path, count: int, **environ: str) -> list[dict[str, Any]]:
    """Return the runs once there are so many and all are done, and a moment later."""
    deadline = time.monotonic() + PATIENCE
    while True:
        rows = json.loads(definable("runs", "list", "--json", cwd=cwd, **environ).stdout)
        if len(rows) >= count and all(row["status"] == "done" for row in rows):
            time.sleep(1.5)
            return list(json.loads(definable("runs", "list", "--json", cwd=cwd, **environ).stdout))
        assert time.monotonic() < deadline, rows
        time.sleep(0.2)


@pytest.mark.timeout(180)
def test_two_workers_have_one_run_for_each_time(home: dict[str, str], tmp_path: Path) -> None:
    """One is killed, another comes, the file changes: each time has one run, and it is done."""
    (tmp_path / "workflows").mkdir()
    file = tmp_path / "workflows" / "look.yaml"
    file.write_text(WORKFLOW)
    clock = tmp_path / "clock"
    move(clock)
    with sandbox() as served:
        environ = {**home, **where(served)}
        with worker(clock, tmp_path, **environ) as first, worker(clock, tmp_path, **environ):
            time.sleep(2.5)  # both have looked
            move(clock, seconds=40)
            assert len(runs(tmp_path, 1, **environ)) == 1
            os.kill(first.pid, signal.SIGKILL)
            move(clock, minutes=1)
            assert len(runs(tmp_path, 2, **environ)) == 2
            with worker(clock, tmp_path, **environ):
                move(clock, minutes=1)
                assert len(runs(tmp_path, 3, **environ)) == 3
                shown = json.loads(definable("triggers", "--json", cwd=tmp_path, **environ).stdout)
                file.write_text(WORKFLOW.replace("* * * * *", "0 0 1 1 *"))
                time.sleep(2.5)
                move(clock, minutes=5)
                rows = runs(tmp_path, 3, **environ)
    keys = sorted(str(row["key"]).rpartition(" ")[2] for row in rows)
    assert keys == [f"2027-03-01T07:0{minute}:00.000Z" for minute in range(3)]
    (trigger,) = (each for each in shown if each["workflow"] == "look")
    assert (trigger["kind"], trigger["last_status"]) == ("schedule", "done")
    assert trigger["last_run"] == next(row["id"] for row in rows if row["key"].endswith("07:02:00.000Z"))
    assert trigger["next"] > trigger["next_utc"]  # Paris is ahead
