"""Workers in processes of their own: killed, stopped, told to end; their runs go on, and nothing is twice."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from definable.engine.vigil import STALE
from definable.sandbox import Served
from definable.store import RunRow, open_store, place
from tests import warm
from tests.e2e.test_cli_processes import COMMAND, clean, definable, last
from tests.e2e.test_kill import asked, sandbox, weekly, where
from tests.postgres import PostgresServer

PATIENCE = 60.0
"""Seconds for a process to get where a test wants it, beside others."""

STALL = {"tool": "HEX_CREATE_CELL", "fault": "stall", "with": {"seconds": 60}}


@pytest.fixture
def home(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Return the environment with the database: a file, or a server where a test says so."""
    if getattr(request, "param", "file") == "file":
        return {"DEFINABLE_HOME": str(tmp_path / "home")}
    server: PostgresServer = request.getfixturevalue("postgres")
    return {"DEFINABLE_DATABASE": server.database()}


BOTH = pytest.mark.parametrize("home", ["file", "server"], indirect=True)


@contextmanager
def worker(cwd: Path, *options: str, **environ: str) -> Iterator[warm.Process]:
    """Start a worker, and see to it that it ends."""
    process = warm.Process([*COMMAND, "worker", *options], cwd=cwd, env=clean(**environ), stderr=warm.PIPE)
    assert process.stderr
    try:
        assert process.stderr.readline().startswith("worker "), process.stderr.read()
        yield process
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGCONT)
            process.kill()
        process.wait()
        process.stderr.close()


def submitted(served: Served, cwd: Path, *options: str, **environ: str) -> str:
    """Submit the weekly brief, and return its run."""
    found = definable(
        *("run", "weekly-brief", "-i", f"project={weekly(served)}", "--detach", "--json", *options),
        cwd=cwd,
        **environ,
    )
    assert found.returncode == 0, found.stderr
    return str(last(found)["run_id"])


def shown(run: str, **environ: str) -> RunRow:
    """Return where a run stands."""
    home = Path(environ.get("DEFINABLE_HOME", ""))
    with open_store(place(home, environ.get("DEFINABLE_DATABASE"))) as store:
        return store.run(run)


def ended(run: str, **environ: str) -> RunRow:
    """Return a run once it has ended."""
    found: list[RunRow] = []

    def over() -> bool:
        found[:] = [shown(run, **environ)]
        return found[0].status.ended

    until(over, "the run did not end")
    return found[0]


def until(ready: Any, what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def effects(served: Served) -> list[str]:
    """Return what was really done."""
    return [each["tool"] for each in served.world.effects]


@BOTH
@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_the_run_of_a_worker_that_is_gone_goes_on_in_another(
    home: dict[str, str], tmp_path: Path, how: signal.Signals
) -> None:
    """Its write is out when it goes; the other one looks for it, and a stopped one sends nothing later on."""
    with sandbox({**STALL, "times": 1}) as served:
        environ = {**home, **where(served)}
        with worker(tmp_path, **environ) as first:
            run = submitted(served, tmp_path, **environ)
            until(lambda: effects(served), "the write did not leave")
            with worker(tmp_path, **environ) as second:
                time.sleep(1.5)  # it has seen that the first one lives
                began = shown(run, **environ).worker
                assert shown(run, **environ).status == "running"
                os.kill(first.pid, how)
                row = ended(run, **environ)
                assert row.status == "done", row
                assert row.worker != began, "another worker has done it"
                assert effects(served) == ["HEX_CREATE_CELL"]
                if how == signal.SIGSTOP:
                    before = dict(served.world.requests)
                    os.kill(first.pid, signal.SIGCONT)
                    assert first.stderr
                    assert "others took over" in first.stderr.readline()
                    assert first.stderr.readline().startswith("worker "), "it begins anew"
                    assert served.world.requests == before
                second.send_signal(signal.SIGTERM)
                assert second.wait(PATIENCE) == 0


@BOTH
@pytest.mark.timeout(120)
def test_workers_that_slept_at_the_same_time_bury_nobody(home: dict[str, str], tmp_path: Path) -> None:
    """Their machine was paused: whoever wakes first finds that the others said nothing for long."""
    with worker(tmp_path, **home) as first, worker(tmp_path, **home) as second:
        both = (first, second)
        time.sleep(1.5)  # each knows of the other
        for each in both:
            os.kill(each.pid, signal.SIGSTOP)
        time.sleep(STALE + 1)
        for each in both:
            os.kill(each.pid, signal.SIGCONT)
            time.sleep(0.5)
        time.sleep(STALE)
        with open_store(place(Path(home.get("DEFINABLE_HOME", "")), home.get("DEFINABLE_DATABASE"))) as store:
            assert [(row.pid, row.state) for row in store.workers()] == [
                (second.pid, "working"),
                (first.pid, "working"),
            ]


@pytest.mark.timeout(120)
def test_a_worker_that_is_told_to_stop_lets_its_runs_end(home: dict[str, str], tmp_path: Path) -> None:
    """What cannot end in time is put back, and is done by the next worker; nothing is sent twice."""
    slow = {"tool": "HEX_CREATE_CELL", "fault": "slow", "with": {"seconds": 3}, "times": 1}
    with sandbox(slow) as served:
        environ = {**home, **where(served)}
        with worker(tmp_path, **environ) as first:
            run = submitted(served, tmp_path, **environ)
            until(lambda: effects(served), "the write did not leave")
            first.send_signal(signal.SIGTERM)
            assert first.wait(PATIENCE) == 0
        assert shown(run, **environ).status == "done"
        assert effects(served) == ["HEX_CREATE_CELL"]
    with sandbox({**STALL, "times": 1}) as served:
        environ = {**home, **where(served)}
        with worker(tmp_path, "--grace", "0.5", **environ) as first:
            run = submitted(served, tmp_path, **environ)
            until(lambda: effects(served), "the write did not leave")
            first.send_signal(signal.SIGTERM)
            assert first.wait(PATIENCE) == 0
        assert shown(run, **environ).status == "queued"
        with worker(tmp_path, **environ):
            assert ended(run, **environ).status == "done"
        assert effects(served) == ["HEX_CREATE_CELL"]


@pytest.mark.timeout(120)
def test_a_run_is_submitted_once_and_answered_once(home: dict[str, str], tmp_path: Path) -> None:
    """The same key is the same run; two answers at once are one; a parked run holds no worker."""
    with sandbox() as served:
        environ = {**home, **where(served)}
        run = submitted(served, tmp_path, "--key", "monday", **environ)
        assert submitted(served, tmp_path, "--key", "monday", **environ) == run
        other = definable(
            *("run", "weekly-brief", "-i", f"project={weekly(served)}", "-i", "days=3", "--key", "monday"),
            cwd=tmp_path,
            **environ,
        )
        assert other.returncode == 2
        assert f"belongs to run {run}" in other.stderr
        with worker(tmp_path, **environ):
            assert ended(run, **environ).status == "done"
        assert effects(served) == ["HEX_CREATE_CELL"]


@pytest.mark.parametrize("home", ["server"], indirect=True)
@pytest.mark.timeout(120)
def test_a_run_is_cancelled_while_a_worker_has_it(home: dict[str, str], tmp_path: Path) -> None:
    """It stops before its next call, and stays cancelled."""
    slow = {"tool": "HEX_LIST_PROJECTS", "fault": "slow", "with": {"seconds": 5}, "times": 1}
    with sandbox(slow) as served, worker(tmp_path, **home, **where(served)):
        environ = {**home, **where(served)}
        run = submitted(served, tmp_path, **environ)
        until(lambda: shown(run, **environ).status == "running", "it did not begin")
        assert definable("runs", "cancel", run, cwd=tmp_path, **environ).returncode == 0
        time.sleep(5)
        assert shown(run, **environ).status == "cancelled"
        assert not effects(served)
        assert not asked(served, "HEX_CREATE_CELL")


@pytest.mark.timeout(180)
def test_workers_outlast_a_restart_of_their_server(postgres: PostgresServer, tmp_path: Path) -> None:
    """Runs that were at work when the server went away go on when it is back, each effect once."""
    slow = {"tool": "HEX_LIST_CELLS", "fault": "slow", "with": {"seconds": 1}}
    with sandbox(slow) as served:
        environ = {"DEFINABLE_DATABASE": postgres.database(), **where(served)}
        with worker(tmp_path, **environ), worker(tmp_path, **environ):
            runs = [submitted(served, tmp_path, **environ) for _ in range(4)]
            until(lambda: asked(served, "HEX_LIST_CELLS") > 1, "no run got so far")
            postgres.stop()
            time.sleep(1)
            postgres.start()
            rows = [ended(run, **environ) for run in runs]
        assert [row.status for row in rows] == ["done"] * 4, rows
        assert effects(served) == ["HEX_CREATE_CELL"], "the same label of the week: one cell"


def test_processes_are_kept_until_they_are_told_to_stop(home: dict[str, str], tmp_path: Path) -> None:
    """A worker of a killed process is replaced, and when the one that keeps them is killed, all end."""
    with worker(tmp_path, "--processes", "2", **home) as keeper:
        assert keeper.stderr
        assert keeper.stderr.readline().startswith("worker ")
        first = _alive(**home)
        os.kill(next(iter(first)), signal.SIGKILL)
        assert keeper.stderr.readline().startswith("worker ")
        second = _alive(**home)
        assert len(second) == 2
        assert len(first & second) == 1
        keeper.kill()
        keeper.wait()
        until(lambda: not _alive(**home), "the workers ended")


TOLD_AS_IT_FORKS = """
import os, signal, sys, time
from definable.cli.processes import Prefork
fork = os.fork
def told():
    pid = fork()
    if pid:
        os.kill(os.getpid(), signal.SIGTERM)
    return pid
os.fork = told
code = Prefork(3).keep()
if code is None:
    time.sleep(100)
sys.exit(code)
"""


def test_who_keeps_processes_may_be_told_to_stop_as_one_begins(tmp_path: Path) -> None:
    """The process that nobody knew yet was told nothing, and waited for without end."""
    process = warm.Process([sys.executable, "-c", TOLD_AS_IT_FORKS], cwd=tmp_path, env=clean())
    try:
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def _alive(**environ: str) -> set[int]:
    home = Path(environ.get("DEFINABLE_HOME", ""))
    with open_store(place(home, environ.get("DEFINABLE_DATABASE"))) as store:
        found = {each.pid for each in store.workers() if each.state == "working"}
    return {pid for pid in found if Path(f"/proc/{pid}").exists()}
