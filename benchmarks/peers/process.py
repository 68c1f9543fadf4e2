"""A peer as a process of its own: started, told to do runs, killed; and what it and its children took."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """What some runs took: by the clock, and of all cores, in seconds."""

    runs: int
    seconds: float
    cores: float

    @property
    def rate(self) -> float:
        """Runs per second."""
        return self.runs / self.seconds


class Process:
    """A peer's process. Its state is in a folder, and it speaks on its standard input and output."""

    def __init__(self, command: list[str], environ: Mapping[str, str], *others: int) -> None:
        """Start it, and wait until it is ready; `others` work for it, such as a database."""
        self.others = others
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._expect("ready")

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def run(self, titles: list[str]) -> Sample:
        """Have it do runs with these titles."""
        cores, began = self._cores(), time.perf_counter()
        self.begin(titles)
        self._expect("done")
        return Sample(len(titles), time.perf_counter() - began, self._cores() - cores)

    def begin(self, titles: list[str]) -> None:
        """Have it begin with them."""
        assert self._process.stdin
        self._process.stdin.write(" ".join(titles) + "\n")
        self._process.stdin.flush()

    def stands(self) -> str:
        """Ask it where its runs stand."""
        self.begin(["?"])
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def kill(self, spare: str = "") -> list[int]:
        """Kill it and all that it started, as it stands; return the processes that are spared, by name."""
        spared = []
        for pid in reversed(tree(self.pid)):
            if spare and Path(f"/proc/{pid}/comm").read_text().strip() == spare:
                spared.append(pid)
            else:
                os.kill(pid, signal.SIGKILL)
        self._end()
        return spared

    def _end(self) -> None:
        self._process.wait(30)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._process.poll() is None and kind is None:
            assert self._process.stdin
            self._process.stdin.close()
            try:
                self._end()
            except subprocess.TimeoutExpired:
                self.kill()
        elif self._process.poll() is None:
            self.kill()

    def _expect(self, word: str) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.strip() == word:
                return
        raise RuntimeError(f"{self._process.args!r} ended before it said {word!r}")

    def _cores(self) -> float:
        return sum(used(pid) for root in (self.pid, *self.others) for pid in tree(root))


def tree(root: int) -> list[int]:
    """Return a process and all that it started, itself first."""
    parents: dict[int, list[int]] = {}
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and (fields := _stat(int(each.name))):
            parents.setdefault(int(fields[1]), []).append(int(each.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def used(pid: int) -> float:
    """Return the seconds of cores that a process took, and those of its children that have ended."""
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:15]) / TICKS if fields else 0.0


def _stat(pid: int) -> list[str]:
    """Return what Linux tells of a process, from its state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@contextmanager
def notes() -> Iterator[str]:
    """Serve the product that is written to; yield its URL."""
    command = [sys.executable, "-m", "benchmarks.peers.server"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()
