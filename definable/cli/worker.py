"""`definable worker`: carry on submitted runs until told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING

import click

from definable.cli.app import Number, Session
from definable.cli.processes import Prefork
from definable.errors import UsageError

if TYPE_CHECKING:
    from definable.cli.screen import Screen

SLOTS = 8


@click.command("worker")
@click.option(
    "--slots",
    type=click.IntRange(min=1),
    default=SLOTS,
    show_default=True,
    help="Runs at a time, in each process.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Workers, each in a process: one for a core, where runs take the core and not the time.",
)
@click.option("--database", metavar="URL", help="postgresql://…; otherwise DEFINABLE_DATABASE, or a file.")
@click.option("--grace", type=Number(min=0), default=20.0, help="Seconds that runs have at the end.")
@click.option("--until-idle", is_flag=True, help="End when nothing is left that could go on by itself.")
@click.option(
    "--sandbox",
    is_flag=True,
    help="Runs that are due by a schedule talk to a simulator, not to the real service.",
)
@click.pass_obj
def command(
    session: Session,
    slots: int,
    processes: int,
    database: str | None,
    grace: float,
    until_idle: bool,
    sandbox: bool,
) -> int:
    """Carry on submitted runs, those of other workers that died included, until told to stop.

    \b
    definable run weekly-brief -i project=… --detach
    definable worker
    """
    from definable.cli.logs import logging

    if database:
        session.database(database)
    if sandbox and processes > 1:
        raise UsageError("the simulator is in one process", hint="leave --processes or --sandbox out")
    fork = Prefork(processes)
    if processes > 1 and (code := fork.keep()) is not None:
        return code
    screen = session.screen()
    with logging(session):
        return asyncio.run(_work(session, screen, slots, grace, until_idle, sandbox, fork.ear))


async def _work(
    session: Session, screen: Screen, slots: int, grace: float, until_idle: bool, sandbox: bool, ear: int
) -> int:
    from definable.engine.engine import Engine
    from definable.engine.options import Options

    options = Options(sandbox=sandbox)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if ear >= 0:
        loop.add_reader(ear, _orphaned, loop, ear, stop)
    while not stop.is_set():
        opened = Engine.open(
            session.workspace, session.settings, session.environ, options, slots=slots, grace=grace
        )
        async with opened as engine:
            worker = engine.worker
            assert worker is not None  # noqa: S101 - it was opened with slots
            screen.say(f"worker {worker.row.id}: up to {slots} runs at a time, in {engine.store.place}")
            ends: list[Awaitable[object]] = [stop.wait(), worker.buried.wait()]
            ends += [worker.idle()] if until_idle else []
            await _first(worker.looking, ends)
            if worker.looking.done():
                worker.looking.result()
            if worker.buried.is_set():
                screen.say("this worker was away for so long that others took over; it begins anew")
            elif not stop.is_set():
                break
            else:
                left = len(worker.active)
                screen.say(f"stopping; {left} at work, at most {grace:g} s" if left else "stopping")
    return 0


def _orphaned(loop: asyncio.AbstractEventLoop, ear: int, stop: asyncio.Event) -> None:
    loop.remove_reader(ear)
    stop.set()


async def _first(looking: asyncio.Task[None], ends: Iterable[Awaitable[object]]) -> None:
    tasks = [asyncio.ensure_future(each) for each in ends]
    await asyncio.wait([looking, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
