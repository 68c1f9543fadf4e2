"""`definable init`: a workspace that runs at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from definable.cli.app import Session

FILES = {
    "workflows/README.md": """\
# Workflows

One YAML file for each workflow: named steps, one after the other. A step is an `agent` or a declared `call`;
the Verifier is never written, it is always there. `hello.yaml` is one to start from.

- check them all: `definable check`
- see one as a picture: `definable graph hello`
- run one against a simulator: `definable run hello --sandbox`
- see the calls it would make: `definable run hello --dry`
""",
    "workflows/hello.yaml": """\
# yaml-language-server: $schema=../.definable/schemas/workflow.json
name: hello
description: What ran, what failed and what nobody looked at, as a short brief. It changes nothing.
inputs:
  days: { type: integer, default: 7, minimum: 1, maximum: 31, description: How far to look back }
steps:
  - id: research
    agent: researcher
    tools: [HEX_LIST_PROJECTS, HEX_GET_PROJECT_RUNS]
    prompt: What ran, failed and went unviewed in the last ${{ inputs.days }} days?
  - id: brief
    agent: writer
    prompt: A short brief for the data team.
outputs:
  brief: ${{ steps.brief.output.markdown }}
limits: { tokens: 200000, usd: 1.00, calls: 60, time: 10m }
""",
    "agents/README.md": """\
# Agents

One Markdown file for each specialist: front matter says its model, its tools and what it hands in; the text
below is its prompt. The built-in ones (researcher, writer, designer, engineer) stand behind these files; a
file with the same name takes the place of a built-in one.

The fields are in `.definable/schemas/agent.json`.
""",
    "tools/README.md": """\
# Tools

One YAML file, or one folder of YAML files, for each product: its operations, their arguments and responses,
how an effect is read back, what to do when an answer is lost. Hex is built in: see
`definable tools`.

The first line of a file tells your editor how to check it:

    # yaml-language-server: $schema=../.definable/schemas/toolkit.json
""",
    ".env.example": """\
# Copy to .env, fill in, and load it into your shell:  set -a; . ./.env; set +a
# Nothing here is needed for --sandbox.

# Hex: a personal token (hxtp_…) or a workspace token (hxtw_…)
HEX_API_TOKEN=
# Another Hex host; it ends in /api
# HEX_BASE_URL=https://app.hex.tech/api

# Models; without keys the offline models answer, and say so
OPENAI_API_KEY=
ANTHROPIC_API_KEY=
""",
    ".gitignore": """\
.env
.definable/*
!.definable/schemas/
""",
}
"""Path in the new workspace → its text."""

KINDS: tuple[Literal["workflow", "agent", "toolkit"], ...] = ("workflow", "agent", "toolkit")


@click.command("init")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.pass_obj
def command(session: Session, directory: Path) -> None:
    """Make a workspace in DIR, with an example that runs at once. Nothing is overwritten."""
    from definable.errors import UsageError
    from definable.spec.schema import json_schema

    schemas = {f".definable/schemas/{kind}.json": json_schema(kind) for kind in KINDS}
    texts = {**FILES, **{path: json.dumps(schema, indent=2) + "\n" for path, schema in schemas.items()}}
    try:
        _write(directory, texts)
    except OSError as error:
        raise UsageError(f"cannot make a workspace in {str(directory)!r}: {error.strerror}") from error
    screen = session.screen()
    screen.result(f"made a workspace in {directory}: workflows/hello.yaml, and room for agents and tools")
    screen.say("next:")
    if directory.resolve() != Path.cwd():
        screen.say(f"  cd {directory}")
    screen.say("  definable run hello --sandbox    a run against a simulator; no keys needed")
    screen.say("  definable check                  after every change")
    screen.say("  definable tools                  what agents and calls may use")


def _write(directory: Path, texts: dict[str, str]) -> None:
    """Write all files. UsageError, with nothing written, when one is there already."""
    from definable.errors import UsageError

    there = [name for name in texts if (directory / name).exists()]
    if there:
        raise UsageError(
            f"{str(directory)!r} has {', '.join(there)} already; nothing was written",
            hint="take another folder, or move these away",
        )
    for name, text in texts.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
