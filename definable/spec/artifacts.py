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


class Figure(Artifact):
    """A number that was computed from tool results, with the recipe to compute it again.

    `path` walks each cited result: `runs[*].status`, `values[*].analytics.appViews.lastSevenDays`.
    `count` counts the values found (those equal to `equals`, when it is given); `sum` adds them;
    `distinct` counts different ones; `value` says that it stands there as it is.
    """

    value: float
    op: Literal["value", "count", "sum", "distinct"]
    receipts: list[str] = Field(description="Ids of the calls whose results are used, e.g. research.2")
    path: str
    equals: str | None = Field(description="Count only values that, as text, equal this")


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
