"""Fault files: which faults strike which requests, how often, and in what order.

    seed: 7
    faults:
      - { tool: HEX_CREATE_CELL, fault: lost_answer }                    # once
      - { tool: HEX_LIST_*, fault: rate_limit, times: 2, with: { retry_after: 1 } }
      - { tool: "*", fault: drift_case, probability: 0.1, after: 5 }

A bare list of faults is a file with seed 0. Without `times` and `probability` a fault strikes once.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from definable.errors import DefinitionError, Problem
from definable.sandbox.answers import Json
from definable.sandbox.kinds import FAULTS, Kind, Stage
from definable.sandbox.operations import SLUGS
from definable.spec.load import read
from definable.spec.model import FileModel
from definable.spec.nearest import suggest
from definable.spec.source import Document, read_file, read_yaml

Params = TypeVar("Params", bound=FileModel)


class Entry(FileModel):
    """One fault of a file."""

    tool: str = Field(description="Slug or glob of the tools that it strikes")
    fault: str = Field(description="Name of the fault")
    times: int | None = Field(None, ge=1, description="How many matching requests are hit")
    probability: float | None = Field(None, ge=0, le=1, description="How likely a matching request is hit")
    after: int = Field(0, ge=0, description="How many matching requests pass first")
    with_: dict[str, Any] = Field(default_factory=dict, alias="with", description="Parameters of the fault")


class FaultFile(FileModel):
    """A fault file."""

    seed: int = 0
    faults: list[Entry] = Field(default_factory=list)


@dataclass
class Fault:
    """A fault at work: how many matching requests it has seen and hit."""

    entry: Entry
    params: FileModel
    dice: random.Random
    seen: int = 0
    hits: int = 0

    @property
    def kind(self) -> Kind:
        """What the fault does and when."""
        return FAULTS[self.entry.fault]

    def matches(self, tool: str) -> bool:
        """Return whether requests of the tool can be hit."""
        return fnmatchcase(tool, self.entry.tool)

    def due(self) -> bool:
        """Count one matching request and return whether it is to be hit. `hits` is the caller's to count."""
        self.seen += 1
        thrown = self.dice.random()
        if self.seen <= self.entry.after:
            return False
        if self.entry.probability is not None and thrown >= self.entry.probability:
            return False
        times = self.entry.times if self.entry.times or self.entry.probability is not None else 1
        return times is None or self.hits < times

    def open(self) -> bool:
        """Return whether `after` requests have passed; a changed server stays changed."""
        return self.seen > self.entry.after

    def given(self, model: type[Params]) -> Params:
        """Return the parameters as the model that this kind of fault has."""
        if not isinstance(self.params, model):
            raise TypeError(f"{self.entry.fault} has no {model.__name__}")
        return self.params


@dataclass
class Faults:
    """The faults of one sandbox, in order."""

    seed: int = 0
    entries: list[Fault] = field(default_factory=list)

    @classmethod
    def load(cls, path: str | Path) -> Faults:
        """Return the faults of a YAML file. Raises DefinitionError with every problem in it."""
        return cls._of(read_file(Path(path), str(path)))

    @classmethod
    def parse(cls, data: str | Json) -> Faults:
        """Return the faults in YAML text or JSON data. Raises DefinitionError with every problem."""
        text = data if isinstance(data, str) else json.dumps(data, indent=1, ensure_ascii=False)
        return cls._of(read_yaml(text, "faults"))

    @classmethod
    def _of(cls, document: Document) -> Faults:
        file, problems = _read(document)
        entries = file.faults if file else []
        shift: tuple[str | int, ...] = () if isinstance(document.data, list) else ("faults",)
        raw = document.data if isinstance(document.data, list) else _raw(document.data)
        known: list[Fault] = []
        for number, given in enumerate(raw):
            problems += _names(document, (*shift, number), given)
            problems += _params(document, (*shift, number), given)
        if problems or file is None:
            raise DefinitionError(sorted(set(problems), key=lambda p: (p.line, p.column, p.message)))
        for number, entry in enumerate(entries):
            params = FAULTS[entry.fault].params.model_validate_json(json.dumps(entry.with_))
            dice = random.Random(f"{file.seed}/{number}")  # noqa: S311 — repeatable, not secret
            known.append(Fault(entry, params, dice))
        return cls(file.seed, known)

    def strike(self, tool: str, stages: Iterable[Stage]) -> Fault | None:
        """Return the first fault of these stages that hits this request; every matching one has seen it."""
        wanted, hit = tuple(stages), None
        for fault in self.entries:
            if fault.kind.stage in wanted and fault.matches(tool) and fault.due() and hit is None:
                fault.hits += 1
                hit = fault
        return hit

    def of(self, tool: str, stage: Stage) -> list[Fault]:
        """Return the faults of a stage that can hit the tool."""
        return [f for f in self.entries if f.kind.stage is stage and f.matches(tool)]

    def show(self) -> list[dict[str, Json]]:
        """Return the faults as JSON, with how many requests each has seen and hit."""
        return [
            {
                **f.entry.model_dump(mode="json", by_alias=True, exclude_defaults=True),
                "seen": f.seen,
                "hits": f.hits,
            }
            for f in self.entries
        ]


def _read(document: Document) -> tuple[FaultFile | None, list[Problem]]:
    if isinstance(document.data, list):
        entries, problems = read(document, list[Entry])
        return FaultFile(seed=0, faults=entries or []), problems
    return read(document, FaultFile)


def _raw(data: Json) -> list[Json]:
    found = data.get("faults") if isinstance(data, dict) else None
    return found if isinstance(found, list) else []


def _names(document: Document, at: tuple[str | int, ...], given: Json) -> list[Problem]:
    if not isinstance(given, dict):
        return []
    problems = []
    fault, tool = given.get("fault"), given.get("tool")
    if isinstance(fault, str) and fault not in FAULTS:
        problems.append(document.problem((*at, "fault"), f"unknown fault {fault!r}{suggest(fault, FAULTS)}"))
    if isinstance(tool, str) and not any(fnmatchcase(slug, tool) for slug in SLUGS):
        problems.append(document.problem((*at, "tool"), f"no tool matches {tool!r}{suggest(tool, SLUGS)}"))
    return problems


def _params(document: Document, at: tuple[str | int, ...], given: Json) -> list[Problem]:
    kind = FAULTS.get(str(given.get("fault"))) if isinstance(given, dict) else None
    data = given.get("with", {}) if isinstance(given, dict) else {}
    if kind is None or not isinstance(data, dict):
        return []
    node = document.root
    for part in (*at, "with") if "with" in given else at:
        node = node.inner[part]
    return read(Document(document.file, data, node), kind.params)[1]
