"""An asset: a Python cell that draws a bar chart of values that stand in the results, as they are.

Data notebooks have pandas and Altair. Nothing is computed here: the chart counts what is to be counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

from definable.calls import Json
from definable.models.offline.names import words
from definable.models.offline.question import terms
from definable.models.offline.records import Record, leaves, records
from definable.models.offline.seen import Result, Seen, Use

MOST = 100
"""Bars at most; more cannot be read."""

CELL = """import altair as alt
import pandas as pd

# Source: {source}
data = pd.DataFrame({data})

alt.Chart(data).mark_bar().encode(
{encoding}
)
"""

MEANS = {"long": "elapsed", "took": "elapsed", "take": "elapsed", "slow": "elapsed", "duration": "elapsed"}
"""Words of a prompt that mean a word of a field."""


@dataclass(frozen=True, slots=True)
class Series:
    """What is drawn: names, and a number for each; without numbers the names are counted."""

    names: list[str]
    values: list[float] | None
    title: str
    source: str
    statuses: list[str] | None = None
    """One for each name, told apart by colour; None when not all have one."""
    timed: bool = False
    """The names are moments, in their order, and not to be sorted by value."""
    missing: bool = False

    @property
    def data(self) -> dict[str, Json]:
        """The columns of the chart's data."""
        columns = {"name": self.names, "value": self.values, "status": self.statuses}
        return {k: v for k, v in columns.items() if v is not None}

    @property
    def encoding(self) -> str:
        """What the chart shows along which axis."""
        title = json.dumps(self.title, ensure_ascii=False)
        x = '"count():Q"' if self.values is None else '"value:Q"'
        sort = "None" if self.timed else '"-x"'
        lines = [f"    x=alt.X({x}, title={title}),", f'    y=alt.Y("name:N", sort={sort}, title=None),']
        if self.statuses:
            lines.append('    color=alt.Color("status:N", title="Status"),')
        return "\n".join(lines)


def asset(seen: Seen) -> dict[str, Json]:
    """Return the source of a bar chart, or a note that there is nothing to draw."""
    series = max(_candidates(seen), key=lambda s: _score(s, seen), default=None)
    if series is None:
        note = "There is nothing to draw: no numbers and no statuses were handed over."
        return {"kind": "markdown", "source": note, "caption": note}
    data = json.dumps(series.data, ensure_ascii=False)
    source = CELL.format(source=series.source, data=data, encoding=series.encoding)
    left_out = " What has no value yet is left out." if series.missing else ""
    caption = f"{series.title}.{left_out} Source: {series.source}. Drawn by the offline model."
    return {"kind": "python", "source": source, "caption": caption}


def _candidates(seen: Seen) -> Iterator[Series]:
    groups: dict[str, list[Record]] = {}
    for record in records((*seen.results, *_handed(seen))):
        groups.setdefault(record.tool + record.each, []).append(record)
    for group in groups.values():
        shown = [r for r in group if not r.hidden]
        yield from _numbers(shown)
        yield from _statuses(shown)
    for value in seen.given:
        yield from _points(value)


def _handed(seen: Seen) -> Iterator[Result]:
    """Yield what the step was handed as if it were results, under the name that it was handed by."""
    own = seen.context.get("with")
    named = own.items() if own else [("the step before", seen.context.get("previous"))]
    for name, value in named:
        body = {str(name): value} if isinstance(value, list) else value
        yield Result("", Use(str(name), {}), body)


def _numbers(group: list[Record]) -> Iterator[Series]:
    timed = all(r.moment and not r.name for r in group)
    shown = sorted(group, key=lambda r: r.moment) if timed else group
    for path in dict.fromkeys(k for r in shown for k, v in leaves(r.fields) if _number(v)):
        told = [(r, value) for r in shown if _number(value := dict(leaves(r.fields)).get(path))][:MOST]
        names = [r.moment if timed else r.title for r, _ in told]
        statuses = [r.status for r, _ in told]
        if len(told) > 1 and all(names):
            yield Series(
                names,
                [v for _, v in told],
                _title(path),
                _source(group),
                statuses if all(statuses) else None,
                timed,
                len(told) < len(group),
            )


def _statuses(group: list[Record]) -> Iterator[Series]:
    told = [r.status for r in group if r.status]
    if len(told) > 1:
        yield Series(told, None, f"{group[0].kind}s by status".capitalize(), _source(group))


def _points(value: Json) -> Iterator[Series]:
    points = value.get("points") if isinstance(value, dict) else None
    if not isinstance(points, list):
        return
    figures = [f for p in points if isinstance(p, dict) for f in p.get("figures") or [] if f.get("equals")]
    told = {str(f["equals"]).replace("_", " ").lower(): float(f["value"]) for f in figures}
    if len(told) > 1:
        yield Series(list(told), list(told.values()), "Count", "the findings of the step before")


def _score(series: Series, seen: Seen) -> tuple[int, int, int]:
    """Return how well a series fits: words it shares with the prompt, statuses, then size."""
    said = terms(seen.prompt)
    wanted = said | {MEANS[w] for w in said & MEANS.keys()}
    shared = len(terms(series.title) & wanted)
    return shared, series.values is None, len(series.names)


def _title(path: str) -> str:
    said = [w for part in path.split(".")[-2:] for w in words(part)]
    return " ".join(said).capitalize()


def _source(group: list[Record]) -> str:
    receipts = ", ".join(dict.fromkeys(r.receipt for r in group if r.receipt))
    return f"{group[0].tool} ({receipts})" if receipts else group[0].tool


def _number(value: Json) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
