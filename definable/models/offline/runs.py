"""What ran and what failed: things that have a status and a day, told by what they belong to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from definable.calls import Json
from definable.models.offline.names import kind
from definable.models.offline.prose import Said, many, names, plain, quote, row, times
from definable.models.offline.records import Record, owner
from definable.models.offline.seen import Result
from definable.models.offline.window import Window

BAD = re.compile(r"ERROR|FAIL|KILL|UNABLE", re.IGNORECASE)
GOOD = re.compile(r"COMPLET|SUCC|DONE|FINISH|PASS", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class History:
    """All that was read of one thing's runs, the oldest first."""

    title: str
    receipts: tuple[str, ...]
    runs: tuple[Record, ...]
    window: Window

    @property
    def recent(self) -> list[Record]:
        """The runs in the window."""
        return [r for r in self.runs if self.window.holds(r.date)]

    @property
    def failed(self) -> list[Record]:
        """The failed runs in the window."""
        return [r for r in self.recent if BAD.search(r.status)]

    @property
    def recovered(self) -> Record | None:
        """The first run that went well after the last one that failed; None while there is none."""
        last = self.failed[-1].moment if self.failed else ""
        return next((r for r in self.recent if r.moment > last and GOOD.search(r.status)), None)

    @property
    def whole(self) -> bool:
        """Whether all that was read lies in the window, so that a count of it is a count of the window."""
        return len(self.recent) == len(self.runs)


def figure(
    value: int, op: str, receipts: tuple[str, ...], path: str, equals: str | None = None
) -> dict[str, Json]:
    """Return a Figure as JSON: a number, and the recipe to compute it again."""
    return {"value": value, "op": op, "receipts": list(receipts), "path": path, "equals": equals}


def histories(found: list[Record], window: Window) -> list[History]:
    """Return the runs of each thing that has any, in the order of the last run, the newest first."""
    by_id = {r.id: r for r in found if r.id}
    groups: dict[str, list[Record]] = {}
    for run in (r for r in found if r.status and r.date):
        whose = owner(run, by_id)
        groups.setdefault(whose.id if whose else next(run.parents(), run.id), []).append(run)
    told = [
        _history(key, sorted(runs, key=lambda r: r.moment), by_id, window) for key, runs in groups.items()
    ]
    return sorted(told, key=lambda h: h.runs[-1].moment, reverse=True)


def ran(told: list[History], window: Window) -> Iterator[Said]:
    """Yield what ran: the totals, what went well, what has not run lately."""
    if not told:
        return
    yield _totals(told, window)
    fine = [h for h in told if h.recent and all(GOOD.search(r.status) for r in h.recent)]
    if fine:
        text = f"Every run of {names([h.title for h in fine])}{window.words} completed."
        yield Said("ran", text, _receipts(fine))
    busy = [
        h
        for h in told
        if h.recent and not GOOD.search(h.runs[-1].status) and not BAD.search(h.runs[-1].status)
    ]
    for history in busy:
        text = f"The last run of {quote(history.title)} is not over: {plain(history.runs[-1].status)}."
        yield Said("ran", text, history.receipts)
    idle = [h for h in told if not h.recent]
    if idle:
        last = row([f"{quote(h.title)} (last run on {h.runs[-1].date})" for h in idle])
        yield Said("ran", f"These have not run{window.words}: {last}.", _receipts(idle))


def failed(told: list[History], window: Window) -> Iterator[Said]:
    """Yield what failed: whose runs, then for each how often, when last, and whether it has recovered."""
    bad = sorted((h for h in told if h.failed), key=lambda h: h.recovered is not None)
    if told and not bad:
        yield Said("failed", f"No run failed{window.words}.", _receipts(told))
    if bad:
        broken = [h.title for h in bad if h.recovered is None]
        still = (
            f"; {names(broken)} {'has' if len(broken) == 1 else 'have'} not completed since" if broken else ""
        )
        text = f"{names([h.title for h in bad])} had failed runs{window.words}{still}."
        yield Said("failed", text, _receipts(bad))
    for history in bad:
        yield _failure(history)


def never(results: tuple[Result, ...], found: list[Record], told: list[History]) -> Iterator[Said]:
    """Yield the things whose runs were read and of which there are none."""
    kinds = {r.kind for h in told for r in h.runs}
    by_id = {r.id: r for r in found if r.id}
    empty = [r for r in results if not r.error and kind(r.use.tool) in kinds and _nothing(r.body)]
    whose = [(by_id[v], r.receipt) for r in empty for v in r.use.arguments.values() if v in by_id]
    if whose:
        receipts = tuple(dict.fromkeys(x for record, receipt in whose for x in (record.receipt, receipt)))
        yield Said("ran", f"No run is on record for {names([r.title for r, _ in whose])}.", receipts)


def _history(key: str, runs: list[Record], by_id: dict[str, Record], window: Window) -> History:
    whose = by_id.get(key)
    cited = ([whose.receipt] if whose else []) + [r.receipt for r in runs]
    return History(whose.title if whose else key, tuple(dict.fromkeys(cited)), tuple(runs), window)


def _totals(told: list[History], window: Window) -> Said:
    runs = [r for h in told for r in h.runs]
    cited, path, field = _cited(runs), f"{runs[0].each}.status", _owner_field(runs)
    counts = Counter(r.status for r in runs)
    parts = [f"{n} {plain(s)}" for s, n in counts.most_common()]
    figures = [figure(len(runs), "count", cited, path)]
    figures += [figure(n, "count", cited, path, s) for s, n in counts.items()]
    of = ""
    if field:
        owners = len({r.fields[field] for r in runs})
        figures.append(figure(owners, "distinct", cited, f"{runs[0].each}.{field}"))
        of = f" of {many(owners, field.removesuffix('Id'))}"
    when = window.words if all(h.whole for h in told) else ", older ones included"
    verb = "is" if len(runs) == 1 else "are"
    text = f"{many(len(runs), runs[0].kind)}{of} {verb} on record{when}: {row(parts)}."
    return Said("ran", text, cited, tuple(figures))


def _owner_field(runs: list[Record]) -> str:
    """Return the field of every run that says whose it is; empty when they do not say it alike."""
    fields = [k for k in runs[0].fields if k.endswith("Id") and k != f"{runs[0].kind}Id" and k != "traceId"]
    return next((f for f in fields if all(isinstance(r.fields.get(f), str) for r in runs)), "")


def _failure(history: History) -> Said:
    bad, good = history.failed, history.recovered
    counts = Counter(r.status for r in bad)
    cited, path = _cited(bad), f"{bad[0].each}.status"
    figures: tuple[dict[str, Json], ...] = ()
    if history.whole:
        figures = tuple(figure(n, "count", cited, path, s) for s, n in counts.items())
        # with several statuses "once" would be said of the failures, of which there are more
        single = len(counts) == 1
        often = row([f"{times(n)} ({plain(s)})" if single else f"{n} {plain(s)}" for s, n in counts.items()])
        failed = "failed" if single else "failed:"
        text = f"{quote(history.title)} {failed} {often}; the last time was on {bad[-1].date}."
    else:
        days = list(dict.fromkeys(r.date for r in bad))[-5:]
        statuses = row([plain(s) for s in counts])
        text = f"{quote(history.title)} failed on {row(days)} ({statuses})."
    text += f" It has completed since, on {good.date}." if good else " It has not completed since."
    return Said("failed", text, history.receipts, figures)


def _cited(runs: list[Record]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(r.receipt for r in runs))


def _receipts(told: list[History]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(r for h in told for r in h.receipts))


def _nothing(body: Json) -> bool:
    return isinstance(body, dict) and any(v == [] for v in body.values())
