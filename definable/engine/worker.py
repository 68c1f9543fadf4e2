"""A worker: carries submitted runs on, looks after those that wait, and takes over from workers that died.

It shows that it lives in two ways. It holds a lock that the system frees when the process ends, so that a
death is noticed at once; and it writes the time down every second, so that a process that is only stopped, or
a machine that has vanished, is noticed too. What a buried worker does after that is stopped by the fence of
each run (docs/decisions/0020).
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any

from definable import __version__
from definable.engine.intake import Intake
from definable.engine.queue import HISTORY
from definable.engine.runner import Runner
from definable.engine.vigil import STALE, Vigil, put_back
from definable.errors import DefinableError, Fenced, RunBusy, StoreError
from definable.store import RunStatus, Store, WorkerRow, open_store

BEAT = 1.0
"""Seconds between two signs of life."""

TRIES, PAUSE = 20, 0.1
"""How often, and after how many seconds, a run is tried that another process has: it may just have died."""

LAST_MOMENTS = 10.0
"""Seconds in which runs that are told to stop write down where they stand."""


class Worker:
    """Works on `slots` runs at a time. Use `Worker.open`."""

    def __init__(self, runner: Runner, slots: int) -> None:
        """Take a name that nobody had before; nothing is opened here."""
        host = socket.gethostname().partition(".")[0]
        self.row = WorkerRow(
            id=f"{host}-{os.getpid()}-{secrets.token_hex(3)}",
            host=host,
            pid=os.getpid(),
            version=__version__,
            slots=slots,
        )
        self.runner = runner
        self.store = runner.store
        self.looking: asyncio.Task[None]
        """Takes runs, and looks after what waits; it ends only with an error, which then is the worker's."""
        self.rung = asyncio.Event()
        """Set when there may be runs to take."""
        self.active: dict[str, asyncio.Task[Any]] = {}
        """Run → the task that works on it."""
        self.lost: set[str] = set()
        """Runs that were let go, for somebody else held them for long."""
        self.cut_off = -math.inf
        """When it last found that it had been cut off from the database, or asleep, by its own clock."""
        self.buried = asyncio.Event()
        """Set when another worker has taken this one for dead."""

    @classmethod
    @asynccontextmanager
    async def open(cls, runner: Runner, slots: int, grace: float) -> AsyncIterator[Worker]:
        """Begin to work, and end it: what is at work then has `grace` seconds, the rest is put back."""
        self = cls(runner, slots)
        with _Beat(self) as beat:
            self.row = self.store.join(self.row)
            beat.begin()
            runner.worker = self.row.id
            self.looking = asyncio.create_task(self._look())
            try:
                yield self
            finally:
                self.looking.cancel()
                beat.say("draining")
                await self._close(0 if self.buried.is_set() else grace)  # its runs are others' by now

    async def _look(self) -> None:
        await asyncio.gather(Intake(self._take, self.rung).keep(), Vigil(self).keep())

    async def idle(self) -> None:
        """Return when nothing is at work, in the queue, or waiting for a time that comes by itself."""
        while True:
            with suppress(StoreError):  # nobody knows while the database is away
                if not self.active and not self.store.moving():
                    return
            await asyncio.sleep(PAUSE)

    @property
    def gone(self) -> bool:
        """Whether others have taken it for dead. Raises the error that has ended its looks, if one has."""
        if self.looking.done():
            self.looking.result()
        return self.buried.is_set()

    def _take(self) -> None:
        """Begin with runs, while there is room."""
        room = self.row.slots - len(self.active)
        for run in self.store.take_runs(self.row.id, room, HISTORY):
            self.active[run] = asyncio.create_task(self._perform(run))

    async def _close(self, grace: float) -> None:
        end = asyncio.get_running_loop().time() + grace
        while self.active and (left := end - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self.active.values(), timeout=left)
        if tasks := [*self.active.values()]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=LAST_MOMENTS)
        with suppress(StoreError):  # others find it once the worker is gone
            self.store.let_go(self.row.id, *self.store.taken_by(self.row.id))

    async def _perform(self, run: str) -> str:
        """Work on a run for a segment. It raises nothing: whatever happens is in the store."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - it is one
        try:
            return await self._outlasting(run)
        except Fenced:
            return "taken over"
        except asyncio.CancelledError:
            task.uncancel()
            return self._put_back(run)
        except Exception as error:
            return self._defect(run, error)
        finally:
            if self.active.get(run) is task:  # it may have waited, been put in line, and taken again by now
                del self.active[run]
            self.rung.set()

    async def _outlasting(self, run: str) -> str:
        """Work on a run; when the database cannot be used, leave the run to whoever is there when it can.

        Until then this worker has taken it: should it end now, others take over. So with a process that can
        open no more files: no run is to blame for that.
        """
        try:
            return await self._attempt(run)
        except StoreError:
            why = "the database went away"
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            why = "its process had too many files open"
        while True:
            await asyncio.sleep(BEAT)
            with suppress(StoreError):
                # It may not have begun yet: then it is still queued, and nobody else looks for it.
                put_back(self.store, run, RunStatus.RUNNING, RunStatus.QUEUED, why=why)
                return "let go"

    async def _attempt(self, run: str) -> str:
        for _ in range(TRIES):
            row = self.store.run(run)
            if row.status.ended or row.status is RunStatus.WAITING:
                return row.status
            if row.history > HISTORY:
                self.store.set_status(run, RunStatus.RUNNING)
                self.store.requeue(run, RunStatus.RUNNING, why="its log is newer than this worker")
                return "newer"
            try:
                return (await self.runner.go(row, wait=False)).status
            except RunBusy:
                await asyncio.sleep(PAUSE)
        self.lost.add(run)
        return "busy"

    def _put_back(self, run: str) -> str:
        """Leave a run to others that was not finished when this worker was told to stop."""
        with suppress(DefinableError):
            if self.store.run(run).worker != self.row.id:
                # It is another's, or has not begun: then it is still queued, and nobody else looks for it.
                put_back(self.store, run, RunStatus.QUEUED, why="drained")
                return "taken over"
            self.store.set_status(run, RunStatus.RUNNING)
            self.store.requeue(run, RunStatus.RUNNING, why="drained")
        return "put back"

    def fail(self, run: str, error: DefinableError) -> None:
        """End a run with an error that is not its own, unless it has ended."""
        if not self.store.run(run).status.ended:
            self.store.append(run, "run.failed", {"error": error.to_json()})
            self.store.set_status(run, RunStatus.FAILED, error=error.to_json())

    def _defect(self, run: str, error: Exception) -> str:
        words = f"a defect of Definable: {type(error).__name__}: {error}"
        failed = DefinableError(words, hint=f"please report it; definable runs resume {run} tries again")
        with suppress(DefinableError):
            self.fail(run, failed)
        return RunStatus.FAILED


class _Beat:
    """A thread that says every second that the process is alive, over a connection of its own.

    In between it listens on that connection for runs that other processes submit.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="definable-beat", daemon=True)
        self._stack = ExitStack()
        self._store: Store | None = None

    def __enter__(self) -> _Beat:
        self._open()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self.say("stopped")
        if self._thread.is_alive():
            self._thread.join(timeout=BEAT * 5)
        self._stack.close()

    def begin(self) -> None:
        """Begin, now that the worker is known."""
        self._thread.start()

    def say(self, state: str) -> None:
        """Tell another state; nothing happens while the database is not there."""
        worker = self._worker
        with suppress(StoreError):
            worker.store.beat(worker.row.id, worker.store.session, state)
            worker.store.tell()  # it wakes the thread as well

    def _open(self) -> Store:
        if self._store is None:
            store = self._stack.enter_context(open_store(self._worker.store.place))
            self._stack.enter_context(store.present(self._worker.row.id))
            self._store = store
        return self._store

    def _run(self) -> None:
        worker, last = self._worker, math.inf
        while not self._stop.is_set():
            try:
                store = self._open()
                if (now := store.time()) - last > STALE:  # the machine was asleep, and so were its peers
                    worker.cut_off = time.monotonic()
                last = now
                if store.beat(worker.row.id, worker.store.session) == "dead":
                    self._loop.call_soon_threadsafe(worker.buried.set)
                    break
                self._listen(store)
            except StoreError:
                self._stack.close()  # and with it whatever is left of the connection
                self._store = None
                worker.cut_off = time.monotonic()
                self._stop.wait(BEAT)

    def _listen(self, store: Store) -> None:
        until = time.monotonic() + BEAT
        while (left := until - time.monotonic()) > 0 and not self._stop.is_set():
            if store.heard(left):
                self._loop.call_soon_threadsafe(self._worker.rung.set)
