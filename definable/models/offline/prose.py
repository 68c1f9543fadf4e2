"""Sentences for people: names in a row, dates, counts, and what one finding says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LONGEST = 160

SECTIONS = {
    "ran": "What ran",
    "failed": "What failed",
    "unseen": "What nobody looked at",
    "found": "What is known",
    "other": "Also",
}
"""Headings, in the order in which they are printed."""


@dataclass(frozen=True, slots=True)
class Said:
    """One finding: its section, the sentence, the receipts, and how its numbers are computed."""

    section: str
    text: str
    receipts: tuple[str, ...]
    figures: tuple[dict[str, Any], ...] = ()


def quote(text: str) -> str:
    """Return a name or a quotation in quotation marks; what was cut off is shown outside of them."""
    flat = " ".join(text.split())
    if len(flat) <= LONGEST:
        return f"“{flat}”"
    kept = flat[:LONGEST].rsplit(" ", 1)[0]
    if kept.count("“") > kept.count("”"):  # half a name in quotation marks would be read as another one
        kept = kept[: kept.rindex("“")].rstrip(" ,;:(") or kept
    return f"“{kept}” …"


def row(texts: Sequence[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def names(titles: Sequence[str]) -> str:
    """Return titles in quotation marks, in a row."""
    return row([quote(t) for t in titles])


def lines(text: str) -> list[str]:
    """Return the lines that say something."""
    return [line.strip() for line in text.splitlines() if line.strip("-#/* \t")]


def many(number: int, thing: str) -> str:
    """Return `1 run`, `3 runs`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def times(number: int) -> str:
    """Return `once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def stop(sentence: str) -> str:
    """Return a sentence with its full stop, unless it ends in a quotation that has one."""
    return sentence if sentence.rstrip("”").endswith((".", "!", "?", "…")) else f"{sentence}."


def plain(status: str) -> str:
    """Return a status as a word: UNABLE_TO_ALLOCATE_KERNEL → unable to allocate kernel."""
    return status.replace("_", " ").lower()
