"""What a model is asked and what it answers, the same for every provider."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

from definable.calls import Fact, Json
from definable.limits import Usage
from definable.spec.artifacts import Artifact


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it; `schema` is the JSON Schema of its arguments, an object."""

    name: str
    description: str
    schema: dict[str, Json]


class ToolUse(Fact):
    """A call that a model asks for. `id` is the provider's own and only links the result to it."""

    id: str
    name: str
    arguments: dict[str, Json]


class ToolResult(Fact):
    """The answer to a `ToolUse`: the same `id`, and JSON that names the receipt.

    `content` is `{"receipt": "research.3", "tool": …, "result": …}`, or `error` in the place of `result`.
    """

    id: str
    content: Json
    error: bool = False


class Turn(Fact):
    """What one request to a model brought: calls it asks for, or its artifact, never both."""

    uses: tuple[ToolUse, ...] = ()
    artifact: dict[str, Json] | None = None
    usage: Usage = Usage()
    items: Json = None
    """The provider's own output items, to be sent back so that the conversation goes on."""
    model: str = ""
    """What answered, as `provider/name`: `offline/gpt-5.5` when the offline model stood in."""
    offline: bool = False


class Round(Fact):
    """A turn and the answer to it: a result for each of its calls, or `say` when the artifact comes back."""

    turn: Turn
    results: tuple[ToolResult, ...] = ()
    say: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a model. `model` is `provider/name`, `history` what was said after the prompt."""

    model: str
    system: str
    prompt: str
    hands_in: type[Artifact]
    tools: tuple[ToolSpec, ...] = ()
    history: tuple[Round, ...] = ()
    max_output_tokens: int = 16_000

    @property
    def estimate(self) -> int:
        """Prompt tokens that this will take, guessed high: a token for every three characters sent."""
        tools = [[t.name, t.description, t.schema] for t in self.tools]
        past = [[r.turn.items, [x.content for x in r.results], r.say] for r in self.history]
        sent = json.dumps([self.system, self.prompt, tools, past])
        return (len(sent) + _length(self.hands_in)) // 3 + 50


@cache
def _length(shape: type[Artifact]) -> int:
    return len(json.dumps(shape.model_json_schema()))
