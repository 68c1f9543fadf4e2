"""`definable runs`: what ran, what waits, and the answers to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from definable.cli import forks
from definable.cli.app import Group, Session

if TYPE_CHECKING:
    from definable.calls import Decision
    from definable.cli.follow import Follow
    from definable.engine.left import Left
    from definable.engine.runner import Runner
    from definable.store import RunRow, Store

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
NO_WAIT = click.option(
    "--no-wait",
    is_flag=True,
    help="End where it waits for a key or a quota; `runs resume` goes on.",
)
DATA = click.option("--data", is_flag=True, help="Print the verified result of each call as well.")
STATUSES = ["queued", "running", "waiting", "done", "failed", "cancelled", "limited"]


@click.group("runs", cls=Group)
def command() -> None:
    """List and show runs, answer what waits, go on, cancel. An ID may be cut short while it is unique."""


command.add_command(forks.command)


@command.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only these.")
@click.option("--batch", metavar="NAME", help="Only those of this batch.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@JSON
@click.pass_obj
def list_(session: Session, status: str | None, batch: str | None, limit: int, as_json: bool) -> None:
    """List runs, the newest first."""
    from definable.cli.words import standing
    from definable.store import RunStatus

    screen = session.screen(as_json)
    with open_runs(session) as store:
        if batch is not None:
            batch = store.known_batch(batch).id
        rows = store.runs(limit, RunStatus(status) if status else None, batch)
    if as_json:
        screen.data([row.model_dump(mode="json", exclude={"definition"}) for row in rows])
        return
    for row in rows:
        state = standing(row.status.value, row.reason, row.until)
        at = f"  on {row.worker}" if row.status is RunStatus.RUNNING and row.worker else ""
        screen.result(
            f"{row.id}  {row.created_at[:16].replace('T', ' ')} UTC  {state:<18}  "
            f"{row.workflow}{f'  {row.item}' if batch else ''}{at}".rstrip()
        )
    if not rows:
        none = (
            "no runs" if status or batch else "no runs yet; start one with: definable run WORKFLOW --sandbox"
        )
        screen.say(none)


@command.command("batches")
@JSON
@click.pass_obj
def batches(session: Session, as_json: bool) -> None:
    """List batches, the newest first, and how many of their items are where."""
    from definable.engine.batch.progress import counted

    screen = session.screen(as_json)
    with open_runs(session) as store:
        rows = [(row, counted(store.stands(row.id))) for row in store.batches()]
    if as_json:
        screen.data([{**row.model_dump(mode="json"), "items_at": at} for row, at in rows])
        return
    for row, at in rows:
        told = ", ".join(f"{n:,} {where}" for where, n in at.items()) or "nothing begun"
        created = row.created_at[:16].replace("T", " ")
        screen.result(f"{row.id}  {created} UTC  {told}")
    if not rows:
        screen.say("no batches yet; start one with: definable batch WORKFLOW ITEMS")


@command.command("show")
@click.argument("run")
@click.option("--events", is_flag=True, help="Print the whole log, one JSON object a line.")
@JSON
@DATA
@click.pass_obj
def show(session: Session, run: str, events: bool, as_json: bool, data: bool) -> None:
    """Tell a run from its log: what happened, the receipts, and what waits for whom."""
    from definable.cli.follow import reported, steps_of
    from definable.cli.narrate import Narrator, Page
    from definable.cli.watch import column

    screen = session.screen(as_json)
    with open_runs(session) as store:
        row = store.run(run)
        log = store.events(row.id)
        report = reported(session, store, row)
    if as_json:
        story = {"events": [event.model_dump(mode="json") for event in log]} if events else {}
        screen.data({**report.to_json(data=data), **story})
        return
    if events:
        for event in log:
            screen.data(event.model_dump(mode="json"))
        return
    narrator, page = Narrator(), Page(column(steps_of(row.definition)))
    for event in log:
        for line in narrator(event):
            screen.result(page(line))
    screen.result("")
    report.show(screen, data=data)


@command.command("approve", short_help="Approve what RUN waits for, and go on with it.")
@click.argument("run")
@click.argument("call", required=False)
@click.option("--adopt", metavar="CANDIDATE", help="Take this candidate for the lost effect.")
@click.option(
    "-i", "--input", "pairs", multiple=True, metavar="KEY=VALUE", help="Change this argument first."
)
@click.option("--send-again", is_flag=True, help="Make another one: what is there is not what was meant.")
@click.option("--reason", default="", help="Why; kept in the receipt.")
@NO_WAIT
@JSON
@DATA
@click.pass_obj
def approve(
    session: Session,
    run: str,
    call: str | None,
    adopt: str | None,
    pairs: tuple[str, ...],
    send_again: bool,
    reason: str,
    no_wait: bool,
    as_json: bool,
    data: bool,
) -> int:
    """Approve what RUN waits for (CALL, when it waits for several), and go on with it."""
    from definable.calls import Decision
    from definable.cli.decide import person

    by = person(session.environ)
    answer = Decision(approve=True, by=by, reason=reason, adopt=adopt, again=send_again)
    return _answer(session, run, call, answer, as_json, data, wait=not no_wait, pairs=pairs)


@command.command("deny", short_help="Refuse what RUN waits for, and go on with it.")
@click.argument("run")
@click.argument("call", required=False)
@click.option("--reason", default="", help="Why; kept in the receipt.")
@NO_WAIT
@JSON
@DATA
@click.pass_obj
def deny(
    session: Session, run: str, call: str | None, reason: str, no_wait: bool, as_json: bool, data: bool
) -> int:
    """Refuse what RUN waits for (CALL, when it waits for several), and go on with it."""
    from definable.calls import Decision
    from definable.cli.decide import person

    answer = Decision(approve=False, by=person(session.environ), reason=reason)
    return _answer(session, run, call, answer, as_json, data, wait=not no_wait)


@command.command("resume")
@click.argument("run")
@NO_WAIT
@JSON
@DATA
@click.pass_obj
def resume(session: Session, run: str, no_wait: bool, as_json: bool, data: bool) -> int:
    """Go on with RUN from where it stopped; nothing that was done is done again."""
    return _resume(session, run, None, None, as_json, data, wait=not no_wait)


@command.command("cancel")
@click.argument("run")
@JSON
@click.pass_obj
def cancel(session: Session, run: str, as_json: bool) -> int:
    """Cancel RUN wherever it is, and stop what it has started there and still goes on.

    Says what it leaves behind; `undo` takes back what can be.
    """
    import asyncio

    from definable.cli.report import left_lines
    from definable.engine.engine import Engine

    screen = session.screen(as_json)
    with open_runs(session) as store:
        row = store.run(run)

    async def end() -> tuple[RunRow, list[Left]]:
        opened = Engine.open(session.workspace, session.settings, session.environ)
        async with opened as engine:
            ended = await engine.cancel(row.id)
            if (stop := await engine.stopping(row.id)) is not None:
                screen.say(f"{row.id} is cancelled; what it started is stopped by run {stop}")
                await engine.runner.go(stop)
            return ended, engine.runner.left(row.id)

    ended, left = asyncio.run(end())
    if as_json:
        what = {"run_id": ended.id, "workflow": ended.workflow, "status": ended.status.value}
        screen.data({**what, "left": [each.model_dump(mode="json") for each in left]})
        return 0
    screen.result(f"{ended.id}: {ended.status.value}")
    for line in left_lines(left):
        screen.result(line)
    if any(each.undo for each in left):
        screen.result(f"take back what can be: definable runs undo {ended.id}")
    return 0


@command.command("follow")
@click.argument("run")
@JSON
@DATA
@click.pass_obj
def follow(session: Session, run: str, as_json: bool, data: bool) -> int:
    """Watch RUN, which a worker carries on, until it ends or waits; ctrl-C ends only the watching."""
    from definable.cli.follow import Follow, carried_on, steps_of
    from definable.engine.options import Options

    with open_runs(session) as store:
        row = store.run(run)
    steps = steps_of(row.definition)
    following = Follow(session, session.screen(as_json), Options(), steps, run_id=row.id, elsewhere=True)
    return following.finish(carried_on, data=data)


@command.command("undo")
@click.argument("run")
@click.option("--yes", is_flag=True, help="Approve every call ahead.")
@NO_WAIT
@JSON
@DATA
@click.pass_obj
def undo(session: Session, run: str, yes: bool, no_wait: bool, as_json: bool, data: bool) -> int:
    """Take back what RUN did, the newest first, by a run of its own: verified and approved call by call."""
    from definable.cli.follow import Follow
    from definable.cli.report import left_lines
    from definable.engine.options import Options

    with open_runs(session) as store:
        row = store.run(run)
    screen = session.screen(as_json)

    async def go(runner: Runner, follow: Follow) -> RunRow:
        kept = [each for each in runner.left(row.id) if each.undo is None and each.state != "not_sent"]
        follow.run_id = runner.undo(row.id, approve=yes)
        for line in left_lines(kept)[1:]:
            screen.say(line)
        return await runner.go(follow.run_id, follow, wait=not no_wait)

    return Follow(session, screen, Options(), [], wait=not no_wait).finish(go, data=data)


@command.command("prune")
@click.option("--older-than", required=True, metavar="TIME", help="Those that ended longer ago, such as 30d.")
@click.option(
    "--keep-failed", is_flag=True, help="Leave those that failed or reached a limit: they can be resumed."
)
@click.option("--dry", is_flag=True, help="Say which, and delete nothing.")
@JSON
@click.pass_obj
def prune_(session: Session, older_than: str, keep_failed: bool, dry: bool, as_json: bool) -> None:
    """Delete the logs of old runs. The runs, what they wrote and the receipts of that are kept.

    A run that may still be doing something, or that has an effect in doubt, is left alone.
    """
    import asyncio

    from definable.cli.words import plural
    from definable.engine.retention import prune, would_be_pruned
    from definable.errors import UsageError
    from definable.settings import age

    screen = session.screen(as_json)
    if (older := age(older_than)) is None:
        raise UsageError(f"--older-than {older_than!r} is no time", hint="write 30d, 12h or 90m")
    found: list[str] = []
    with open_runs(session) as store:
        if dry:
            found = would_be_pruned(store, older, keep_failed=keep_failed)
        else:
            asyncio.run(prune(store, older, keep_failed=keep_failed, each=found.append))
    if as_json:
        screen.data(found)
        return
    for run in found if dry else ():
        screen.result(run)
    done = "was" if len(found) == 1 else "were"
    screen.say(f"{plural(len(found), 'run')} {'would be' if dry else done} pruned")


def _answer(
    session: Session,
    run: str,
    call: str | None,
    answer: Decision,
    as_json: bool,
    data: bool,
    *,
    wait: bool,
    pairs: tuple[str, ...] = (),
) -> int:
    from definable.engine.decide import chosen, fitting

    with open_runs(session) as store:
        row = store.run(run)
        ask = chosen(row, store.open_asks(row.id), call)
        if pairs:
            given = {**ask.ask.arguments, **_typed(session, ask.ask.tool, pairs)}
            answer = answer.model_copy(update={"arguments": given})
        bound = fitting(store, ask, answer, session.workspace)
    return _resume(session, row.id, ask.call, bound, as_json, data, wait=wait)


def _typed(session: Session, slug: str, pairs: tuple[str, ...]) -> dict[str, Any]:
    """Return arguments of a tool from texts `key=value`."""
    from definable.cli.pairs import split, typed
    from definable.cli.tools import argument

    kit = session.workspace.toolkit_of(slug)
    return {key: typed(text, argument(kit, kit.tools[slug], key)) for key, text in split(pairs).items()}


def _resume(
    session: Session,
    run: str,
    call: str | None,
    answer: Decision | None,
    as_json: bool,
    data: bool,
    *,
    wait: bool,
) -> int:
    """Go on with a run, after an answer when there is one. What is done or cancelled is only shown.

    A submitted run goes on in a worker, if there is one.
    """
    from definable.cli.follow import Follow, carried_on, steps_of
    from definable.engine.engine import Engine
    from definable.engine.options import Options

    with open_runs(session) as store:
        row = store.run(run)
        elsewhere = row.priority is not None and any(each.alive for each in store.workers())

    async def go(runner: Runner, follow: Follow) -> RunRow:
        if answer is not None:
            runner.answer(row.id, call, answer)
        if row.status.final:
            return row
        if elsewhere:
            await Engine(runner).again(row.id)
            return await carried_on(runner, follow) if wait else runner.store.run(row.id)
        return await runner.resume(row.id, follow, wait=wait)

    screen, steps = session.screen(as_json), steps_of(row.definition)
    follow = Follow(session, screen, Options(), steps, wait=wait, run_id=row.id, elsewhere=elsewhere)
    return follow.finish(go, data=data)


def open_runs(session: Session) -> Store:
    """Open the store of the workspace's runs."""
    from definable.store import open_store, place

    return open_store(place(session.home, session.settings.database))
