"""What the Verifier sent back: sentences that hold what it could not trace are left out."""

from __future__ import annotations

import re

QUOTED = re.compile(r"“([^”]+)”|\"([^\"]+)\"|`([^`]+)`|(?<!\w)'([^']+)'(?!\w)")
NUMBER = re.compile(r"(?<![\w.])\d[\d,.]*\d|(?<![\w.])\d")
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z“])")
POINT = re.compile(r"\bPoint (\d+)\b")


def without(text: str, reasons: tuple[str, ...]) -> str:
    """Return `text` without the sentences that hold something that a reason names."""
    bad = [b for reason in reasons for line in reason.splitlines() for b in _named(line)]
    return " ".join(s for s in SENTENCE.split(text) if not any(_holds(s, b) for b in bad))


def kept(texts: list[str], reasons: tuple[str, ...]) -> list[int]:
    """Return the indices of the points that no reason speaks against.

    `Point 3` counts from 1 in what was handed in last, so each reason is applied to what the one before left.
    """
    left = list(range(len(texts)))
    for reason in reasons:
        numbers = {int(n) for n in POINT.findall(reason)}
        left = [
            i for n, i in enumerate(left, 1) if n not in numbers and without(texts[i], (reason,)) == texts[i]
        ]
    return left


def _named(reason: str) -> list[str]:
    quoted = [next(filter(None, groups)) for groups in QUOTED.findall(reason)]
    return quoted or ([] if POINT.search(reason) else NUMBER.findall(reason))


def _holds(sentence: str, what: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(what)}(?!\w)", sentence) is not None
