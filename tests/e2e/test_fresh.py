"""Commands in a Python of their own, as people start them: it ends well, and imports only what it needs.

Most of the other tests start theirs from a Python that has imported everything (`tests/warm.py`).
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_cli_processes import COMMAND, clean

MODELS = {"openai", "anthropic"}
GRAPH = {"langgraph", "langchain_core", "langsmith", "starlette", "uvicorn", "genai_prices", "dbos"}
HTTP = {"httpx", "httpx2", "psycopg"}
FILES = {"pydantic", "yaml", "jsonschema_rs", "rich"}
LOADED = re.compile(r"^import time: +\d+ \| +\d+ \| +(\w+)", re.MULTILINE)

QUICK = {
    "--help": MODELS | GRAPH | HTTP | FILES,
    "batch --help": MODELS | GRAPH | HTTP | FILES,
    "runs list": MODELS | GRAPH | HTTP,
    "workers": MODELS | GRAPH | HTTP,
    "triggers": MODELS | GRAPH | HTTP,
    "keys": MODELS | GRAPH | HTTP,
    "doctor": MODELS | GRAPH | HTTP,
    "tools": MODELS | GRAPH | HTTP,
    "contracts list": MODELS | GRAPH | HTTP,
    "check": MODELS | GRAPH | HTTP,
    "schema workflow": MODELS | GRAPH | HTTP,
    "init new": MODELS | GRAPH | HTTP,
    "graph look": MODELS,
    "run context-pull -i question=churn --sandbox": {"anthropic"},  # the offline model uses openai
    "tools call HEX_LIST_PROJECTS --sandbox": MODELS,
    "batch look items.csv --sandbox": MODELS,
}
"""What each command must not import."""

WORKFLOW = """
name: look
description: Looks at some projects.
inputs: { limit: { type: integer, default: 1, description: How many } }
steps: [{ id: look, call: HEX_LIST_PROJECTS, arguments: { limit: "${{ inputs.limit }}" } }]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a workspace with one workflow, and items for it."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "look.yaml").write_text(WORKFLOW)
    (tmp_path / "items.csv").write_text("limit\n1\n2\n")
    return tmp_path


def new(folder: Path, command: list[str], words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a new Python."""
    environ = clean(DEFINABLE_OFFLINE="1")
    whole = [*command, *words.split()]
    return subprocess.run(whole, cwd=folder, env=environ, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("words", QUICK)
def test_a_command_imports_what_it_needs(folder: Path, words: str) -> None:
    """Nobody waits for libraries that a command does not use; it does its work, and ends with 0."""
    done = new(folder, [sys.executable, "-X", "importtime", "-m", "definable"], words)
    assert done.returncode == 0, LOADED.sub("", done.stderr)
    loaded = set(LOADED.findall(done.stderr))
    assert "click" in loaded
    assert loaded & QUICK[words] == set()


def test_the_installed_command_is_the_same(folder: Path) -> None:
    """`definable` and `python -m definable` say the same."""
    script = Path(sys.executable).with_name("definable")
    for words in ("--help", "tools", "runs list --json"):
        one, other = new(folder, [str(script)], words), new(folder, COMMAND, words)
        assert (one.returncode, one.stdout, one.stderr) == (0, other.stdout, other.stderr)


@pytest.mark.parametrize("words", ["worker", "sandbox --port 0"])
def test_what_stays_ends_when_it_is_told_to(folder: Path, words: str) -> None:
    """A worker and a sandbox come up, and end with 0 on the signal of a service manager or of a terminal."""
    command = [*COMMAND, *words.split()]
    environ = clean(DEFINABLE_OFFLINE="1", PYTHONUNBUFFERED="1")
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=folder, env=environ, text=True, **streams) as process:  # type: ignore[call-overload]
        assert process.stdout.readline().startswith(("worker ", "export "))
        process.send_signal(signal.SIGTERM if words == "worker" else signal.SIGINT)
        assert process.wait(60) == 0
