"""Nearest known names, for messages that say what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` most resembles, whatever its case, or None when none is close."""
    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(candidate.casefold(), candidate)
    found = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def suggest(name: str, known: Iterable[str], most: int = 12) -> str:
    """Return the end of a sentence about an unknown name: `; did you mean 'x'?`, or what there is."""
    names = sorted(set(known))
    if (found := nearest(name, names)) is not None:
        return f"; did you mean {found!r}?"
    if not names or most == 0:
        return ""
    shown = ", ".join(names[:most])
    return f"; known: {shown}{', …' if len(names) > most else ''}"
