"""RunProject, GetProjectRuns, GetRunStatus, CancelRun.

A run is stored as a plan (when it was asked for, how long it waits and works, how it ends); where it
stands is read off the clock.
"""

from __future__ import annotations

from urllib.parse import urlencode

from definable.sandbox.answers import Answer, Json, Refusal, bad, missing, unprocessable
from definable.sandbox.bodies import Notification, RunStart
from definable.sandbox.clock import iso, stamp
from definable.sandbox.context import Context
from definable.sandbox.params import Read, choice, integer

KERNELS = 25
STATUSES = ("PENDING", "RUNNING", "ERRORED", "COMPLETED", "KILLED", "UNABLE_TO_ALLOCATE_KERNEL")
LIST: dict[str, tuple[Read, Json]] = {
    "limit": (integer(1, 100), 25),
    "offset": (integer(0), 0),
    "statusFilter": (choice(*STATUSES), None),
    "runTriggerFilter": (choice("SCHEDULED", "API", "APP_REFRESH", "ALL"), "ALL"),
}
NOBODY = "00000000-0000-0000-0000-000000000000"
"""Run id of a dry run's dummy answer."""


def run_project(ctx: Context) -> Answer:
    """Start a run of the published version; 503 and no run when the user's 25 kernels are taken."""
    body = ctx.read(RunStart, optional=True)
    writes = body.updatePublishedResults or body.updateCache
    project = ctx.project(ctx.path["projectId"], "CAN_EDIT" if writes else "APP_ONLY", "Updating the app")
    _runnable(project, body)
    recipients = _recipients(ctx, body.notifications)
    if body.dryRun:
        return Answer(201, _started(ctx, project, NOBODY, recipients))
    if _kernels(ctx) >= KERNELS:
        raise Refusal(503, f"All {KERNELS} kernels are in use; no run was started")
    key = ctx.world.new_id()
    character = project["character"]
    ctx.state["runs"][key] = {
        "id": key,
        "projectId": project["id"],
        "version": str(project["version"]),
        "trigger": "API",
        "by": ctx.caller.owner,
        "asked": ctx.world.now(),
        "pending": character["pending"],
        "seconds": character["seconds"],
        "outcome": character["outcome"],
        "killed": None,
        "trace": ctx.trace,
        "notifications": recipients,
    }
    ctx.changed(key)
    return Answer(201, _started(ctx, project, key, recipients))


def get_project_runs(ctx: Context) -> Answer:
    """Answer with a project's runs, newest first, one page by offset."""
    params = ctx.params(LIST)
    project = ctx.project(ctx.path["projectId"])
    runs = [
        r for r in runs_of(ctx.state, project["id"]) if params["runTriggerFilter"] in ("ALL", r["trigger"])
    ]
    shown = [show_run(ctx, r) for r in runs]
    if params["statusFilter"]:
        shown = [r for r in shown if r["status"] == params["statusFilter"]]
    limit, offset = params["limit"], params["offset"]
    filters = {
        name: ctx.query[name][-1] for name in ("statusFilter", "runTriggerFilter") if name in ctx.query
    }

    def url(start: int) -> str:
        return f"{_url(ctx, project['id'])}?{urlencode({'limit': limit, 'offset': start, **filters})}"

    body = {
        "runs": shown[offset : offset + limit],
        "nextPage": url(offset + limit) if offset + limit < len(shown) else None,
        "previousPage": url(max(0, offset - limit)) if offset > 0 else None,
        "traceId": ctx.trace,
    }
    return Answer(200, body)


def get_run_status(ctx: Context) -> Answer:
    """Answer with where a run stands; `enable-expanded-stats: true` adds its history."""
    run = _run(ctx)
    shown = show_run(ctx, run)
    if ctx.headers.get("enable-expanded-stats", "").lower() == "true":
        shown["stateEvents"] = _history(run, ctx.world.now())
        shown["flagConfigOverride"] = "{}"
    return Answer(200, shown)


def cancel_run(ctx: Context) -> Answer:
    """Kill a run that has not ended; 422 when it has."""
    run = _run(ctx)
    status = status_of(run, ctx.world.now())
    if status not in ("PENDING", "RUNNING"):
        raise unprocessable(f"The run has already ended: {status}")
    run["killed"] = ctx.world.now()
    ctx.changed(run["id"])
    return Answer(204)


def runs_of(state: dict[str, Json], project: str) -> list[dict[str, Json]]:
    """Return a project's runs, newest first."""
    found = (r for r in state["runs"].values() if r["projectId"] == project)
    return sorted(found, key=lambda r: (r["asked"], r["id"]), reverse=True)


def status_of(run: dict[str, Json], now: float) -> str:
    """Return where a run stands at `now`."""
    if run["killed"] is not None:
        return "KILLED"
    started = run["asked"] + run["pending"]
    if run["outcome"] == "UNABLE_TO_ALLOCATE_KERNEL":
        return "PENDING" if now < started else run["outcome"]
    if now < started:
        return "PENDING"
    return "RUNNING" if now < started + run["seconds"] else str(run["outcome"])


def show_run(ctx: Context, run: dict[str, Json]) -> dict[str, Json]:
    """Return a run in Hex's shape; times are null until they are known, `elapsedTime` is in milliseconds."""
    started, ended = _span(run, ctx.world.now())
    shown = {
        "projectId": run["projectId"],
        "projectVersion": run["version"],
        "runId": run["id"],
        "runUrl": _page(ctx, run["projectId"], run["id"]),
        "status": status_of(run, ctx.world.now()),
        "runTrigger": run["trigger"],
        "startTime": iso(started),
        "endTime": iso(ended),
        "elapsedTime": round((ended - started) * 1000) if started is not None and ended is not None else None,
        "traceId": run["trace"],
    }
    if run["notifications"]:
        shown["notifications"] = run["notifications"]
    return shown


def _span(run: dict[str, Json], now: float) -> tuple[float | None, float | None]:
    starts, ends = run["asked"] + run["pending"], run["asked"] + run["pending"] + run["seconds"]
    if run["outcome"] == "UNABLE_TO_ALLOCATE_KERNEL" and run["killed"] is None:
        return None, (starts if starts <= now else None)
    if run["killed"] is not None:
        return (starts if starts <= run["killed"] else None), run["killed"]
    return (starts if starts <= now else None), (ends if ends <= now else None)


def _history(run: dict[str, Json], now: float) -> list[dict[str, str]]:
    started, ended = _span(run, now)
    steps = [("PENDING", run["asked"]), ("RUNNING", started), (status_of(run, now), ended)]
    return [{"type": "STATUS", "value": v, "timestamp": stamp(at)} for v, at in steps if at is not None]


def _run(ctx: Context) -> dict[str, Json]:
    project, key = ctx.project(ctx.path["projectId"]), ctx.id("runId")
    run = ctx.state["runs"].get(key)
    if run is None or run["projectId"] != project["id"]:
        raise missing("Run", key)
    return run  # type: ignore[no-any-return]


def _runnable(project: dict[str, Json], body: RunStart) -> None:
    if "inputParams" in body.model_fields_set and body.inputParams is None:
        raise unprocessable("inputParams must be an object, not null")
    if body.inputParams is not None and body.viewId is not None:
        raise bad("inputParams and viewId cannot be combined", "viewId: cannot be combined with inputParams")
    if body.inputParams is not None and (body.updatePublishedResults or body.updateCache):
        raise unprocessable("Cannot update the cache if specifying custom input parameters")
    if project["version"] is None:
        raise unprocessable("The project has no published version; publish it in Hex before running it")
    if project["type"] == "COMPONENT":
        raise unprocessable("A component cannot be run")
    if project["archivedAt"] or project["trashedAt"]:
        raise unprocessable("The project is archived or in the trash")


def _kernels(ctx: Context) -> int:
    now = ctx.world.now()
    mine = (r for r in ctx.state["runs"].values() if r["by"] == ctx.caller.owner)
    return sum(1 for run in mine if status_of(run, now) in ("PENDING", "RUNNING"))


def _recipients(ctx: Context, notifications: list[Notification]) -> list[dict[str, Json]]:
    found = []
    for number, wish in enumerate(notifications):
        common = wish.model_dump(
            include={"type", "includeSuccessScreenshot", "subject", "body"}, exclude_none=True
        )
        if wish.screenshotFormat:
            common["screenshotFormat"] = [wish.screenshotFormat]
        wanted = [("USER", "users", str(u)) for u in wish.userIds]
        wanted += [("GROUP", "groups", str(g)) for g in wish.groupIds]
        for kind, table, key in wanted:
            if key not in ctx.state[table]:
                raise bad(
                    "Unknown notification recipient", f"notifications.{number}: no {kind.lower()} {key}"
                )
            name = ctx.state[table][key]["name"]
            found.append({**common, "recipientType": kind, "recipient": {"id": key, "name": name}})
        for channel in wish.slackChannelIds:
            recipient = {"id": channel, "name": "data-alerts", "isPrivate": False}
            found.append({**common, "recipientType": "SLACK_CHANNEL", "recipient": recipient})
    return found


def _started(
    ctx: Context, project: dict[str, Json], key: str, recipients: list[dict[str, Json]]
) -> dict[str, Json]:
    answer = {
        "projectId": project["id"],
        "runId": key,
        "runUrl": _page(ctx, project["id"], key),
        "runStatusUrl": f"{_url(ctx, project['id'])}/{key}",
        "traceId": ctx.trace,
        "projectVersion": project["version"],
    }
    if recipients:
        answer["notifications"] = recipients
    return answer


def _url(ctx: Context, project: str) -> str:
    return f"{ctx.base}/api/v1/projects/{project}/runs"


def _page(ctx: Context, project: str, run: str) -> str:
    return f"{ctx.base}/hex/{project}/runs/{run}"
