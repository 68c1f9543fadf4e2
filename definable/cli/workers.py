"""`definable workers`: which processes carry runs on, and what each is doing."""

from __future__ import annotations

import click

from definable.cli.app import Session


@click.command("workers")
@click.option("--all", "everyone", is_flag=True, help="Those that stopped or died as well.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
@click.pass_obj
def command(session: Session, everyone: bool, as_json: bool) -> None:
    """List the workers: where each is, how many runs it works on, and its last sign of life."""
    from definable.cli.runs import open_runs

    screen = session.screen(as_json)
    with open_runs(session) as store:
        now = store.time()
        rows = [row for row in store.workers() if everyone or row.alive]
    if as_json:
        screen.data([row.model_dump(mode="json") for row in rows])
        return
    for row in rows:
        seen = f"seen {max(0.0, now - row.beat):.0f} s ago"
        started = row.started_at[:16].replace("T", " ")
        screen.result(
            f"{row.id}  {row.state:<8}  {row.runs} of {row.slots} runs  {seen}  since {started} UTC"
        )
    if not rows:
        screen.say("no workers" if everyone else "no worker is there; start one with: definable worker")
