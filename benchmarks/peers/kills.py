"""What an engine does twice: killed when its one write was made, and started again."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.process import Process
from benchmarks.peers.server import LOST
from benchmarks.peers.work import free_port

PATIENCE = 20.0
"""Seconds that an engine has to go on after it was started again."""

TITLE = f"{LOST}-run"

MOVING = ("PENDING", "ENQUEUED", "queued", "running")
"""Where a run stands that its engine has not brought to rest."""


@dataclass(frozen=True)
class Fate:
    """What became of a run whose engine was killed in it."""

    writes: int
    answers: int
    stands: str

    def cells(self) -> list[str]:
        """Return them as text."""
        return [str(self.writes), str(self.answers), self.stands]


def fate(
    command: list[str], folder: Path, url: str, environ: Mapping[str, str], patience: float = PATIENCE
) -> Fate:
    """Kill an engine between the write and its answer, start it again, and count.

    Once it is there again it is only left alone: what it does with the run it does by itself. Redis is
    spared, which is no part of a worker and has its memory only.
    """
    asked = folder / "asked"
    asked.touch()
    own = {
        **environ,
        "PEERS_URL": url,
        "PEERS_FOLDER": str(folder),
        "PEERS_ASKED": str(asked),
        "PEERS_PATIENCE": "5",
        "PEERS_REDIS": str(free_port()),
    }
    with Process(command, own) as process:
        process.begin([TITLE])
        _until(url, 1, PATIENCE)
        time.sleep(0.2)
        spared = process.kill(spare="redis-server")
    try:
        with Process(command, own) as process:
            _until(url, 2, patience)
            stands = _rested(process, patience)
            return Fate(_writes(url), len(asked.read_text().split()), stands)
    finally:
        for pid in spared:
            os.kill(pid, signal.SIGKILL)


def _until(url: str, least: int, seconds: float) -> int:
    """Wait for so many writes, or so long; return how many there are."""
    end = time.monotonic() + seconds
    while (found := _writes(url)) < least and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _rested(process: Process, seconds: float) -> str:
    """Wait until the run moves no more, or so long; return where it stands."""
    end = time.monotonic() + seconds
    while (stands := process.stands()) in MOVING and time.monotonic() < end:
        time.sleep(0.1)
    return stands


def _writes(url: str) -> int:
    with urllib.request.urlopen(f"{url}/notes?title={TITLE}") as answer:
        return len(json.load(answer)["values"])
