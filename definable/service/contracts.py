"""What products changed and how it was repaired, over HTTP; a person accepts or rejects it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from definable.engine.learned import Learned, judge, learned, one_learned
from definable.errors import UsageError
from definable.service.desk import Desk
from definable.service.door import Approver, AtDesk, Viewer
from definable.service.problems import Refusal

router = APIRouter(prefix="/api/contracts", tags=["contracts"])

PatchId = Annotated[str, Path(max_length=100)]


@router.get("")
async def patches(desk: AtDesk, who: Viewer) -> list[dict[str, Any]]:
    """Return the repairs that were learned, in the order in which they were first seen."""
    return [each.to_json() for each in learned(desk.store)]


@router.get("/{patch}")
async def show(patch: PatchId, desk: AtDesk, who: Viewer) -> dict[str, Any]:
    """Show a repair: what the contract says, what came instead, and what proves that it is the same."""
    return _one(desk, patch).to_json()


@router.post("/{patch}/accept")
async def accept(patch: PatchId, desk: AtDesk, who: Approver) -> dict[str, Any]:
    """Keep a repair for good."""
    return judge(desk.store, _one(desk, patch).id, "accepted", who.name).to_json()


@router.post("/{patch}/reject")
async def reject(patch: PatchId, desk: AtDesk, who: Approver) -> dict[str, Any]:
    """Never use a repair again: what needs it waits for a person."""
    return judge(desk.store, _one(desk, patch).id, "rejected", who.name).to_json()


def _one(desk: Desk, patch: str) -> Learned:
    try:
        return one_learned(desk.store, patch)
    except UsageError as error:
        raise Refusal(404, error.message, "see /api/contracts") from error
