"""`definable serve`: the HTTP API, the chat page, and a worker, in one process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from definable.cli.app import Number, Session

if TYPE_CHECKING:
    from definable.cli.screen import Screen
    from definable.service.app import Serving

PORT = 8484
SLOTS = 8


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes any.")
@click.option("--name", "names", multiple=True, metavar="HOST", help="A name it is called by; repeatable.")
@click.option("--slots", type=click.IntRange(min=0), default=SLOTS, show_default=True, help="Runs at a time.")
@click.option(
    "--rate",
    type=Number(min=1),
    default=50.0,
    show_default=True,
    help="Requests a second of a client.",
)
@click.option(
    "--streams", type=click.IntRange(min=1), default=100, show_default=True, help="Open streams of a client."
)
@click.option("--sandbox", is_flag=True, help="Talk to a simulator, even if there are keys.")
@click.option(
    "--faults",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What the simulator does wrong; see `sandbox`.",
)
@click.option("--offline", is_flag=True, help="Use the offline models even if keys are set.")
@click.option("--database", metavar="URL", help="postgresql://…; otherwise DEFINABLE_DATABASE, or a file.")
@click.option("--grace", type=Number(min=0), default=20.0, help="Seconds that runs have at the end.")
@click.pass_obj
def command(
    session: Session,
    host: str,
    port: int,
    names: tuple[str, ...],
    slots: int,
    rate: float,
    streams: int,
    sandbox: bool,
    faults: Path | None,
    offline: bool,
    database: str | None,
    grace: float,
) -> int:
    """Serve the chat page and the API, and carry runs on.

    Without keys of products it works in the built-in sandbox, without keys of models with offline models; the
    page says so. On other addresses than loopback it listens only once there is a key: definable keys grant.
    """
    import asyncio

    from definable.cli.logs import logging
    from definable.engine.options import Options
    from definable.errors import UsageError
    from definable.sandbox import Faults
    from definable.service.access import Limits
    from definable.service.app import Serving
    from definable.service.server import listen, serve
    from definable.store import open_store, place
    from definable.toolkits.where import is_loopback

    screen = session.screen()
    if database is not None:
        session.database(database)
    if faults is not None:
        Faults.load(faults)
    simulated = sandbox or faults is not None or not has_keys(session)
    options = Options(sandbox=simulated, faults=faults, offline=offline)
    with open_store(place(session.home, session.settings.database)) as store:
        local = is_loopback(host) and not names
        if not (local or store.clients()):
            facing = f"--name {names[0]}" if is_loopback(host) else f"--host {host}"
            raise UsageError(
                f"{facing} faces a network, and there is no key yet: anybody could do anything",
                hint="definable keys grant NAME --scope admin; then every request needs a key",
            )
    serving = Serving(
        session.workspace,
        session.settings,
        session.environ,
        options,
        slots=slots,
        grace=grace,
        local=local,
        hosts=frozenset(names) | ({host} - {"0.0.0.0", "::"}),  # noqa: S104 - those are no names
        limits=Limits(rate=rate, burst=4 * rate, streams=streams),
        offline=tuple(session.workspace.agents()) if offline else offline_agents(session),
    )
    listening = listen(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    with logging(session):
        asyncio.run(serve(serving, listening, lambda _: _begun(screen, serving, address)))
    return 0


def _begun(screen: Screen, serving: Serving, address: str) -> None:
    screen.result(address)
    if serving.options.sandbox:
        screen.say("no key of a product: runs work in the built-in sandbox, and touch nothing real")
    if serving.offline:
        why = "as asked" if serving.options.offline else "no key of a model"
        screen.say(f"{why} for {', '.join(serving.offline)}: an offline model takes their turns")
    screen.say("ctrl-C stops it; runs then have time to come to rest")


def has_keys(session: Session) -> bool:
    """Whether a key of any product is there."""
    from definable.engine.standings import standings

    kits = session.workspace.toolkits().values()
    found = [each for kit in kits for each in standings(kit, session.environ, session.home)]
    return any(each.state not in ("not set",) for each in found)


def offline_agents(session: Session) -> tuple[str, ...]:
    """The agents whose model has no key."""
    if session.settings.offline is not None:
        return tuple(session.workspace.agents()) if session.settings.offline else ()
    keys = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
    found = []
    for name, agent in session.workspace.agents().items():
        key = keys.get(agent.model.partition("/")[0])
        if key is None or not session.environ.get(key):
            found.append(name)
    return tuple(found)
