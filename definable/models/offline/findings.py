"""Findings: every sentence rests on receipts, every number can be computed again."""

from __future__ import annotations

from definable.calls import Json
from definable.models.offline.prose import SECTIONS, Said, names, quote
from definable.models.offline.question import known, question
from definable.models.offline.reasons import kept
from definable.models.offline.records import records
from definable.models.offline.seen import Seen
from definable.models.offline.workspace import seen_in


def findings(seen: Seen) -> dict[str, Json]:
    """Return what the results say, as Findings."""
    found = records(seen.results)
    asked = question(seen)
    said = [*(known(asked, found) if asked else seen_in(seen, found)), *_unread(seen)]
    said = [said[i] for i in kept([s.text for s in said], seen.reasons)]
    about = asked if asked.endswith("?") else f"What is known about {quote(asked)}"
    title = about if asked else _title(said, seen)
    return {
        "title": title,
        "points": [{"text": s.text, "receipts": list(s.receipts), "figures": list(s.figures)} for s in said],
        "markdown": _markdown(said),
    }


def _title(said: list[Said], seen: Seen) -> str:
    used = {s.section for s in said}
    heads = [h for s, h in SECTIONS.items() if s in used and s != "other"] or ["What was read"]
    title = ", ".join([heads[0], *(h[0].lower() + h[1:] for h in heads[1:])])
    date = (seen.context.get("run") or {}).get("date")
    return f"{title}: {date}" if date else title


def _markdown(said: list[Said]) -> str:
    parts = []
    for section, head in SECTIONS.items():
        lines = [f"- {s.text}" for s in said if s.section == section]
        if lines:
            parts.append("\n".join([f"## {head}", "", *lines]))
    return "\n\n".join(parts) or "Nothing was read, so nothing was found."


def _unread(seen: Seen) -> list[Said]:
    """Return what failed to be read. It rests on what names the thing, since a failed call proves nothing."""
    by_id = {r.id: r for r in records(seen.results) if r.id}
    lost = [r for r in seen.results if r.error]
    whose = [by_id[v] for r in lost for v in r.use.arguments.values() if isinstance(v, str) and v in by_id]
    read = [r.receipt for r in seen.results if not r.error]
    if whose:
        about = names(list(dict.fromkeys(r.title for r in whose)))
        text = f"What there is on {about} could not all be read, so this may be incomplete."
        return [Said("other", text, tuple(dict.fromkeys(r.receipt for r in whose)))]
    return (
        [Said("other", "Something could not be read, so this may be incomplete.", (read[0],))]
        if lost and read
        else []
    )
