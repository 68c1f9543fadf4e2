"""What nobody looked at: things whose counters of views stand at 0, or that were never opened."""

from __future__ import annotations

from collections.abc import Iterator

from definable.models.offline.names import NUMBERS, words
from definable.models.offline.prose import Said, names, quote, row
from definable.models.offline.records import Record, leaves
from definable.models.offline.runs import History, figure
from definable.models.offline.window import Window

ALWAYS = 10**6


def unseen(found: list[Record], told: list[History], window: Window) -> Iterator[Said]:
    """Yield what nobody opened, what runs all the same, what was never published, what is opened most."""
    counted = [r for r in found if _counters(r) and not r.hidden]
    if not counted:
        return
    path = _best(_counters(counted[0]), window.days or 7)
    published = [r for r in counted if not r.unpublished]
    ignored = [r for r in published if _counters(r).get(path) == 0]
    when, receipts = _words(path), tuple(dict.fromkeys(r.receipt for r in counted))
    if ignored:
        yield from _ignored(ignored, when, receipts)
        yield from _wasted(ignored, told)
    elif published:
        yield Said("unseen", f"Everything that is published was opened{when}.", receipts)
    if drafts := [r for r in counted if r.unpublished]:
        verb = "has" if len(drafts) == 1 else "have"
        text = f"{names([r.title for r in drafts])} {verb} never been published."
        yield Said("unseen", text, receipts)
    yield from _favourite(published, path, when)


def _ignored(ignored: list[Record], when: str, receipts: tuple[str, ...]) -> Iterator[Said]:
    never = [r for r in ignored if _opened(r) is None]
    once = [r for r in ignored if r not in never]
    if once:
        shown = [
            f"{quote(r.title)} (last opened on {_opened(r)})" if _opened(r) else quote(r.title) for r in once
        ]
        yield Said("unseen", f"Nobody opened {row(shown)}{when}.", receipts)
    if never:
        verb = "has" if len(never) == 1 else "have"
        yield Said("unseen", f"{names([r.title for r in never])} {verb} never been opened.", receipts)


def _wasted(ignored: list[Record], told: list[History]) -> Iterator[Said]:
    titles = {r.title for r in ignored}
    busy = [h for h in told if h.title in titles and h.recent]
    if busy:
        text = f"{names([h.title for h in busy])} still ran, although nobody looked."
        yield Said("unseen", text, tuple(dict.fromkeys(r for h in busy for r in h.receipts)))


def _favourite(published: list[Record], path: str, when: str) -> Iterator[Said]:
    top = max(published, key=lambda r: _counters(r).get(path, 0), default=None)
    if top and (views := _counters(top).get(path, 0)):
        where = f"{top.path}.{path}" if top.path else path
        shown = figure(views, "value", (top.receipt,), where)
        text = f"The one opened most{when} is {quote(top.title)}: {views} views."
        yield Said("unseen", text, (top.receipt,), (shown,))


def _opened(record: Record) -> str | None:
    """Return the day it was last opened; None when it says never, empty when it does not say."""
    said = next((v for k, v in leaves(record.fields) if _key(k) == ["last", "viewed", "at"]), "")
    return None if said is None else str(said)[:10]


def _counters(record: Record) -> dict[str, int]:
    plain = {k: v for k, v in leaves(record.fields) if isinstance(v, int) and not isinstance(v, bool)}
    return {k: v for k, v in plain.items() if any(w in ("view", "views") for w in words(k))}


def _best(counters: dict[str, int], days: int) -> str:
    """Return the counter of the shortest time that is not shorter than the days asked for."""
    spans = {k: _span(k) for k in counters}
    long = {k: s for k, s in spans.items() if s >= days}
    return min(long, key=lambda k: long[k]) if long else max(spans, key=lambda k: spans[k])


def _span(path: str) -> int:
    return next((NUMBERS[w] for w in _key(path) if w in NUMBERS), ALWAYS)


def _words(path: str) -> str:
    span = next((w for w in _key(path) if w in NUMBERS), "")
    return f" in the last {span} days" if span else ""


def _key(path: str) -> list[str]:
    return words(path.rsplit(".", maxsplit=1)[-1])
