"""`definable run`: one run in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from definable.cli.app import Session

if TYPE_CHECKING:
    from definable.cli.follow import Follow
    from definable.engine.runner import Runner
    from definable.store import RunRow


@click.command("run")
@click.argument("workflow")
@click.option("-i", "--input", "pairs", multiple=True, metavar="KEY=VALUE", help="One input; repeatable.")
@click.option("--inputs", type=click.Path(path_type=Path), metavar="FILE.json", help="Inputs as a JSON object.")
@click.option("--sandbox", is_flag=True, help="Talk to a simulator in this process, not to the real service.")
@click.option("--faults", type=click.Path(path_type=Path), metavar="FILE", help="What the sandbox does wrong.")
@click.option("--yes-to", multiple=True, metavar="GLOB", help="Approve calls of these tools ahead; repeatable.")
@click.option("--dry", is_flag=True, help="Show the calls that would be made, and make none.")
@click.option("--offline", is_flag=True, help="Use the offline models even if keys are set.")
@click.option("--json", "as_json", is_flag=True, help="Print the run as one JSON object.")
@click.option("--data", is_flag=True, help="Print the verified result of each call as well.")
@click.pass_obj
def command(
    session: Session,
    workflow: str,
    pairs: tuple[str, ...],
    inputs: Path | None,
    sandbox: bool,
    faults: Path | None,
    yes_to: tuple[str, ...],
    dry: bool,
    offline: bool,
    as_json: bool,
    data: bool,
) -> int:
    """Run WORKFLOW (a name or a path) here and now.

    \b
    definable run weekly-brief --sandbox -i project=… -i days=7
    """
    from definable.cli.follow import Follow, steps_of
    from definable.cli.pairs import read_object
    from definable.engine.runner import Options
    from definable.spec.inputs import read_inputs

    definition = session.workspace.workflow(workflow)
    given = read_inputs(definition, pairs, read_object(inputs) if inputs else {})
    options = Options(
        sandbox=sandbox or faults is not None, faults=faults, offline=offline, yes_to=yes_to, dry=dry
    )

    async def go(runner: Runner, follow: Follow) -> RunRow:
        follow.run_id = await runner.start(definition, given)
        return await runner.go(follow.run_id, follow)

    steps = steps_of(definition.model_dump(mode="json"))
    return Follow(session, session.screen(as_json), options, steps, data).carry(go)
