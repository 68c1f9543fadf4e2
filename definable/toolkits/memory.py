"""Where processes of one user share what may not be on a disk: a folder in memory that is theirs alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

SHM = Path("/dev/shm")  # noqa: S108 - memory, not a disk; the folder in it is made for the user and checked
MOUNTS = Path("/proc/self/mountinfo")
IN_MEMORY = ("tmpfs", "ramfs")


def folder(environ: Mapping[str, str]) -> Path | None:
    """Return a folder in memory that only this user can enter, made if need be; None where there is none.

    `XDG_RUNTIME_DIR/definable`, else `/dev/shm/definable-UID`.
    """
    runtime = environ.get("XDG_RUNTIME_DIR", "").strip()
    places = [Path(runtime) / "definable"] if runtime.startswith("/") else []
    for place in (*places, SHM / f"definable-{os.getuid()}"):
        if _in_memory(place.parent) and _ours(place):
            return place
    return None


def _ours(place: Path) -> bool:
    """Whether the folder is there and nobody else's: /dev/shm is open to all users."""
    with suppress(OSError):
        place.mkdir(mode=0o700, exist_ok=True)
        seen = place.lstat()
        return stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid() and not seen.st_mode & 0o077
    return False


def _in_memory(place: Path) -> bool:
    """Whether a folder is on a file system that the kernel keeps in memory."""
    with suppress(OSError):
        device = place.stat().st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        for line in MOUNTS.read_text().splitlines():
            left, _, right = line.partition(" - ")
            if left.split()[2] == wanted:
                return right.split()[0] in IN_MEMORY
    return False


def read(place: Path) -> bytes:
    """Return what a file of ours holds; empty when there is none, or when it is not ours alone."""
    with suppress(OSError):
        file = os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
        with open(file, "rb") as opened:
            seen = os.fstat(file)
            if seen.st_uid == os.getuid() and not seen.st_mode & 0o077:
                return opened.read()
    return b""


def write(place: Path, content: bytes) -> None:
    """Replace a file as a whole; what cannot be written is not shared."""
    new = place.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        with open(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(content)
        new.replace(place)
