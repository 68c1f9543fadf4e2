"""The command line as people use it: real processes, pipes, signals and a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import warm

COMMAND = [sys.executable, "-m", "definable"]
ROOT = Path(__file__).parents[2]
PATIENCE = 100
"""Seconds for one command, on a machine that does other things."""


def clean(**more: str) -> dict[str, str]:
    """Return an environment without anybody's keys."""
    drop = ("HEX_", "OPENAI_", "ANTHROPIC_", "DEFINABLE_", "NO_COLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm", **more}


def definable(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return warm.run([*COMMAND, *arguments], cwd=cwd, env=clean(**environ), timeout=PATIENCE)


def last(done: subprocess.CompletedProcess[str]) -> Any:
    """Return the JSON of the last line on stdout."""
    return json.loads(done.stdout.splitlines()[-1])


def a_project(cwd: Path) -> str:
    """Return the id of a project in the workspace's own sandbox."""
    done = definable("tools", "call", "HEX_LIST_PROJECTS", "-i", "limit=1", "--sandbox", "--json", cwd=cwd)
    return str(last(done)["data"]["values"][0]["id"])


def a_cell(cwd: Path) -> str:
    """Return the id of a cell in the workspace's own sandbox."""
    wanted = ("-i", f"projectId={a_project(cwd)}", "--sandbox", "--json")
    return str(
        last(definable("tools", "call", "HEX_LIST_CELLS", *wanted, cwd=cwd))["data"]["values"][0]["id"]
    )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Serve a sandbox in a process of its own; yield the environment that its first lines give."""
    process = warm.Process(
        [*COMMAND, "sandbox", "--port", "0", "--state", str(tmp_path / "state.json")],
        cwd=tmp_path,
        env=clean(),
        stdout=warm.PIPE,
        stderr=warm.PIPE,
    )
    with process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        yield dict(line.strip().removeprefix("export ").split("=", 1) for line in lines)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    assert (tmp_path / "state.json").exists()


def effects(served: dict[str, str]) -> list[dict[str, str]]:
    """Return what the sandbox says has really happened in it."""
    origin = served["HEX_BASE_URL"].removesuffix("/api")
    with urllib.request.urlopen(f"{origin}/_sandbox/effects") as response:
        found: list[dict[str, str]] = json.load(response)["effects"]
    return found


def test_a_new_workspace_runs_at_once(tmp_path: Path) -> None:
    """init, then run: a brief on stdout, plain progress on stderr, exit 0."""
    assert definable("init", "new", cwd=tmp_path).returncode == 0
    done = definable("run", "hello", "--sandbox", cwd=tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("brief:\n\n# ")
    assert "Hex: the built-in sandbox, a simulator; nothing real was touched" in done.stdout
    assert "Models: offline." in done.stdout
    assert "→ verified" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_a_healed_run_tells_so_and_ends_in_one_json_object(tmp_path: Path) -> None:
    """Faults are healed, told in plain lines, and the last line of stdout is one object with the receipts."""
    faults = tmp_path / "faults.yaml"
    faults.write_text(
        "- { tool: HEX_GET_PROJECT_RUNS, fault: rate_limit, with: { retry_after: 1 } }\n"
        "- { tool: HEX_CREATE_CELL, fault: lost_answer }\n"
    )
    project = a_project(tmp_path)
    arguments = ["run", "weekly-brief", "-i", f"project={project}", "--faults", str(faults), "--json"]
    done = definable(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = last(done)
    assert (run["workflow"], run["status"], run["sandbox"]) == ("weekly-brief", "done", True)
    assert {receipt["status"] for receipt in run["receipts"]} == {"verified"}
    healed = {heal["class"] for receipt in run["receipts"] for heal in receipt["heals"]}
    assert healed == {"rate_limited", "unknown_outcome"}
    assert "rate limited (429" in done.stderr
    assert "asked to wait 1 s → waits 1.1 s, then sends again" in done.stderr
    assert "no answer: it may or may not have happened" in done.stderr
    shown = definable("runs", "show", run["run_id"], cwd=tmp_path)
    assert "asked to wait 1 s" in shown.stdout
    assert "verified, 2 of them after healing" in shown.stdout
    assert last(definable("runs", "show", run["run_id"], "--json", cwd=tmp_path))["outputs"] == run["outputs"]


def test_what_waits_is_approved_and_happens_once(tmp_path: Path, served: dict[str, str]) -> None:
    """A call that a person must allow waits with exit 3; approve goes on, and there is one effect."""
    listed = definable("tools", "call", "HEX_LIST_PROJECTS", "--json", cwd=tmp_path, **served)
    project = last(listed)["data"]["values"][0]["id"]
    cells = definable(
        "tools", "call", "HEX_LIST_CELLS", "-i", f"projectId={project}", "--json", cwd=tmp_path, **served
    )
    cell = last(cells)["data"]["values"][0]["id"]
    asked = definable(
        "tools", "call", "HEX_DELETE_CELL", "-i", f"cell_id={cell}", "--json", cwd=tmp_path, **served
    )
    assert asked.returncode == 3
    waiting = last(asked)
    assert waiting["reason"] == "approval"
    assert effects(served) == []
    shown = definable("runs", "show", waiting["run_id"], cwd=tmp_path, **served)
    command = f"definable runs approve {waiting['run_id']} call.1"
    assert command in shown.stdout
    approved = definable(*command.split()[1:], "--json", cwd=tmp_path, **served)
    assert approved.returncode == 0, approved.stderr
    assert [effect["tool"] for effect in effects(served)] == ["HEX_DELETE_CELL"]
    again = definable(*command.split()[1:], cwd=tmp_path, **served)
    assert again.returncode == 2
    assert "waits for no answer; it is done" in again.stderr


def test_what_is_denied_does_not_happen(tmp_path: Path) -> None:
    """A denied call ends its run as failed, and the receipt says who said no and why."""
    cell = a_cell(tmp_path)
    asked = definable(
        "tools", "call", "HEX_DELETE_CELL", "-i", f"cellId={cell}", "--sandbox", "--json", cwd=tmp_path
    )
    run = last(asked)["run_id"]
    denied = definable("runs", "deny", run, "--reason", "not this one", "--json", cwd=tmp_path, USER="ana")
    assert denied.returncode == 1
    receipt = last(denied)["receipts"][0]
    assert (receipt["status"], receipt["decided_by"], receipt["message"]) == ("denied", "ana", "not this one")


def test_ctrl_c_keeps_the_run_and_resume_goes_on(tmp_path: Path) -> None:
    """An interrupted run ends with 130 and the command that goes on; nothing is done twice."""
    faults = tmp_path / "faults.yaml"
    faults.write_text("- { tool: HEX_GET_PROJECT_RUNS, fault: rate_limit, with: { retry_after: 6 } }\n")
    project = a_project(tmp_path)
    process = warm.Process(
        [*COMMAND, "run", "weekly-brief", "-i", f"project={project}", "--faults", str(faults)],
        cwd=tmp_path,
        env=clean(),
        stdout=warm.PIPE,
        stderr=warm.PIPE,
    )
    assert process.stderr is not None
    seen = ""
    while "asked to wait" not in seen:
        line = process.stderr.readline()
        assert line, f"the run ended without being rate limited:\n{seen}"
        seen += line
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    command = rest.strip().splitlines()[-1].partition("go on with: ")[2]
    assert command.startswith("definable runs resume ")
    assert "Traceback" not in rest
    resumed = definable(*command.split()[1:], "--json", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert [r["tool"] for r in last(resumed)["receipts"] if r["effect"]] == ["HEX_CREATE_CELL"]


def test_a_cancelled_run_stays_cancelled(tmp_path: Path) -> None:
    """cancel ends what waits; after that there is nothing to resume."""
    cell = a_cell(tmp_path)
    asked = definable(
        "tools", "call", "HEX_DELETE_CELL", "-i", f"cellId={cell}", "--sandbox", "--json", cwd=tmp_path
    )
    run = last(asked)["run_id"]
    assert last(definable("runs", "cancel", run, "--json", cwd=tmp_path))["status"] == "cancelled"
    assert definable("runs", "resume", run, cwd=tmp_path).returncode == 1
    assert definable("runs", "cancel", run, cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(
    ("environ", "code", "words"),
    [
        ({"HEX_API_TOKEN": "hxtp_" + "0" * 96}, 3, "key refused"),
        ({"HEX_BASE_URL": "http://example.test/api"}, 2, "plain http"),
    ],
)
def test_a_wrong_key_and_a_wrong_host_say_what_is_wrong(
    tmp_path: Path, served: dict[str, str], environ: dict[str, str], code: int, words: str
) -> None:
    """A refused key parks the call, a host that must not see the key is refused; both say so."""
    done = definable("tools", "call", "HEX_LIST_PROJECTS", cwd=tmp_path, **{**served, **environ})
    assert done.returncode == code
    assert words in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path) -> None:
    """`definable tools | head -1` is quiet and exit 0 on both sides."""
    script = f"set -o pipefail; {' '.join(COMMAND)} tools | head -1"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=clean(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def on_a_terminal(arguments: list[str], cwd: Path, answers: dict[bytes, bytes]) -> tuple[int, str]:
    """Run a command on a pseudo-terminal, answering its prompts; return its exit code and the screen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execve(sys.executable, [*COMMAND, *arguments], clean())
    screen, until = b"", time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            screen += os.read(terminal, 65536)
        except OSError:
            break
        for prompt in [p for p in answers if p in screen]:
            os.write(terminal, answers.pop(prompt))
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), screen.decode()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_person_at_a_terminal_is_asked_and_watches(tmp_path: Path) -> None:
    """On a terminal the steps are drawn live, the question is put, and a yes goes on."""
    cell = a_cell(tmp_path)
    arguments = ["tools", "call", "HEX_DELETE_CELL", "-i", f"cellId={cell}", "--sandbox"]
    code, screen = on_a_terminal(arguments, tmp_path, {b"Approve?": b"y\n"})
    assert code == 0, screen
    assert "waiting for a person" in screen
    assert "HEX_DELETE_CELL: verified" in screen
    assert "\x1b[" in screen


def test_closed_streams_are_streams_that_nobody_reads(tmp_path: Path) -> None:
    """Without stdin, stdout or stderr a command does its work and ends with its code."""
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        line = f"{sys.executable} -m definable tools call HEX_LIST_PROJECTS --sandbox --json {closed}"
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=tmp_path,
            env=clean(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, (closed, done.stderr)
        assert "Traceback" not in done.stderr


def test_sigterm_puts_a_run_down_like_ctrl_c(tmp_path: Path) -> None:
    """A service manager's stop keeps the run and says how to go on."""
    faults = tmp_path / "slow.yaml"
    faults.write_text("[{ tool: HEX_LIST_PROJECTS, fault: slow, with: { seconds: 20 } }]\n")
    arguments = [*COMMAND, "run", "context-pull", "-i", "question=churn", "--faults", str(faults)]
    with warm.Process(arguments, cwd=tmp_path, env=clean(), stderr=warm.PIPE, stdout=warm.PIPE) as process:
        assert process.stderr is not None
        assert "started" in process.stderr.readline()
        time.sleep(0.5)
        process.terminate()
        told = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 130
    assert "interrupted; the run is kept, go on with: definable runs resume" in told
    runs = json.loads(definable("runs", "list", "--json", cwd=tmp_path).stdout)
    assert runs[0]["status"] == "queued"
