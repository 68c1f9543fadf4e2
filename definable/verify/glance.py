"""A glance at known things: whether any of them has something else where it had something, in a report way.

It costs microseconds, since a thing that is as it was is one comparison. What it sees is only a reason to
look closer (`standing.py`): it may be wrong, and must not miss anything.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

from jiter import from_json

from definable.spec.paths import MISSING
from definable.verify.forms import DECODERS, decoded, moment, shifted, unit_change
from definable.verify.names import words
from definable.verify.rows import TELLING, Path, bits, canon
from definable.verify.shape import Json, Schema

Pair = tuple[Path, Json, Json]


@dataclass
class Glance:
    """What is compared at one place: the objects there, and the known rows by what tells them apart."""

    path: Path
    rows: Sequence[Mapping[str, Json]]

    @cached_property
    def entries(self) -> str:
        """The property of the answer that has all these objects as its entries; empty when none has."""
        return self.path[0] if len(self.path) == 2 and self.path[1] == "*" else ""

    @cached_property
    def key(self) -> str:
        """The property that says which thing a row is; empty when there is none."""
        names = [name for name in (self.rows[0] if self.rows else ()) if self._tells(name)]
        ranked = sorted(names, key=lambda name: (name != "id", words(name)[-1:] != ("id",)))
        return ranked[0] if ranked else ""

    def _tells(self, name: str) -> bool:
        values = [row.get(name) for row in self.rows]
        plain = all(isinstance(value, str | int) and not isinstance(value, bool) for value in values)
        named = words(name)[-1:] == ("id",)
        return (
            plain and (named or all(bits(v) >= TELLING for v in values)) and len(set(values)) == len(values)
        )

    @cached_property
    def by_key(self) -> dict[Json, Mapping[str, Json]]:
        """The known rows by their key; read as answers are, so that the same text is the same object."""
        rows = from_json(json.dumps(self.rows).encode()) if self.key else []
        return {row[self.key]: row for row in rows}

    @cached_property
    def foreign(self) -> frozenset[Json]:
        """What rows have elsewhere that looks like a key: ids that may stand in another one's place."""
        others = {
            value
            for row in self.rows
            for name, value in row.items()
            if name != self.key and isinstance(value, str) and bits(value) >= TELLING
        }
        return frozenset(others - self.by_key.keys())

    @cached_property
    def kinds(self) -> Schema | bool:
        """What tells true from 1 and false from 0, which compare as equal, wherever the rows have them."""
        return _kinds([*self.by_key.values()])

    def strange(self, found: list[Json]) -> bool | None:
        """Whether something about these objects asks for a closer look; None when none of them is known."""
        try:
            keys = [*map(self._get_key, found)]
            old = [*map(self._known, keys)]
        except (KeyError, TypeError):
            return False
        if old == found:
            return False
        if not any(old):
            return None
        return self._doubled(keys, found) or not self.foreign.isdisjoint(keys) or self._changed(found, old)

    @cached_property
    def _get_key(self) -> Callable[[Json], Json]:
        return itemgetter(self.key)

    @cached_property
    def _known(self) -> Callable[[Json], Mapping[str, Json] | None]:
        return self.by_key.get

    def _doubled(self, keys: list[Json], found: Sequence[Json]) -> bool:
        if len(set(keys)) == len(keys):
            return False
        first: dict[Json, Json] = {}
        return any(first.setdefault(key, row) != row for key, row in zip(keys, found, strict=True))

    def _changed(self, found: list[Json], old: Sequence[Mapping[str, Json] | None]) -> bool:
        changed = Counter[Path]()
        for new, before in zip(found, old, strict=True):
            if before is None or before == new:
                continue
            pairs = list(differences(before, new))
            if exchanged(pairs) or any(report(one, two) for _, one, two in pairs):
                return True
            changed.update({path for path, one, two in pairs if _counts(one, two)})
        return any(often > 1 for often in changed.values())


def _kinds(values: Sequence[Json]) -> Schema | bool:
    types = {type(value) for value in values}
    if bool in types and types & {int, float}:
        return False
    out: Schema = {}
    if types & {bool, int, float}:
        out["type"] = ["array", "boolean" if bool in types else "number", "null", "object", "string"]
    inner: dict[str, list[Json]] = {}
    for name, value in (pair for each in values if isinstance(each, dict) for pair in each.items()):
        inner.setdefault(name, []).append(value)
    if named := {name: found for name, each in inner.items() if (found := _kinds(each)) != {}}:
        out["properties"] = named
    entries = (
        _kinds([entry for each in values if isinstance(each, list) for entry in each])
        if list in types
        else {}
    )
    return out if entries == {} else {**out, "items": entries}


def differences(old: Json, new: Json, path: Path = ()) -> Iterator[Pair]:
    """Yield what stands in two bodies at the same place and is not the same."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name, before in old.items():
            after = new.get(name, MISSING)
            if after != before:
                yield from differences(before, after, (*path, name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for before, after in zip(old, new, strict=True):
            if after != before:
                yield from differences(before, after, (*path, "*"))
    else:
        yield path, old, new


def exchanged(pairs: Sequence[Pair]) -> bool:
    """Whether what one place had now stands at another, that has changed as well."""
    if len(pairs) < 2:
        return False
    had = {canon(old) for _, old, _ in pairs if _speaks(old)}
    return any(_speaks(new) and canon(new) in had for _, _, new in pairs)


def _speaks(value: Json) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value not in ("", 0)


def report(old: Json, new: Json) -> bool:
    """Whether two values are hardly an edit: another unit, another form of a moment, nothing for null."""
    if old is None:
        return isinstance(new, str) and not new
    if isinstance(old, str) and (was := moment(old)) is not None:
        now = moment(new)
        return now is None or now == was or shifted(was, now)
    if isinstance(old, str) and isinstance(new, str):
        return (
            new in (old.upper(), old.lower())
            or any(decoded(new, how) == old for how in DECODERS)
            or bool(unit_change(old, new))
        )
    return bool(unit_change(old, new))


def _counts(old: Json, new: Json) -> bool:
    same = isinstance(old, bool) and isinstance(new, bool)
    return (
        same
        or (new is MISSING and old is not None)
        or (isinstance(old, str) and isinstance(new, str) and moment(old) is None)
    )
