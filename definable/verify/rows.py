"""Bodies as rows: the objects that a contract declares at its top and in its lists, and how alike two are.

A row is flattened into its nodes, `owner.email` as `("owner", "email")`; lists are single nodes, their
objects are rows of a place of their own. How much a value tells is counted in bits: a uuid or a sentence
hardly stands in two fields by chance, a boolean often does.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from definable.verify.contracts import Contract
from definable.verify.shape import Json, Schema

Path = tuple[str, ...]
Nodes = dict[Path, Json]

TELLING = 8.0
"""Bits from which a single value says which row it is from."""
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contract has objects: the whole body, or the entries of a list, such as `values.*`."""

    path: Path
    entity: str
    """What they are, the same in all tools of a toolkit; empty for objects without a name."""
    schema: Schema
    declared: Mapping[Path, Schema]
    """What is declared in each object, and in the objects in it."""


@lru_cache(maxsize=1024)
def places(contract: Contract) -> tuple[Place, ...]:
    """Return every place of a contract, the outer ones first."""
    return tuple(_places(contract, contract.schema, ()))


def _places(contract: Contract, schema: Schema, path: Path) -> Iterator[Place]:
    if len(path) > _DEEPEST:
        return
    shape = contract.solid(schema)
    if shape.items is not None:
        yield from _places(contract, shape.items, (*path, "*"))
        return
    if (not path or path[-1] == "*") and "object" in shape.types and not shape.branches:
        yield Place(path, " ".join(sorted(shape.entity)), schema, targets(contract, schema))
    if not shape.branches:
        for name, inner in shape.properties.items():
            yield from _places(contract, inner, (*path, name))


@lru_cache(maxsize=1024)
def names(contract: Contract) -> frozenset[str]:
    """Return the names of all that a contract declares, wherever."""
    return frozenset(name for place in places(contract) for path in place.declared for name in path)


def at(body: Json, path: Path) -> list[Json]:
    """Return everything at `path`; `*` goes through lists."""
    found = [body]
    for part in path:
        if part == "*":
            found = [entry for each in found if isinstance(each, list) for entry in each]
        else:
            found = [each[part] for each in found if isinstance(each, dict) and part in each]
    return found


def targets(contract: Contract, schema: Schema, path: Path = ()) -> dict[Path, Schema]:
    """Return what is declared in an object and in the objects in it, by path."""
    found: dict[Path, Schema] = {}
    shape = contract.solid(schema)
    if shape.branches or len(path) > _DEEPEST:
        return found
    for name, inner in shape.properties.items():
        found[(*path, name)] = inner
        found |= targets(contract, inner, (*path, name))
    return found


def nodes(row: Mapping[str, Json], opaque: frozenset[Path] = frozenset(), path: Path = ()) -> Nodes:
    """Return every node of an object; what is at `opaque` is not looked into."""
    found: Nodes = {}
    for name, value in row.items():
        here = (*path, name)
        found[here] = value
        if isinstance(value, dict) and here not in opaque and len(here) < _DEEPEST:
            found |= nodes(value, opaque, here)
    return found


def canon(value: Json) -> str:
    """Return a value as text that is the same however JSON types it: `12` and "12" are alike."""
    if isinstance(value, str):
        return value
    if type(value) is int:
        return str(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, dict | list):
        return json.dumps(_canonical(value), sort_keys=True)
    return json.dumps(value)


def _canonical(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _canonical(each) for key, each in value.items()}
    return [_canonical(each) for each in value] if isinstance(value, list) else canon(value)


def bits(value: Json) -> float:
    """Return how much it says that this value stands in two places: about the log2 of what it could be."""
    if isinstance(value, bool) or value is None:
        return 0.0
    if isinstance(value, int):
        return min(24.0, math.log2(1 + abs(value)))
    if isinstance(value, float):
        return min(24.0, 4 + math.log2(1 + abs(value)))
    if isinstance(value, str):
        return min(24.0, 1.5 * len(value))
    inner = value.values() if isinstance(value, dict) else value
    return min(48.0, sum(map(bits, inner)))


def tokens(value: Json) -> Iterator[tuple[str, float]]:
    """Yield the scalars in a value that tell something, as text with their bits."""
    if isinstance(value, dict):
        for each in value.values():
            yield from tokens(each)
    elif isinstance(value, list):
        for each in value:
            yield from tokens(each)
    elif (worth := bits(value)) >= TELLING:
        yield canon(value), worth


@dataclass(frozen=True, slots=True)
class Link:
    """Two rows that are the same thing, by the values that they share."""

    new: Nodes
    old: Nodes
    shared: Mapping[str, float]

    def without(self, value: Json) -> float:
        """Return the bits that they share apart from `value`."""
        mine = {text for text, _ in tokens(value)}
        return sum(worth for text, worth in self.shared.items() if text not in mine)


@dataclass
class Pool:
    """Rows of healthy answers, one for each thing, the latest."""

    rows: list[Mapping[str, Json]]
    opaque: frozenset[Path] = field(default=frozenset())

    @cached_property
    def flat(self) -> list[Nodes]:
        """The nodes of each row."""
        return [nodes(row, self.opaque) for row in self.rows]

    @cached_property
    def paths(self) -> frozenset[Path]:
        """Every path that a healthy row had."""
        return frozenset(path for row in self.flat for path in row)

    @cached_property
    def counts(self) -> tuple[Counter[Path], Counter[Path]]:
        """How many rows have a path, and how many have null there."""
        there = Counter(path for row in self.flat for path in row)
        return there, Counter(path for row in self.flat for path, value in row.items() if value is None)

    @cached_property
    def _tokens(self) -> list[dict[str, float]]:
        return [dict(tokens(row)) for row in self.rows]

    @cached_property
    def _index(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for number, known in enumerate(self._tokens):
            for text in known:
                found[text].append(number)
        return found

    def link(self, row: Mapping[str, Json]) -> Link | None:
        """Return the one healthy row that is the same thing: it shares the most, and at least half."""
        mine = dict(tokens(row))
        votes: Counter[int] = Counter()
        weight: dict[int, float] = defaultdict(float)
        for text, worth in mine.items():
            for number in self._index.get(text, ()):
                votes[number] += 1
                weight[number] += worth
        if not weight:
            return None
        best = max(weight.values())
        winners = [number for number, found in weight.items() if found == best]
        smaller = min(sum(mine.values()), sum(self._tokens[winners[0]].values()))
        if len(winners) > 1 or best * 2 < smaller:
            return None
        theirs = self._tokens[winners[0]]
        shared = {text: worth for text, worth in mine.items() if text in theirs}
        return Link(nodes(row, self.opaque), self.flat[winners[0]], shared)

    def links(self, rows: Sequence[Json]) -> list[Link]:
        """Return the links of all rows that have one; of two for the same thing, none."""
        found = [link for row in rows if isinstance(row, dict) and (link := self.link(row))]
        often = Counter(id(link.old) for link in found)
        return [link for link in found if often[id(link.old)] == 1]
