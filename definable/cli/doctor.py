"""`definable doctor`: what is set up here, and what is missing. It calls nobody."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from definable import __version__
from definable.cli.app import Session

if TYPE_CHECKING:
    from definable.spec.toolkit import Toolkit


class Finding(NamedTuple):
    """One thing looked at. `ok` is None when it is neither good nor bad."""

    what: str
    says: str
    ok: bool | None = True


@click.command("doctor", short_help="Say what is set up here, and what is missing.")
@click.option("--json", "as_json", is_flag=True, help="Print a list of {what, says, ok}.")
@click.pass_obj
def command(session: Session, as_json: bool) -> int:
    """Say what is set up here: files, database, hosts, keys (by name only)."""
    screen = session.screen(as_json)
    findings = list(_look(session))
    if as_json:
        screen.data([finding._asdict() for finding in findings])
    else:
        marks = {True: "ok", False: "!!", None: "--"}
        for finding in findings:
            screen.result(f"{marks[finding.ok]}  {finding.what:<10} {finding.says}")
    return 0 if all(finding.ok is not False for finding in findings) else 1


def _look(session: Session) -> Iterator[Finding]:
    from definable.errors import DefinableError

    yield Finding("definable", f"{__version__} on Python {platform.python_version()}")
    try:
        yield from _workspace(session)
    except DefinableError as error:
        yield Finding("workspace", error.message.splitlines()[0], False)
        return
    yield from _database(session)
    for toolkit in session.workspace.toolkits().values():
        url = toolkit.base_url
        host = session.environ.get(url.env) or url.default
        yield Finding(toolkit.toolkit, f"{host} ({url.env if session.environ.get(url.env) else 'default'})")
        try:
            yield from _keys(session, toolkit)
        except DefinableError as error:
            yield Finding("", error.message, False)
    yield _models(session)


def _keys(session: Session, toolkit: Toolkit) -> Iterator[Finding]:
    """One line for all sources, and one more for each key that ends soon or was refused last."""
    from definable.cli.keys import told
    from definable.engine.standings import standings

    found = standings(toolkit, session.environ, session.workspace.home)
    ready = any(each.state in ("set", "refused") for each in found)
    states = ", ".join(f"{each.source} {each.state}" for each in found)
    yield Finding("", f"keys: {states}{'' if ready else '; only --sandbox works'}", ready or None)
    for each in found:
        if each.soon or each.refused:
            yield Finding("", f"{each.source}: {told(each)}", None)


def _workspace(session: Session) -> Iterator[Finding]:
    from definable.cli.words import plural
    from definable.workspace.check import check

    workspace = session.workspace
    problems = check(workspace)
    tools = sum(not tool.internal for tool in workspace.tools().values())
    counts = f"{plural(len(workspace.workflows()), 'workflow')}, {plural(tools, 'tool')}"
    yield Finding("workspace", f"{workspace.root}: {counts}")
    if problems:
        yield Finding("files", f"{plural(len(problems), 'problem')}: definable check", False)


def _database(session: Session) -> Iterator[Finding]:
    from definable.cli.runs import open_runs
    from definable.errors import DefinableError

    try:
        with open_runs(session) as store:
            where = store.place
            waiting = [row for row in store.runs(1000) if row.status == "waiting"]
    except DefinableError as error:
        yield Finding("database", f"{error.message}: {error.hint}", False)
        return
    yield Finding("database", f"{where}: {len(waiting)} waiting")


def _models(session: Session) -> Finding:
    names = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
    told = ", ".join(f"{name} {'set' if session.environ.get(name) else 'not set'}" for name in names)
    ready = all(session.environ.get(name) for name in names)
    return Finding(
        "models", told if ready else f"{told}; without a key, offline models answer", ready or None
    )
