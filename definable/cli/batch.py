"""`definable batch`: a workflow over the items of a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from definable.cli.app import Number, Session
from definable.errors import UsageError

if TYPE_CHECKING:
    from definable.cli.batch_view import View
    from definable.cli.screen import Screen
    from definable.engine.ahead import Ahead
    from definable.engine.batch.job import Ended, Job
    from definable.engine.batch.plan import Plan
    from definable.spec.workflow import Workflow

FILE = click.Path(path_type=Path)

SLOTS = 8

SHOWN = 20
"""Bad rows that are told on a terminal; a file or a pipe gets all of them."""


@click.command("batch")
@click.argument("workflow")
@click.argument("items", required=False)
@click.option(
    "--concurrency", type=click.IntRange(1, 1000), metavar="N", help=f"Items at a time; {SLOTS} unless given."
)
@click.option("--limit-usd", type=Number(0, min_open=True), metavar="X", help="Stop before it costs more.")
@click.option("--out", type=FILE, metavar="DIR", help="Where results go; a folder beside ITEMS unless given.")
@click.option("--id", "column", metavar="COLUMN", help="What names an item; custom_id unless given.")
@click.option("--name", metavar="NAME", help="The batch's name, by which it goes on.")
@click.option("--skip-bad", is_flag=True, help="Go on without rows that do not fit the workflow.")
@click.option("--anew", is_flag=True, help="Begin items that failed from their first step.")
@click.option("--sandbox", is_flag=True, help="Talk to a simulator, not to the real service.")
@click.option("--faults", type=FILE, metavar="FILE", help="What the sandbox does wrong; see `sandbox`.")
@click.option("--yes-to", multiple=True, metavar="GLOB", help="Approve these tools ahead; repeatable.")
@click.option("--offline", is_flag=True, help="Use the offline models even if keys are set.")
@click.option("--grace", type=Number(min=0), default=20.0, help="Seconds that runs have at the end.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@click.pass_obj
def command(
    session: Session,
    workflow: str,
    items: str | None,
    concurrency: int | None,
    limit_usd: float | None,
    out: Path | None,
    column: str | None,
    name: str | None,
    skip_bad: bool,
    anew: bool,
    sandbox: bool,
    faults: Path | None,
    yes_to: tuple[str, ...],
    offline: bool,
    grace: float,
    as_json: bool,
) -> int:
    """Run WORKFLOW once for each row of ITEMS: JSON lines, or a table (CSV). `-` is the standard input.

    All rows are checked before anything starts. Run again, it does only what is not done.

    \b
    definable batch triage items.jsonl --concurrency 16 --limit-usd 20
    """
    from definable.cli.keys import need_keys
    from definable.engine.batch.job import Job, Order
    from definable.engine.options import Options
    from definable.sandbox import Faults
    from definable.workspace import checked
    from definable.workspace.reach import products

    screen = session.screen(as_json)
    definition = checked(session.workspace, workflow)
    options = Options(
        sandbox=sandbox or faults is not None,
        faults=faults,
        offline=offline,
        yes_to=yes_to,
        file=workflow if workflow in session.workspace.workflows() else str(Path(workflow).absolute()),
    )
    if faults is not None:
        Faults.load(faults)
    given = definition.batch
    order = Order(
        items=items or _items(session, workflow, definition),
        concurrency=concurrency or (given.concurrency if given else None) or SLOTS,
        limit_usd=limit_usd,
        out=out,
        column=column or (given.key if given else None),
        name=name,
        anew=anew,
        grace=grace,
    )
    if not options.sandbox:
        need_keys(session, products(session.workspace, definition).values(), wait=True)
    with Job.open(session.workspace, session.settings, session.environ, definition, options, order) as job:
        if job.index.bad:
            _tell_bad(screen, job, skip_bad)
        return _run(session, screen, job)


def _items(session: Session, workflow: str, definition: Workflow) -> str:
    """Return the workflow's own file of items."""
    if definition.batch is None or definition.batch.items is None:
        raise UsageError(
            f"ITEMS is missing, and {definition.name} names no file in `batch: {{ items: … }}`",
            hint=f"definable batch {workflow} items.jsonl",
        )
    there = Path(str(session.workspace.locate(workflow)[0])).absolute().parent / definition.batch.items
    return os.path.relpath(there)


def _tell_bad(screen: Screen, job: Job, skip: bool) -> None:
    """Tell the rows that cannot be run. UsageError unless they are to be skipped."""
    from definable.cli.words import plural

    name = "standard input" if job.order.items == "-" else job.order.items
    for number, row in enumerate(job.index.bad_rows()):
        if number == SHOWN and screen.err.isatty():
            screen.say(f"… and {plural(job.index.bad - SHOWN, 'bad row')} more; all of them: 2> FILE")
            break
        screen.say(f"{name}:{row.line}: {'; '.join(row.problems)}")
    if not skip:
        what = plural(job.index.bad, "bad row")
        raise UsageError(
            f"{what} among {job.index.bad + job.index.total:,}; nothing was run",
            hint="correct them, or go on without them: --skip-bad (they are in errors.jsonl then)",
        )


def _run(session: Session, screen: Screen, job: Job) -> int:
    import asyncio

    from definable.cli.batch_view import View, told
    from definable.cli.logs import logging

    _ = session.home
    view = View(screen, job.row.id)

    async def go() -> Ended:
        stop = asyncio.Event()
        _stops(asyncio.get_running_loop(), stop, view)
        with view:
            return await job.run(view.watch(), stop, lambda *what: _begin(screen, job, *what))

    with logging(session):
        ended = asyncio.run(go())
    if screen.json:
        screen.data(ended.summary)
    for line in told(ended, job):
        screen.say(line) if screen.json else screen.result(line)
    return ended.exit_code


def _stops(loop: Any, stop: Any, view: View) -> None:
    """Let the first signal stop the batch in order, and the second at once."""
    import signal

    def told() -> None:
        if stop.is_set():
            view.leave()
            # Every line that was written is whole; runs at work are taken up by the next process.
            os._exit(130)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told)


def _begin(screen: Screen, job: Job, plan: Plan, ahead: Ahead | None) -> None:
    from definable.cli.batch_view import planned

    for line in planned(plan, job, ahead):
        screen.say(line)
