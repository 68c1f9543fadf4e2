"""Locks between processes: of files, and of names in a folder of locks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from definable.store import lockfile
from definable.store.lockfile import NAMES, broken_in, locked, named
from tests.e2e.test_cli_processes import clean

HOLD = """
import sys; from pathlib import Path; from definable.store.lockfile import named
with named(Path(sys.argv[1]), sys.argv[2]) as free: print(free, flush=True); sys.stdin.read()
"""


@contextmanager
def another(folder: Path, name: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Let another process hold a name; give what it was told."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), name],
        env=clean(),
        text=True,
        **pipes,  # type: ignore[call-overload]
    ) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


@pytest.fixture(params=[True, False], ids=["bytes", "files"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of locks, in the way of Linux and in that of other systems."""
    if request.param and not lockfile.BYTES:
        pytest.skip("this system has no locks of bytes that belong to an opened file")
    monkeypatch.setattr(lockfile, "BYTES", request.param)
    return tmp_path / "locks"


def test_a_name_is_held_once(folder: Path) -> None:
    """In this process, too; other names are free, and so is this one afterwards."""
    with named(folder, "a") as first, named(folder, "a") as second, named(folder, "b") as other:
        assert (first, second, other) == (True, False, True)
    with named(folder, "a") as free:
        assert free


def test_what_a_process_held_is_free_once_it_is_killed(tmp_path: Path) -> None:
    """And not before."""
    with another(tmp_path, "a") as (told, process):
        assert told == "True"
        with named(tmp_path, "a") as free:
            assert not free
        process.kill()
        process.wait()
        with named(tmp_path, "a") as free:
            assert free


def test_a_name_that_was_broken_in_is_held_once_from_then_on(folder: Path) -> None:
    """Who had it holds nothing by it, and takes nothing away when it goes; others exclude each other."""
    with another(folder, "a") as (told, process):
        assert told == "True"
        for _ in range(2):
            broken_in(folder, "a")
            with named(folder, "a") as first, named(folder, "a") as second, named(folder, "b") as other:
                assert (first, second, other) == (True, False, True)
                with another(folder, "a") as (others, _):
                    assert others == "False"
        process.kill()
        with named(folder, "a") as first, named(folder, "a") as second:
            assert (first, second) == (True, False)


def test_a_name_that_is_broken_in_while_it_is_taken_is_held_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look for its file and the lock of its byte somebody breaks in, and takes it."""
    if not lockfile.BYTES:
        pytest.skip("this system has no locks of bytes that belong to an opened file")
    byte, holding = lockfile._byte, []

    def slow(file: int, name: str) -> bool:
        broken_in(tmp_path, name)
        holding.append(locked(tmp_path / name))
        assert holding[0].__enter__()
        return byte(file, name)

    monkeypatch.setattr(lockfile, "_byte", slow)
    with named(tmp_path, "a") as free:
        assert not free
    holding[0].__exit__(None, None, None)
    with named(tmp_path, "a") as free:
        assert free


def test_an_older_version_holds_the_file_of_a_name(tmp_path: Path) -> None:
    """It made one for each run, which is there, and looks at those of workers; other runs have none."""
    with locked(tmp_path / "old") as held:
        assert held
        with named(tmp_path, "old") as free:
            assert not free
    with named(tmp_path, "new") as free, named(tmp_path, "worker-1") as worker:
        assert (free, worker) == (True, True)
        with locked(tmp_path / "worker-1") as gone:
            assert not gone, "the older version would bury it"
    (tmp_path / "worker-1").unlink()
    assert {path.name for path in tmp_path.iterdir()} == (
        {"old", NAMES} if lockfile.BYTES else {"old", "new"}
    )
