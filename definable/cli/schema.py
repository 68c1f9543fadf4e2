"""`definable schema`: what editors need to complete and check the files."""

from __future__ import annotations

from typing import Literal

import click

from definable.cli.app import Session


@click.command("schema")
@click.argument("kind", type=click.Choice(["workflow", "agent", "toolkit"]))
@click.pass_obj
def command(session: Session, kind: Literal["workflow", "agent", "toolkit"]) -> None:
    """Print the JSON Schema (draft-07) of one KIND of file.

    `definable init` writes them into the workspace, where its files refer to them.
    """
    import json

    from definable.spec.schema import json_schema

    session.screen().result(json.dumps(json_schema(kind), indent=2, ensure_ascii=False))
