"""Runs of the first release, schema 7: read, carried on and ended by today's code, on both databases."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from definable.calls import Decision
from definable.engine.runner import Runner
from definable.errors import StoreError
from definable.sandbox import Faults, World, serve
from definable.settings import Settings
from definable.store import Place, RunRow, Server, open_store, place, schema
from definable.store.place import FILE
from definable.workspace import find
from tests.e2e.test_cli_processes import clean
from tests.postgres import PostgresServer

HERE = Path(__file__).parent

RELEASED = "fb4d5cb5"
"""How the digest of the migrations that were released as schema 7 begins."""

LABELS = {"approval": "Approved", "parked": "Parked", "sent": "Sent", "lost": "Lost", "keys": "Keys"}
"""Run → the label of the one cell that it writes."""


@dataclass
class Old:
    """What an old version left behind: its database, its runs, and the product as it was."""

    root: Path
    where: Place
    runs: dict[str, str]
    world: dict[str, Any]

    def cells(self, world: World, label: str) -> int:
        """Count the cells with a label."""
        return sum(cell["label"] == label for cell in world.state["cells"].values())

    @asynccontextmanager
    async def runner(self) -> AsyncIterator[tuple[Runner, World]]:
        """Open the old runs with today's code, against the product as it was."""
        settings = Settings(database=self.where.url if isinstance(self.where, Server) else None, offline=True)
        world = World.restore(self.world)
        with serve(world, Faults.parse({"seed": 1, "faults": []})) as served:
            environ = {"HEX_BASE_URL": served.base_url, "HEX_API_TOKEN": world.issue_token()}
            async with Runner.open(find(self.root, {}, self.root), settings, environ) as runner:
                yield runner, world


@pytest.fixture(params=["sqlite", "postgres"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Old:
    """Return the database of an old version, as it left it."""
    facts = json.loads((HERE / f"schema7-{request.param}.json").read_text())
    dump = (HERE / f"schema7-{request.param}.sql").read_text()
    home = tmp_path / ".definable"
    home.mkdir()
    if request.param == "sqlite":
        with closing(sqlite3.connect(home / FILE)) as db:
            db.executescript(dump)
        where = place(home)
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        where = place(home, server.database())
        assert isinstance(where, Server)
        with psycopg.connect(where.url, autocommit=True) as connection:
            connection.execute(dump.encode())
    return Old(tmp_path, where, facts["runs"], facts["world"])


def test_everything_reads(old: Old) -> None:
    """Runs, logs, exchanges, receipts, effects in all states, and questions are what they were."""
    with open_store(old.where) as store:
        rows = {name: store.run(run) for name, run in old.runs.items()}
        assert {name: (row.status.value, row.reason) for name, row in rows.items()} == {
            "done": ("done", ""),
            "failed": ("failed", ""),
            "approval": ("waiting", "approval"),
            "parked": ("waiting", "quota"),
            "sent": ("running", ""),
            "lost": ("running", ""),
            "reading": ("running", ""),
            "keys": ("waiting", "auth"),
            "ledger": ("queued", ""),
        }
        assert all(row.key is None and row.priority is None and not row.pruned for row in rows.values())
        assert [receipt.status for receipt in store.receipts(old.runs["done"])][-1] == "verified"
        assert store.receipts(old.runs["done"])[-1].result
        assert store.effects(old.runs["sent"])[0].state == "sent"
        assert [effect.state.value for effect in store.effects(old.runs["ledger"])] == [
            *(
                "intended",
                "sent",
                "committed",
                "rejected",
                "unknown",
                "reconciled",
                "needs_review",
                "verified",
            )
        ]
        (ask,) = store.open_asks(old.runs["approval"])
        assert ask.ask.tool == "HEX_CREATE_CELL"
        for run in old.runs.values():
            events = store.events(run)
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            calls = {event.call for event in events if event.type == "exchange"}
            assert all(store.exchanges(run, str(call)) for call in calls)
        assert store.take_runs("w1", 10, 10**6) == []
        assert store.workers() == []
        assert store.triggers() == {}


async def gone_on(old: Old, name: str) -> tuple[RunRow, int]:
    """Go on with an old run, and return where it stands then and how many of its cells there are."""
    async with old.runner() as (runner, world):
        run = old.runs[name]
        if runner.store.run(run).reason == "approval":
            runner.answer(run, None, Decision(approve=True, by="test"))
        row = await runner.resume(run)
        if row.reason == "review":  # others wrote beside it since: a person says that the cell is its own
            (ask,) = runner.store.open_asks(run)
            (found,) = ask.ask.candidates
            runner.answer(run, None, Decision(approve=True, by="test", adopt=str(found["id"])))
            row = await runner.resume(run)
        receipts = runner.store.receipts(run)
        assert receipts, row
        assert receipts[-1].status == "verified", row.error
        assert receipts[-1].evidence == "state" or name == "reading"  # the brief is there already
        assert {effect.state.value for effect in runner.store.effects(run)} <= {"verified"}
        return row, old.cells(world, LABELS.get(name, ""))


@pytest.mark.anyio
@pytest.mark.parametrize("name", [*LABELS, "reading"])
async def test_an_old_run_comes_to_a_verified_end(old: Old, name: str) -> None:
    """It waited for somebody, for a quota, for keys, or its process was killed: one cell in the end."""
    row, cells = await gone_on(old, name)
    assert row.status == "done", row.error
    assert cells == 1 or name == "reading"


@pytest.mark.anyio
async def test_an_old_run_that_is_done_can_be_taken_back(old: Old) -> None:
    """What it left is known, with what undoes it."""
    async with old.runner() as (runner, _):
        (left,) = runner.left(old.runs["done"])
        assert (left.state, (left.undo or {})["tool"]) == ("done", "HEX_DELETE_CELL")


def test_a_version_that_knows_less_refuses_what_is_newer(old: Old, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once today's code has had it, the old one says to upgrade, and changes nothing."""
    newest = len(schema.MIGRATIONS)
    with open_store(old.where):
        pass
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:7])
    with pytest.raises(StoreError, match=f"has schema {newest}; this version of Definable knows up to 7"):
        open_store(old.where)


@pytest.mark.timeout(120)
def test_several_processes_may_open_an_old_database_at_once(old: Old) -> None:
    """One of them brings it up to date, and the others find that done."""
    url = old.where.url if isinstance(old.where, Server) else ""
    code = (
        "import sys; from pathlib import Path; from definable.store import open_store, place\n"
        "sys.stdin.readline()\n"
        "with open_store(place(Path(sys.argv[1]), sys.argv[2] or None)) as store: print(len(store.runs()))"
    )
    command = [sys.executable, "-c", code, str(old.root / ".definable"), url]
    processes = [
        subprocess.Popen(
            command,
            env=clean(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        said, wrong = process.communicate(timeout=60)
        assert said.strip() == str(len(old.runs)), wrong


def test_what_was_released_never_changes() -> None:
    """Migrations are only added: a database that has one has it as it was."""
    released = json.dumps(schema.MIGRATIONS[:7]).encode()
    assert hashlib.sha256(released).hexdigest().startswith(RELEASED)
