"""`definable runs fork`: go on from a step of a run, with other inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from definable.cli.app import Session

if TYPE_CHECKING:
    from definable.cli.follow import Follow
    from definable.engine.runner import Runner
    from definable.store import RunRow


@click.command("fork")
@click.argument("run")
@click.argument("step")
@click.option("-i", "--input", "pairs", multiple=True, metavar="KEY=VALUE", help="Another input; repeatable.")
@click.option("--no-wait", is_flag=True, help="End where it waits for a key or a quota.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
@click.option("--data", is_flag=True, help="Print the verified result of each call as well.")
@click.pass_obj
def command(
    session: Session,
    run: str,
    step: str,
    pairs: tuple[str, ...],
    no_wait: bool,
    as_json: bool,
    data: bool,
) -> int:
    """Go on from STEP of RUN in a new run, with other inputs; what was done before it is not done again."""
    from definable.cli.follow import Follow, steps_of
    from definable.cli.pairs import split, typed
    from definable.cli.runs import open_runs
    from definable.engine.fork import fork
    from definable.engine.options import Options

    with open_runs(session) as store:
        row = store.run(run)
    kinds = {name: {"type": each["type"]} for name, each in row.definition.get("inputs", {}).items()}
    given = {key: typed(text, kinds.get(key, {})) for key, text in split(pairs).items()}

    async def go(runner: Runner, follow: Follow) -> RunRow:
        follow.run_id = fork(runner, row.id, step, given).id
        return await runner.go(follow.run_id, follow, wait=not no_wait)

    following = Follow(
        session, session.screen(as_json), Options(), steps_of(row.definition), wait=not no_wait
    )
    return following.finish(go, data=data)
