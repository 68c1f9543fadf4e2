"""Processes with nothing to import: `python -m definable`, forked from one that has everything (`zygote.py`).

To import takes two seconds of a processor, and the tests start hundreds of processes. A fork does what a new
Python would, and can be stopped and killed like one. New ones are started in `e2e/test_fresh.py`.
"""

from __future__ import annotations

import atexit
import functools
import json
import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import TracebackType
from typing import IO, TextIO

from tests.zygote import HEADER

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
ROOT = Path(__file__).parents[1]
DROPPED = ("HEX_", "OPENAI_", "ANTHROPIC_", "DEFINABLE_", "LANGSMITH_", "LANGCHAIN_")

File = int | IO[str] | None


class Process:
    """A process as `subprocess.Popen(..., text=True)` gives one."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdout: File = None,
        stderr: File = None,
        start_new_session: bool = False,
    ) -> None:
        """Start `[sys.executable, "-m" or "-c", ...]`; stdin is ours."""
        assert command[0] == sys.executable
        assert command[1] in ("-m", "-c")
        self.args = list(command)
        self.returncode: int | None = None
        self._status, theirs = socket.socketpair()
        self.stdout, out = _ours_and_theirs(stdout, 1)
        self.stderr, err = _ours_and_theirs(stderr, 2)
        request = {
            "command": self.args[1:],
            "cwd": str(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
            "session": start_new_session,
        }
        body = json.dumps(request).encode()
        control = _zygote()
        socket.send_fds(control, [len(body).to_bytes(HEADER, "big")], [theirs.fileno(), 0, out, err])
        control.sendall(body)
        theirs.close()
        for stream, file, given in ((self.stdout, out, stdout), (self.stderr, err, stderr)):
            if stream is not None or given == DEVNULL:
                os.close(file)
        self._said = self._status.makefile("r")
        self.pid = int(self._said.readline())

    def poll(self) -> int | None:
        """Return its exit code, if it has ended."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._over()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code once it has ended; raise TimeoutExpired when that takes too long."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self._over()
        assert self.returncode is not None
        return self.returncode

    def _over(self) -> None:
        self.returncode = int(self._said.readline())
        self._said.close()
        self._status.close()

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it has written to its pipes, once it has ended; raise TimeoutExpired as `wait` does."""
        until = None if timeout is None else time.monotonic() + timeout
        texts = {"stdout": "", "stderr": ""}
        readers = []
        for name, stream in (("stdout", self.stdout), ("stderr", self.stderr)):
            if stream is not None and not stream.closed:
                readers.append(threading.Thread(target=_read, args=(stream, texts, name), daemon=True))
                readers[-1].start()
        for reader in readers:
            reader.join(None if until is None else max(0.0, until - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(None if until is None else max(0.0, until - time.monotonic()))
        return texts["stdout"], texts["stderr"]

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()


def run(
    command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run(..., capture_output=True, text=True)` does."""
    with Process(command, cwd=cwd, env=env, stdout=PIPE, stderr=PIPE) as process:
        try:
            out, err = process.communicate(timeout)
        except BaseException:
            process.kill()
            raise
    assert process.returncode is not None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def forks() -> ForkServerContext:
    """Return a context whose processes have everything imported, whichever test is the first to ask."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.everything"])
    forkserver.ensure_running()
    return context


def _ours_and_theirs(given: File, number: int) -> tuple[TextIO | None, int]:
    """Return our end of a pipe, where it is one, and what the process writes to."""
    if given == PIPE:
        ours, theirs = os.pipe()
        return os.fdopen(ours, encoding="utf-8"), theirs
    if given == DEVNULL:
        return None, os.open(os.devnull, os.O_WRONLY)
    if given is None or isinstance(given, int):
        return None, number if given is None else given
    return None, given.fileno()


def _read(stream: TextIO, texts: dict[str, str], name: str) -> None:
    texts[name] = stream.read()
    stream.close()


@functools.cache
def _zygote() -> socket.socket:
    """Start the process that is forked, once, and return the socket that it hears."""
    ours, theirs = socket.socketpair()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.zygote", str(theirs.fileno())],
        cwd=ROOT,
        env=kept,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
