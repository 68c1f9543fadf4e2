"""A question to a person as a form, and the form filled in as an answer: for people behind other programs."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from definable.calls import Ask, Decision
from definable.engine.decide import fitting
from definable.errors import UsageError
from definable.service.desk import Desk
from definable.store import AskRow

BY_PEOPLE = frozenset({"approval", "review"})
"""Why a run waits for an answer; a wait for a key ends by the key."""


class Filled(BaseModel):
    """The form, filled in."""

    model_config = ConfigDict(extra="forbid", strict=True)

    approve: bool
    reason: str = Field("", max_length=2000)
    adopt: str | None = None
    again: bool = False
    arguments: dict[str, Any] | None = None
    arguments_hash: str | None = None


def form(ask: Ask, *, editable: bool = False, flat: bool = False) -> dict[str, Any]:
    """Return the JSON Schema of an answer; a `flat` one has no objects in it, as MCP wants its forms."""
    fields: dict[str, Any] = {
        "approve": {"type": "boolean", "title": "Approve", "description": ask.yes or "Go on with it"},
        "reason": {"type": "string", "title": "Why", "description": "Kept in the receipt", "maxLength": 2000},
    }
    if ask.candidates:
        ids = [str(each.get("id")) for each in ask.candidates]
        fields["adopt"] = {"type": "string", "enum": ids, "title": "The lost effect is this one"}
    if ask.again:
        fields["again"] = {"type": "boolean", "title": "Make another one", "description": ask.again}
    if not flat:
        fields["arguments_hash"] = {"const": ask.arguments_hash, "title": "What the answer is bound to"}
        if editable:
            fields["arguments"] = {"type": "object", "title": "Approve with these arguments instead"}
    closed = {} if flat else {"additionalProperties": False}
    return {"type": "object", "properties": fields, "required": ["approve"], **closed}


def question(ask: Ask) -> str:
    """Return all that a person has to know to answer, as text."""
    lines = [ask.question]
    if ask.tool:
        lines.append(f"{ask.tool} {json.dumps(ask.arguments, ensure_ascii=False)}")
    elif reasons := ask.arguments.get("reasons"):
        lines += [f"- {reason}" for reason in reasons]
    lines += ask.diff
    lines += [
        f"candidate {each.get('id')}: {json.dumps(each, ensure_ascii=False)}" for each in ask.candidates
    ]
    lines += [f"{what}: {does}" for what, does in (("yes", ask.yes), ("no", ask.no)) if does]
    return "\n".join(lines)


def answer(desk: Desk, row: AskRow, filled: Any, by: str) -> Decision:
    """Return the answer that a filled-in form is, checked. UsageError when it is none to this question."""
    try:
        said = Filled.model_validate(filled)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors()
        )
        raise UsageError(
            f"this is no answer to the question {row.id}: {wrong}", hint='such as {"approve": true}'
        ) from error
    if said.arguments_hash not in (None, row.ask.arguments_hash):
        raise UsageError(
            f"the answer is to other arguments than {row.ask.tool} of {row.call} has",
            hint="read the question again, and answer that",
        )
    decision = Decision(by=by, **said.model_dump(exclude={"arguments_hash"}))
    return fitting(desk.store, row, decision, desk.workspace)


def denial(by: str, reason: str) -> Decision:
    """Return a no."""
    return Decision(approve=False, by=by, reason=reason)
