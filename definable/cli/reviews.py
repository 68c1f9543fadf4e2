"""An artifact that waits for a person: what was handed in, and what of it does not trace. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

TEXTS = {
    "markdown": "the draft",
    "source": "the source",
    "caption": "the caption",
    "explanation": "the explanation",
}
"""The texts of an artifact, in the order in which they are shown."""


def is_review(ask: Any) -> bool:
    """Whether a question (an `Ask`) is about an artifact, and not about a call."""
    return ask.reason == "review" and "artifact" in ask.arguments


def lines(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Yield the artifact and the reasons as lines."""
    artifact = arguments["artifact"]
    if artifact.get("title"):
        yield f"title: {artifact['title']}"
    for name, said in TEXTS.items():
        if text := str(artifact.get(name) or "").strip():
            yield f"{said}:"
            yield from (f"  | {line}".rstrip() for line in text.splitlines())
    yield "what does not trace:"
    yield from (f"  {n}. {reason}" for n, reason in enumerate(arguments["reasons"], 1))


def commands(run: str) -> list[str]:
    """Return the commands that answer."""
    return [
        f"definable runs approve {run}    take it as it is; the log says who took it",
        f"definable runs deny {run}    end the run",
    ]
