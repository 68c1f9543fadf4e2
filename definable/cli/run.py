"""`definable run`: one run in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from definable.cli.app import Session

if TYPE_CHECKING:
    from definable.cli.follow import Follow
    from definable.cli.screen import Screen
    from definable.engine.options import Options
    from definable.engine.runner import Runner
    from definable.spec.workflow import Workflow
    from definable.store import RunRow

FILE = click.Path(path_type=Path)


@click.command("run")
@click.argument("workflow")
@click.option("-i", "--input", "pairs", multiple=True, metavar="KEY=VALUE", help="One input; repeatable.")
@click.option("--inputs", type=FILE, metavar="FILE.json", help="Inputs as a JSON object.")
@click.option("--sandbox", is_flag=True, help="Talk to a simulator, not to the real service.")
@click.option("--faults", type=FILE, metavar="FILE", help="What the sandbox does wrong; see `sandbox`.")
@click.option("--yes-to", multiple=True, metavar="GLOB", help="Approve these tools ahead; repeatable.")
@click.option("--dry", is_flag=True, help="Show the calls that would be made, and make none.")
@click.option("--offline", is_flag=True, help="Use the offline models even if keys are set.")
@click.option(
    "--no-wait",
    is_flag=True,
    help="End where it waits for a key or a quota; `runs resume` goes on.",
)
@click.option("--detach", is_flag=True, help="Leave it to the workers, and end at once.")
@click.option("--key", metavar="TEXT", help="With --detach: submitted once, however often this is said.")
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
    no_wait: bool,
    detach: bool,
    key: str | None,
    as_json: bool,
    data: bool,
) -> int:
    """Run WORKFLOW (a name or a path) here and now.

    \b
    definable run hello --sandbox -i days=7
    """
    from definable.cli.dry import rehearsal
    from definable.cli.follow import Follow, steps_of
    from definable.cli.keys import need_keys
    from definable.engine.options import Options
    from definable.sandbox import Faults
    from definable.workspace import checked
    from definable.workspace.reach import products

    screen = session.screen(as_json)
    definition = checked(session.workspace, workflow)
    given = _inputs(definition, pairs, inputs)
    options = Options(
        sandbox=sandbox or faults is not None,
        faults=faults,
        offline=offline,
        yes_to=yes_to,
        dry=dry,
        file=workflow if workflow in session.workspace.workflows() else str(Path(workflow).absolute()),
    )
    if faults is not None:
        Faults.load(faults)
    if dry:
        return rehearsal(session, screen, definition, given, options)
    if not options.sandbox:
        need_keys(session, products(session.workspace, definition).values(), wait=not no_wait)

    if detach or key:
        return _detached(session, screen, definition, given, options, key)

    async def go(runner: Runner, follow: Follow) -> RunRow:
        follow.run_id = await runner.start(definition, given)
        return await runner.go(follow.run_id, follow, wait=not no_wait)

    steps = steps_of(definition.model_dump(mode="json"))
    return Follow(session, screen, options, steps, wait=not no_wait).finish(go, data=data)


def _detached(
    session: Session,
    screen: Screen,
    workflow: Workflow,
    inputs: dict[str, Any],
    options: Options,
    key: str | None,
) -> int:
    import asyncio

    from definable.engine.engine import Engine

    async def submit() -> RunRow:
        opened = Engine.open(session.workspace, session.settings, session.environ, options)
        async with opened as engine:
            return await engine.submit(workflow, inputs, key=key)

    _ = session.home
    row = asyncio.run(submit())
    if screen.json:
        screen.data({"run_id": row.id, "workflow": row.workflow, "status": row.status.value, "key": row.key})
        return 0
    screen.result(row.id)
    screen.say(f"submitted; a worker carries it on (definable worker); see: definable runs show {row.id}")
    return 0


def _inputs(workflow: Workflow, pairs: tuple[str, ...], file: Path | None) -> dict[str, Any]:
    """Return the run's inputs: those of the file, and over them the single ones."""
    from definable.cli.pairs import read_object, split, typed
    from definable.spec.inputs import complete, read_inputs

    if file is None:
        return read_inputs(workflow, pairs)
    kinds = {name: {"type": declared.type} for name, declared in workflow.inputs.items()}
    single = {key: typed(text, kinds.get(key, {})) for key, text in split(pairs).items()}
    return complete(workflow, {**read_object(file), **single})
