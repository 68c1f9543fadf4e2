"""The offline model: it answers without a key, inside the process, behind the real SDK clients.

`transport(provider)` stands in for the network and speaks the provider's own JSON (`/v1/responses`,
`/v1/messages`), so that requests, parsing and usage are the code that runs in production. It sees what a
model sees: the prompt, the tools, their results, the wanted shape. It is deterministic and extractive: it
reads, counts, quotes and joins through ids, and it never invents. Tokens are estimated as a quarter of the
characters.

What it expects of a prompt: the step's text, then one fenced block of JSON

    {"inputs": …, "run": {"id", "date", "week"}, "previous": artifact or verified output or null,
     "with": {…}, "reasons": [why the last artifact came back]}

of which `with` and `reasons` may be absent; and of a tool result `{"receipt": "research.3", "tool": …,
"result": …}`, or `error` in the place of `result`.

    wire      the two providers' JSON ⇄ Seen, Use
    seen      what one request shows
    names     words in the names of tools, parameters and fields
    records   the entries of tool results
    plan      which reads to ask for next
    window    the days that are asked about
    runs      what ran and what failed; views: what nobody looked at; workspace: both, or what there is
    question  what is known about something
    prose     sentences, rows of names
    reasons   what the Verifier sent back
    findings, draft, asset, change   the four shapes
    choice    which workflow a conversation asks for; likeness: how well words fit one
"""

from __future__ import annotations

import json

import httpx2

from definable.calls import Json
from definable.models.offline import wire
from definable.models.offline.asset import asset
from definable.models.offline.change import change
from definable.models.offline.choice import choice
from definable.models.offline.draft import draft
from definable.models.offline.findings import findings
from definable.models.offline.plan import plan
from definable.models.offline.seen import Seen, Use

SHAPES = {
    frozenset({"title", "points", "markdown"}): findings,
    frozenset({"markdown"}): draft,
    frozenset({"kind", "source", "caption"}): asset,
    frozenset({"source", "explanation"}): change,
    frozenset({"workflow", "inputs", "candidates", "answer"}): choice,
}
"""How an artifact is made, by the properties of the wanted shape."""


def answer(seen: Seen) -> list[Use] | dict[str, Json]:
    """Return the reads to ask for next, or, when there are none, the artifact in the wanted shape."""
    return plan(seen) or SHAPES[seen.shape](seen)


def transport(provider: str) -> httpx2.MockTransport:
    """Return what stands in for the network of `openai` or `anthropic`."""
    read, write = wire.PROVIDERS[provider]

    def handle(request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        return httpx2.Response(200, json=write(body, answer(read(body))))

    return httpx2.MockTransport(handle)
