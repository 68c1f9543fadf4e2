"""Writes the tables of these pages from the code and the data: `make docs`. A test holds the pages to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from definable.chaos import CELLS
from definable.sandbox import describe
from definable.spec.model import Evidence
from definable.spec.toolkit import Tool
from definable.verify.drift import CLASSES
from definable.verify.plan import table_as_markdown
from definable.verify.repair import RULES
from definable.workspace import find

HERE = Path(__file__).parent
PLACE = re.compile(r"(?<=<!-- table: )(\w+)( -->\n).*?(?=<!-- /table -->)", re.DOTALL)

LOST = {
    "new": "look for a new one that matches",
    "state": "look whether it is so already",
    "resend": "send again: twice does no harm",
    "ask": "ask a person",
}
"""What a toolkit's file says under `lost.how` → what is done when an answer went missing."""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def tools() -> str:
    """Return the tools that are offered: what each does, and how that is known."""
    heads = (
        "tool",
        "effect",
        "evidence",
        "asks",
        "settles in",
        "after a lost answer",
        "undone by",
        "the evidence rests on",
    )
    known = find(HERE.parent, {}).tools()
    return table(heads, [_tool(slug, tool) for slug, tool in sorted(known.items()) if not tool.internal])


def _tool(slug: str, tool: Tool) -> tuple[str, ...]:
    if not tool.effect.writes:
        return f"`{slug}`", "read", "response", "", "", "read again", "", "the answer keeps to its contract"
    evidence = tool.evidence or Evidence.RESPONSE
    lost = LOST[tool.lost.how if tool.lost else "ask"]
    if tool.lost and tool.lost.foreign:
        lost += "; it is taken for ours only where the token is declared exclusive, else a person is asked"
    settle = f"{tool.settle:g} s" if tool.settle else ""
    asks = "yes" if tool.asks else ""
    undo = f"`{tool.undo.call}`" if tool.undo and tool.undo.call else ""
    return f"`{slug}`", tool.effect.value, evidence.value, asks, settle, lost, undo, tool.basis


def faults() -> str:
    """Return what the sandbox can do wrong."""
    rows = [(f"`{name}`", what, takes) for name, what, takes in describe()]
    return table(("fault", "what happens", "`with`"), rows)


def repairs() -> str:
    """Return the rules by which a drifted response is repaired."""
    return table(("rule", "what was different"), [(f"`{name}`", what) for name, what in RULES.items()])


def drifts() -> str:
    """Return the classes of drift."""
    return table(("drift", "what it means"), [(f"`{name}`", what) for name, what in CLASSES.items()])


def cells() -> str:
    """Return the matrix of the chaos bench: each failure, where it strikes, what, and how it ends."""
    lines: dict[tuple[str, str, str], list[str]] = {}
    for cell in CELLS:
        end = "recovered" if cell.recoverable else " or ".join(ENDS[end.value] for end in cell.ends)
        lines.setdefault((cell.failure, cell.phase.value, end), []).append(cell.kind)
    heads = ("failure", "strikes", "kinds of effect", "right end")
    return table(heads, [(failure, phase, ", ".join(k), end) for (failure, phase, end), k in lines.items()])


ENDS = {"failed": "failed, with the reason", "review": "a person is asked", "waiting": "waits for a key"}
"""How a call ends that cannot be recovered → in words."""

TABLES = {
    "drifts": drifts,
    "healing": table_as_markdown,
    "repairs": repairs,
    "tools": tools,
    "faults": faults,
    "cells": cells,
}
"""Name in a page's `<!-- table: NAME -->` → what stands between it and `<!-- /table -->`."""


def fresh(text: str) -> str:
    """Return a page with its tables written anew."""
    return PLACE.sub(lambda found: f"{found[1]}{found[2]}{TABLES[found[1]]()}", text)


if __name__ == "__main__":
    for page in sorted(HERE.glob("*.md")):
        page.write_text(fresh(page.read_text(encoding="utf-8")), encoding="utf-8")
