"""Two machines (two homes, two folders) on one PostgreSQL server."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests import warm
from tests.e2e.test_cli_processes import COMMAND, clean, definable, last
from tests.e2e.test_kill import PATIENCE, asked, sandbox, weekly, where
from tests.postgres import ESCAPED, PASSWORD, PostgresServer


@pytest.fixture
def machines(tmp_path: Path) -> tuple[Path, Path]:
    """Return the folders of two machines."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    return tmp_path / "a", tmp_path / "b"


def started(served_by: dict[str, str], project: str, cwd: Path) -> warm.Process:
    """Start the weekly brief on a machine."""
    arguments = [*COMMAND, "run", "weekly-brief", "-i", f"project={project}"]
    return warm.Process(arguments, cwd=cwd, env=clean(**served_by), stderr=warm.PIPE)


def until(ready: object, process: warm.Process) -> None:
    """Wait until a process is where a test wants it."""
    deadline = time.monotonic() + PATIENCE
    while not ready():  # type: ignore[operator]
        assert process.poll() is None, "the run ended before that"
        assert time.monotonic() < deadline, "the run did not get that far"
        time.sleep(0.005)


@pytest.mark.timeout(120)
def test_a_run_is_parked_on_one_machine_and_goes_on_in_another(
    postgres: PostgresServer, machines: tuple[Path, Path]
) -> None:
    """The question asked by one is answered and acted on by the other; a home knows nothing of it."""
    a, b = machines
    with sandbox() as served:
        environ = {**where(served), "DEFINABLE_DATABASE": postgres.database()}
        cell = next(iter(served.world.state["cells"].values()))["id"]
        waits = definable(
            "tools", "call", "HEX_DELETE_CELL", "-i", f"cellId={cell}", "--json", cwd=a, **environ
        )
        assert waits.returncode == 3, waits.stderr
        run = last(definable("runs", "list", "--json", cwd=b, **environ))[0]["id"]
        done = definable("runs", "approve", run, "--json", cwd=b, **environ)
        assert last(done)["status"] == "done", done.stderr
        assert [e["tool"] for e in served.world.effects] == ["HEX_DELETE_CELL"]
        assert last(definable("runs", "show", run, "--json", cwd=a, **environ))["status"] == "done"
        assert not list(a.rglob("*.db")) + list(b.rglob("*.db"))


@pytest.mark.timeout(120)
def test_a_machine_that_dies_leaves_its_run_to_another(
    postgres: PostgresServer, machines: tuple[Path, Path]
) -> None:
    """While it lives nobody else works on the run; killed with its write out, the other looks first."""
    a, b = machines
    with sandbox({"tool": "HEX_CREATE_CELL", "fault": "stall", "with": {"seconds": 20}}) as served:
        environ = {**where(served), "DEFINABLE_DATABASE": postgres.database()}
        process = started(environ, weekly(served), a)
        try:
            until(lambda: served.world.effects, process)
            run = last(definable("runs", "list", "--json", cwd=b, **environ))[0]["id"]
            busy = definable("runs", "resume", run, cwd=b, **environ)
            assert "is being worked on by another process" in busy.stderr
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        done = definable("runs", "resume", run, "--json", cwd=b, **environ)
        assert last(done)["status"] == "done", done.stderr
        assert (last(done)["receipts"][-1]["evidence"], len(served.world.effects)) == ("state", 1)


@pytest.mark.timeout(120)
def test_a_machine_that_was_cut_off_sends_nothing_when_it_comes_back(
    postgres: PostgresServer, machines: tuple[Path, Path]
) -> None:
    """The server has let go of it, another machine has ended the run, and it has no connection any more."""
    a, b = machines
    with sandbox({"tool": "HEX_LIST_CELLS", "fault": "slow", "with": {"seconds": 3}}) as served:
        environ = {**where(served), "DEFINABLE_DATABASE": postgres.database()}
        process = started(environ, weekly(served), a)
        try:
            until(lambda: asked(served, "HEX_LIST_CELLS"), process)
            os.kill(process.pid, signal.SIGSTOP)
            with postgres.admin() as db:
                db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'd%'")
            run = last(definable("runs", "list", "--json", cwd=b, **environ))[0]["id"]
            done = definable("runs", "resume", run, "--json", cwd=b, **environ)
            assert last(done)["status"] == "done", done.stderr
            before = {tool: asked(served, tool) for tool in served.world.requests}
            os.kill(process.pid, signal.SIGCONT)
            _, said = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 5, said
        assert "has left us" in said
        assert {tool: asked(served, tool) for tool in served.world.requests} == before
        assert [e["tool"] for e in served.world.effects] == ["HEX_CREATE_CELL"]
        assert last(definable("runs", "show", run, "--json", cwd=a, **environ))["status"] == "done"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
@pytest.mark.parametrize("at", ["reads", "write"])
def test_a_server_that_restarts_ends_the_process_and_not_the_run(
    machines: tuple[Path, Path], how: signal.Signals, at: str
) -> None:
    """The error says where and what to do; the run goes on from there, with nothing lost or doubled."""
    slow = {"tool": "HEX_GET_PROJECT_RUNS", "fault": "slow", "times": 50, "with": {"seconds": 0.1}}
    late = {"tool": "HEX_CREATE_CELL", "fault": "slow", "with": {"seconds": 2}}
    with PostgresServer() as server, sandbox(slow, late) as served:
        environ = {**where(served), "DEFINABLE_DATABASE": server.database()}
        process = started(environ, weekly(served), machines[0])
        if at == "reads":
            until(lambda: asked(served, "HEX_GET_PROJECT_RUNS") >= 2, process)
        else:
            until(lambda: served.world.effects, process)
        server.restart(how)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 5, said
        assert f"on 127.0.0.1:{server.port} has left us" in said
        assert "nothing that was kept is lost; when the server is there again, go on: definable runs" in said
        assert ESCAPED not in said
        assert PASSWORD not in said
        run = last(definable("runs", "list", "--json", cwd=machines[1], **environ))[0]["id"]
        done = definable("runs", "resume", run, "--json", cwd=machines[1], **environ)
        assert last(done)["status"] == "done", done.stderr
        assert [e["tool"] for e in served.world.effects] == ["HEX_CREATE_CELL"]


def test_the_doctor_says_which_database_without_its_password(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """Host and name, whether it can be reached, and what to do when it cannot."""
    url = postgres.database()
    well = definable("doctor", cwd=tmp_path, DEFINABLE_DATABASE=url)
    assert f"PostgreSQL database {url.rpartition('/')[2]} on 127.0.0.1:{postgres.port}" in well.stdout
    ill = definable("doctor", "--json", cwd=tmp_path, DEFINABLE_DATABASE=postgres.url("nowhere"))
    (found,) = [f for f in json.loads(ill.stdout.splitlines()[-1]) if f["what"] == "database"]
    assert "PostgreSQL database nowhere on" in found["says"]
    assert "make it: createdb" in found["says"]
    assert ill.returncode == 1
    for each in (well, ill):
        assert ESCAPED not in each.stdout + each.stderr
        assert PASSWORD not in each.stdout + each.stderr
    bad = definable("runs", "list", cwd=tmp_path, DEFINABLE_DATABASE="mysql://a:hunter2@h/x")
    assert bad.returncode == 2
    assert "DEFINABLE_DATABASE is not the URL of a PostgreSQL database" in bad.stderr
    assert "hunter2" not in bad.stderr
