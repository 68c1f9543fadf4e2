"""What the Verifier sent back: sentences that hold what it could not trace are left out."""

from __future__ import annotations

import re

QUOTED = re.compile(r"“([^”]+)”|\"([^\"]+)\"|`([^`]+)`|(?<!\w)'([^']+)'(?!\w)")
NUMBER = re.compile(r"(?<![\w.])\d[\d,.]*\d|(?<![\w.])\d")
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z“])")


def without(text: str, reasons: tuple[str, ...]) -> str:
    """Return `text` without the sentences that hold something that a reason names."""
    bad = [b for reason in reasons for b in _named(reason)]
    return " ".join(s for s in SENTENCE.split(text) if not any(_holds(s, b) for b in bad))


def _named(reason: str) -> list[str]:
    quoted = [next(filter(None, groups)) for groups in QUOTED.findall(reason)]
    return quoted or NUMBER.findall(reason)


def _holds(sentence: str, what: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(what)}(?!\w)", sentence) is not None
