"""What other programs are told of a run: its calls, how each is known, and what waits for a person."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, Field

from definable.calls import Receipt
from definable.service.desk import Desk
from definable.store import AskRow, Event, RunRow, RunStatus

KNOWN_BY = {
    "state": "read back, and as asked for",
    "existence": "looked up, and there or gone as asked",
    "response": "by its answer; nobody can look",
}
"""What a success rests on, in a few words."""

MOST = 100_000
"""Characters of JSON that a text may have; a program that wants more reads the receipt."""


class CallTold(BaseModel):
    """One call, and how its success is known."""

    call: str
    tool: str
    status: str
    """`verified`, `failed`, `denied` or `needs_review`."""
    known_by: str = ""
    """`state`: read back. `existence`: looked up. `response`: by its answer; nobody can look."""
    attempts: int = 0
    healed: list[str] = Field(default_factory=list)
    """What went wrong on the way, and what was done about it."""
    message: str = ""
    link: str = ""


class AskTold(BaseModel):
    """A question that only a person may answer."""

    id: str
    question: str
    tool: str
    arguments: dict[str, Any]
    arguments_hash: str
    expires_at: str | None = None


class RunTold(BaseModel):
    """Where a run stands, and what it brought."""

    run: str
    workflow: str
    status: str
    """`done`, `failed`, `limited` or `cancelled`; `waiting`, `running` or `queued` when it is not over."""
    reason: str = ""
    outputs: dict[str, Any] | None = None
    error: str = ""
    calls: list[CallTold] = Field(default_factory=list)
    asks: list[AskTold] = Field(default_factory=list)
    link: str = ""
    """The run's page, relative to the service."""


class OneTold(CallTold):
    """One call that is a run of its own; before it has a receipt, its status is the run's."""

    run: str
    result: Any = None
    """The verified result."""
    asks: list[AskTold] = Field(default_factory=list)


def healed(receipt: Receipt) -> list[str]:
    """Return each heal in words."""
    return [
        f"{heal.failure.value.replace('_', ' ')}: {heal.detail or heal.rule.replace('_', ' ')}"
        for heal in receipt.heals
    ]


def call(receipt: Receipt) -> CallTold:
    """Return what is told of a call."""
    return CallTold(
        call=receipt.call,
        tool=receipt.tool,
        status=receipt.status,
        known_by=receipt.evidence.value if receipt.evidence else "",
        attempts=receipt.attempts,
        healed=healed(receipt),
        message=receipt.message,
        link=receipt.link,
    )


def ask(row: AskRow) -> AskTold:
    """Return what is told of a question."""
    said = row.ask
    return AskTold(
        id=row.id,
        question=said.question,
        tool=said.tool,
        arguments=said.arguments,
        arguments_hash=said.arguments_hash,
        expires_at=row.expires_at,
    )


def because(error: Mapping[str, Any] | None) -> str:
    """Return an error as a person is told it: what happened, and what to do."""
    parts = [str(part) for part in ((error or {}).get("message"), (error or {}).get("hint")) if part]
    return "\n".join(parts)


def run(desk: Desk, row: RunRow) -> RunTold:
    """Return what is told of a run."""
    return RunTold(
        run=row.id,
        workflow=row.workflow,
        status=row.status.value,
        reason=row.reason,
        outputs=row.outputs,
        error=because(row.error),
        calls=[call(each) for each in desk.store.receipts(row.id)],
        asks=_asks(desk, row),
        link=f"/runs/{row.id}",
    )


def one(desk: Desk, row: RunRow, tool: str) -> OneTold:
    """Return what is told of a run that is one call."""
    receipt = next(iter(desk.store.receipts(row.id)), None)
    if receipt is None:
        said = because(row.error) or row.reason
        return OneTold(
            run=row.id, call="call.1", tool=tool, status=row.status.value, message=said, asks=_asks(desk, row)
        )
    return OneTold(run=row.id, result=receipt.result, asks=_asks(desk, row), **call(receipt).model_dump())


def _asks(desk: Desk, row: RunRow) -> list[AskTold]:
    return [ask(each) for each in desk.store.open_asks(row.id)] if row.status is RunStatus.WAITING else []


def sentence(told: CallTold) -> str:
    """Return one call in a line: `HEX_CREATE_CELL: verified (read back, …), 2 attempts; healed: …`."""
    known = f" ({KNOWN_BY[told.known_by]})" if told.known_by and told.status == "verified" else ""
    often = f", {told.attempts} attempts" if told.attempts > 1 else ""
    heals = f"; healed: {', '.join(told.healed)}" if told.healed else ""
    why = f"; {told.message}" if told.message and told.status != "verified" else ""
    return f"{told.tool}: {told.status.replace('_', ' ')}{known}{often}{heals}{why}"


def summary(calls: list[CallTold]) -> str:
    """Return how many calls are known to have worked: `13 of 13 calls verified, 2 of them after healing`."""
    if not calls:
        return "no calls were made"
    good = [each for each in calls if each.status == "verified"]
    mended = sum(bool(each.healed) for each in good)
    after = f", {mended} of them after healing" if mended else ""
    return f"{len(good)} of {len(calls)} calls verified{after}"


def as_json(value: Any) -> str:
    """Return a value as JSON text, or where to find it when it is too long for one."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST else json.dumps({"too_long": f"{len(text):,} characters"})


def sound(value: Any) -> Any:
    """Return a JSON value without half characters, which a broken answer may have and no protocol takes."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def words(told: RunTold | OneTold) -> str:
    """Return what is told as a person would say it, with what to do where it is not over."""
    if isinstance(told, OneTold):
        lines = [sentence(told)]
    else:
        lines = [f"{told.workflow}: {told.status}; {summary(told.calls)}"]
        lines += [told.error] if told.error else []
    for each in told.asks:
        lines.append(f"It waits for a person: {each.question}")
        lines.append(f"Answer in the inbox of the service, or: definable runs approve {told.run}")
    if told.status in ("queued", "running", "waiting"):
        lines.append(f"It is not over: it goes on as run {told.run}, and definable_run waits for it")
    return "\n".join(lines)


def progress(event: Event) -> str:
    """Return one line for whoever waits for a run; empty for what is not worth one."""
    tell = _PROGRESS.get(event.type)
    said = tell(event.data) if tell else ""
    return f"{event.step}: {said}" if said and event.step else said


def _verdict(data: Mapping[str, Any]) -> str:
    failure = data.get("verdict", {}).get("failure", "ok")
    if failure == "ok":
        return ""
    return f"{failure.replace('_', ' ')}; next: {data.get('next') or data.get('move')}"


_PROGRESS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "step.started": lambda data: f"{data['agent']} starts" if data.get("agent") else "",
    "call.proposed": lambda data: f"{data['tool']} is called",
    "verdict": _verdict,
    "receipt": lambda data: sentence(call(Receipt.model_validate(data))),
    "artifact.rejected": lambda data: "goes back, since not all of it traces to verified results",
    "run.waiting": lambda data: f"waits: {data.get('reason', '')}",
    "step.done": lambda data: "done",
}
"""Event type → what is said of it."""
