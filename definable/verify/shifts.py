"""Where the properties went that an object should have: found by evidence in names and values, or not at all.

All objects at one place of a schema (the entries of a list) are looked at together, and one answer holds for
all of them. The evidence, strongest first: the same name in another casing; a name with the same meaning
(`names.alike`); the same name one carrier further out or in; and, where the names share nothing, a value that
could hardly fit by chance. A text, a number, a date or null fits far too many places to prove anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from definable.spec.paths import MISSING, show
from definable.verify.contracts import Contract
from definable.verify.names import alike, canonical, carries, core, same, speaks_of_another
from definable.verify.shape import Json, Schema, Shape

Objects = Sequence[Mapping[str, Json]]
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """One value to be carried from `source` to `target`, both relative to the object."""

    rule: str
    source: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """What to carry where; why other missing properties were left alone; why nothing may be done at all."""

    shifts: tuple[Shift, ...]
    reasons: tuple[str, ...]
    fatal: str = ""


class Search:
    """The search for the missing properties of the objects at one place."""

    def __init__(
        self, contract: Contract, shape: Shape, objects: Objects, path: Path, entity: frozenset[str]
    ) -> None:
        """`entity` are the words for what the objects are; `path` leads to them from the body."""
        self.contract = contract
        self.shape = shape
        self.objects = objects
        self.path = path
        self.entity = entity | shape.entity
        self.unknown = list(dict.fromkeys(key for each in objects for key in shape.unknown(each)))
        self.missing = [p for p in shape.properties if all(p not in each for each in objects)]
        self.reasons: list[str] = []

    def plan(self) -> Plan:
        """Return what was found."""
        if not self.unknown:
            return Plan((), ())
        found = [shift for name in self.missing if (shift := self._by_name(name))]
        found += self._along(found)
        found += self._flattened(found)
        found = self._undisputed(found)
        settled = {shift.target[0] for shift in found}
        sources = {shift.source[0] for shift in found}
        left = [p for p in self.missing if p not in settled]
        found += [shift for name in left if (shift := self._by_value(name, left, sources))]
        sources |= {shift.source[0] for shift in found}
        return Plan(tuple(found), tuple(self.reasons), self._unexplained(found, sources))

    def _needed(self, name: str) -> bool:
        return name in self.shape.required or (*self.path, name) in self.contract.watched

    def _by_name(self, name: str) -> Shift | None:
        exact = [Shift("case", (key,), (name,)) for key in self.unknown if same(key, name)]
        candidates = exact or [*self._alike(name), *self._carried(name, self.unknown)]
        candidates = [each for each in candidates if self._holds(each, name)]
        if len(candidates) > 1:
            places = " and ".join(self._show(each.source) for each in candidates)
            self.reasons.append(f"{self._show((name,))} is missing, and both {places} could be it")
            return None
        return candidates[0] if candidates and self._wanted(candidates[0]) else None

    def _wanted(self, shift: Shift) -> bool:
        """Whether to move it at all: what may be left out is carried along, and never a reason to move."""
        return shift.rule != "move" or self._needed(shift.target[0])

    def _along(self, found: list[Shift]) -> list[Shift]:
        """Find what may be left out and went the same way as what may not: out of the same carrier."""
        carriers = list(dict.fromkeys(each.source[0] for each in found if each.rule == "move"))
        left = [p for p in self.missing if all(p != each.target[0] for each in found)]
        ways = [(p, list(self._carried(p, carriers))) for p in left]
        return [each[0] for p, each in ways if len(each) == 1 and self._holds(each[0], p)]

    def _alike(self, name: str) -> Iterator[Shift]:
        schema = self.shape.properties[name]
        inner = self.contract.solid(schema)
        many = bool(inner.types) and inner.types <= {"array", "object", "null"}
        for key in self.unknown:
            if not same(key, name) and alike(key, name, self.entity, inner.fmt, many):
                yield Shift("rename", (key,), (name,))

    def _carried(self, name: str, carriers: list[str]) -> Iterator[Shift]:
        for key in carriers:
            if not carries(key, self.entity) or speaks_of_another(key):
                continue
            inner = [each.get(key) for each in self.objects]
            names = {k for each in inner if isinstance(each, dict) for k in each if same(k, name)}
            yield from (Shift("move", (key, k), (name,)) for k in names)

    def _holds(self, shift: Shift, name: str) -> bool:
        """Whether every object has the source, and what is there fits; an optional one may be left out."""
        values = [_get(each, shift.source) for each in self.objects]
        there = [value for value in values if value is not MISSING]
        if name in self.shape.required and len(there) < len(values):
            self.reasons.append(f"{self._show(shift.source)} is only in some of the entries")
            return False
        if shift.rule == "case":
            # Too close to be anything else: what is in it is healed next, or all of it is refused.
            return True
        if all(self.contract.fits(self.shape.properties[name], value) for value in there):
            return True
        self.reasons.append(
            f"{self._show(shift.source)} is named like {name!r}, but what it holds does not fit"
        )
        return False

    def _flattened(self, found: list[Shift]) -> list[Shift]:
        """Find properties of a declared object that now stand beside it: `owner.email` as `ownerEmail`."""
        done = {shift.target[0] for shift in found}
        out: list[Shift] = []
        for name, schema in self.shape.properties.items():
            if name not in done and self._needed(name):
                out += self._outside(name, self.contract.solid(schema))
        return out

    def _outside(self, name: str, inner: Shape) -> list[Shift]:
        present = [each[name] for each in self.objects if name in each]
        if len(present) not in (0, len(self.objects)) or not all(isinstance(each, dict) for each in present):
            return []
        wanted = [p for p in inner.properties if all(p not in each for each in present)]
        shifts = [shift for p in wanted if (shift := self._stands_outside(name, p, inner.properties[p]))]
        reached = {shift.target[1] for shift in shifts}
        complete = all(p in reached or (present and p not in wanted) for p in inner.required)
        return shifts if complete else []

    def _stands_outside(self, name: str, child: str, schema: Schema) -> Shift | None:
        bare = carries(name, self.entity)
        keys = [
            key
            for key in self.unknown
            if canonical(key) == canonical(name) + canonical(child) or (bare and same(key, child))
        ]
        if len(keys) != 1 or not self._fit(keys[0], schema):
            return None
        return Shift("move", (keys[0],), (name, child))

    def _fit(self, key: str, schema: Schema) -> bool:
        return all(key in each and self.contract.fits(schema, each[key]) for each in self.objects)

    def _undisputed(self, found: list[Shift]) -> list[Shift]:
        claims: dict[Path, list[Shift]] = {}
        for shift in found:
            claims.setdefault(shift.source, []).append(shift)
        for source, wanting in claims.items():
            if len(wanting) > 1:
                names = " and ".join(self._show(each.target) for each in wanting)
                self.reasons.append(f"{self._show(source)} could be both {names}")
        return [shifts[0] for shifts in claims.values() if len(shifts) == 1]

    def _by_value(self, name: str, missing: list[str], taken: set[str]) -> Shift | None:
        """Accept a name that shares nothing, when the value proves itself and nothing else is possible."""
        schema = self.shape.properties[name]
        fitting = [key for key in self.unknown if key not in taken and self._fit(key, schema)]
        if not self._needed(name):
            # It may be left out: what is new beside it is no reason to do anything, only to say so.
            self.reasons += [f"{self._show((name,))} is gone; {self._show((k,))} may be it" for k in fitting]
            return None
        if len(fitting) != 1:
            self.reasons.append(f"{self._show((name,))} is missing, and {_counted(fitting)} could be it")
            return None
        key = fitting[0]
        rivals = [p for p in self.shape.properties if p != name and self._rivals(p, key, missing)]
        if (
            rivals
            or not self._strange(key, name)
            or not proves(self.contract, schema, [x[key] for x in self.objects])
        ):
            self.reasons.append(
                f"{self._show((name,))} is missing; {self._show((key,))} would fit, "
                "but neither its name nor its value proves that it is the same"
            )
            return None
        return Shift("rename", (key,), (name,))

    def _rivals(self, other: str, key: str, missing: list[str]) -> bool:
        """Whether the value speaks as much for another property: a missing one, or one of the same kind."""
        schema = self.shape.properties[other]
        values = [each[key] for each in self.objects]
        return self._fit(key, schema) and (other in missing or proves(self.contract, schema, values))

    def _strange(self, key: str, name: str) -> bool:
        """Whether the names share no word: those that share one are of a thing and another beside it."""
        ours, theirs = core(name, self.entity), core(key, self.entity)
        return not speaks_of_another(key) and len(theirs) <= len(ours) and not set(ours) & set(theirs)

    def _unexplained(self, found: list[Shift], sources: set[str]) -> str:
        """Say why a watched property that is gone must not be taken for one that is merely left out."""
        reached = {(*self.path, *shift.target[:end]) for shift in found for end in (1, 2)}
        for name, schema in self.shape.properties.items():
            here = (*self.path, name)
            if here not in self.contract.watched or here in reached or all(name in x for x in self.objects):
                continue
            for key in self.unknown:
                values = [each[key] for each in self.objects if key in each and name not in each]
                if key not in sources and any(self._may_be(here, schema, value) for value in values):
                    return f"{show(here)} is gone, and {self._show((key,))} is new and may be it"
        return ""

    def _may_be(self, path: Path, schema: Schema, value: Json) -> bool:
        if self.contract.fits(schema, value):
            return True
        inner = self.contract.solid(schema).properties
        below = [(*path, p) for p in inner if (*path, p) in self.contract.watched]
        return any(self._may_be(each, inner[each[-1]], value) for each in below)

    def _show(self, path: Path) -> str:
        return show((*self.path, *path))


def proves(contract: Contract, schema: Schema, values: Sequence[Json]) -> bool:
    """Whether values that fit `schema` could hardly do so by chance: known words, or two required names.

    The known words are those of an `enum`, or the `examples` of a text that may have others as well. Nulls
    and empty lists fit everywhere and are no evidence.
    """
    shape = contract.solid(schema)
    values = [value for value in values if value is not None]
    if not values or shape.branches:
        return False
    if known := shape.enum or tuple(shape.schema.get("examples", ())):
        return len(known) > 1 and all(isinstance(value, str) and value in known for value in values)
    if shape.items is not None:
        entries = [entry for value in values if isinstance(value, list) for entry in value]
        return "object" in contract.solid(shape.items).types and proves(contract, shape.items, entries)
    return len(shape.required) > 1 and all(isinstance(value, dict) for value in values)


def carry(shifts: Sequence[Shift], value: Mapping[str, Json]) -> dict[str, Json]:
    """Return `value` with every shift made that has a source in it; emptied carriers are dropped."""
    out = dict(value)
    for shift in shifts:
        found = _get(out, shift.source)
        if found is MISSING:
            continue
        _remove(out, shift.source)
        if len(shift.target) == 1:
            out[shift.target[0]] = found
        else:
            out[shift.target[0]] = {**out.get(shift.target[0], {}), shift.target[1]: found}
    return out


def _remove(value: dict[str, Json], path: Path) -> None:
    if len(path) == 1:
        del value[path[0]]
        return
    inner = {key: each for key, each in value[path[0]].items() if key != path[1]}
    if inner:
        value[path[0]] = inner
    else:
        del value[path[0]]


def _get(value: Json, path: Path) -> Json:
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return MISSING
        value = value[part]
    return value


def _counted(names: list[str]) -> str:
    return "nothing" if not names else " and ".join(map(repr, names)) + (" each" if len(names) > 1 else "")
