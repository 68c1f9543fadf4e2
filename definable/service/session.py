"""The page's key, and keys of others. A browser keeps its key in a cookie that no script can read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from definable.errors import UsageError
from definable.service import access
from definable.service.access import COOKIE, Level
from definable.service.door import Admin, AtDesk
from definable.service.problems import Refusal

router = APIRouter(prefix="/api", tags=["service"])

YEAR = 365 * 24 * 3600


class Entry(BaseModel):
    """A key that the page is to use."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=200)


class Session(BaseModel):
    """Who the page acts for."""

    caller: str
    level: Level


class KeyWish(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=64, pattern=r"^[\w .@+-]+$")
    level: Level = "operator"


class KeyView(BaseModel):
    """A key, without the key."""

    id: str
    name: str
    level: Level
    created_at: str


class NewKey(KeyView):
    """A new key; it is shown this once."""

    key: str


@router.post("/session")
async def enter(entry: Entry, desk: AtDesk, request: Request, response: Response) -> Session:
    """Keep a key in this browser."""
    key = entry.key.strip()
    who = desk.keys.caller(key) if key.isascii() and key.isprintable() else None
    if who is None:
        raise Refusal(401, "the key is not known, or was revoked", "definable keys grant NAME makes one")
    response.set_cookie(
        COOKIE,
        key,
        max_age=YEAR,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return Session(caller=who.name, level=who.level)


@router.delete("/session", status_code=204)
async def leave(response: Response) -> None:
    """Forget this browser's key."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


@router.get("/keys")
async def keys(desk: AtDesk, who: Admin) -> list[KeyView]:
    """Return the keys that are good."""
    return [
        KeyView(id=row.id, name=row.name, level=row.scope, created_at=row.created_at)
        for row in desk.store.clients()
    ]


@router.post("/keys", status_code=201)
async def grant(wish: KeyWish, desk: AtDesk, who: Admin) -> NewKey:
    """Make a key. The first one has to be an admin's, as from then on every request needs a key."""
    try:
        key, made = access.grant(desk.store, wish.name, wish.level)
    except UsageError as error:
        raise Refusal(409, error.message, error.hint) from error
    desk.keys.forget()
    return NewKey(id=made.id, name=made.name, level=made.scope, created_at=made.created_at, key=key)


@router.delete("/keys/{id}", status_code=204)
async def revoke(id: Annotated[str, Path(max_length=64)], desk: AtDesk, who: Admin) -> None:
    """Take a key back, by its id; it is refused from the next second on."""
    if id not in {row.id for row in desk.store.clients()}:
        raise Refusal(404, f"there is no key {id!r}", "see /api/keys")
    desk.store.revoke(id)
    desk.keys.forget()
