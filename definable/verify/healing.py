"""The walk along a contract that heals what it meets; `repair` is the way in.

Everything at one place of the schema is healed together, as a list of values, so that one answer holds for
all entries of a list. Each step returns what it made and what it noted, or raises Refused; nothing is kept
aside, so that several readings can be tried and compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise

from definable.calls import Change
from definable.spec.paths import MISSING, show
from definable.verify.coerce import coerced
from definable.verify.contracts import Contract, shown
from definable.verify.names import carries, singular, speaks_of_another, words
from definable.verify.shape import Json, Schema, Shape, kind
from definable.verify.shifts import Path, Search, Shift, carry, proves


@dataclass(frozen=True, slots=True)
class Note:
    """One rule used at one place: `detail` for the receipt, `diff` with values for people."""

    rule: str
    path: Path
    detail: str
    diff: str
    change: Change | None = None
    """The rule as data, where something was carried from one place to another."""


@dataclass(frozen=True, slots=True)
class Healed:
    """The values as they should be, what was done, and what was considered and left."""

    values: list[Json]
    notes: tuple[Note, ...] = ()
    reasons: tuple[str, ...] = field(default=())


class Refused(Exception):
    """No repair is certain here; `reasons` say why. Never leaves this room."""

    def __init__(self, *reasons: str) -> None:
        """Keep the reasons."""
        super().__init__(*reasons)
        self.reasons = reasons


class Healing:
    """One walk along one contract."""

    def __init__(self, contract: Contract) -> None:
        """Keep the contract."""
        self.contract = contract

    def heal(self, schema: Schema, values: list[Json], path: Path, peel: bool = True) -> Healed:
        """Return `values`, all found at `path`, as `schema` wants them. Refused when that is not certain."""
        shape = self.contract.shape(schema)
        if not values:
            return Healed(values)
        if shape.branches:
            return self._union(shape, values, path, peel)
        readings: list[Healed] = []
        reasons: list[str] = []
        for read in (self._in_place, self._unwrapped if peel else None):
            try:
                if read and (found := read(schema, shape, values, path)):
                    readings.append(found)
            except Refused as refusal:
                reasons += refusal.reasons
        return _only(readings, reasons, shape, path)

    def _fit(self, schema: Schema, values: Sequence[Json]) -> bool:
        return all(self.contract.fits(schema, value) for value in values)

    def _in_place(self, schema: Schema, shape: Shape, values: list[Json], path: Path) -> Healed:
        first = self._typed(schema, shape, values, path)
        if shape.properties or shape.rest is not None:
            then = self._members(shape, first.values, path, dict, self._objects)
        elif shape.items is not None:
            then = self._members(shape, first.values, path, list, self._lists)
        else:
            then = Healed(first.values)
        if not self._fit(schema, then.values):
            raise Refused(*(then.reasons or [f"{_at(path)}: no rule makes it fit"]))
        return Healed(then.values, first.notes + then.notes, then.reasons)

    def _typed(self, schema: Schema, shape: Shape, values: list[Json], path: Path) -> Healed:
        """Give each value the type that is wanted, where that is lossless."""
        wrong = [n for n, value in enumerate(values) if not _of_kind(shape, value) or _mistyped(shape, value)]
        out, notes = list(values), []
        for n in wrong:
            rule, found = self._retyped(schema, shape, values, n, path)
            if found is MISSING:
                wanted = " or ".join(sorted(shape.types))
                raise Refused(
                    f"{_at(path)} is {shown(values[n])}, and it is not certain which {wanted} that is"
                )
            out[n] = found
            change = (
                f"{kind(values[n])} → {kind(found)}" if kind(values[n]) != kind(found) else "another casing"
            )
            notes.append(
                Note(
                    rule, path, f"{_at(path)}: {change}", f"{_at(path)}: {shown(values[n])} → {shown(found)}"
                )
            )
        return Healed(out, tuple(notes))

    def _retyped(
        self, schema: Schema, shape: Shape, values: list[Json], n: int, path: Path
    ) -> tuple[str, Json]:
        value = values[n]
        if isinstance(value, list) and len(value) == 1 and self.contract.fits(schema, value[0]):
            return "coerce", MISSING if value[0] is None else value[0]
        if isinstance(value, list) and (name := self._sole_list(shape, value)):
            return "wrap", {name: value}
        if "array" in shape.types and self._single(shape, values, value):
            return "coerce", [value]
        if isinstance(value, dict | list) or value is None:
            return "coerce", MISSING
        found = coerced(shape, value, next((part for part in reversed(path) if part != "*"), ""))
        return "coerce", found if found is not MISSING and self.contract.fits(schema, found) else MISSING

    def _sole_list(self, shape: Shape, value: list[Json]) -> str | None:
        """Name the only property that an object may have, when it is a list that could be `value`."""
        if len(shape.properties) != 1 or not shape.required:
            return None
        name, inner = next(iter(shape.properties.items()))
        return name if self.contract.fits(inner, value) else None

    def _single(self, shape: Shape, values: list[Json], value: Json) -> bool:
        """Whether a bare value must be a list of one: lists of one are nowhere left, while longer ones are.

        Without that a list that was cut down to its first entry would pass as whole.
        """
        if shape.items is None or not self.contract.fits(shape.items, value):
            return False
        lengths = {len(each) for each in values if isinstance(each, list)}
        return shape.schema.get("maxItems") == 1 or (1 not in lengths and any(n > 1 for n in lengths))

    def _members(
        self,
        shape: Shape,
        values: list[Json],
        path: Path,
        form: type,
        heal: Callable[[Shape, list[Json], Path], Healed],
    ) -> Healed:
        places = [n for n, value in enumerate(values) if isinstance(value, form)]
        healed = heal(shape, [values[n] for n in places], path)
        out = list(values)
        for n, value in zip(places, healed.values, strict=True):
            out[n] = value
        return Healed(out, healed.notes, healed.reasons)

    def _lists(self, shape: Shape, values: list[Json], path: Path) -> Healed:
        entries = [entry for value in values for entry in value]
        healed = self.heal(shape.items or {}, entries, (*path, "*"))
        ends = [0]
        for value in values:
            ends.append(ends[-1] + len(value))
        parts = [healed.values[start:end] for start, end in pairwise(ends)]
        return Healed(parts, healed.notes, healed.reasons)

    def _objects(self, shape: Shape, values: list[Json], path: Path) -> Healed:
        plan = Search(self.contract, shape, values, path, _entity(path)).plan()
        if plan.fatal:
            raise Refused(plan.fatal)
        out = [carry(plan.shifts, value) for value in values]
        notes = [_moved(each, path, values) for each in plan.shifts]
        reasons = list(plan.reasons)
        refused: list[str] = []
        for name, inner in [*shape.properties.items(), *_map_keys(shape, out)]:
            places = [value for value in out if name in value]
            try:
                healed = self.heal(inner, [value[name] for value in places], (*path, name))
            except Refused as refusal:
                refused += refusal.reasons
                continue
            for value, found in zip(places, healed.values, strict=True):
                value[name] = found
            notes += healed.notes
            reasons += healed.reasons
        gone = _gone(shape, out, path)
        if refused or gone:
            raise Refused(*refused, *(reasons or gone))
        self._refuse_exchange(shape, values, notes, path)
        return Healed(out, tuple(notes), tuple(reasons))

    def _refuse_exchange(self, shape: Shape, values: list[Json], notes: list[Note], path: Path) -> None:
        """Refuse when two properties were given another type that would each fit the other as it stood."""
        changed = {n.path[-1] for n in notes if n.rule == "coerce" and n.path[:-1] == path and n.path != path}
        for one, other in combinations(sorted(changed & set(shape.properties)), 2):
            both = [value for value in values if one in value and other in value]
            ones, others = ([value[key] for value in both] for key in (one, other))
            if self._fit(shape.properties[one], others) or self._fit(shape.properties[other], ones):
                raise Refused(f"{show((*path, one))} and {show((*path, other))} may have been exchanged")

    def _union(self, shape: Shape, values: list[Json], path: Path, peel: bool) -> Healed:
        """Heal each value in the one branch of a union that it belongs to."""
        groups: dict[int, list[int]] = {}
        for n, value in enumerate(values):
            if (branch := self._branch(shape, value, path, peel)) is not None:
                groups.setdefault(branch, []).append(n)
        out, notes, reasons = list(values), list[Note](), list[str]()
        for branch, places in groups.items():
            healed = self.heal(shape.branches[branch], [values[n] for n in places], path, peel)
            for n, found in zip(places, healed.values, strict=True):
                out[n] = found
            notes += healed.notes
            reasons += healed.reasons
        return Healed(out, tuple(notes), tuple(reasons))

    def _branch(self, shape: Shape, value: Json, path: Path, peel: bool) -> int | None:
        fitting = [n for n, branch in enumerate(shape.branches) if self.contract.fits(branch, value)]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
        found: dict[str, int] = {}
        reasons: list[str] = []
        for n, branch in enumerate(shape.branches):
            try:
                found.setdefault(json.dumps(self.heal(branch, [value], path, peel).values, sort_keys=True), n)
            except Refused as refusal:
                reasons += refusal.reasons
        if len(found) == 1:
            return next(iter(found.values()))
        raise Refused(*reasons, *([f"{_at(path)} could be repaired in more than one way"] if found else []))

    def _unwrapped(self, schema: Schema, shape: Shape, values: list[Json], path: Path) -> Healed | None:
        """Read what does not fit as an envelope; all of it must be the same envelope."""
        off = [n for n, value in enumerate(values) if not self.contract.fits(schema, value)]
        hidden = not off and _nothing_declared(shape, values)
        off = list(range(len(values))) if hidden else off
        envelopes = [values[n] for n in off if isinstance(values[n], dict)]
        if not off or len(envelopes) < len(off):
            return None
        readings: list[Healed] = []
        for key in [k for k in envelopes[0] if all(k in each for each in envelopes)]:
            inner = [each[key] for each in envelopes]
            if self._envelope(schema, shape, envelopes, key, path) and not (
                hidden and not _speaks(shape, inner)
            ):
                readings += self._inside(schema, inner, (*path, key), path)
        if len(readings) != 1:
            return None
        out = list(values)
        for n, found in zip(off, readings[0].values, strict=True):
            out[n] = found
        return Healed(out, readings[0].notes)

    def _inside(self, schema: Schema, inner: list[Json], source: Path, path: Path) -> list[Healed]:
        try:
            healed = self.heal(schema, inner, path, peel=False)
        except Refused:
            return []
        if not self._fit(schema, healed.values):
            return []
        note = Note("unwrap", path, f"{show(source)} → {_at(path)}", f"{show(source)} → {_at(path)}")
        return [Healed(healed.values, (note, *healed.notes))]

    def _envelope(
        self, schema: Schema, shape: Shape, envelopes: list[dict[str, Json]], key: str, path: Path
    ) -> bool:
        """Whether `key` may be an envelope's: its name says nothing, or what it holds proves itself."""
        if key in shape.properties or speaks_of_another(key):
            return False
        alone = all(len(each) == 1 for each in envelopes)
        silent = carries(key, shape.entity | _entity(path))
        if shape.properties:
            inner = [each[key] for each in envelopes]
            return silent or (alone and self._fit(schema, inner) and proves(self.contract, schema, inner))
        return alone and silent

    def additions(self, schema: Schema, values: list[Json], path: Path) -> list[str]:
        """Return where undeclared properties stand in `values`."""
        shape = self.contract.shape(schema)
        if shape.branches:
            return self._union_additions(shape, values, path)
        objects = [value for value in values if isinstance(value, dict)]
        lists = [value for value in values if isinstance(value, list)]
        found = [show((*path, key)) for value in objects for key in shape.unknown(value)]
        for name, inner in [*shape.properties.items(), *_map_keys(shape, objects)]:
            found += self.additions(inner, [x[name] for x in objects if name in x], (*path, name))
        if shape.items is not None and lists:
            found += self.additions(shape.items, [e for each in lists for e in each], (*path, "*"))
        return list(dict.fromkeys(found))

    def _union_additions(self, shape: Shape, values: list[Json], path: Path) -> list[str]:
        found: list[str] = []
        for value in values:
            branches = [each for each in shape.branches if self.contract.fits(each, value)]
            each = [self.additions(branch, [value], path) for branch in branches]
            found += [name for name in (each[0] if each else []) if all(name in other for other in each)]
        return list(dict.fromkeys(found))


def _only(readings: list[Healed], reasons: list[str], shape: Shape, path: Path) -> Healed:
    """Return the one reading there is. An envelope and moved properties that agree are the same reading."""
    if not readings:
        raise Refused(*reasons)
    if len(readings) == 1:
        return readings[0]
    moved, peeled = readings
    if not moved.notes or _declared(shape, moved.values) == _declared(shape, peeled.values):
        return peeled
    raise Refused(f"{_at(path)} could be an envelope, and its properties could have moved")


def _declared(shape: Shape, values: list[Json]) -> str:
    kept = [
        {k: v for k, v in x.items() if k in shape.properties} if isinstance(x, dict) else x for x in values
    ]
    return json.dumps(kept, sort_keys=True)


def _of_kind(shape: Shape, value: Json) -> bool:
    found = kind(value)
    return not shape.types or found in shape.types or (found == "integer" and "number" in shape.types)


def _mistyped(shape: Shape, value: Json) -> bool:
    return bool(shape.enum) and isinstance(value, str) and value not in shape.enum


def _entity(path: Path) -> frozenset[str]:
    name = next((part for part in reversed(path) if part != "*"), "")
    return frozenset(map(singular, words(name)))


def _map_keys(shape: Shape, values: list[dict[str, Json]]) -> list[tuple[str, Schema]]:
    if shape.rest is None:
        return []
    keys = dict.fromkeys(key for value in values for key in value if key not in shape.properties)
    return [(key, shape.rest) for key in keys]


def _nothing_declared(shape: Shape, values: list[Json]) -> bool:
    return bool(shape.properties) and all(
        isinstance(value, dict) and value and not shape.properties.keys() & value.keys() for value in values
    )


def _speaks(shape: Shape, inner: list[Json]) -> bool:
    return all(isinstance(each, dict) and len(shape.properties.keys() & each.keys()) > 1 for each in inner)


def _gone(shape: Shape, values: list[dict[str, Json]], path: Path) -> list[str]:
    names = [name for name in sorted(shape.required) if any(name not in value for value in values)]
    return [f"{show((*path, name))} is gone, and nothing is where it could be" for name in names]


def _moved(shift: Shift, path: Path, values: list[dict[str, Json]]) -> Note:
    source, target = (show((*path, *each)) for each in (shift.source, shift.target))
    found: Json = values[0]
    for part in shift.source:
        found = found.get(part) if isinstance(found, dict) else None
    where = f" ({len(values)} entries)" if "*" in path else ""
    change = Change(place=path, source=shift.source, target=shift.target)
    detail = f"{source} → {target}"
    return Note(shift.rule, path, detail, f"{detail}: {shown(found, 60)}{where}", change)


def _at(path: Path) -> str:
    return show(path) or "the body"
