"""`definable graph`: a workflow as a picture."""

from __future__ import annotations

import click

from definable.cli.app import Session


@click.command("graph")
@click.argument("workflow")
@click.pass_obj
def command(session: Session, workflow: str) -> None:
    """Print the graph of WORKFLOW (a name or a path) as Mermaid."""
    from definable.graph.picture import mermaid

    session.screen().result(mermaid(session.workspace.workflow(workflow)).rstrip("\n"))
