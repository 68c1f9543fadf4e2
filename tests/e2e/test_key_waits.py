"""Runs that wait for a key in the foreground, as a person sees them: real processes, files and commands."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from definable.sandbox import Served
from tests import warm
from tests.e2e.test_cli_processes import COMMAND, clean, definable, last
from tests.e2e.test_kill import PATIENCE, sandbox, weekly, where

REVOKED = {"tool": "HEX_CREATE_CELL", "fault": "revoke"}
WAITS = "goes on by itself when there is a key; ctrl-C ends the wait and keeps the run"


@contextmanager
def waiting(cwd: Path, served: Served, **keys: str) -> Iterator[warm.Process]:
    """Start the weekly brief with these keys, and yield it once it waits for one."""
    environ = {name: value for name, value in where(served).items() if name != "HEX_API_TOKEN"}
    command = [*COMMAND, "run", "weekly-brief", "-i", f"project={weekly(served)}", "--json"]
    said = cwd / "stderr.txt"
    with said.open("w") as err:
        process = warm.Process(command, cwd=cwd, env=clean(**environ, **keys), stdout=warm.PIPE, stderr=err)
    try:
        deadline = time.monotonic() + PATIENCE
        while WAITS not in said.read_text():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process: warm.Process, cwd: Path) -> str:
    """Return what a process wrote to stdout, once it has ended well."""
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, (cwd / "stderr.txt").read_text()
    return out


@pytest.mark.timeout(120)
def test_a_new_key_in_the_file_lets_the_run_go_on(tmp_path: Path) -> None:
    """Swapped as secret stores do it, by a rename; the brief is written once."""
    with sandbox(REVOKED) as served:
        file = tmp_path / "token"
        file.write_text(served.token + "\n")
        with waiting(tmp_path, served, HEX_API_TOKEN_FILE=str(file)) as process:
            fresh = tmp_path / "token.new"
            fresh.write_text(served.world.issue_token() + "\n")
            fresh.replace(file)
            assert '"status": "done"' in ended(process, tmp_path)
        assert [effect["tool"] for effect in served.world.effects] == ["HEX_CREATE_CELL"]
        assert "HEX_API_TOKEN_FILE (file): refused" in (tmp_path / "stderr.txt").read_text()


@pytest.mark.timeout(120)
def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    """A run may be started before its key: it says what it looks at."""
    with sandbox() as served:
        file = tmp_path / "token"
        with waiting(tmp_path, served, HEX_API_TOKEN_FILE=str(file)) as process:
            assert "cannot be read: No such file" in (tmp_path / "stderr.txt").read_text()
            file.write_text(served.token)
            ended(process, tmp_path)
        at_once = definable(
            *("run", "weekly-brief", "-i", f"project={weekly(served)}", "--no-wait"),
            cwd=tmp_path,
            HEX_BASE_URL=served.base_url,
            HEX_API_TOKEN_FILE=str(tmp_path / "none"),
        )
        assert at_once.returncode == 5
        assert "there is no key for Hex" in at_once.stderr


@pytest.mark.timeout(120)
def test_a_command_that_fails_is_run_again_until_it_brings_a_key(tmp_path: Path) -> None:
    """After 5 seconds, and 10, and so on; nobody has to say anything."""
    with sandbox() as served:
        script = tmp_path / "issue.py"
        script.write_text("import sys\nprint(open(sys.argv[1]).read())\n")
        key = tmp_path / "key"
        line = shlex.join([sys.executable, "-S", str(script), str(key)])
        with waiting(tmp_path, served, HEX_API_TOKEN_COMMAND=line) as process:
            assert "HEX_API_TOKEN_COMMAND (command): failed (exit 1)" in (tmp_path / "stderr.txt").read_text()
            key.write_text(served.token)
            ended(process, tmp_path)
        assert [effect["tool"] for effect in served.world.effects] == ["HEX_CREATE_CELL"]


@pytest.mark.timeout(120)
def test_ctrl_c_ends_the_wait_and_keeps_the_run(tmp_path: Path) -> None:
    """It still waits for a key; told not to wait, resume says so at once, and with a key it ends."""
    with sandbox(REVOKED) as served:
        file = tmp_path / "token"
        file.write_text(served.token)
        with waiting(tmp_path, served, HEX_API_TOKEN_FILE=str(file)) as process:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE)
            assert process.returncode == 130
        assert "the run is kept, go on with: definable runs resume" in (tmp_path / "stderr.txt").read_text()
        (row,) = last(definable("runs", "list", "--json", cwd=tmp_path))
        assert (row["status"], row["reason"]) == ("waiting", "auth")
        environ = {**where(served), "HEX_API_TOKEN_FILE": str(file)}
        environ.pop("HEX_API_TOKEN")
        still = definable("runs", "resume", row["id"], "--no-wait", cwd=tmp_path, **environ)
        assert still.returncode == 3, still.stderr
        file.write_text(served.world.issue_token())
        assert definable("runs", "resume", row["id"], cwd=tmp_path, **environ).returncode == 0
        assert [effect["tool"] for effect in served.world.effects] == ["HEX_CREATE_CELL"]
