"""What healthy answers had in common beyond what their contract demands: always there, never null, ids.

On the hot path it is one JSON Schema, checked together with the contract. What it finds is a reason to look
closer and to say so, and no failure by itself: a value may be left out because it is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from definable.spec.paths import show
from definable.verify.contracts import Contract
from definable.verify.rows import Link, Nodes, Path, Place, Pool, at, nodes
from definable.verify.shape import Json, Schema, kind

UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_SOLID = ["array", "boolean", "number", "object", "string"]
_CHANCE = {"field_removed": 0.21, "field_made_nullable": 0.01, "field_retyped": 0.34, "format_changed": 0.21}
"""A difference is told when chance explains it less often than this."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that healthy answers had and this one has not, in any row."""

    drift: str
    path: Path
    message: str


@dataclass(frozen=True, slots=True)
class _Habit:
    """What healthy rows had at one path: how many have the object around it, it, null there, a uuid there."""

    around: int
    there: int
    null: int
    uuid: int
    kinds: frozenset[str]
    """The JSON types of what is there and not null."""

    @property
    def always(self) -> bool:
        return 0 < self.around == self.there

    @property
    def solid(self) -> bool:
        return self.there > 0 and not self.null

    @property
    def ids(self) -> bool:
        return self.there > 1 and self.uuid == self.there - self.null > 0

    def tells(self, drift: str, rows: int) -> bool:
        """Whether a difference in so many rows is hardly chance; what one thing lacks says nothing."""
        lacks = drift in ("field_removed", "field_made_nullable")
        return (rows > 1 or not lacks) and (1 / (self.there + 2)) ** rows < _CHANCE[drift]


@dataclass(frozen=True, slots=True)
class Habits:
    """What healthy rows had at one place. `page` says that it is one part of a list, and no thing."""

    place: Place
    of: Mapping[Path, _Habit]
    page: bool


def habits(place: Place, bodies: Iterable[Json], page: bool) -> Habits:
    """Return what the objects at a place had in healthy bodies."""
    rows = [nodes(row) for body in bodies for row in at(body, place.path) if isinstance(row, dict)]
    return Habits(place, {path: _habit(rows, path) for path in place.declared}, page)


def demands(contract: Contract, known: Iterable[Habits]) -> Schema:
    """Return what passes what keeps to the habits of healthy bodies, beside the contract.

    Of a list it asks what `doubts` would tell: that some entry has what some had, in a form that it had.
    """
    overlay: Schema = {}
    several: list[Schema] = []
    for here in known:
        if "*" in here.place.path:
            several += _somewhere(contract, here)
        elif any(habit.around for habit in here.of.values()):
            _into(overlay, here.place.path, _demands(contract, here))
    return {**overlay, "allOf": several} if several else overlay


def _habit(rows: Sequence[Nodes], path: Path) -> _Habit:
    around = [row for row in rows if len(path) == 1 or isinstance(row.get(path[:-1]), dict)]
    found = [row[path] for row in around if path in row]
    uuids = [value for value in found if isinstance(value, str) and re.search(UUID, value)]
    kinds = frozenset(_kind(value) for value in found if value is not None)
    return _Habit(len(around), len(found), sum(value is None for value in found), len(uuids), kinds)


def _kind(value: Json) -> str:
    return "number" if (found := kind(value)) == "integer" else found


def _demands(contract: Contract, known: Habits) -> Schema:
    """What habits ask of a single object beyond the contract."""
    out: Schema = {}
    declared = known.place.declared
    for path, habit in known.of.items():
        around = contract.solid(declared[path[:-1]] if len(path) > 1 else known.place.schema)
        asked = habit.always and not known.page and path[-1] not in around.required
        mine: Schema = {}
        if habit.solid and not known.page and _may_be_null(contract, declared[path]):
            mine["type"] = _SOLID
        if habit.ids:
            mine["pattern"] = UUID
        if len(habit.kinds) == 1 and len(contract.solid(declared[path]).types - {"null"}) != 1:
            null = [] if habit.solid and not known.page else ["null"]
            mine["type"] = [*sorted(habit.kinds), *null]
        here = out
        for name in path[:-1] if mine or asked else ():
            here = here.setdefault("properties", {}).setdefault(name, {})
        if asked:
            here.setdefault("required", []).append(path[-1])
        if mine:
            here.setdefault("properties", {}).setdefault(path[-1], {}).update(mine)
    return out


def _may_be_null(contract: Contract, schema: Schema) -> bool:
    return contract.fits(schema, None)


def _somewhere(contract: Contract, known: Habits) -> Iterator[Schema]:
    """What some entries had, and some still must have, where there is anything that could have it."""
    for path, habit in known.of.items():
        if habit.there == habit.null or _demanded(contract, known.place, path, habit):
            continue
        solid: Schema = {"type": sorted(habit.kinds)}
        if habit.ids:
            solid["pattern"] = UUID
        around = _with((*known.place.path, *path[:-1]), {"type": "object"})
        yield {"anyOf": [_with((*known.place.path, *path), solid), {"not": around}]}


def _demanded(contract: Contract, place: Place, path: Path, habit: _Habit) -> bool:
    """Whether the contract demands it of every entry, and no more is asked of some."""
    around = contract.solid(place.declared[path[:-1]] if len(path) > 1 else place.schema)
    shape = contract.shape(place.declared[path])
    kinds = {"number" if each == "integer" else each for each in shape.types}
    plain = bool(kinds) and not shape.branches and not habit.ids
    return plain and path[-1] in around.required and kinds <= habit.kinds


def _with(path: Path, inner: Schema) -> Schema:
    """Something that is so stands at `path`, in any entry where that goes through a list."""
    for part in reversed(path):
        if part == "*":
            inner = {"type": "array", "contains": inner}
        else:
            inner = {"type": "object", "required": [part], "properties": {part: inner}}
    return inner


def _into(overlay: Schema, path: Path, demands: Schema) -> None:
    for part in path:
        if part == "*":
            overlay = overlay.setdefault("items", {})
        else:
            overlay = overlay.setdefault("properties", {}).setdefault(part, {})
    for key, value in demands.items():
        if key == "properties":
            known = overlay.setdefault(key, {})
            for name, inner in value.items():
                known[name] = {**known.get(name, {}), **inner}
        else:
            overlay[key] = value


def doubts(known: Habits, pool: Pool, body: Json) -> Iterator[Doubt]:
    """Yield what all rows of a body lack that healthy ones had, unless that may well be chance."""
    objects = [row for row in at(body, known.place.path) if isinstance(row, dict)]
    rows = [nodes(row) for row in objects]
    links: list[Link] | None = None
    told: list[Path] = []
    for path, habit in known.of.items() if rows else ():
        if any(path[: len(each)] == each for each in told):
            continue
        around = [row for row in rows if len(path) == 1 or isinstance(row.get(path[:-1]), dict)]
        drift = _difference(path, habit, around)
        had = False
        if not known.page and path in pool.paths and all(row.get(path) is None for row in rows):
            links = _same(pool.links(objects)) if links is None else links
            lost = sum(link.old.get(path) is not None for link in links)
            # What one thing had and may lack is its own affair.
            had = lost > 1 or (lost == 1 and habit.always and habit.solid)
        drift = drift or ("field_removed" if had else "")
        if drift and (had or habit.tells(drift, len(around))):
            told.append(path)
            where = (*known.place.path, *path)
            yield Doubt(drift, where, _words(drift, where, habit, len(around)))


def _same(links: Iterable[Link]) -> list[Link]:
    """Leave out two things that are only alike: they have ids, and not the same."""
    mine = ("id",)
    return [each for each in links if each.new.get(mine, each.old.get(mine)) == each.old.get(mine)]


def _difference(path: Path, habit: _Habit, around: Sequence[Nodes]) -> str:
    if not around:
        return ""
    if habit.always and all(path not in row for row in around):
        return "field_removed"
    found = [row[path] for row in around if path in row]
    if habit.solid and found and all(value is None for value in found):
        return "field_made_nullable"
    given = {_kind(value) for value in found if value is not None}
    if len(habit.kinds) == 1 and given and not given & habit.kinds:
        return "field_retyped"
    texts = [value for value in found if isinstance(value, str)]
    if habit.ids and texts and not any(re.search(UUID, value) for value in texts):
        return "format_changed"
    return ""


def _words(drift: str, path: Path, habit: _Habit, rows: int) -> str:
    what = {
        "field_removed": "is gone",
        "field_retyped": f"is no {' or '.join(sorted(habit.kinds))} any more",
        "field_made_nullable": "is null",
        "format_changed": "is no uuid any more",
    }
    there = f"in all {rows}" if rows > 1 else "now"
    return f"{show(path)} {what[drift]} {there}; in {habit.there} before it never was"
