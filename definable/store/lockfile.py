"""Locks between the processes of one machine that end with the process that holds them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

NAMES = "names"
"""The file in a folder of locks of which each name has one byte, far behind its end: nothing is written."""

WORKER = "worker-"
"""How names begin that have files everywhere: older workers beside ours look there whether ours live."""

BYTES = sys.platform == "linux" and sys.maxsize > 2**32
"""Whether bytes of a file are locked, by whoever has opened it. To make a file for each name costs some
hundred times as much, and it stays."""


def grasped(file: IO[str] | int) -> bool:
    """Lock an opened file until it is closed; return False when another opening of it is locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock file until the block or the process ends; give False when another holds it."""
    file = _opened(path)
    try:
        yield grasped(file)
    finally:
        os.close(file)


@contextmanager
def named(folder: Path, name: str) -> Iterator[bool]:
    """Hold a name in a folder of locks until the block or the process ends; False when another holds it."""
    own = folder / name
    if not BYTES or name.startswith(WORKER) or own.exists():
        with locked(own) as free:
            yield free
        return
    file = _opened(folder / NAMES)
    try:
        free = _byte(file, name)
        broken = free and own.exists()  # since it was looked for
        if not broken:
            yield free
    finally:
        os.close(file)
    if broken:
        with locked(own) as free:
            yield free


def broken_in(folder: Path, name: str) -> None:
    """Free a name of whoever holds it, and holds nothing by it from now on: a file takes the byte's place."""
    own = folder / name
    own.unlink(missing_ok=True)
    os.close(_opened(own))


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o666)


def _byte(file: int, name: str) -> bool:
    """Lock the byte of a name. Locks of this kind are of the opened file, as those of `flock` are."""
    digest = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest()
    at = int.from_bytes(digest) >> 1
    flock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, at, 1, 0)
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, flock)
    except BlockingIOError:
        return False
    return True
