"""What the API says of runs, questions and receipts: the shapes, and how they are made of what is kept."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from definable.engine.decide import editable
from definable.engine.history import spent
from definable.engine.left import Left, left_behind
from definable.service.desk import Desk
from definable.store import AskRow, RunRow, RunStatus


class StepView(BaseModel):
    """One step of a workflow."""

    id: str
    agent: str | None = None
    call: str | None = None


class AskView(BaseModel):
    """A question that only a person may answer."""

    id: str
    run: str
    workflow: str
    call: str
    reason: str
    """`approval`, `auth` or `review`."""
    question: str
    tool: str
    arguments: dict[str, Any]
    arguments_hash: str
    """What an answer is bound to: it has to be sent along."""
    candidates: list[dict[str, Any]] = Field(default_factory=list)
    """What may be the effect that is looked for; an answer may `adopt` one by its `id`."""
    diff: list[str] = Field(default_factory=list)
    yes: str = ""
    """What approving does, where that is not plain."""
    no: str = ""
    again: str = ""
    """What it does to approve and say `again`; empty where that is no choice."""
    editable: bool = False
    """Whether the arguments may be changed with the approval."""
    asked_at: str
    expires_at: str | None = None
    decision: dict[str, Any] | None = None


class RunBrief(BaseModel):
    """A run in a list."""

    id: str
    workflow: str
    status: RunStatus
    reason: str = ""
    """Why it waits: `approval`, `auth`, `quota`, `retry`, `review`."""
    until: str | None = None
    """When a wait ends by itself."""
    inputs: dict[str, Any]
    batch: str | None = None
    item: str | None = None
    sandbox: bool = False
    """Its tools work in the simulator."""
    created_at: str
    ended_at: str | None = None
    link: str
    """The run's page, relative to the service."""


class RunView(RunBrief):
    """A run with all that is known of where it stands."""

    description: str = ""
    steps: list[StepView]
    outputs: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    asks: list[AskView] = Field(default_factory=list)
    """What it waits for from people."""
    left: list[Left] = Field(default_factory=list)
    """What it leaves behind in the products, when it did not end well."""
    spent: dict[str, Any] = Field(default_factory=dict)
    """`tokens`, `usd` (null when a price is not known), `calls`, `seconds`."""
    offline: bool = False
    """Some of its turns were taken by an offline model."""
    deadline: str | None = None
    worker: str | None = None
    pruned: bool = False


class RunPage(BaseModel):
    """Some runs, the newest first."""

    runs: list[RunBrief]
    next: str | None = None
    """`before` of the next page; null on the last one."""


def brief(row: RunRow) -> RunBrief:
    """Return a run as it stands in a list."""
    return RunBrief(**_brief(row))


def _brief(row: RunRow) -> dict[str, Any]:
    return {
        **row.model_dump(
            include={
                *("id", "workflow", "status", "reason", "until", "inputs"),
                *("batch", "item", "created_at", "ended_at"),
            }
        ),
        "sandbox": bool(row.options.get("sandbox")),
        "link": f"/runs/{row.id}",
    }


def whole(desk: Desk, row: RunRow) -> RunView:
    """Return all that is known of a run."""
    store = desk.store
    bad = row.status in (RunStatus.FAILED, RunStatus.LIMITED, RunStatus.CANCELLED)
    turns = [] if row.pruned else [e for e in store.events(row.id) if e.type == "model.called"]
    steps = row.definition.get("steps", ())
    return RunView(
        **_brief(row),
        description=str(row.definition.get("description", "")),
        steps=[StepView(id=s["id"], agent=s.get("agent"), call=s.get("call")) for s in steps],
        outputs=row.outputs,
        error=row.error,
        asks=[ask(each, row, desk) for each in store.open_asks(row.id)] if row.status == "waiting" else [],
        left=left_behind(store, row, desk.workspace.tools()) if bad else [],
        spent=spent(store, row.id),
        offline=any(turn.data.get("offline") for turn in turns),
        deadline=row.deadline,
        worker=row.worker,
        pruned=row.pruned,
    )


def ask(row: AskRow, run: RunRow, desk: Desk) -> AskView:
    """Return a question."""
    said = row.ask
    return AskView(
        id=row.id,
        run=row.run,
        workflow=run.workflow,
        call=row.call,
        reason=said.reason,
        question=said.question,
        tool=said.tool,
        arguments=said.arguments,
        arguments_hash=said.arguments_hash,
        candidates=list(said.candidates),
        diff=list(said.diff),
        yes=said.yes,
        no=said.no,
        again=said.again,
        editable=editable(desk.store, row, desk.workspace),
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        decision=row.decision.model_dump(mode="json") if row.decision else None,
    )
