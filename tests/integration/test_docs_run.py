"""What README and docs/ show is run: commands in the sandbox, files by the loader, Python as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from definable.models.failures import KEYS
from definable.sandbox import Faults, World, serve
from definable.workspace import check, find
from tests import warm

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DROPPED = ("HEX_", "OPENAI_", "ANTHROPIC_", "DEFINABLE_", "TODO_", "MAKE", "MFLAGS")
PATIENCE = 600
"""Seconds for one command: `definable chaos` runs all cells."""

ENDS = {"done": 0, "waiting": 3, "failed": 1}
DEMO = re.compile(r"<!-- demo output -->\n```\n(.*?)```\n<!-- /demo output -->", re.DOTALL)
VARIES = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b\d{8}-\d{4}-[0-9a-f]{12}\b|\d+(?:[.,]\d+)*"
)


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a page in one language."""
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def having(language: str) -> list[Path]:
    """Return the pages with blocks in one language."""
    return [page for page in PAGES if blocks(page, language)]


def lay_out(page: Path, folder: Path) -> list[str]:
    """Write the files that a page shows, each under the path in its first line; return the paths."""
    shutil.copytree(ROOT / "docs" / "demo", folder / "docs" / "demo")
    paths = []
    for text in blocks(page, "yaml"):
        path = text.splitlines()[0].removeprefix("# ")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


@pytest.fixture(scope="module")
def environ() -> Iterator[dict[str, str]]:
    """Serve a sandbox where the real service would be, and return the environment that leads to it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
    with serve(World(quotas=False)) as served:
        yield {
            **kept,
            "HEX_BASE_URL": served.base_url,
            "HEX_API_TOKEN": served.token,
            "DEFINABLE_OFFLINE": "1",
            "DEFINABLE_QUOTA_SHARE": "off",
        }


def told(words: list[str], folder: Path, environ: dict[str, str]) -> tuple[int, str]:
    """Run `definable` as a process; return its exit code and all that it printed, results last."""
    done = warm.run([sys.executable, "-m", "definable", *words], cwd=folder, env=environ, timeout=PATIENCE)
    return done.returncode, f"{done.stderr}\n{done.stdout}"


def run(words: list[str], folder: Path, environ: dict[str, str]) -> tuple[int, list[str]]:
    """Run `definable`; return its exit code and its lines, those that vary made alike."""
    code, out = told(words, folder, environ)
    return code, [alike(line) for line in out.splitlines()]


def alike(line: str) -> str:
    """Return a line without its ids, numbers and widths."""
    return " ".join(VARIES.sub("0", line).split())


def missing(shown: str, lines: list[str]) -> list[str]:
    """Return the lines of a page that the output does not have; `…` stands for anything."""
    wanted = [alike(line) for line in shown.splitlines()]
    patterns = {line: ".*".join(re.escape(part.strip()) for part in line.split("…")) for line in wanted}
    return [
        line for line in wanted if line != "…" and not any(re.search(patterns[line], each) for each in lines)
    ]


def spoken(block: str) -> list[tuple[str, str]]:
    """Return each command of a console block with the output that is shown below it."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts)]


@pytest.mark.parametrize("page", having("yaml"), ids=lambda page: page.stem)
def test_files_that_are_shown_have_no_problem(page: Path, tmp_path: Path) -> None:
    """What a reader copies into a workspace passes its check."""
    for path in lay_out(page, tmp_path):
        if path.startswith(("workflows/", "tools/")):
            assert check(find(tmp_path, {}), [str(tmp_path / path)]) == []
        else:
            assert Faults.load(tmp_path / path).entries


@pytest.mark.timeout(2 * PATIENCE)
@pytest.mark.parametrize("page", having("console"), ids=lambda page: page.stem)
def test_commands_do_what_is_shown(page: Path, tmp_path: Path, environ: dict[str, str]) -> None:
    """Each command ends as shown, and prints the lines that stand below it."""
    lay_out(page, tmp_path)
    known = {"HEX_API_TOKEN", *KEYS.values()}
    for command, shown in (each for block in blocks(page, "console") for each in spoken(block)):
        program, *words = shlex.split(command, comments=True)
        if program == "export":
            assert words[0].removesuffix("=…") in known
            continue
        assert program == "definable"
        code, lines = run(words, tmp_path, environ)
        ending = re.search(r"^Run .*?: (\w+)", shown, re.MULTILINE)
        whole = "\n".join([command, *lines])
        assert code == (ENDS[ending[1]] if ending else 0), whole
        assert missing(shown, lines) == [], whole


def test_the_demo_says_what_the_readme_shows(tmp_path: Path, environ: dict[str, str]) -> None:
    """`make demo`, run from nothing, heals a 429 and a lost answer, and prints what stands in the README."""
    lay_out(ROOT / "README.md", tmp_path)
    made = subprocess.run(
        ["make", "-n", "demo"], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    ).stdout.replace("\\\n", "")
    assert "rm -rf build/demo" in made
    command = re.search(r"\.venv/bin/definable (run .*)", made)
    shown = DEMO.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert command
    assert shown
    code, lines = run(command[1].split(), tmp_path, environ)
    assert code == 0, lines
    assert missing(shown[1], lines) == [], "\n".join(lines)


@pytest.mark.parametrize("page", having("python"), ids=lambda page: page.stem)
def test_python_does_what_is_shown(page: Path) -> None:
    """Each block runs by itself, its own asserts included."""
    for text in blocks(page, "python"):
        exec(compile(text, str(page), "exec"), {"__name__": "shown"})


class Todo(BaseHTTPRequestHandler):
    """The product of docs/toolkits.md: one list in memory, and a first task whose answer never arrives."""

    tasks: ClassVar[list[dict[str, Any]]] = []

    def do_GET(self) -> None:
        """List the tasks."""
        self._answer(200, {"tasks": self.tasks, "next": None})

    def do_POST(self) -> None:
        """Add a task."""
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["Authorization"] == "Bearer secret-token"
        task = {"id": f"t{len(self.tasks)}", "title": given["title"], "done": False}
        self.tasks.append(task)
        if len(self.tasks) > 1:
            self._answer(201, task)

    def _answer(self, status: int, body: Any) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


def test_the_toolkit_that_is_shown_works(tmp_path: Path, environ: dict[str, str]) -> None:
    """A product that is nothing but the page's file: called, a lost answer adopted, nothing done twice."""
    lay_out(ROOT / "docs" / "toolkits.md", tmp_path)
    Todo.tasks = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Todo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    there = {"TODO_BASE_URL": f"http://127.0.0.1:{server.server_port}", "TODO_TOKEN": "secret-token"}
    words = ["tools", "call", "TODO_ADD_TASK", "-i", "list_id=home", "-i", "title=Water", "--json"]
    receipts = []
    try:
        for _ in range(2):
            code, out = told(words, tmp_path, {**environ, **there})
            assert code == 0, out
            receipts.append(json.loads(out.splitlines()[-1]))
    finally:
        server.shutdown()
        server.server_close()
    first, second = receipts
    assert [(r["status"], r["evidence"], r["attempts"]) for r in receipts] == [("verified", "state", 1)] * 2
    assert ([heal["rule"] for heal in first["heals"]], second["heals"]) == (["adopted"], [])
    assert [task["title"] for task in Todo.tasks] == ["Water", "Water"]
