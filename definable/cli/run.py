"""`definable run`: one run in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from definable.cli.app import Session

if TYPE_CHECKING:
    from datetime import datetime

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
@click.option(
    "--deadline",
    metavar="TIME",
    help="With --detach: when it has to be done, as 2h or 2026-11-30T07:00Z; later it ends as limited.",
)
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
    deadline: str | None,
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
    from definable.errors import UsageError
    from definable.sandbox import Faults
    from definable.workspace import checked
    from definable.workspace.reach import products

    screen = session.screen(as_json)
    if key == "":
        raise UsageError("--key is empty: it names no run", hint="is the variable set that it comes from?")
    until = _deadline(deadline, detached=detach or key is not None)
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
        return _detached(session, screen, definition, given, options, key, until)

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
    deadline: datetime | None,
) -> int:
    import asyncio

    from definable.engine.engine import Engine

    async def submit() -> RunRow:
        opened = Engine.open(session.workspace, session.settings, session.environ, options)
        async with opened as engine:
            return await engine.submit(workflow, inputs, key=key, deadline=deadline)

    _ = session.home
    row = asyncio.run(submit())
    if screen.json:
        screen.data({"run_id": row.id, "workflow": row.workflow, "status": row.status.value, "key": row.key})
        return 0
    screen.result(row.id)
    screen.say(f"submitted; a worker carries it on (definable worker); see: definable runs show {row.id}")
    return 0


def _deadline(text: str | None, *, detached: bool) -> datetime | None:
    """Return the moment in `2h` (from now) or in RFC 3339. UsageError when it is neither, or over."""
    if text is None:
        return None
    from datetime import UTC, datetime, timedelta

    from definable.errors import UsageError
    from definable.spec.model import DURATION, seconds

    if not detached:
        raise UsageError("--deadline goes with --detach", hint="`limits.time` is for runs in the foreground")
    now = datetime.now(UTC)
    try:
        until = (
            now + timedelta(seconds=seconds(text)) if DURATION.match(text) else datetime.fromisoformat(text)
        )
    except (ValueError, OverflowError):
        until = now.replace(tzinfo=None)
    if until.tzinfo is None:
        hint = "write 2h, 30m, or a moment with its zone: 2026-11-30T07:00:00Z"
        raise UsageError(f"--deadline {text!r} is no time", hint=hint)
    if until <= now:
        raise UsageError(f"--deadline {text} is over already")
    return until


def _inputs(workflow: Workflow, pairs: tuple[str, ...], file: Path | None) -> dict[str, Any]:
    """Return the run's inputs: those of the file, and over them the single ones."""
    from definable.cli.pairs import read_object, split, typed
    from definable.spec.inputs import complete, read_inputs

    if file is None:
        return read_inputs(workflow, pairs)
    kinds = {name: {"type": declared.type} for name, declared in workflow.inputs.items()}
    single = {key: typed(text, kinds.get(key, {})) for key, text in split(pairs).items()}
    return complete(workflow, {**read_object(file), **single})
