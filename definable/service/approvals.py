"""What waits for a person, over HTTP. An answer is bound to the exact arguments, used once, and in time."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from definable.calls import Decision
from definable.service import views
from definable.service.door import Approver, AtDesk, Viewer
from definable.service.problems import Refusal
from definable.service.views import AskView

router = APIRouter(prefix="/api/approvals", tags=["approvals"])

AskId = Annotated[str, Path(max_length=200, description="A question's id")]


class Answer(BaseModel):
    """A person's answer."""

    model_config = ConfigDict(extra="forbid")

    approve: bool
    arguments_hash: str = Field(
        max_length=64, description="Of the question: the answer is to these arguments"
    )
    reason: str = Field("", max_length=2000, description="Why; it is kept in the receipt")
    adopt: str | None = Field(None, max_length=200, description="The candidate that is the lost effect")
    again: bool = Field(False, description="What is there is not what was meant: make another one")
    arguments: dict[str, Any] | None = Field(None, description="Approved with these arguments instead")


@router.get("")
async def inbox(desk: AtDesk, who: Viewer) -> list[AskView]:
    """Return everything that waits for a person, the oldest first."""
    asks = desk.store.inbox()
    runs = {name: desk.store.run(name) for name in {each.run for each in asks}}
    return [views.ask(each, runs[each.run], desk) for each in asks]


@router.get("/{ask}")
async def show(ask: AskId, desk: AtDesk, who: Viewer) -> AskView:
    """Show a question, with its answer once there is one."""
    row = desk.ask(ask)
    return views.ask(row, desk.store.run(row.run), desk)


@router.post("/{ask}")
async def answer(ask: AskId, given: Answer, desk: AtDesk, who: Approver) -> AskView:
    """Answer a question; the run goes on by itself. A second answer, or one too late, is refused."""
    row = desk.ask(ask)
    if given.arguments_hash != row.ask.arguments_hash:
        raise Refusal(
            409,
            f"the answer is to other arguments than {row.ask.tool} of {row.call} has",
            "read the question again, and send its arguments_hash",
        )
    decision = Decision(
        approve=given.approve,
        by=who.name,
        reason=given.reason,
        adopt=given.adopt,
        again=given.again,
        arguments=given.arguments,
    )
    answered = await desk.decide(row, decision)
    return views.ask(answered, desk.store.run(row.run), desk)
