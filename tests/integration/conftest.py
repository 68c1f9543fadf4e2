"""A sandbox over real HTTP, and runs that work against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from definable.calls import Receipt
from definable.engine.options import Options
from definable.engine.runner import Runner
from definable.sandbox import Faults, Served, World, serve
from definable.settings import Settings
from definable.store import Event, Place, RunRow
from definable.workspace import find
from definable.workspace.check import checked
from tests.postgres import PostgresServer, place_of

WEEKLY = "Data Team Weekly"


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Return the place of an empty store that several processes may share: each test runs with both."""
    if request.param == "sqlite":
        return tmp_path / "state.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return place_of(server.database())


@dataclass
class Hex:
    """The sandbox of one test, and what it can be asked."""

    served: Served
    faults: Faults
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """Its state."""
        return self.served.world

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.world.clock.advance(seconds)
        await asyncio.sleep(0.01)

    def now(self) -> float:
        """Return the time that `sleep` moves."""
        return self.world.clock.now()

    def effects(self) -> list[str]:
        """Return the tools whose effects really happened, in order."""
        return [e["tool"] for e in self.world.effects]

    def project(self, title: str = WEEKLY) -> str:
        """Return the id of a seeded project."""
        return next(str(i) for i, p in self.world.state["projects"].items() if p["title"] == title)

    def cells(self, project: str) -> list[dict[str, Any]]:
        """Return the cells of a project."""
        return [c for c in self.world.state["cells"].values() if c["projectId"] == project]


@pytest.fixture
def hexes() -> Callable[..., AbstractAsyncContextManager[Hex]]:
    """Serve sandboxes with the faults that a test names."""

    @asynccontextmanager
    async def start(*faults: Mapping[str, Any]) -> AsyncIterator[Hex]:
        planned = Faults.parse({"seed": 1, "faults": list(faults)})
        with serve(World(quotas=False), planned) as served:
            environ = {"HEX_BASE_URL": served.base_url, "HEX_API_TOKEN": served.token}
            yield Hex(served, planned, environ)

    return start


@dataclass
class Bench:
    """Runs workflows of the built-in workspace with a home of their own."""

    home: Path
    events: list[Event] = field(default_factory=list)

    def open(
        self, hex: Hex, environ: Mapping[str, str] | None = None, **options: Any
    ) -> AbstractAsyncContextManager[Runner]:
        """Open a runner, as a new process would; waits pass on the sandbox's clock instead of ours."""
        space = find(Path(__file__).parent, {"DEFINABLE_HOME": str(self.home)})
        given = hex.environ if environ is None else environ
        return Runner.open(space, Settings(), given, Options(offline=True, **options), hex.sleep, hex.now)

    async def run(self, hex: Hex, name: str, inputs: Mapping[str, Any], **options: Any) -> RunRow:
        """Run a workflow to where it stops."""
        async with self.open(hex, **options) as runner:
            workflow = checked(runner.workspace, name)
            run = await runner.start(workflow, inputs)
            return await runner.go(run, self.events.append)

    async def receipts(self, hex: Hex, run: str) -> list[Receipt]:
        """Return the receipts of a run."""
        async with self.open(hex) as runner:
            return runner.store.receipts(run)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A place to run workflows."""
    return Bench(tmp_path / "home")
