"""A Python that has everything imported, and forks itself for each command: `tests/warm.py` talks to it.

It has one thread, no event loop, and nothing open but the socket that requests come by. What it forks is a
process like any other: with its own id, arguments, environment, folder and streams.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import time
import types
from importlib import import_module
from typing import Any, TextIO

HEADER = 4
"""Bytes that say how long the request is; the file descriptors come with them."""


def warm_up() -> None:
    """Import what commands import."""
    import_module("tests.everything")
    assert len(os.listdir("/proc/self/task")) == 1, "a library has started a thread: nothing may be forked"
    gc.collect()
    gc.freeze()


def serve(control: socket.socket) -> dict[str, Any]:
    """Fork for each request, and tell how each child ends; return in the child, with what it is to do."""
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    children: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([control, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _reap(children)
        if control in ready:
            request, files = _received(control)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                for each in (control, woken, wakes, *children.values()):
                    each.detach()  # `_streams` closes them
                _streams(files[1:])
                return request
            for file in files[1:]:
                os.close(file)
            children[pid] = socket.socket(fileno=files[0])
            children[pid].sendall(f"{pid}\n".encode())


def _received(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return a request with its file descriptors: where to tell how it ends, stdin, stdout, stderr."""
    head, files, _, _ = socket.recv_fds(control, HEADER, 4)
    if not head:
        sys.exit(0)
    left = int.from_bytes(head, "big")
    body = b""
    while len(body) < left:
        body += control.recv(left - len(body))
    request: dict[str, Any] = json.loads(body)
    return request, list(files)


def _reap(children: dict[int, socket.socket]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with children.pop(pid) as ended:
            ended.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _streams(files: list[int]) -> None:
    """Take these files as stdin, stdout and stderr, and close all others."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    sys.stdin = sys.__stdin__ = _opened(0, "r", sys.stdin)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _opened(1, "w", sys.stdout)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _opened(2, "w", sys.stderr)  # type: ignore[misc]


def _opened(file: int, mode: str, like: TextIO) -> io.TextIOWrapper:
    stream = open(file, f"{mode}b", closefd=False)  # noqa: SIM115
    lines = file == 2 or stream.isatty()
    text = io.TextIOWrapper(stream, like.encoding, like.errors, line_buffering=lines)
    text.mode = mode  # type: ignore[misc]
    return text


def become(request: dict[str, Any]) -> None:
    """Be the Python that is asked for: the rest of its command line is run as if it had just started."""
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["cwd"])
    if request["session"]:
        os.setsid()
    how, what, *arguments = request["command"]
    if how == "-m":
        sys.path[0] = request["cwd"]
        sys.argv = [what, *arguments]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = ""
        sys.argv = ["-c", *arguments]
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        exec(compile(what, "<string>", "exec"), main.__dict__)


def leave(code: int) -> None:
    """End as Python does, without taking every module apart: that takes longer than most commands do."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)


if __name__ == "__main__":
    warm_up()
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        become(asked)
    except SystemExit as end:
        if isinstance(end.code, int):
            leave(end.code)
        raise
