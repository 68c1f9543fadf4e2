"""A draft from findings: their own sentences, put in order. Every number in it is theirs."""

from __future__ import annotations

import re
from typing import Any

from definable.calls import Json
from definable.models.offline.prose import SECTIONS
from definable.models.offline.reasons import without
from definable.models.offline.seen import Seen

FOOT = "_Written by the offline model from verified results; no language model was asked._"

SIGNS = (
    ("failed", re.compile(r"\b(fail|error|killed|unable|broke)", re.IGNORECASE)),
    ("unseen", re.compile(r"\b(nobody|no one|never|viewed|views|opened|looked)\b", re.IGNORECASE)),
    ("ran", re.compile(r"\b(runs?|ran|completed|schedule)", re.IGNORECASE)),
)
"""How a sentence is put under a heading when its findings came without headings."""

LEADS = ("ran", "failed", "found")


def draft(seen: Seen) -> dict[str, Json]:
    """Return the findings that were handed over as Markdown: a heading, a summary, sections."""
    given = next((g for g in map(_findings, seen.given) if g), None)
    if given is None:
        return {"markdown": f"No findings were handed over, so there is nothing to write.\n\n{FOOT}"}
    sections = _sections(given, seen.reasons)
    lead = [sections[s].pop(0) for s in _leads(sections)]
    title = without(str(given.get("title") or "Brief"), seen.reasons) or "Brief"
    parts = [f"# {title}", " ".join(lead)]
    parts += [
        "\n".join([f"## {head}", "", *(f"- {t}" for t in texts)]) for head, texts in sections.items() if texts
    ]
    return {"markdown": "\n\n".join(filter(None, [*parts, "---", FOOT]))}


def _findings(value: Json) -> dict[str, Any] | None:
    if isinstance(value, dict) and isinstance(value.get("points"), list):
        return value
    inner = value.values() if isinstance(value, dict) else ()
    return next((found for v in inner if (found := _findings(v))), None)


def _sections(given: dict[str, Any], reasons: tuple[str, ...]) -> dict[str, list[str]]:
    heads = _heads(str(given.get("markdown") or ""))
    sections: dict[str, list[str]] = {}
    for text in (str(p.get("text", "")) for p in given["points"] if isinstance(p, dict)):
        if kept := without(text, reasons):
            sections.setdefault(heads.get(text) or _head(text), []).append(kept)
    return dict(sorted(sections.items(), key=lambda s: _order(s[0])))


def _heads(markdown: str) -> dict[str, str]:
    heads, head = {}, ""
    for line in markdown.splitlines():
        if line.startswith("#"):
            head = line.lstrip("# ").strip()
        elif line.startswith("- "):
            heads[line[2:].strip()] = head
    return heads


def _head(text: str) -> str:
    return SECTIONS[next((section for section, sign in SIGNS if sign.search(text)), "other")]


def _order(head: str) -> int:
    known = list(SECTIONS.values())
    return known.index(head) if head in known else len(known)


def _leads(sections: dict[str, list[str]]) -> list[str]:
    wanted = [SECTIONS[s] for s in LEADS if sections.get(SECTIONS[s])]
    return (wanted or [h for h, texts in sections.items() if texts])[:2]
