"""`definable mcp`: the tools and workflows for one MCP client, over standard input and output."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from definable.cli.app import Session

if TYPE_CHECKING:
    from definable.service.app import Serving

SLOTS = 4

GRACE = 5.0
"""Seconds that runs have when the client goes; what is not done then is put back, and goes on later."""


@click.command("mcp")
@click.option("--slots", type=click.IntRange(min=0), default=SLOTS, show_default=True, help="Runs at a time.")
@click.option("--sandbox", is_flag=True, help="Talk to a simulator, even if there are keys.")
@click.option("--offline", is_flag=True, help="Use the offline models even if keys are set.")
@click.option("--database", metavar="URL", help="postgresql://…; otherwise DEFINABLE_DATABASE, or a file.")
@click.pass_obj
def command(session: Session, slots: int, sandbox: bool, offline: bool, database: str | None) -> int:
    """Speak MCP over standard input and output, for a client that starts this command itself.

    It carries its runs on in this process, unless a service or a worker does. Without keys of products it
    works in the built-in sandbox, without keys of models with offline models; the client is told so.
    """
    from definable.cli.logs import logging
    from definable.cli.serve import has_keys, offline_agents
    from definable.engine.options import Options
    from definable.service.app import Serving
    from definable.store import open_store, place

    if database is not None:
        session.database(database)
    with open_store(place(session.home, session.settings.database)) as store:
        others = any(each.alive for each in store.workers())
    serving = Serving(
        session.workspace,
        session.settings,
        session.environ,
        Options(sandbox=sandbox or not has_keys(session), offline=offline),
        slots=0 if others else slots,
        grace=GRACE,
        offline=() if offline else offline_agents(session),
    )
    with logging(session):
        asyncio.run(_serve(serving))
    return 0


async def _serve(serving: Serving) -> None:
    from definable.service.app import opened
    from definable.service.mcp import pipe

    async with opened(serving) as desk:
        speaking = asyncio.create_task(pipe(desk))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, speaking.cancel)
        with suppress(asyncio.CancelledError):
            await speaking
