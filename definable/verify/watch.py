"""What is watched about known things: at a glance with every answer, closely when that finds a reason to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from operator import itemgetter

from definable.verify.contracts import Contract
from definable.verify.glance import Glance
from definable.verify.matching import Matching
from definable.verify.rows import Path, Place, Pool, at, canon
from definable.verify.shape import Json, Schema
from definable.verify.standing import Standing


@dataclass
class Watch:
    """The things of one tool's answers: where they stand, what is known of them, and healthy answers."""

    contract: Contract
    places: Sequence[Place]
    """Outer ones first; without the page of a list, which is no thing."""
    pools: Sequence[Pool]
    samples: Sequence[tuple[Mapping[str, Json], Json]]

    def strange(self, arguments: Mapping[str, Json], body: Json) -> bool:
        """Whether known things ask for a closer look, or none is there although the same was asked before."""
        for each in self._glances:
            inner = body.get(each.entries) if each.entries and isinstance(body, dict) else None
            found = inner if isinstance(inner, list) else at(body, each.path)
            seen = each.strange(found) if found else False
            if seen or (seen is None and any(asked == arguments for asked, _ in self.samples)):
                return True
        return False

    def unchanged(self, overlay: Schema) -> Callable[[Json], bool] | None:
        """Return a check that passes a list whose entries are healthy ones that have not changed at all.

        They need not be held against the contract again; the rest of the body is, and the whole against
        `overlay`. None where there are other things to watch, or no list that could be looked at apart.
        """
        if len(self._glances) != 1 or not (name := self._glances[0].entries):
            return None
        here = self._glances[0]
        if (rest := self.contract.apart(name, here.kinds, overlay)) is None:
            return None
        holds = self.contract.entries(name)
        known = {key: row for key, row in here.by_key.items() if holds(row)}.get
        key = itemgetter(here.key)

        def check(body: Json) -> bool:
            found = body.get(name) if isinstance(body, dict) else None
            try:
                same = isinstance(found, list) and [*map(known, map(key, found))] == found != []
            except (KeyError, TypeError):
                return False
            return same and rest(body)

        return check

    def standing(self, body: Json) -> Iterator[Standing]:
        """Yield what to look at where known things are in a body, place by place, the outer ones first."""
        outer: dict[Path, Standing] = {}
        for number, place in enumerate(self.places):
            search = Matching(self.contract, place, self.pools[number], body)
            inner = [place.path[:n] for n in range(len(place.path) - 1, -1, -1) if place.path[:n] in outer]
            around = outer[inner[0]] if inner else None
            here = Standing(search, self._keys[number], self._volatile[number], around)
            if here.key or around:
                # What has no key of its own, as a bare list, is no thing whose lists could be told apart.
                outer[place.path] = here
            yield here

    @cached_property
    def _keys(self) -> list[str]:
        return [Glance(each.path, pool.rows).key for each, pool in zip(self.places, self.pools, strict=True)]

    @cached_property
    def _glances(self) -> list[Glance]:
        """The outermost things that have a key; what is in them is compared with them."""
        found: list[Glance] = []
        for place, pool, key in zip(self.places, self.pools, self._keys, strict=True):
            if key and not any(place.path[: len(each.path)] == each.path for each in found):
                found.append(Glance(place.path, pool.rows))
        return found

    @cached_property
    def _volatile(self) -> list[frozenset[Path]]:
        return [self._changing(place) for place in self.places]

    def _changing(self, place: Place) -> frozenset[Path]:
        """Return what most things have changed from one healthy answer to another."""
        changed, same = Counter[Path](), Counter[Path]()
        rows: list[list[Mapping[str, Json]]] = [
            [row for row in at(body, place.path) if isinstance(row, dict)] for _, body in self.samples
        ]
        for before, after in pairwise(rows):
            for link in Pool(before).links(after):
                for path, old in link.old.items():
                    there = path in link.new and canon(old) == canon(link.new[path])
                    (same if there else changed)[path] += 1
        return frozenset(path for path, often in changed.items() if often > same[path])
