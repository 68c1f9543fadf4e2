"""`definable keys`: how each key of a product stands; whether there is one, before anything is started."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from definable.cli import words
from definable.cli.app import Group, Session
from definable.cli.grants import grant, grants, revoke
from definable.errors import CredentialsError

if TYPE_CHECKING:
    from definable.engine.standings import Standing
    from definable.spec.toolkit import Toolkit

JSON = click.option("--json", "as_json", is_flag=True, help="Print a list, one object for each source.")


@click.group("keys", cls=Group, invoke_without_command=True)
@JSON
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show where keys come from and how each one stands, by name only. Nobody is asked, no command is run."""
    if ctx.invoked_subcommand is None:
        from definable.engine.standings import standings

        session: Session = ctx.obj
        kits = session.workspace.toolkits().values()
        found = [each for kit in kits for each in standings(kit, session.environ, session.workspace.home)]
        _show(session, found, as_json)


for each in (grant, grants, revoke):
    command.add_command(each)


@command.command("check")
@JSON
@click.pass_obj
def check(session: Session, as_json: bool) -> int:
    """Ask each product about each key that is set: does it work, whose is it, when does it end.

    Exit code 5 when one is refused, or a product has none that works.
    """
    import asyncio

    from definable.engine.keys import check as ask_about
    from definable.engine.runner import Runner

    async def ask() -> list[Standing]:
        async with Runner.open(session.workspace, session.settings, session.environ) as runner:
            return await ask_about(runner)

    found = asyncio.run(ask())
    _show(session, found, as_json)
    refused = any(each.works is False for each in found)
    without = {each.toolkit for each in found} - {each.toolkit for each in found if each.works}
    return CredentialsError.exit_code if refused or without else 0


def _show(session: Session, found: list[Standing], as_json: bool) -> None:
    screen = session.screen(as_json)
    if as_json:
        screen.data([each.model_dump(mode="json") for each in found])
        return
    width = max((len(each.source) for each in found), default=0)
    last = ""
    for each in found:
        if each.toolkit != last:
            screen.result(f"{session.workspace.toolkits()[each.toolkit].title} at {each.host}")
        last = each.toolkit
        screen.result(f"  {each.source:<{width}}  {told(each)}")


def told(each: Standing) -> str:
    """Return in one line how a key stands."""
    parts = [each.state, each.whose]
    if each.seconds is not None:
        parts.append(words.lasts(each.seconds, soon=each.soon))
    if each.refused:
        at = each.refused[:16].replace("T", " ")
        parts.append(f"refused by this host at {at} UTC; the next run tries it again")
        parts.remove("refused") if each.state == "refused" else None
    return ", ".join(filter(None, parts))


def need_keys(session: Session, kits: Iterable[Toolkit], *, wait: bool = False) -> None:
    """Raise CredentialsError unless each of these products has a key that could be tried.

    With `wait`, a file that may yet come is enough. No command is run for it.
    """
    from definable.toolkits.credentials import KeyRing

    for kit in kits:
        ring = KeyRing(kit.credentials, session.environ)
        if not ring.may_have and not (wait and ring.may_change):
            raise CredentialsError(
                f"there is no key for {kit.title}: {ring.explain().partition(': ')[2]}",
                hint="set one of these, or add --sandbox to work against a simulator",
            )
