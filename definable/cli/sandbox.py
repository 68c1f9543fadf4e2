"""`definable sandbox`: the simulator as a server."""

from __future__ import annotations

import json
import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from definable.cli.app import Number, Session

if TYPE_CHECKING:
    from definable.sandbox import World


@click.command("sandbox")
@click.option("--port", type=click.IntRange(0, 65535), default=8808, show_default=True, help="0: any.")
@click.option("--faults", metavar="FILE|help", help="What it does wrong; 'help' lists what it can do wrong.")
@click.option("--speed", type=Number(min=0.001), default=1.0, help="How fast its clock goes.")
@click.option("--state", type=click.Path(path_type=Path), metavar="FILE", help="Keep its state in this file.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of its workspace and ids.")
@click.pass_obj
def command(
    session: Session, port: int, faults: str | None, speed: float, state: Path | None, seed: int
) -> int:
    """Serve the Hex sandbox on this machine until ctrl-C.

    Its first lines on stdout point a shell at it: eval them, or copy them.
    GET /_sandbox/effects tells what really happened in it.
    """
    from definable.engine.place import BUSY, alone
    from definable.sandbox import Faults, describe, serve

    screen = session.screen()
    if faults == "help":
        for name, what, takes in describe():
            screen.result(f"{name:<18} {what}" + (f"\n{'':<18}   with: {takes}" if takes else ""))
        return 0
    planned = Faults.load(Path(faults)) if faults else None
    with ExitStack() as stack:
        if state is not None:
            stack.enter_context(alone(state.with_suffix(".lock"), BUSY))
        world = _world(state, seed, speed)
        server = stack.enter_context(serve(world, planned, port=port))
        told = _listening()
        screen.result(f"export HEX_BASE_URL={server.base_url}")
        screen.result(f"export HEX_API_TOKEN={server.token}")
        origin = server.base_url.removesuffix("/api")
        screen.say(f"sandbox at {origin}; effects at {origin}/_sandbox/effects; ctrl-C ends it")
        told.wait()
        if state is not None:
            _keep(state, world.snapshot())
            screen.say(f"state kept in {state}")
    return 0


def _world(state: Path | None, seed: int, speed: float) -> World:
    """Return the world as it was kept, or a new one. UsageError when the file holds no such thing."""
    from definable.cli.pairs import read_object
    from definable.errors import UsageError
    from definable.sandbox import World

    if state is None or not state.exists():
        if state is not None and not state.parent.is_dir():
            raise UsageError(f"there is no folder {str(state.parent)!r} to keep the state in")
        world = World(seed=seed)
    else:
        try:
            world = World.restore(read_object(state))
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"{state} is no state of a sandbox: {error}", hint="name another file, or delete this one"
            ) from error
    world.clock.speed = speed
    return world


def _keep(state: Path, snapshot: dict[str, Any]) -> None:
    """Write the state so that a crash leaves the old one or the new one."""
    new = state.with_name(state.name + ".new")
    new.write_text(json.dumps(snapshot), encoding="utf-8")
    new.replace(state)


def _listening() -> threading.Event:
    """Return what ctrl-C and SIGTERM set from now on."""
    told = threading.Event()
    # a shell starts what it puts into the background deaf to ctrl-C
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: told.set())
    return told
