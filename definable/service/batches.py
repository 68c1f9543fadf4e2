"""Batches over HTTP: upload items, watch, stop, go on, and fetch results."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, File, Form, Response, UploadFile
from fastapi import Path as InPath
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from definable.engine.batch.files import ERRORS, OUTPUT, SUMMARY
from definable.engine.batch.job import NAMES
from definable.engine.batch.progress import Progress
from definable.errors import RunBusy, UsageError
from definable.service.desk import Desk
from definable.service.door import AtDesk, Operator, Viewer
from definable.service.orders import HOST, as_json, refuse_bad
from definable.service.problems import Refusal
from definable.service.runs import Key
from definable.service.telling import PERSONS
from definable.spec.workflow import Workflow
from definable.store import BatchRow, OrderRow, RunStatus

router = APIRouter(prefix="/api/batches", tags=["batches"])

BatchId = Annotated[str, InPath(pattern=f"^{NAMES.pattern}$", description="A batch's id")]

Name = Annotated[str, Field(pattern=f"^{NAMES.pattern}$")]

Dollars = Annotated[float, Field(gt=0, allow_inf_nan=False)]

KINDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")

TOLD = 100
"""Bad rows, and items that wait, which are told one by one."""

CHUNK = 1 << 16

LINES = "application/jsonl"

STATES = {"done": "ended", "interrupted": "stopped", "running": "stopped"}
"""What the summary of a batch on the command line says → what is said here, where that is another word."""


class Standing(BaseModel):
    """How far a batch is."""

    total: int
    done: int = 0
    failed: int = 0
    waiting: int = 0
    """Items that wait for a person."""
    running: int = 0
    """Items whose runs are in the queue, at work, or wait for a time that comes."""
    quota: int = 0
    """Those of them that wait for a quota."""
    left: int = 0
    """Items that have not ended and wait for nobody."""
    healed: int = 0
    """Calls that were healed."""
    usd: float | None = None
    """What it has cost; null when a price is not known."""
    rate: float | None = None
    """Items that end in a second; null while nothing can be said."""
    eta: float | None = None
    """Seconds until the rest has ended."""
    paused: str = ""
    """Why nothing new is begun now."""


class Wait(BaseModel):
    """An item that waits for a person."""

    custom_id: str | None
    run: str
    reason: str


class BatchView(BaseModel):
    """A batch."""

    id: str
    workflow: str
    items: str
    """The file's name."""
    place: str
    """Where its tools work: `sandbox`, or the addresses of the products."""
    created_at: str
    state: str
    """`running`, `waiting` (only for people), `stopping`, `stopped`, `ended`, `limited`, `away`, `keyless`,
    `failed`; and `why`."""
    why: str = ""
    concurrency: int | None = None
    limit_usd: float | None = None
    progress: Standing
    waits: list[Wait] = Field(default_factory=list)
    """Some of the items that wait for people."""


class Terms(BaseModel):
    """Other terms to go on with."""

    model_config = ConfigDict(extra="forbid")

    concurrency: int | None = Field(None, ge=1, le=1000)
    limit_usd: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="In all, with what is spent already"
    )


@router.post(
    "", status_code=201, responses={200: {"model": BatchView, "description": "It was there already"}}
)
async def order(
    desk: AtDesk,
    who: Operator,
    response: Response,
    file: Annotated[UploadFile, File(description="Items: JSON lines, or a table (CSV)")],
    workflow: Annotated[str, Form(min_length=1, max_length=200)],
    name: Annotated[Name | SkipJsonSchema[None], Form(description="The batch's id")] = None,
    concurrency: Annotated[int, Form(ge=1, le=1000, description="Items at a time")] = 8,
    limit_usd: Annotated[
        Dollars | SkipJsonSchema[None], Form(description="Stop before it costs more")
    ] = None,
    skip_bad: Annotated[bool, Form(description="Go on without rows that do not fit")] = False,
    key: Key = None,
) -> BatchView:
    """Run a workflow once for each row of a file. All rows are checked before anything starts.

    With an `Idempotency-Key`, however often this is sent, there is one batch.
    """
    definition = await desk.workflow(workflow)
    token = secrets.token_hex(4)
    batch = name or f"{definition.name[:50]}-{token}"
    folder = desk.workspace.home / "batches" / f"{batch.removesuffix(f'-{token}')}-{token}"
    terms = {
        "file": _called(file.filename),
        "concurrency": concurrency,
        "limit_usd": limit_usd,
        "skip_bad": skip_bad,
        "host": HOST,
    }
    items = folder / f"items{_kind(file.filename)}"
    try:
        mark = await asyncio.to_thread(_kept, file.file, items, definition)
        row = OrderRow(batch=batch, key=f"http:{who.id}:{key}" if key else None, mark=mark, terms=terms)
        placed, new = await _placed(desk, row, definition, items, skip_bad)
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        raise
    if not new:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        response.status_code = 200
    response.headers["location"] = f"/api/batches/{placed.batch}"
    return view(desk, desk.store.known_batch(placed.batch), placed)


async def _placed(
    desk: Desk, row: OrderRow, workflow: Workflow, items: Path, skip: bool
) -> tuple[OrderRow, bool]:
    try:
        return await desk.orders.place(row, workflow, items, partial(refuse_bad, skip=skip, most=TOLD))
    except UsageError as error:
        status = 409 if "already" in error.message else 422
        raise Refusal(status, error.message, error.hint) from error


@router.get("")
async def batches(desk: AtDesk, who: Viewer) -> list[BatchView]:
    """Return all batches, the newest first: those of the command line, too."""
    orders = desk.store.orders()
    return [view(desk, row, orders.get(row.id)) for row in desk.store.batches()]


@router.get("/{batch}")
async def show(batch: BatchId, desk: AtDesk, who: Viewer) -> BatchView:
    """Show a batch: how far it is, and what of it waits for people."""
    return view(desk, _known(desk, batch), desk.store.ordered(batch))


@router.post("/{batch}/stop")
async def stop(batch: BatchId, desk: AtDesk, who: Operator) -> BatchView:
    """Begin no more items; those under way come to an end, and nothing that is done is lost."""
    await desk.orders.stop(_ordered(desk, batch))
    return await show(batch, desk, who)


@router.post("/{batch}/resume")
async def resume(batch: BatchId, desk: AtDesk, who: Operator, terms: Terms | None = None) -> BatchView:
    """Go on with what is not done; what failed goes on from where it failed."""
    given = terms.model_dump(exclude_none=True) if terms else {}
    await desk.orders.resume(_ordered(desk, batch), given)
    return await show(batch, desk, who)


@router.get("/{batch}/output", response_class=Response, responses={200: {"content": {LINES: {}}}})
async def output(batch: BatchId, desk: AtDesk, who: Viewer) -> Response:
    """Return the results so far, as JSON lines in the shape of the OpenAI Batch API."""
    return _lines(_known(desk, batch), OUTPUT)


@router.get("/{batch}/errors", response_class=Response, responses={200: {"content": {LINES: {}}}})
async def errors(batch: BatchId, desk: AtDesk, who: Viewer) -> Response:
    """Return what failed so far, and rows that could not be run, as JSON lines."""
    return _lines(_known(desk, batch), ERRORS)


def _known(desk: Desk, batch: str) -> BatchRow:
    try:
        return desk.store.known_batch(batch)
    except UsageError as error:
        raise Refusal(404, error.message, "see /api/batches") from error


def _ordered(desk: Desk, batch: str) -> OrderRow:
    row = _known(desk, batch)
    if (found := desk.store.ordered(batch)) is None:
        raise Refusal(
            409,
            f"the batch {row.id!r} was made on the command line, so it is stopped and gone on with there",
            "definable batch, with the same arguments, goes on with it",
        )
    return found


def _kind(name: str | None) -> str:
    suffix = Path(name or "").suffix.lower()
    return suffix if suffix in KINDS else ""


def _called(name: str | None) -> str:
    """Return a file's name as it is told; it is never used as a path."""
    return re.sub(r"[^\w. -]", "_", Path((name or "").replace("\\", "/")).name)[:100] or "items"


def _kept(source: BinaryIO, items: Path, workflow: Workflow) -> str:
    """Write an upload to a file, and return what tells it and its workflow from others."""
    items.parent.mkdir(parents=True)
    mark = hashlib.sha256(workflow.name.encode() + b"\0")
    source.seek(0)
    with items.open("xb") as file:
        while chunk := source.read(CHUNK):
            mark.update(chunk)
            file.write(chunk)
    return mark.hexdigest()


def _lines(row: BatchRow, name: str) -> Response:
    """Stream a file as it is now; it may grow meanwhile. Before a batch has begun there is nothing in it."""
    path = Path(row.folder) / name
    headers = {"content-disposition": f'attachment; filename="{row.id}-{name}"', "cache-control": "no-store"}
    try:
        file = path.open("rb")
    except OSError as error:
        if Path(row.items).exists():
            return Response(b"", media_type=LINES, headers=headers)
        raise Refusal(404, f"the batch {row.id!r} has its files on another machine") from error

    def chunks() -> Iterator[bytes]:
        with file:
            left = path.stat().st_size
            while left > 0 and (chunk := file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk

    return StreamingResponse(chunks(), media_type=LINES, headers=headers)


def view(desk: Desk, row: BatchRow, order: OrderRow | None) -> BatchView:
    """Return a batch as it is shown."""
    now = desk.orders.progress(row.id)
    standing = _standing(desk, row, order, now)
    state, why = (order.state, order.why) if order else _of_the_command_line(desk, row)
    if state == "running" and standing.waiting and not standing.left:
        state = "waiting"
    waits = desk.store.found(TOLD, status=RunStatus.WAITING, batch=row.id) if standing.waiting else []
    people = [each for each in waits if each.reason in PERSONS]
    terms: dict[str, Any] = order.terms if order else {}
    return BatchView(
        id=row.id,
        workflow=row.workflow,
        items=terms.get("file") or Path(row.items).name,
        place=row.place,
        created_at=row.created_at,
        state=state,
        why=why,
        concurrency=terms.get("concurrency"),
        limit_usd=terms.get("limit_usd"),
        progress=standing,
        waits=[Wait(custom_id=each.item, run=each.id, reason=each.reason) for each in people],
    )


def _standing(desk: Desk, row: BatchRow, order: OrderRow | None, now: Progress | None) -> Standing:
    noted = as_json(now) if now else (order.progress if order else _summary(row))
    if noted and "total" in noted:
        return Standing(**{key: noted[key] for key in Standing.model_fields if key in noted})
    return _counted(desk, row)


def _counted(desk: Desk, row: BatchRow) -> Standing:
    """Count where the runs of a batch stand, of which nothing is noted."""
    stands, known = desk.store.stands(row.id), desk.store.tallied(row.id)
    found = {"done": 0, "failed": 0, "waiting": 0, "running": 0}
    for (status, reason), n in stands.items():
        waits = status is RunStatus.WAITING and reason in ("approval", "review")
        bad = status.ended and status is not RunStatus.DONE
        found["waiting" if waits else "failed" if bad else "done" if status.ended else "running"] += n
    total = sum(stands.values())
    usd = None if known.unpriced else known.usd
    return Standing(total=total, left=found["running"], healed=known.healed, usd=usd, **found)


def _summary(row: BatchRow) -> dict[str, Any]:
    try:
        found = json.loads((Path(row.folder) / SUMMARY).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.get("batch") == row.id else {}


def _of_the_command_line(desk: Desk, row: BatchRow) -> tuple[str, str]:
    try:
        with desk.store.alone(f"batch-{row.id}"):
            pass
    except RunBusy:
        return "running", ""
    status = str(_summary(row).get("status", "running"))
    return STATES.get(status, status), "definable batch, with the same arguments, goes on with it"
