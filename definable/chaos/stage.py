"""Where a trial takes place: a sandbox over real HTTP that starts anew, and time that is not waited for."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from definable.chaos.jobs import UNDER_WAY
from definable.sandbox import Clock, Faults, Served, World, serve
from definable.sandbox.quota import Quota

NOON = 1_795_348_800.0
"""When every trial begins: 22 November 2026, noon, UTC."""

LATENCY = 0.25
"""Seconds of the sandbox's time that one request takes."""


class Recorder(World):
    """A world in which each request takes its time and is remembered in order."""

    asked: list[tuple[str, str]]
    """Tool and status of every request."""

    def saw(self, tool: str, status: str) -> None:
        """Count a request, and let its time pass."""
        super().saw(tool, status)
        self.asked.append((tool, status))
        self.clock.advance(LATENCY)


@dataclass
class Time:
    """The sandbox's time. It passes when all `lanes` sleep: at once, to when the first of them wakes."""

    clock: Clock
    lanes: int = 1
    waits: int = 0
    watch: list[Callable[[int], None]] = field(default_factory=list)
    """Called with the number of the wait before each wait."""
    sleepers: list[tuple[float, int, asyncio.Future[None]]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return self.clock.now()

    async def sleep(self, seconds: float) -> None:
        """Wait, in the sandbox's time."""
        self.waits += 1
        for each in self.watch:
            each(self.waits)
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self.sleepers, (self.now() + seconds, next(self.numbers), woken))
        self.pass_on()
        await woken

    def leave(self) -> None:
        """Take one lane away: it has nothing more to do."""
        self.lanes -= 1
        self.pass_on()

    def pass_on(self) -> None:
        """Wake the first sleeper when nobody is awake."""
        asleep = [entry for entry in self.sleepers if not entry[2].done()]
        if asleep and len(asleep) >= self.lanes:
            due, _, woken = heapq.heappop(self.sleepers)
            self.clock.advance(max(0.0, due - self.now()))
            woken.set_result(None)


@dataclass
class Stage:
    """One trial's surroundings."""

    world: Recorder
    faults: Faults
    time: Time
    base_url: str
    keys: dict[str, str]
    home: Path
    start: dict[str, Any]
    """The world's state before the trial."""

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Let what happens inside meet no fault, take no time and be counted nowhere."""
        planned, began = self.faults.entries, self.world.clock.snapshot()
        self.faults.entries = []
        try:
            yield
        finally:
            self.faults.entries = planned
            self.world.asked.clear()
            self.world.clock.restore(began)

    def later_key(self) -> dict[str, str]:
        """Return a new key by its variable, as a person would set it."""
        return {"HEX_API_TOKEN": self.world.issue_token()}


class Theatre:
    """A process's sandbox, used by one trial after the other."""

    def __init__(self) -> None:
        """Serve a world until `close`."""
        self.world = Recorder(clock=Clock(now=NOON, speed=0), quotas=False)
        self.world.asked = []
        _plant(self.world)
        self.faults = Faults()
        self._other = World(clock=Clock(now=NOON, speed=0), quotas=False)
        self._stack = ExitStack()
        self.served: Served = self._stack.enter_context(serve(self.world, self.faults))
        self._start = json.dumps(self.world.state)
        self.start: dict[str, Any] = json.loads(self._start)
        """The world's state before any trial."""
        self._clock = self.world.clock.snapshot()
        fast = Path("/dev/shm")  # noqa: S108 — a disk that is memory, where there is one
        self._place = str(fast) if fast.is_dir() else None
        self._home = str(fast / "definable-chaos-none")

    def close(self) -> None:
        """Stop serving."""
        self._stack.close()

    def copy(self) -> World:
        """Return a world that is as every trial finds it, and that nobody serves; one at a time."""
        self._other.state = json.loads(self._start)
        self._other.clock.restore(self._clock)
        return self._other

    @contextmanager
    def stage(self, faults: Sequence[dict[str, Any]], keys: int, quotas: bool, seed: int) -> Iterator[Stage]:
        """Set the world back to its beginning, with these faults and so many keys of one user."""
        world = self.world
        with world.lock:
            world.state = json.loads(self._start)
            world.clock.restore(self._clock)
            world.quota = Quota(enabled=quotas)
            world.requests, world.asked, world.served = {}, [], 0
            planned = Faults.parse({"seed": seed, "faults": list(faults)}) if faults else Faults()
            self.faults.entries = planned.entries
            names = ("HEX_API_TOKEN", "HEX_API_TOKEN_NEXT")
            tokens = [world.token, *(world.issue_token() for _ in range(keys - 1))]
            start = json.loads(json.dumps(world.state))
        home = self._home = tempfile.mkdtemp(prefix="definable-chaos-", dir=self._place)
        try:
            given = dict(zip(names, tokens, strict=False))
            yield Stage(world, self.faults, Time(world.clock), self.served.base_url, given, Path(home), start)
        finally:
            shutil.rmtree(home, ignore_errors=True)

    def tidy(self) -> None:
        """Take away what a trial that ends in the middle leaves on the disk; no other can begin."""
        self._place = self._home
        shutil.rmtree(self._home, ignore_errors=True)


def _plant(world: World) -> None:
    """Let one run be under way, for those who stop it."""
    newest = max(world.state["runs"].values(), key=lambda run: (run["asked"], run["id"]))
    begun = {"asked": world.now() - 60.0, "pending": 1.0, "seconds": 3600.0, "outcome": "COMPLETED"}
    world.state["runs"][UNDER_WAY] = {**newest, "id": UNDER_WAY, "trigger": "API", **begun}


@contextmanager
def refusing(stage: Stage, waits: int) -> Iterator[str]:
    """Yield an address where nobody listens until somebody has waited so many times."""
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    with ExitStack() as stack:
        stack.callback(closed.close)

        def open_up(wait: int) -> None:
            if wait == waits:
                closed.close()
                stack.enter_context(serve(stage.world, stage.faults, port=port))

        stage.time.watch.append(open_up)
        yield f"http://127.0.0.1:{port}/api"
