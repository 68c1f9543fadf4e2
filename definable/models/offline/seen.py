"""What one request shows to the model, whichever provider's JSON it came in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from definable.calls import Json

FENCE = re.compile(r"```json\s*\n(.*?)\n```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that is offered, and the JSON Schema of its arguments."""

    name: str
    schema: dict[str, Json]

    @property
    def required(self) -> tuple[str, ...]:
        """Arguments that every call needs."""
        return tuple(self.schema.get("required", ()))


@dataclass(frozen=True, slots=True)
class Use:
    """A call that was, or is to be, asked for."""

    tool: str
    arguments: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Result:
    """What came back for a call: `body`, or `error` when it failed."""

    receipt: str
    use: Use
    body: Json = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request. `shape` is the set of properties that the wanted artifact has."""

    prompt: str
    shape: frozenset[str]
    tools: tuple[Tool, ...] = ()
    uses: tuple[Use, ...] = ()
    results: tuple[Result, ...] = ()
    context: dict[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    @property
    def inputs(self) -> dict[str, Json]:
        """The inputs of the run."""
        return dict(self.context.get("inputs") or {})

    @property
    def given(self) -> list[Json]:
        """What the step was handed: `with` where there is one, else what the step before made."""
        own = self.context.get("with")
        return list(own.values()) if own else [self.context.get("previous")]


def split(prompt: str) -> tuple[str, dict[str, Any]]:
    """Return the text of a prompt and the JSON in its last fence; an empty dict when there is none."""
    found = list(FENCE.finditer(prompt))
    if not found:
        return prompt.strip(), {}
    try:
        context = json.loads(found[-1][1])
    except ValueError:
        return prompt.strip(), {}
    text = (prompt[: found[-1].start()] + prompt[found[-1].end() :]).strip()
    return text, context if isinstance(context, dict) else {}


def result(use: Use, content: str, failed: bool) -> Result:
    """Return one tool result as it was handed in: JSON with a receipt, or any other text."""
    try:
        said = json.loads(content)
    except ValueError:
        said = {"error" if failed else "result": content}
    if not isinstance(said, dict) or not {"result", "error"} & said.keys():
        said = {"error" if failed else "result": said}
    error = said.get("error")
    if failed and not error:
        error = "it failed"
    words = error if isinstance(error, str) else json.dumps(error) if error else ""
    return Result(str(said.get("receipt", "")), use, said.get("result"), words)
