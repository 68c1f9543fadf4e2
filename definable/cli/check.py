"""`definable check`: every problem in every file, at once."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from definable.cli.app import Session


@click.command("check", short_help="Check every file of the workspace, or some.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a list of {file, line, column, message}.")
@click.pass_obj
def command(session: Session, files: tuple[Path, ...], as_json: bool) -> int:
    """Check the files of the workspace, or FILES (paths, or names of workflows).

    Problems go to stdout as file:line:col: message; exit code 2 when there are any.
    """
    from definable.cli.words import plural
    from definable.workspace.check import check

    screen = session.screen(as_json)
    workspace = session.workspace
    problems = check(workspace, list(files) or None)
    if as_json:
        screen.data([asdict(problem) for problem in problems])
    else:
        for problem in problems:
            screen.result(str(problem))
    if problems:
        screen.say(f"error: {plural(len(problems), 'problem')}")
        return 2
    what = plural(len(files), "file") if files else str(workspace.root)
    screen.say(f"{what}: no problems")
    return 0
