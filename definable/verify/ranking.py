"""Who has the most: a superlative that names one thing is held against the numbers of all of its kind."""

from __future__ import annotations

import re

from definable.verify.clauses import Reading
from definable.verify.facts import Fact
from definable.verify.known import Known
from definable.verify.vocabulary import stems

_BEST = re.compile(
    r"\b(?P<verb>\w+ed|ran|took|seen)\s+(?P<most>most often|most|least often|least|longest)\b"
    r"(?!\s+(?:recent|of))"
    r"|\bthe\s+(?P<degree>most|fewest|highest number of|lowest number of)\s+(?!recent|of\b)"
    r"(?P<noun>\w+(?:\s+\w+)?)"
    r"|\b(?P<adjective>longest|slowest|shortest|fastest)(?:[\s-]+running)?\b",
    re.I,
)
_LEAST = re.compile(r"least|fewest|lowest|shortest|fastest", re.I)


def misranked(reading: Reading, known: Known) -> tuple[str, str] | None:
    """Return the superlative of a sentence that does not hold, and what does; None when none is wrong.

    Only a sentence that names one thing and says what is compared is judged.
    """
    found = _BEST.search(reading.text)
    named = {name for _, _, name in reading.spots}
    if not found or len(named) != 1 or re.search(r"\b(?:one of|among|second|third)\b", reading.text, re.I):
        return None
    start = reading.spots[0][0]
    if re.search(r"\b(?:of|in|for|by|from|at)\s+\W*$", reading.text[:start]):
        return None  # the longest run of “A” is no run of another
    what = stems(found["verb"] or found["noun"] or found["adjective"] or "") & known.facts.words
    groups = _groups(what, reading.window, known) if what else []
    name = next(iter(named))
    held = [group for group in groups if name in group]
    sign = -1 if _LEAST.search(found[0]) else 1
    if not held or any(
        sign * group[name].value >= max(sign * f.value for f in group.values()) for group in held
    ):
        return None
    best = max(held[0].items(), key=lambda pair: sign * pair[1].value)
    shown = known.bound.get(best[0], best[0])
    return found[0], f"it is {shown}: {best[1].says}"


def _groups(what: frozenset[str], window: int, known: Known) -> list[dict[str, Fact]]:
    """Return comparable facts by what they are about: a group is one number of all things of a kind."""
    groups: dict[tuple[object, ...], dict[str, Fact]] = {}
    for fact in known.facts.all:
        if len(fact.about) != 1 or fact.negated or fact.op not in ("there", "count", "max"):
            continue
        if not what <= fact.topic | fact.only or (fact.only and not fact.only & what):
            continue
        if window and fact.window and fact.window != window:
            continue
        key = (fact.op, fact.topic, fact.only, fact.window, fact.unit)
        name = next(iter(fact.about))
        held = groups.setdefault(key, {})
        if name not in held or held[name].value < fact.value:
            held[name] = fact
    return [group for group in groups.values() if len(group) > 1]
