"""What the records say when nothing special was asked: what ran, failed and went unseen, or what there is."""

from __future__ import annotations

from collections.abc import Iterator

from definable.models.offline.names import label
from definable.models.offline.prose import Said, names
from definable.models.offline.records import Record
from definable.models.offline.runs import failed, figure, histories, never, ran
from definable.models.offline.seen import Seen
from definable.models.offline.views import unseen
from definable.models.offline.window import window

NAMED = 8


def seen_in(seen: Seen, found: list[Record]) -> Iterator[Said]:
    """Yield the findings of a brief."""
    days = window(seen)
    told = histories(found, days)
    said = [
        *ran(told, days),
        *never(seen.results, found, told),
        *failed(told, days),
        *unseen(found, told, days),
    ]
    yield from said or _there_is(seen, found)


def _there_is(seen: Seen, found: list[Record]) -> Iterator[Said]:
    required = {t.name: t.required for t in seen.tools}
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in found:
        groups.setdefault((record.tool, record.each), []).append(record)
    for (tool, each), entries in groups.items():
        cited = tuple(dict.fromkeys(r.receipt for r in entries))
        shown = names([r.title for r in entries[:NAMED]])
        if not each:
            yield Said("other", f"There is {shown}.", cited)
            continue
        key = next((k for k in ("id", f"{entries[0].kind}Id") if all(k in r.fields for r in entries)), None)
        figures = (figure(len(entries), "count", cited, f"{each}.{key}"),) if key else ()
        more = ", among them" if len(entries) > NAMED else ":"
        count = f"{len(entries)} " if key else ""
        text = f"There are {count}{label(tool, required.get(tool, ()))}{more} {shown}."
        yield Said("other", text, cited, figures)
