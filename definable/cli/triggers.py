"""`definable triggers`: what starts runs by itself, and when it is next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from definable.cli.app import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from definable.store import Store, TriggerRow
    from definable.workspace import Workspace


@click.command("triggers")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
@click.pass_obj
def command(session: Session, as_json: bool) -> int:
    """List what starts runs by itself: schedules with their next time and last run, and webhooks.

    Workers submit the runs of schedules: definable worker, or definable worker --sandbox to try them.
    """
    from definable.cli.runs import open_runs
    from definable.errors import DefinitionError

    screen = session.screen(as_json)
    found: list[dict[str, Any]] = []
    wrong = 0
    with open_runs(session) as store:
        known, now = store.triggers(), store.time()
        for name in session.workspace.workflows():
            try:
                found += _of(session.workspace, name, store, known, now)
            except DefinitionError as error:
                wrong += 1
                for problem in error.problems:
                    screen.say(str(problem))
    if as_json:
        screen.data(found)
    for each in [] if as_json else found:
        screen.result(_line(each))
    if not found and not wrong and not as_json:
        screen.say("no workflow has triggers; see docs/workflows.md")
    return 2 if wrong else 0


def _of(
    workspace: Workspace, name: str, store: Store, known: Mapping[str, TriggerRow], now: float
) -> Iterator[dict[str, Any]]:
    from definable.engine.schedules import SANDBOX, schedules_of

    workflow = workspace.workflow(name)
    for schedule in schedules_of(workflow, name):
        rows = [row for place in ("", SANDBOX) if (row := known.get(place + schedule.id)) and row.run]
        last = max(rows, key=lambda row: row.due or 0.0, default=None)
        facts = {"workflow": name, "kind": "schedule", "schedule": schedule.cron, "timezone": schedule.zone}
        yield {**facts, **_next(schedule.next(now), schedule.zone), **_last(store, last)}
    for trigger in workflow.triggers:
        if trigger.webhook is not None:
            yield {"workflow": name, "kind": "webhook", "webhook": trigger.webhook, "secret": trigger.secret}


def _next(due: float | None, zone: str) -> dict[str, str | None]:
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    if due is None:
        return {"next": None, "next_utc": None}
    moment = datetime.fromtimestamp(due, UTC)
    return {"next": moment.astimezone(ZoneInfo(zone)).isoformat(), "next_utc": moment.isoformat()}


def _last(store: Store, row: TriggerRow | None) -> dict[str, str | None]:
    if row is None or row.run is None:
        return {"last_run": None, "last_status": None}
    return {"last_run": row.run, "last_status": store.status(row.run).value}


def _line(each: Mapping[str, Any]) -> str:
    if each["kind"] == "webhook":
        return f"{each['workflow']}  webhook {each['webhook']}  signed with {each['secret']}"
    when = "never again"
    if each["next"]:
        utc = each["next_utc"][:16].replace("T", " ")
        when = f"next {each['next'][:16].replace('T', ' ')} ({utc} UTC)"
    last = f"last {each['last_run']} {each['last_status']}" if each["last_run"] else "no run yet"
    return f"{each['workflow']}  {each['schedule']} {each['timezone']}  {when}  {last}"
