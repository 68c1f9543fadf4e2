"""The app: every door, over one engine and one feed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from definable import __version__
from definable.engine.engine import GRACE, Engine
from definable.engine.options import Options
from definable.service import (
    agui,
    approvals,
    batches,
    catalog,
    completions,
    contracts,
    health,
    hooks,
    mcp,
    pages,
    problems,
    responses,
    runs,
    session,
    threads,
    webhooks,
)
from definable.service.access import Gate, Keys, Limits
from definable.service.desk import Desk
from definable.service.door import PROBLEMS
from definable.service.feed import Feed
from definable.settings import Settings
from definable.workspace import Workspace

DESCRIPTION = """Runs of workflows in which every tool call is verified and, where it fails, healed.

Errors are problem details (RFC 9457): `detail` says what happened, `hint` what to do next."""

DOORS = (
    *(runs, approvals, threads, batches, catalog, contracts, session),
    *(completions, responses, agui, mcp, hooks, webhooks, health, pages),
)
"""What has a `router`."""


@dataclass(frozen=True)
class Serving:
    """What is served, and to whom."""

    workspace: Workspace
    settings: Settings
    environ: Mapping[str, str]
    options: Options
    slots: int = 8
    """Runs that this process works on at a time; with 0 it only takes them in."""
    grace: float = GRACE
    """Seconds that runs have at the end."""
    hosts: frozenset[str] = frozenset()
    """Names by which the service is called, besides loopback."""
    local: bool = True
    """Nobody but this machine can reach it: without any key, everybody may do everything."""
    offline: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


@asynccontextmanager
async def opened(serving: Serving) -> AsyncIterator[Desk]:
    """Open the engine and the feed, and close them at the end."""
    what = (serving.workspace, serving.settings, serving.environ, serving.options)
    async with Engine.open(*what, slots=serving.slots, grace=serving.grace) as engine:
        feed = Feed(engine.store.place)
        keys = Keys(engine.store, local=serving.local)
        desk = Desk(
            *(engine, feed, *what, keys, serving.limits),
            grace=serving.grace,
            local=serving.local,
            offline=serving.offline,
        )
        desk.begin()
        try:
            async with mcp.sessions(desk):
                yield desk
        finally:
            feed.close()
            await desk.close()


def app(desk: Desk, hosts: frozenset[str] = frozenset()) -> FastAPI:
    """Return the app over an open desk."""
    made = FastAPI(
        title="Definable",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=PROBLEMS,  # type: ignore[arg-type]
        redirect_slashes=False,
        generate_unique_id_function=lambda route: (
            f"{route.name.rstrip('_')}_{route.tags[0]}" if route.tags else route.name
        ),
    )
    made.state.desk = desk
    problems.install(made)
    for door in DOORS:
        made.include_router(door.router)
    made.add_middleware(GZipMiddleware, minimum_size=1000)
    made.add_middleware(
        Gate, keys=desk.keys, hosts=frozenset(map(str.lower, hosts)), limits=desk.limits, streams=desk.streams
    )
    return made
