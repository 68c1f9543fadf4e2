"""Runs over HTTP: submit, find, show, watch, cancel, go on, fork."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from definable.calls import Receipt
from definable.engine.fork import fork
from definable.engine.queue import NORMAL
from definable.service import views
from definable.service.door import AtDesk, Operator, Viewer
from definable.service.problems import Refusal
from definable.service.stream import EventStream
from definable.service.views import RunBrief, RunPage, RunView
from definable.store import Event, RunStatus

router = APIRouter(prefix="/api/runs", tags=["runs"])

RunId = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,64}$", description="A run's id")]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$"),
]


LAST = 2**53
"""The largest number of an event that may be asked for."""


class Wish(BaseModel):
    """A run to be submitted."""

    model_config = ConfigDict(extra="forbid")

    workflow: str = Field(max_length=200, description="The workflow's name")
    inputs: dict[str, Any] = Field(default_factory=dict, description="Its inputs, by name")
    priority: int = Field(NORMAL, ge=1, le=1000, description="1 goes first")
    deadline: datetime | None = Field(None, description="When it has to be done; later it ends as `limited`")


class ForkWish(BaseModel):
    """Where another run begins, and with which other inputs."""

    model_config = ConfigDict(extra="forbid")

    step: str = Field(max_length=200)
    inputs: dict[str, Any] = Field(default_factory=dict)


class Log(BaseModel):
    """Events of a run, in order."""

    events: list[Event]


LINKS: dict[str, Any] = {
    "links": {
        name: {"operationId": f"{name}_runs", "parameters": {"run": "$response.body#/id"}}
        for name in ("show", "events", "receipts", "cancel", "resume", "fork")
    }
}
"""Where to go from a run that was submitted, for programs that read the description of the API."""


@router.post(
    "",
    status_code=201,
    responses={200: {"model": RunBrief, "description": "It was there already"}, 201: LINKS},
)
async def submit(wish: Wish, desk: AtDesk, who: Operator, response: Response, key: Key = None) -> RunBrief:
    """Submit a run. With an `Idempotency-Key`, however often this is sent, there is one run."""
    if wish.deadline is not None and wish.deadline.tzinfo is None:
        raise Refusal(
            422, f"the deadline {wish.deadline.isoformat()} has no time zone", "write …Z or …+02:00"
        )
    workflow = await desk.workflow(wish.workflow)
    own = f"http:{who.id}:{key}" if key else None
    known = own is not None and desk.store.keyed(own) is not None
    row = await desk.submit(workflow, wish.inputs, key=own, priority=wish.priority, deadline=wish.deadline)
    response.status_code = 200 if known else 201
    response.headers["location"] = f"/api/runs/{row.id}"
    return views.brief(row)


@router.get("")
async def find(
    desk: AtDesk,
    who: Viewer,
    status: RunStatus | None = None,
    workflow: Annotated[str | None, Query(max_length=200)] = None,
    batch: Annotated[str | None, Query(max_length=200)] = None,
    q: Annotated[str, Query(max_length=200, description="Words in its id, workflow or inputs")] = "",
    before: Annotated[str | None, Query(max_length=64, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> RunPage:
    """Find runs, the newest first."""
    rows = desk.store.found(limit + 1, status=status, workflow=workflow, batch=batch, text=q, before=before)
    last = rows[limit - 1].id if len(rows) > limit else None
    return RunPage(runs=[views.brief(row) for row in rows[:limit]], next=last)


@router.get("/{run}")
async def show(run: RunId, desk: AtDesk, who: Viewer) -> RunView:
    """Show a run: where it stands, what it waits for, what it brought and what it leaves behind."""
    return views.whole(desk, desk.run(run))


@router.get(
    "/{run}/events",
    response_model=Log,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def events(
    run: RunId,
    desk: AtDesk,
    who: Viewer,
    request: Request,
    after: Annotated[int, Query(ge=0, le=LAST, description="The last event that you have")] = 0,
    last: Annotated[str | None, Header(alias="Last-Event-ID", max_length=20)] = None,
) -> Any:
    """Return the log: as JSON, or as server-sent events that go on until the run has ended.

    `Accept: text/event-stream` asks for the stream; each event's `id` is its `seq`, and a stream that
    breaks is taken up by `Last-Event-ID`. When the run has ended, a last event of the type `end` says how.
    """
    row = desk.run(run)
    seen = min(int(last), LAST) if last and last.isdecimal() else after
    if "text/event-stream" not in request.headers.get("accept", ""):
        return Log(events=desk.store.events(row.id, after=seen))
    desk.refuse_crowd(who)
    return EventStream(desk.feed, row.id, seen, lambda: desk.store.run(row.id))


@router.get("/{run}/receipts")
async def receipts(run: RunId, desk: AtDesk, who: Viewer) -> list[Receipt]:
    """Return the evidence for each call of a run, with its verified result."""
    return desk.store.receipts(desk.run(run).id)


@router.get("/{run}/receipts/{call}")
async def receipt(
    run: RunId, call: Annotated[str, Path(max_length=100)], desk: AtDesk, who: Viewer
) -> Receipt:
    """Return the evidence for one call of a run."""
    row = desk.run(run)
    if (found := desk.store.receipt(row.id, call)) is None:
        raise Refusal(404, f"run {run} has no receipt of {call!r}", "it may not have ended yet")
    return found


@router.post("/{run}/cancel")
async def cancel(run: RunId, desk: AtDesk, who: Operator) -> RunView:
    """Cancel a run; what it has started in a product, and still goes on there, is stopped as well."""
    row = desk.run(run)
    if row.status.ended:
        raise Refusal(409, f"run {run} is {row.status.value} already")
    await desk.engine.cancel(run)
    await desk.stop_what_goes_on(run)
    return views.whole(desk, desk.run(run))


@router.post("/{run}/resume")
async def resume(run: RunId, desk: AtDesk, who: Operator) -> RunView:
    """Go on with a run that failed, reached a limit or waits; nothing that was done is done again."""
    row = desk.run(run)
    desk.refuse_unless(row, RunStatus.FAILED, RunStatus.LIMITED, RunStatus.WAITING, what="go on")
    desk.engine.take(run)
    await desk.engine.again(run)
    return views.whole(desk, desk.run(run))


@router.post("/{run}/fork", status_code=201)
async def fork_(run: RunId, wish: ForkWish, desk: AtDesk, who: Operator, response: Response) -> RunBrief:
    """Go on from a step of a run in a new run, with other inputs; what was before it is not done again."""
    row = fork(desk.engine.runner, desk.run(run).id, wish.step, wish.inputs)
    desk.engine.take(row.id)
    response.headers["location"] = f"/api/runs/{row.id}"
    return views.brief(desk.run(row.id))


@router.post("/{run}/undo", status_code=201)
async def undo(run: RunId, desk: AtDesk, who: Operator, response: Response) -> RunBrief:
    """Take back what a run did, by a run of its own: verified, and approved call by call."""
    new = desk.engine.runner.undo(desk.run(run).id)
    desk.engine.take(new)
    response.headers["location"] = f"/api/runs/{new}"
    return views.brief(desk.run(new))
