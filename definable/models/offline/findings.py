"""Findings: every sentence rests on receipts, every number can be computed again."""

from __future__ import annotations

from definable.calls import Json
from definable.models.offline.prose import SECTIONS, Said, quote
from definable.models.offline.question import known, question
from definable.models.offline.reasons import without
from definable.models.offline.records import records
from definable.models.offline.seen import Seen
from definable.models.offline.workspace import seen_in


def findings(seen: Seen) -> dict[str, Json]:
    """Return what the results say, as Findings."""
    found = records(seen.results)
    asked = question(seen)
    said = [*(known(asked, found) if asked else seen_in(seen, found)), *_unread(seen)]
    if not seen.results:
        said.append(Said("other", "Nothing was read: no tool that reads could be called.", ()))
    kept = [s for s in said if without(s.text, seen.reasons) == s.text]
    about = asked if asked.endswith("?") else f"What is known about {quote(asked)}"
    title = about if asked else _title(kept, seen)
    return {
        "title": title,
        "points": [{"text": s.text, "receipts": list(s.receipts), "figures": list(s.figures)} for s in kept],
        "markdown": _markdown(kept),
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
    return "\n\n".join(parts)


def _unread(seen: Seen) -> list[Said]:
    by_id = {r.id: r for r in records(seen.results) if r.id}
    lost = []
    for result in (r for r in seen.results if r.error):
        whose = next(
            (by_id[v] for v in result.use.arguments.values() if isinstance(v, str) and v in by_id), None
        )
        if whose:
            text = f"A read about {quote(whose.title)} failed, so this may be incomplete."
            lost.append(Said("other", text, (whose.receipt,)))
        else:
            lost.append(Said("other", "A read failed, so this may be incomplete.", ()))
    return lost
