"""What agents hand in: one fixed shape for each of the four, the same for every model.

A *figure* is how a number proves itself: it names the receipt it comes from and how it is computed,
and the Verifier computes it again.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Artifact(BaseModel):
    """Base of the four. Fields are all required, as strict structured output demands."""

    model_config = ConfigDict(extra="forbid")


Operation = Literal["value", "count", "distinct", "sum", "mean", "median", "min", "max"]


class Where(Artifact):
    """A condition on the entries of the last `[*]` of a path: `status = ERRORED`, `startTime >= 2026-11-17`.

    Numbers are compared as numbers, anything else as text; a day compares with the day of a moment.
    """

    field: str = Field(description="A path in the entry, e.g. status or analytics.appViews.lastSevenDays")
    test: Literal["=", "!=", "<", "<=", ">", ">="]
    to: str


class Against(Artifact):
    """What a figure is compared with, computed by a recipe of its own.

    `share` is the percentage that the figure is of this, `change` the percentage by which the figure is more
    than this (less, when negative), `difference` the figure minus this.
    """

    how: Literal["share", "change", "difference"]
    op: Operation
    receipts: list[str]
    path: str
    equals: str | None
    where: list[Where] = Field(default_factory=list)


class Figure(Artifact):
    """A number that was computed from tool results, with the recipe to compute it again.

    `path` walks each cited result: `runs[*].status`, `values[*].analytics.appViews.lastSevenDays`. Of the
    values found, `count` counts those equal to `equals`, or all when it is null; `distinct` counts different
    ones; `sum`, `mean`, `median`, `min`, `max` take numbers (nulls are left out; of texts such as dates `min`
    and `max` cannot be taken); `value` says that it stands there as it is. `where` leaves out entries, and
    `against` turns the number into a share, a change or a difference. `value` may be rounded.
    """

    value: float
    op: Operation
    receipts: list[str] = Field(description="Ids of the calls whose results are used, e.g. research.2")
    path: str
    equals: str | None = Field(description="Count only values that, as text, equal this")
    where: list[Where] = Field(default_factory=list, description="Only entries that meet all of these")
    against: Against | None = Field(
        None, description="What the number is compared with; null when with nothing"
    )


class Point(Artifact):
    """One finding: a sentence, the receipts it rests on and the figures in it."""

    text: str
    receipts: list[str] = Field(description="Ids of the calls whose results show this")
    figures: list[Figure]


class Findings(Artifact):
    """What a Researcher hands in."""

    title: str
    points: list[Point]
    markdown: str = Field(description="The points as Markdown, for people")


class Draft(Artifact):
    """What a Writer hands in."""

    markdown: str


class Asset(Artifact):
    """What a Designer hands in: the source of something that draws itself."""

    kind: Literal["python", "sql", "markdown"]
    source: str
    caption: str


class Change(Artifact):
    """What an Engineer hands in: the new contents of a cell, and why."""

    source: str
    explanation: str


SHAPES: dict[str, type[Artifact]] = {"Findings": Findings, "Draft": Draft, "Asset": Asset, "Change": Change}
"""The shapes by the name an agent's file uses."""
