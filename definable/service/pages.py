"""The chat page: files of this package, sent as they are; no build step, nothing from elsewhere."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from definable.service.problems import Refusal

router = APIRouter(include_in_schema=False)

KINDS = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}

ROOT = files("definable.service") / "page"

VIEWS = (
    "/",
    "/runs",
    "/runs/{run}",
    "/batches",
    "/batches/{batch}",
    "/inbox",
    "/contracts",
    "/chat/{thread}",
)
"""Addresses that the one page shows by itself."""


@lru_cache(maxsize=64)
def _file(name: str) -> tuple[bytes, str] | None:
    kind = KINDS.get(name.rpartition(".")[2])
    found = ROOT / name
    if kind is None or "/" in name or not found.is_file():
        return None
    body = found.read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'


def _sent(request: Request, name: str) -> Response:
    found = _file(name)
    if found is None:
        raise Refusal(404, f"there is no page file {name!r}")
    body, mark = found
    headers = {"etag": mark, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=KINDS[name.rpartition(".")[2]])


@router.get("/page/{name}")
async def file(name: Annotated[str, Path(max_length=100)], request: Request) -> Response:
    """Send one of the page's files."""
    return _sent(request, name)


@router.get("/favicon.svg")
async def icon(request: Request) -> Response:
    """Send the page's icon."""
    return _sent(request, "icon.svg")


async def page(request: Request) -> Response:
    """Send the page, whichever of its views is asked for."""
    return _sent(request, "index.html")


for address in VIEWS:
    router.add_api_route(address, page, methods=["GET"])
