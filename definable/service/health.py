"""Whether the service lives, whether it can do its work, and how much there is: for machines."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from definable.errors import StoreError
from definable.service.door import AtDesk, Viewer

router = APIRouter(tags=["service"])

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/healthz", response_class=PlainTextResponse)
async def alive() -> str:
    """Say that the process lives."""
    return "ok\n"


@router.get("/readyz", response_class=PlainTextResponse)
async def ready(desk: AtDesk, response: Response) -> str:
    """Say whether runs can be taken: the database answers, and the worker in here was not given up."""
    try:
        desk.store.time()
        desk.store.clients()
    except StoreError as error:
        response.status_code = 503
        return f"the database: {error.message}\n"
    worker = desk.engine.worker
    if worker is not None and worker.buried.is_set():
        response.status_code = 503
        return "this process was taken for dead, and its runs are others' now: start it again\n"
    return "ready\n"


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(desk: AtDesk, who: Viewer) -> Response:
    """Return the state of runs, as Prometheus reads it: of the whole database, whichever process is asked."""
    registry = CollectorRegistry()
    runs = Gauge("definable_runs", "Runs by workflow and status", ["workflow", "status"], registry=registry)
    for (workflow, status), number in desk.store.counts().items():
        runs.labels(workflow, status.value).set(number)
    for name, words, value in (
        ("definable_approvals_waiting", "Questions that wait for a person", len(desk.store.inbox())),
        ("definable_streams", "Open event streams of this process", desk.feed.watchers),
        ("definable_workers", "Workers that are alive", sum(w.alive for w in desk.store.workers())),
    ):
        Gauge(name, words, registry=registry).set(value)
    return Response(generate_latest(registry), media_type=TEXT)
