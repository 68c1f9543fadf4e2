"""`definable contracts`: what products changed, how it was repaired, and what proves the repair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from definable.cli.app import Group, Session

if TYPE_CHECKING:
    from definable.engine.learned import Learned
    from definable.store import Store

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")


@click.group("contracts", cls=Group, short_help="What products changed, and how it was repaired.")
def command() -> None:
    """Show what products changed in responses and requests and how that was repaired; accept or reject it.

    A repair that proved itself is used again for 30 days; one that is accepted, until it is rejected. A
    rejected one is never used: a response or a request that needs it waits for a person.
    """


@command.command("list")
@click.option("--tool", help="Only of this tool.")
@JSON
@click.pass_obj
def list_(session: Session, tool: str | None, as_json: bool) -> None:
    """List the repairs, the newest last."""
    screen = session.screen(as_json)
    rows = [each for each in _learned(session) if tool in (None, each.tool)]
    if as_json:
        screen.data([each.to_json() for each in rows])
        return
    for each in rows:
        what = f"{each.heal.drift.replace('_', ' ')}: {each.heal.detail}"
        screen.result(f"{each.id}  {each.status:<8}  {each.tool}  {what}")
        until = f", until {each.expires[:10]}" if each.expires else ""
        screen.result(f"    seen {each.seen}x since {each.since[:10]}{until}: {each.heal.evidence}")
    if not rows:
        screen.say("nothing has differed from its contract so far")


@command.command("diff")
@click.argument("id")
@JSON
@click.pass_obj
def diff(session: Session, id: str, as_json: bool) -> None:
    """Show what the contract says, what came instead, and what proves that it is the same."""
    screen = session.screen(as_json)
    each = _one(session, id)
    if as_json:
        screen.data(each.to_json())
        return
    change = each.heal.change
    screen.result(f"{each.tool}: {each.heal.drift.replace('_', ' ')}, found by the rule {each.heal.rule!r}")
    if change is not None:
        from definable.spec.paths import show

        screen.result(f"- {show((*change.place, *change.target)) or 'the body'}")
        screen.result(f"+ {show((*change.place, *change.source)) or 'the body'}")
    if (reworded := each.heal.rewording) is not None:
        screen.result(f"- {reworded.path}{f': {reworded.of}' if reworded.of else ''}")
        screen.result(f"+ {reworded.to}")
    screen.result(f"came: {each.heal.diff or each.heal.detail}")
    screen.result(f"proof: {each.heal.evidence}")
    screen.result(f"seen {each.seen}x, first {each.since}, last {each.last}; {each.status}")


@command.command("accept")
@click.argument("id")
@JSON
@click.pass_obj
def accept(session: Session, id: str, as_json: bool) -> None:
    """Keep a repair for good; it no longer expires."""
    _say(session, id, "accepted", as_json)


@command.command("reject")
@click.argument("id")
@JSON
@click.pass_obj
def reject(session: Session, id: str, as_json: bool) -> None:
    """Never repair this again: what needs it waits for a person, with the difference."""
    _say(session, id, "rejected", as_json)


@command.command("export")
@click.argument("id", required=False)
@JSON
@click.pass_obj
def export(session: Session, id: str | None, as_json: bool) -> None:
    """Print the repairs (or one) as a change to the toolkit's files: a unified diff, for `git apply`."""
    from definable.cli.amend import amend
    from definable.spec.source import decode

    screen = session.screen(as_json)
    rows = [_one(session, id)] if id else [r for r in _learned(session) if r.status != "rejected"]
    diffs: list[str] = []
    by_hand: list[str] = []
    for name in sorted({each.toolkit for each in rows}):
        files = session.workspace.toolkit_names().get(name, [])
        document = session.workspace.read_toolkit(name)[0]
        texts = {session.workspace.shown(path): decode(path.read_bytes(), path.name) for path in files}
        text, notes = amend(document, [each.heal for each in rows if each.toolkit == name], texts)
        diffs.append(text)
        by_hand += notes
    if as_json:
        screen.data({"diff": "".join(diffs), "by_hand": by_hand})
        return
    if whole := "".join(diffs).rstrip("\n"):
        screen.result(whole)
    for note in by_hand:
        screen.say(f"by hand: {note}")
    if not whole and not by_hand:
        screen.say("there is nothing to change")


def _say(session: Session, id: str, verdict: Literal["accepted", "rejected"], as_json: bool) -> None:
    from definable.cli.decide import person
    from definable.engine.learned import judge

    screen = session.screen(as_json)
    with _open(session) as store:
        each = judge(store, id, verdict, person(session.environ))
    if as_json:
        screen.data(each.to_json())
    else:
        screen.say(f"{each.id} is {verdict}: {each.tool}, {each.heal.detail}")


def _one(session: Session, id: str) -> Learned:
    from definable.engine.learned import one_learned

    with _open(session) as store:
        return one_learned(store, id)


def _learned(session: Session) -> list[Learned]:
    from definable.engine.learned import learned

    with _open(session) as store:
        return learned(store)


def _open(session: Session) -> Store:
    from definable.cli.runs import open_runs

    return open_runs(session)
