"""What is known about something: the things whose own words are those of the question, quoted."""

from __future__ import annotations

import re
from collections.abc import Iterator

from definable.models.offline.names import singular
from definable.models.offline.prose import LONGEST, Said, lines, plain, quote, stop
from definable.models.offline.records import Record, leaves, owner
from definable.models.offline.runs import histories
from definable.models.offline.seen import Seen
from definable.models.offline.window import Window

ASKED = ("question", "query", "topic", "about", "subject")
MOST = 12
WORD = re.compile(r"[^\W_]{3,}")
STOP = frozenset(
    WORD.findall(
        "the and for what which who how why when where with from about know known does did have has are was "
        "were our this that these those they them there into over tell can could should would you your all "
        "any been its not project projects cell cells run runs data workspace"
    )
)
FREE = ("title", "name", "label", "description", "filePath", "source")


def question(seen: Seen) -> str:
    """Return the question that the run is about; empty when there is none."""
    said = (seen.inputs.get(k) for k in ASKED)
    return next((" ".join(s.split()) for s in said if isinstance(s, str) and s.strip()), "")


def terms(text: str) -> set[str]:
    """Return the words of a text that carry meaning, in the singular."""
    return {singular(w) for w in WORD.findall(text.lower()) if w not in STOP}


def relevance(record: Record, wanted: set[str]) -> int:
    """Return how many of the wanted words stand in a record's own text; those in its title count more."""
    body = " ".join(str(v) for k, v in leaves(record.fields) if v and k.split(".")[-1] in FREE)
    return len(terms(body) & wanted) + 2 * len(terms(record.title) & wanted)


def known(asked: str, found: list[Record]) -> Iterator[Said]:
    """Yield what the records say about the question, the most relevant first."""
    wanted = terms(asked)
    scored = sorted(((relevance(r, wanted), n) for n, r in enumerate(found)), key=lambda s: (-s[0], s[1]))
    hits = [found[n] for score, n in scored if score and not found[n].hidden][:MOST]
    by_id = {r.id: r for r in found if r.id}
    lately = {h.title: h for h in histories(found, Window())}
    for record in hits:
        yield _told(record, by_id, wanted)
        if record.title in lately and not record.status:
            last = lately[record.title].runs[-1]
            text = f"The last run of {quote(record.title)} was on {last.date}: {plain(last.status)}."
            yield Said("found", text, lately[record.title].receipts)
    if not hits:
        receipts = tuple(dict.fromkeys(r.receipt for r in found))
        yield Said("found", stop(f"Nothing that was read mentions {quote(asked)}"), receipts)


def _told(record: Record, by_id: dict[str, Record], wanted: set[str]) -> Said:
    parent = owner(record, by_id)
    receipts = tuple(dict.fromkeys(r.receipt for r in (record, parent) if r))
    where = f"In {quote(parent.title)}, the" if parent else "The"
    name = f" {quote(record.title)}" if record.title != record.id else ""
    text = f"{where} {record.kind}{name}"
    sources = [v for k, v in leaves(record.fields) if k.endswith("source") and isinstance(v, str)]
    if source := next(filter(None, sources), ""):
        return Said("found", stop(f"{text} says: {quote(_telling(source, wanted))}"), receipts)
    if about := str(record.fields.get("description") or "").strip():
        return Said("found", stop(f"{text} is described as {quote(_telling(about, wanted))}"), receipts)
    edited = str(record.fields.get("lastEditedAt") or "")[:10]
    return Said("found", f"{text} was last edited on {edited}." if edited else f"{text} exists.", receipts)


def _telling(text: str, wanted: set[str]) -> str:
    """Return a short text whole, of a longer one the line with most of the wanted words."""
    if len(text) <= LONGEST:
        return text
    said = lines(text) or [text]
    return max(said, key=lambda line: (len(terms(line) & wanted), not line.startswith("#")))
