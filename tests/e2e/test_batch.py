"""The batch command from outside: killed and stopped in the middle, and run again."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from definable.sandbox import Served
from tests import warm
from tests.e2e.test_cli_processes import COMMAND, clean, definable, last
from tests.e2e.test_kill import PATIENCE, sandbox, weekly, where
from tests.e2e.test_workers import worker
from tests.postgres import PostgresServer

WORKFLOW = """
name: mark
description: Writes a cell.
inputs: { project: { type: string }, label: { type: string } }
steps:
  - id: write
    call: HEX_CREATE_CELL
    arguments:
      projectId: ${{ inputs.project }}
      cellType: MARKDOWN
      label: ${{ inputs.label }}
      contents: { markdownCell: { source: hello } }
outputs: { cell: "${{ steps.write.output.id }}" }
batch: { items: ../items.csv, key: label, concurrency: 3 }
"""
ITEMS = 12
SLOW = {"tool": "HEX_CREATE_CELL", "fault": "slow", "times": 4 * ITEMS, "with": {"seconds": 0.4}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a workspace with one workflow."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "mark.yaml").write_text(WORKFLOW)
    return tmp_path


def a_table(served: Served, folder: Path) -> None:
    """Write the items that the workflow names: each has a project of its own."""
    projects = served.world.state["projects"]
    like = projects[weekly(served)]
    rows = ["project,label"]
    for number in range(ITEMS):
        name = f"00000000-0000-4000-9000-{number:012}"
        projects[name] = {**like, "id": name, "title": f"Project {number}"}
        rows.append(f"{name},n{number}")
    (folder / "items.csv").write_text("\n".join(rows))


def cells(served: Served) -> Counter[str]:
    """Return how often each item's cell is in Hex."""
    every = (str(cell["label"]) for cell in served.world.state["cells"].values())
    return Counter(label for label in every if re.fullmatch(r"n\d+", label))


@contextmanager
def begun(served: Served, folder: Path, ready: Callable[[], bool], **more: str) -> Iterator[warm.Process]:
    """Start the batch, and give it when it is where a test wants it."""
    environ = clean(**where(served), DEFINABLE_QUOTA_SHARE="off", **more)
    process = warm.Process([*COMMAND, "batch", "mark"], cwd=folder, env=environ, stderr=warm.PIPE)
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            assert process.poll() is None, "the batch ended before that"
            assert time.monotonic() < deadline, "the batch did not get that far"
            time.sleep(0.01)
        yield process
    finally:
        process.kill()
        process.communicate()


def again(served: Served, folder: Path) -> Any:
    """Run the batch to its end, and return its summary."""
    environ = {**where(served), "DEFINABLE_QUOTA_SHARE": "off"}
    done = definable("batch", "mark", "--json", cwd=folder, **environ)
    assert done.returncode == 0, done.stderr
    return last(done)


def output(folder: Path) -> list[Any]:
    """Return the lines of the output."""
    (file,) = folder.glob("mark-items-*/output.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


ONCE = Counter(f"n{number}" for number in range(ITEMS))


@pytest.mark.timeout(150)
def test_killed_in_the_middle_each_item_is_there_once(folder: Path) -> None:
    """Killed twice without warning, and run again: once in Hex, once in the output, and nothing is left."""
    with sandbox(SLOW) as served:
        a_table(served, folder)
        for least in (3, 7):
            with begun(served, folder, lambda least=least: cells(served).total() >= least) as process:  # type: ignore[misc]
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
        summary = again(served, folder)
        assert (summary["done"], summary["failed"], summary["status"]) == (ITEMS, 0, "done")
        assert cells(served) == ONCE
        assert Counter(line["custom_id"] for line in output(folder)) == ONCE
        answered = served.world.requests["HEX_CREATE_CELL"]
        assert again(served, folder)["kept"] == ITEMS
        assert served.world.requests["HEX_CREATE_CELL"] == answered


@pytest.mark.timeout(150)
def test_interrupted_it_ends_in_order_and_says_how_to_go_on(folder: Path) -> None:
    """ctrl-C lets what is at work end; the files are whole, and the same command does the rest."""
    with sandbox(SLOW) as served:
        a_table(served, folder)
        with begun(served, folder, lambda: cells(served).total() >= 3) as process:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130, said
        assert "stopping: " in said
        assert len(output(folder)) == cells(served).total() < ITEMS
        assert again(served, folder)["done"] == ITEMS
        assert cells(served) == ONCE


@pytest.mark.timeout(150)
def test_interrupted_twice_it_ends_at_once(folder: Path) -> None:
    """Nobody waits for what is at work; the next process looks what became of it."""
    stall = {"tool": "HEX_CREATE_CELL", "fault": "stall", "after": 2, "times": 3, "with": {"seconds": 90}}
    with sandbox(stall) as served:
        a_table(served, folder)
        with begun(served, folder, lambda: cells(served).total() >= 4) as process:
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.stderr
            while "stopping: " not in process.stderr.readline():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=PATIENCE)
            assert time.monotonic() - began < 60
        assert process.returncode == 130
        assert again(served, folder)["done"] == ITEMS
        assert cells(served) == ONCE


@pytest.mark.timeout(150)
def test_a_database_that_goes_away_is_waited_for(postgres: PostgresServer, folder: Path) -> None:
    """The batch says so, pauses, and goes on by itself: nothing is lost, and nothing is done twice."""
    with sandbox(SLOW) as served:
        a_table(served, folder)
        database = {"DEFINABLE_DATABASE": postgres.database()}
        with begun(served, folder, lambda: cells(served).total() > 3, **database) as process:
            postgres.stop()
            time.sleep(5)  # longer than a worker's silence counts as its death
            postgres.start()
            _, told = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, told
        assert re.search(r"^paused: the PostgreSQL database .*; it goes on by itself once the", told, re.M), (
            told
        )
        assert re.search(r"^goes on$", told, re.M)
        assert "Traceback" not in told
        assert cells(served) == ONCE
        assert Counter(line["custom_id"] for line in output(folder)) == ONCE


@pytest.mark.timeout(150)
def test_other_workers_take_part(postgres: PostgresServer, folder: Path) -> None:
    """On one PostgreSQL server a worker takes from the same queue, and no item is taken by two."""
    database = {"DEFINABLE_DATABASE": postgres.database()}
    with sandbox({**SLOW, "with": {"seconds": 1}}) as served:
        a_table(served, folder)
        environ = {**where(served), "DEFINABLE_QUOTA_SHARE": "off", **database}
        with worker(folder, "--slots", "3", **environ):
            done = definable("batch", "mark", "--json", cwd=folder, **environ)
        assert done.returncode == 0, done.stderr
        assert cells(served) == ONCE
        name = last(done)["batch"]
        found = definable("runs", "list", "--batch", name, "--json", cwd=folder, **database)
        rows = last(found)
        assert len(rows) == ITEMS
        assert len({row["worker"] for row in rows}) == 2


def test_bad_rows_are_told_and_nothing_is_run(folder: Path) -> None:
    """With file and line, all of them; with --skip-bad the rest is run."""
    with sandbox() as served:
        a_table(served, folder)
        table = folder / "items.csv"
        many = [f"none,m{number}" for number in range(30)]
        table.write_text("\n".join([*table.read_text().splitlines()[:3], "none,n90", "x,y,z", *many]))
        environ = {**where(served), "DEFINABLE_QUOTA_SHARE": "off"}
        told = definable("batch", "mark", cwd=folder, **environ)
        assert told.returncode == 2
        assert "items.csv:4: step 'write': projectId: 'none' is no project-id." in told.stderr
        assert "items.csv:5: 3 fields, where the first line names 2 columns" in told.stderr
        assert [number for number in range(4, 36) if f"items.csv:{number}: " not in told.stderr] == []
        assert "error: 32 bad rows among 34; nothing was run" in told.stderr
        assert not cells(served)
        done = definable("batch", "mark", "--skip-bad", "--json", cwd=folder, **environ)
        assert (done.returncode, last(done)["done"], last(done)["bad_rows"]) == (1, 2, 32)
        assert "try what failed again" not in done.stderr
