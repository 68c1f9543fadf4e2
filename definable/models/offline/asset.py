"""An asset: a Python cell that draws a bar chart of values that stand in the results, as they are.

Data notebooks have pandas and Altair. Nothing is computed here: the chart counts what is to be counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

from definable.calls import Json
from definable.models.offline.names import singular, words
from definable.models.offline.question import terms
from definable.models.offline.records import Record, leaves, records
from definable.models.offline.seen import Result, Seen, Use

MOST = 30
"""Bars at most; more cannot be read."""

CELL = """import altair as alt
import pandas as pd

# Source: {source}
data = pd.DataFrame({data})

alt.Chart(data).mark_bar().encode(
    x=alt.X({x}, title={x_title}),
    y=alt.Y("name:N", sort="-x", title=None),
)
"""


@dataclass(frozen=True, slots=True)
class Series:
    """What is drawn: names, and a number for each; without numbers the names are counted."""

    names: list[str]
    values: list[float] | None
    title: str
    source: str


def asset(seen: Seen) -> dict[str, Json]:
    """Return the source of a bar chart, or a note that there is nothing to draw."""
    series = max(_candidates(seen), key=lambda s: _score(s, seen), default=None)
    if series is None:
        note = "There is nothing to draw: no numbers and no statuses were handed over."
        return {"kind": "markdown", "source": note, "caption": note}
    data: dict[str, Json] = {"name": series.names}
    if series.values is not None:
        data["value"] = series.values
    source = CELL.format(
        source=series.source,
        data=json.dumps(data, ensure_ascii=False),
        x='"count():Q"' if series.values is None else '"value:Q"',
        x_title=json.dumps(series.title, ensure_ascii=False),
    )
    caption = f"{series.title}. Source: {series.source}. Drawn by the offline model."
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
        yield Result("", Use(str(name), {}), value)
        for inner in value if isinstance(value, list) else ():
            yield Result("", Use(str(name), {}), inner)


def _numbers(group: list[Record]) -> Iterator[Series]:
    paths = dict.fromkeys(k for r in group for k, v in leaves(r.fields) if _number(v))
    for path in paths:
        pairs = [(r.title, dict(leaves(r.fields)).get(path)) for r in group]
        told = [(name, value) for name, value in pairs if name and _number(value)][:MOST]
        if len(told) > 1:
            yield Series([n for n, _ in told], [v for _, v in told], _title(path), _source(group))


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
    wanted = terms(seen.prompt) | {singular(w) for w in words(seen.prompt)}
    shared = len({singular(w.lower()) for w in series.title.split()} & wanted)
    return shared, series.values is None, len(series.names)


def _title(path: str) -> str:
    said = [w for part in path.split(".")[-2:] for w in words(part)]
    return " ".join(said).capitalize()


def _source(group: list[Record]) -> str:
    receipts = ", ".join(dict.fromkeys(r.receipt for r in group if r.receipt))
    return f"{group[0].tool} ({receipts})" if receipts else group[0].tool


def _number(value: Json) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
