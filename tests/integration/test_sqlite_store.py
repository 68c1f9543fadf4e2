"""The SQLite store: the contract, and what only a file can go wrong with."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from definable.errors import RunBusy, StoreError
from definable.spec.model import Evidence
from definable.store import RunStatus, Store, connection, open_store, schema
from definable.store.connection import Sqlite, explain
from definable.store.lockfile import locked
from definable.store.schema import MIGRATIONS
from definable.store.sql import SqlStore
from tests.integration.service_contract import ServiceContract
from tests.integration.store_contract import a_run, an_exchange

LINUX = sys.platform == "linux"


class TestSqliteStore(ServiceContract):
    """The contract, on a file."""

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        def make(clock: Callable[[], datetime]) -> Store:
            return open_store(tmp_path / "state.db", clock)

        self.make = make


def test_the_file_is_made_with_its_folder(tmp_path: Path) -> None:
    """Write-ahead log, version of the schema and the mark that the file is ours."""
    path = tmp_path / "a" / "b" / "state.db"
    open_store(path).close()
    db = sqlite3.connect(path)
    pragmas = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "user_version")]
    db.close()
    assert pragmas == ["wal", len(MIGRATIONS)]


def test_only_what_the_outside_may_know_of_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run, an attempt that leaves and its answer are flushed, and with them all that was written before."""
    flushed: list[str] = []
    flush = connection.flush

    def noted(descriptor: int) -> None:
        flush(descriptor)
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}") if LINUX else "")

    monkeypatch.setattr(connection, "flush", noted)
    with SqlStore(Sqlite(tmp_path / "state.db")) as store:

        def waited() -> bool:
            files, flushed[:] = {*flushed}, []
            assert files <= {str(tmp_path / "state.db-wal") if LINUX else ""}
            return bool(files)

        seen = {}
        store.create_run(a_run())
        seen["run"] = waited()
        store.append("r1", "step.started", {})
        seen["note"] = waited()
        store.record("r1", an_exchange(call="research.1"))
        seen["read"] = waited()
        store.intend("e1", "r1", "deliver.1", "HEX_CREATE_CELL", {}, attempt=1)
        seen["intent"] = waited()
        store.sent("e1", 1)
        seen["sent"] = waited()
        store.append("r1", "verdict", {})
        store.record("r1", an_exchange(effect="e1"))
        seen["answer"] = waited()
        store.verified("e1", Evidence.STATE)
        seen["proof"] = waited()
        store.set_status("r1", RunStatus.DONE)
        seen["status"] = waited()
    assert {what for what, waited_for in seen.items() if waited_for} == {"run", "sent", "answer", "status"}


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    """An older Definable says so instead of guessing."""
    path = tmp_path / "state.db"
    open_store(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError) as caught:
        open_store(path)
    assert str(caught.value) == (
        f"{path} has schema 99; this version of Definable knows up to {len(MIGRATIONS)}\n"
        "  upgrade Definable, or set DEFINABLE_HOME to another folder"
    )


def test_a_database_of_another_program_is_not_touched(tmp_path: Path) -> None:
    """Not even its journal mode is changed."""
    path = tmp_path / "state.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE photos (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"state\.db is a database of another program\n  set DEFINABLE_HOME"):
        open_store(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """Garbage where the state should be."""
    path = tmp_path / "state.db"
    path.write_bytes(b"garbage " * 1000)
    with pytest.raises(
        StoreError, match=r"state\.db is not a database .*\n  move it away; a new one is made"
    ):
        open_store(path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """The header is fine, a page is not: the error says which file and what to do."""
    path = tmp_path / "state.db"
    with open_store(path) as store:
        store.create_run(a_run())
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with (
        pytest.raises(StoreError, match=r"is damaged .*\n  move it away or restore"),
        open_store(path) as store,
    ):
        store.runs()


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    """SQLite's own words are kept beside ours."""
    with pytest.raises(
        StoreError, match=r"cannot be opened \(unable to open database file\)\n  check that it is"
    ):
        open_store(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """DEFINABLE_HOME below a file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path / "file" / "home" / "state.db")
    assert str(caught.value) == (
        f"{tmp_path / 'file' / 'home'} cannot be made (Not a directory)\n"
        "  set DEFINABLE_HOME to a folder that you may write to"
    )


def test_a_file_that_may_only_be_read_is_named(tmp_path: Path) -> None:
    """The error of a real read-only connection, explained."""
    path = tmp_path / "state.db"
    open_store(path).close()
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as caught:
        db.execute("DELETE FROM runs")
    db.close()
    told = explain(caught.value, path)
    assert str(told) == (
        f"{path} cannot be written (attempt to write a readonly database)\n"
        "  give yourself write access to the file and its folder"
    )


def test_a_full_disk_loses_nothing_that_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write that does not fit is refused as a whole, and says why."""
    connect = sqlite3.connect

    def small(*args: object, **kwargs: object) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(*args, **kwargs)  # type: ignore[call-overload]
        db.execute("PRAGMA max_page_count = 80")
        return db

    monkeypatch.setattr(sqlite3, "connect", small)
    with open_store(tmp_path / "state.db") as store:
        store.create_run(a_run())
        store.append("r1", "small", {})
        with pytest.raises(StoreError, match=r"cannot grow: the disk is full .*\n  free some space"):
            store.append("r1", "large", {"x": "x" * 400_000})
        store.append("r1", "small", {})
        assert [(e.seq, e.type) for e in store.events("r1")] == [(1, "small"), (2, "small")]


def test_a_file_may_be_a_link(tmp_path: Path) -> None:
    """SQLite has its log beside the file itself, and so is what keeps processes apart."""
    (tmp_path / "link.db").symlink_to(tmp_path / "there" / "state.db")
    with open_store(tmp_path / "there" / "state.db") as store, open_store(tmp_path / "link.db") as linked:
        linked.create_run(a_run())
        with store.alone("r1"), pytest.raises(RunBusy), linked.alone("r1"):
            pass


def test_a_file_may_be_a_copy_that_sqlite_made(tmp_path: Path) -> None:
    """Such a copy keeps no write-ahead log until it is told to."""
    with open_store(tmp_path / "state.db") as store, closing(sqlite3.connect(tmp_path / "state.db")) as db:
        store.create_run(a_run())
        db.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    with open_store(tmp_path / "copy.db") as store:
        assert store.set_status("r1", RunStatus.DONE) == store.run("r1")


def test_a_file_that_was_taken_away_is_noticed(tmp_path: Path) -> None:
    """By whoever listens to it, so that a worker begins anew, in the file that is there by then."""
    with open_store(tmp_path / "state.db") as store:
        store.heard(0)
        for each in tmp_path.glob("state.db*"):
            each.unlink()
        with pytest.raises(StoreError, match="is not the file any more that was opened"):
            store.heard(0)
        with open_store(tmp_path / "state.db"), pytest.raises(StoreError, match="is not the file any more"):
            store.heard(0)


def test_a_name_that_the_system_cannot_lock_is_told(tmp_path: Path) -> None:
    """As all else is that keeps a store from its work, such as too many open files."""
    with open_store(tmp_path / "state.db") as store:
        (tmp_path / "locks").write_text("a file")
        for what in (store.alone("r1"), store.present("w1")):
            with pytest.raises(StoreError, match=r" cannot be locked \(Not a directory\)"), what:
                pass


def test_a_lock_that_is_held_too_long_is_told(tmp_path: Path) -> None:
    """Waiting for another process has an end."""
    path = tmp_path / "state.db"
    with SqlStore(Sqlite(path, patience=0.05)) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(
            StoreError, match=r"is locked by another process .*\n  end that process, or try again"
        ):
            store.create_run(a_run())
        other.execute("ROLLBACK")
        other.close()
        assert store.create_run(a_run()).id == "r1"


def test_a_gate_that_stays_shut_is_passed_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stands in it was stopped by a signal, say; SQLite knows whether the file is really taken."""
    monkeypatch.setattr(connection, "STUCK", 0.2)
    with SqlStore(Sqlite(tmp_path / "state.db")) as store, locked(tmp_path / "state.db-gate") as free:
        assert free
        began = time.monotonic()
        store.create_run(a_run())
        assert time.monotonic() - began > 0.2
        assert store.run("r1").status is RunStatus.QUEUED


def test_a_write_that_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    """An event that is no JSON is refused before the log has half of it."""
    with open_store(tmp_path / "state.db") as store:
        store.create_run(a_run())
        with pytest.raises(TypeError):
            store.append("r1", "bad", {"x": object()})
        assert store.append("r1", "good", {}) == 1


def test_an_older_file_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it holds is still there afterwards, and the next opening finds nothing to do."""
    path = tmp_path / "state.db"
    with open_store(path) as store:
        store.create_run(a_run())
    added = ("ALTER TABLE runs ADD COLUMN colour TEXT", "UPDATE runs SET reason = 'moved'")
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, added))
    for _ in range(2):
        open_store(path).close()
    db = sqlite3.connect(path)
    found = db.execute("SELECT id, colour, reason FROM runs").fetchall()
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    assert (found, version) == ([("r1", None, "moved")], len(MIGRATIONS) + 1)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a migration would be worse than none: the file stays at the version it had."""
    path = tmp_path / "state.db"
    open_store(path).close()
    with monkeypatch.context() as later:
        later.setattr(schema, "MIGRATIONS", (*MIGRATIONS, ("DROP TABLE asks", "DROP TABLE nowhere")))
        with pytest.raises(StoreError, match=r"state\.db refused \(no such table: nowhere\)"):
            open_store(path)
    with open_store(path) as store:
        store.create_run(a_run())
        assert store.open_asks("r1") == []
