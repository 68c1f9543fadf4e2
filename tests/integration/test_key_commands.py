"""Commands that print keys: real processes, what can go wrong with them, and who runs them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import pytest

from definable.spec.toolkit import Source
from definable.toolkits import command as commands
from definable.toolkits import memory
from definable.toolkits.credentials import KeyRing
from definable.toolkits.keybook import KeyBook

pytestmark = pytest.mark.anyio
SOURCES = (Source(env="KEY"), Source(command_env="COMMAND"))
NAME = "COMMAND (command)"


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Share with nobody: no folder in memory is found."""
    monkeypatch.setattr(memory, "SHM", tmp_path / "none")
    return tmp_path


def script(folder: Path, text: str) -> str:
    """Write a command that notes each of its runs, and return its line."""
    notes = f"open({str(folder / 'runs')!r}, 'a').write('run\\n')\n"
    path = folder / "issue.py"
    path.write_text(
        f"import json, os, sys, time\n{notes}n = len(open({str(folder / 'runs')!r}).readlines())\n{text}"
    )
    return f"{sys.executable} -S '{path}'"


def runs(folder: Path) -> int:
    """Return how often the command was run."""
    notes = folder / "runs"
    return len(notes.read_text().splitlines()) if notes.exists() else 0


def ring(line: str, book: KeyBook | None = None, clock: list[float] | None = None, **environ: str) -> KeyRing:
    """Return a ring whose last source is this command."""
    now = (lambda: clock[0]) if clock else time.time
    return KeyRing(SOURCES, {"COMMAND": line, **environ}, book or KeyBook(clock=now), "https://hex", now)


async def test_a_command_is_run_when_its_turn_comes(alone: Path) -> None:
    """Not before: while a variable holds a key that is accepted, nothing is run."""
    keys = ring(script(alone, "print('key', n, sep='-')"), KEY="first")
    first = await keys.ready()
    assert first is not None
    assert (first.name, runs(alone)) == ("KEY", 0)
    keys.answered(first, 401)
    second = await keys.ready()
    assert second is not None
    assert (second.name, second.secret.get_secret_value(), runs(alone)) == (NAME, "key-1", 1)
    assert await keys.ready() == second
    assert runs(alone) == 1


async def test_many_who_are_refused_at_once_run_it_once(alone: Path) -> None:
    """A thousand calls with one key, one run; and the loop is never blocked."""
    keys = ring(script(alone, "time.sleep(0.3)\nprint('key', n, sep='-')"))
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    beating = asyncio.create_task(beat())
    first = await asyncio.gather(*(keys.ready() for _ in range(1000)))
    assert {key.secret.get_secret_value() for key in first if key} == {"key-1"}
    assert first[0] is not None
    keys.answered(first[0], 200)
    for key in first:
        assert key is not None
        keys.answered(key, 401)
    second = await asyncio.gather(*(keys.ready() for _ in range(1000)))
    beating.cancel()
    assert {key.secret.get_secret_value() for key in second if key} == {"key-2"}
    assert (runs(alone), keys.book.generation) == (2, 1)
    assert beats > 10


@pytest.mark.parametrize(
    ("printed", "token", "expires"),
    [
        ("plain-key\n", "plain-key", None),
        ('{"token": "k", "expiresAt": "2026-01-01T00:00:00Z"}', "k", 1_767_225_600.0),
        ('{"token": "k", "expiresAt": null}', "k", None),
        ('{"status": {"token": "k", "expirationTimestamp": "2026-01-01T00:00:00Z"}}', "k", 1_767_225_600.0),
    ],
)
def test_what_a_command_may_print(printed: str, token: str, expires: float | None) -> None:
    """The key alone, or JSON with its end, also in kubectl's form."""
    assert commands.parse(printed) == (token, expires)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("sys.exit(3)", "failed (exit 3); run it by hand to see why"),
        ("print('sk-canary', file=sys.stderr); print('sk-canary'); sys.exit(1)", "failed (exit 1)"),
        ("pass", "printed nothing"),
        ("print('{\"token\": ')", "begins like JSON and is none"),
        ("print('{\"token\": 7}')", "printed JSON without a text under token"),
        ('print(\'{"token": "sk-canary", "expiresAt": "soon"}\')', "a time of expiry that is none"),
        ("print('sk-canary and more')", "holds spaces or characters that no key has"),
        ("sys.stdout.buffer.write(b'\\xff' * 9)", "holds spaces or characters that no key has"),
        ("while True: print('sk-canary' * 999)", "printed more than 65,536 bytes"),
        ("time.sleep(60)", "took longer than 0.5 s and was stopped"),
    ],
)
async def test_what_can_go_wrong_is_told_and_nothing_it_printed(
    alone: Path, monkeypatch: pytest.MonkeyPatch, text: str, state: str
) -> None:
    """A clear state, no key, no word of the output; and it is not run again at once."""
    monkeypatch.setattr(commands, "TIMEOUT", 0.5 if "sleep" in text else 20.0)
    keys = ring(script(alone, text))
    assert await keys.ready() is None
    assert state in keys.states()[NAME]
    assert "canary" not in keys.explain() + repr(keys.states())
    assert await keys.ready() is None
    assert runs(alone) == 1
    assert "it is run again after" in keys.states()[NAME]


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("no-such-program --token sk-canary", "cannot be run: No such file or directory"),
        ("'unclosed sk-canary", "is no command line: No closing quotation"),
        ("/", "cannot be run: Permission denied"),
    ],
)
async def test_a_line_that_cannot_be_run_is_told_without_it(alone: Path, line: str, state: str) -> None:
    """The line itself may hold a secret."""
    keys = ring(line)
    assert await keys.ready() is None
    assert state in keys.states()[NAME]
    assert "canary" not in keys.explain()


async def test_a_command_that_brings_nothing_is_run_less_and_less(alone: Path) -> None:
    """After 5 s, 10 s, 20 s … 60 s; when a person says go on, at once."""
    now = [2_000_000_000.0]
    keys = ring(script(alone, "sys.exit(1)"), clock=now)
    at = []
    for _ in range(200):
        before = runs(alone)
        assert await keys.ready() is None
        if runs(alone) > before:
            at.append(now[0] - 2_000_000_000.0)
        now[0] += 1
    assert at == [0, 5, 15, 35, 75, 135, 195]
    keys.anew()
    await keys.ready()
    assert runs(alone) == 8


async def test_keys_that_are_refused_at_once_are_not_obtained_without_end(alone: Path) -> None:
    """A server that refuses every key, and a command that always has another: a run every 5 s … 60 s."""
    now = [2_000_000_000.0]
    keys = ring(script(alone, "print('key', n, sep='-')"), clock=now)
    for _ in range(120):
        if (key := await keys.ready()) is not None:
            keys.answered(key, 401)
        now[0] += 1
    assert runs(alone) == 5


async def test_a_command_that_prints_the_refused_key_again_is_no_way_out(alone: Path) -> None:
    """The same value is the same key; once told to go on, it is tried again."""
    keys = ring(script(alone, "print('always')"))
    key = await keys.ready()
    assert key is not None
    keys.answered(key, 200)
    keys.answered(key, 401)
    assert await keys.ready() is None
    assert "printed a key that was refused" in keys.states()[NAME]
    keys.anew()
    again = await keys.ready()
    assert again is not None
    assert again.mark == key.mark


async def test_the_command_is_run_again_before_its_key_ends(alone: Path) -> None:
    """A fifth of a short life before; while it brings nothing better, the old one is used to its end."""
    now = [2_000_000_000.0]
    line = script(alone, "print(json.dumps({'token': f'key-{n}', 'expiresAt': '2033-05-18T03:35:00Z'}))")
    keys = ring(line, clock=now)  # 100 s from now
    first = await keys.ready()
    now[0] += 79
    assert await keys.ready() == first
    now[0] += 2
    second = await keys.ready()
    assert second is not None
    assert (second.secret.get_secret_value(), runs(alone)) == ("key-2", 2)


async def test_a_wait_for_a_command_can_be_ended(alone: Path) -> None:
    """Ctrl-C ends the command with it, and does not wait for it."""
    keys = ring(script(alone, f"open({str(alone / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"))
    waits = asyncio.create_task(keys.ready())
    while not (alone / "pid").exists() or not (alone / "pid").read_text():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    with pytest.raises(ProcessLookupError):
        os.kill(int((alone / "pid").read_text()), 0)


async def test_processes_share_a_key_in_memory_only(tmp_path: Path) -> None:
    """The second finds what the first one obtained; nobody else can read it, and no disk has it."""
    folder = memory.folder({})
    if folder is None:
        pytest.skip("this system has no memory that processes can share as files")
    line, home = script(tmp_path, "print('key', n, sep='-')"), tmp_path / "home" / "keys.json"
    one, two = (ring(line, KeyBook(home)) for _ in range(2))
    key = await one.ready()
    assert key is not None
    assert await two.ready() == key
    assert runs(tmp_path) == 1
    one.answered(key, 200)
    one.answered(key, 401)
    fresh = await two.ready()
    assert fresh is not None
    assert fresh.secret.get_secret_value() == "key-2"
    assert await one.ready() == fresh
    assert runs(tmp_path) == 2
    assert [name for name in _holding(tmp_path, b"key-") if name != "issue.py"] == []
    shared = _holding(folder, b"key-2")
    assert [(folder / name).stat().st_mode & 0o777 for name in shared] == [0o600]
    (folder / shared[0]).unlink()


def _holding(folder: Path, what: bytes) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.is_file() and what in p.read_bytes()]


def test_a_folder_that_is_not_ours_alone_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open to others, a link, on a disk: each process runs the command itself then."""
    monkeypatch.setattr(memory, "_in_memory", lambda place: True)
    monkeypatch.setattr(memory, "SHM", tmp_path)
    place = tmp_path / f"definable-{os.getuid()}"
    assert memory.folder({}) == place
    place.chmod(0o755)
    assert memory.folder({}) is None
    place.rmdir()
    place.symlink_to(tmp_path / "elsewhere")
    assert memory.folder({}) is None
    runtime = tmp_path / "run"
    runtime.mkdir()
    assert memory.folder({"XDG_RUNTIME_DIR": str(runtime)}) == runtime / "definable"


def test_a_disk_is_no_memory(tmp_path: Path) -> None:
    """What is asked is the kernel's own table."""
    proc = Path("/proc/self/mountinfo")
    if not proc.exists():
        pytest.skip("this system does not tell")
    disks = {line.split()[2] for line in proc.read_text().splitlines() if " - tmpfs " not in line}
    device = tmp_path.stat().st_dev
    expected = f"{os.major(device)}:{os.minor(device)}" not in disks
    assert memory._in_memory(tmp_path) is expected


def test_what_is_shared_is_one_json_object(tmp_path: Path) -> None:
    """A file that others can read, or that is a link, counts as none."""
    place = tmp_path / "k.json"
    memory.write(place, json.dumps({"token": "k"}).encode())
    assert memory.read(place) == b'{"token": "k"}'
    place.chmod(0o644)
    assert memory.read(place) == b""
    link = tmp_path / "link.json"
    place.chmod(0o600)
    link.symlink_to(place)
    assert memory.read(link) == b""
