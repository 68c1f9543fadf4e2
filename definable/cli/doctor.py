"""`definable doctor`: what is set up here, and what is missing. It calls nobody."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import NamedTuple

import click

from definable import __version__
from definable.cli.app import Session


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
    from definable.toolkits.credentials import KeyRing

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
        states = KeyRing(toolkit.credentials, session.environ).states()
        ready = any(state in ("set", "in use") for state in states.values())
        told = ", ".join(f"{name} {state}" for name, state in states.items())
        yield Finding("", f"keys: {told}{'' if ready else '; only --sandbox works'}", ready or None)
    yield _models(session)


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
            waiting = [row for row in store.runs(1000) if row.status == "waiting"]
    except DefinableError as error:
        yield Finding("database", error.message, False)
        return
    yield Finding("database", f"{session.workspace.home}: {len(waiting)} waiting")


def _models(session: Session) -> Finding:
    names = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
    told = ", ".join(f"{name} {'set' if session.environ.get(name) else 'not set'}" for name in names)
    ready = all(session.environ.get(name) for name in names)
    return Finding(
        "models", told if ready else f"{told}; without a key, offline models answer", ready or None
    )
