"""Webhooks out, over HTTP: who is told of which events, and how deliveries went. Only for admins."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from definable.errors import UsageError
from definable.service import reach
from definable.service.desk import Desk
from definable.service.door import Admin, AtDesk
from definable.service.post import LEASE
from definable.service.problems import Refusal
from definable.store import DeliveryRow, HookRow
from definable.store.records import stamp

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])

HookId = Annotated[str, Path(pattern=r"^[0-9a-f]{1,32}$", description="A webhook's id")]

EventName = Literal["run.done", "run.failed", "run.limited", "run.cancelled", "run.waiting", "batch.ended"]
"""`run.waiting` is a wait for somebody: an approval, a review, or a key."""

Events = Annotated[list[EventName], Field(min_length=1, max_length=6)]

MOST = 100
"""Webhooks that may be kept."""


class HookWish(BaseModel):
    """Somebody to be told."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=1, max_length=reach.LONGEST, description="By https; on loopback http will do")
    events: Events


class HookChange(BaseModel):
    """What is to be another from now on."""

    model_config = ConfigDict(extra="forbid")

    url: str | None = Field(None, min_length=1, max_length=reach.LONGEST)
    events: Events | None = None
    enabled: bool | None = None


class HookView(BaseModel):
    """A webhook, without its secret."""

    id: str
    url: str
    events: list[str]
    enabled: bool
    why: str
    """Why it is disabled."""
    created_at: str
    failing_since: str | None
    """When deliveries began to fail; null since one arrived."""


class NewHook(HookView):
    """A new webhook; its secret is shown this once."""

    secret: str


class DeliveryView(BaseModel):
    """One event on its way."""

    id: str
    """`webhook-id` of every try: who gets it twice drops one."""
    event: str
    subject: str
    """The run or batch."""
    at: str
    state: Literal["pending", "delivered", "failed"]
    tries: int
    code: int | None
    """The status of the last answer."""
    error: str
    next: str | None
    """When it is tried again."""
    ended_at: str | None


@router.get("")
async def hooks(desk: AtDesk, who: Admin) -> list[HookView]:
    """Return all webhooks."""
    return [HookView(**_shown(row)) for row in desk.store.hooks()]


@router.post("", status_code=201)
async def subscribe(wish: HookWish, desk: AtDesk, who: Admin) -> NewHook:
    """Have events told to a URL, each signed with a secret that is made here (Standard Webhooks)."""
    await _reached(desk, wish.url)
    if len(desk.store.hooks()) >= MOST:
        raise Refusal(409, f"there are {MOST} webhooks already", "delete one of them")
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    events = sorted(set(wish.events))
    row = desk.store.subscribe(
        HookRow(id=secrets.token_hex(6), url=wish.url, events=list(events), secret=secret)
    )
    return NewHook(**_shown(row), secret=secret)


@router.get("/{hook}")
async def show(hook: HookId, desk: AtDesk, who: Admin) -> HookView:
    """Show a webhook."""
    return HookView(**_shown(_known(desk, hook)))


@router.patch("/{hook}")
async def change(hook: HookId, wish: HookChange, desk: AtDesk, who: Admin) -> HookView:
    """Change a webhook; enabled again, it gets what was on its way when it was disabled."""
    _known(desk, hook)
    changes: dict[str, Any] = {}
    if wish.url is not None:
        await _reached(desk, wish.url)
        changes["url"] = wish.url
    if wish.events is not None:
        changes["events"] = sorted(set(wish.events))
    if wish.enabled is not None:
        off = None if wish.enabled else stamp(datetime.now(UTC))
        changes |= {
            "disabled_at": off,
            "why": "" if wish.enabled else f"by {who.name}",
            "failing_since": None,
        }
    if not changes:
        raise Refusal(422, "nothing is to be changed", "send url, events or enabled")
    return HookView(**_shown(desk.store.change_hook(hook, **changes)))


@router.delete("/{hook}", status_code=204)
async def unsubscribe(hook: HookId, desk: AtDesk, who: Admin) -> None:
    """Tell it nothing any more."""
    desk.store.unsubscribe(_known(desk, hook).id)


@router.get("/{hook}/deliveries")
async def deliveries(
    hook: HookId, desk: AtDesk, who: Admin, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> list[DeliveryView]:
    """Return deliveries of the last 30 days, the newest first."""
    return [_delivery(row) for row in desk.store.deliveries(_known(desk, hook).id, limit)]


@router.post("/{hook}/test")
async def test(hook: HookId, desk: AtDesk, who: Admin) -> DeliveryView:
    """Send a `webhook.test` now, once, and say how it went."""
    delivery = desk.store.try_hook(_known(desk, hook).id, LEASE)
    return _delivery(await desk.post.deliver(delivery))


async def _reached(desk: Desk, url: str) -> None:
    """Refuse a URL that may not be sent to, as its host is known now."""
    try:
        await reach.found(url, desk.local)
    except UsageError as error:
        raise Refusal(409, error.message, error.hint) from error


def _known(desk: Desk, hook: str) -> HookRow:
    for row in desk.store.hooks():
        if row.id == hook:
            return row
    raise Refusal(404, f"there is no webhook {hook!r}", "see /api/webhooks")


def _shown(row: HookRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "url": row.url,
        "events": row.events,
        "enabled": row.disabled_at is None,
        "why": row.why,
        "created_at": row.created_at,
        "failing_since": _time(row.failing_since) if row.failing_since else None,
    }


def _delivery(row: DeliveryRow) -> DeliveryView:
    return DeliveryView(
        id=row.id,
        event=row.event,
        subject=row.subject,
        at=row.at,
        state=row.state,
        tries=row.tries,
        code=row.code,
        error=row.wrong,
        next=_time(row.due) if row.state == "pending" else None,
        ended_at=row.ended_at,
    )


def _time(seconds: float) -> str:
    return stamp(datetime.fromtimestamp(seconds, UTC))
