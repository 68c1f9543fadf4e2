"""What healthy answers had in common beyond what their contract demands: always there, never null, ids.

On the hot path it is one JSON Schema, checked together with the contract. What it finds is a reason to look
closer and to say so, and no failure by itself: a value may be left out because it is not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from definable.spec.paths import show
from definable.verify.contracts import Contract
from definable.verify.rows import Nodes, Path, Place, Pool, at, nodes, targets
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


def expected(
    contract: Contract, where: Sequence[Place], bodies: Sequence[Json]
) -> Callable[[Json], bool] | None:
    """Return a check that passes what keeps to the contract and to the habits of healthy bodies."""
    overlay: Schema = {}
    for place in where:
        here = _habits(contract, place, bodies)
        if any(habit.around for habit in here.values()):
            _into(overlay, place.path, _demands(contract, place.schema, here))
            if place.path:
                _into(overlay, place.path[:-1], _somewhere(here))
    return contract.stricter(overlay)


def _habits(contract: Contract, place: Place, bodies: Iterable[Json]) -> dict[Path, _Habit]:
    rows = [nodes(row) for body in bodies for row in at(body, place.path) if isinstance(row, dict)]
    return {path: _habit(rows, path) for path in targets(contract, place.schema)}


def _habit(rows: Sequence[Nodes], path: Path) -> _Habit:
    around = [row for row in rows if len(path) == 1 or isinstance(row.get(path[:-1]), dict)]
    found = [row[path] for row in around if path in row]
    uuids = [value for value in found if isinstance(value, str) and re.search(UUID, value)]
    kinds = frozenset(_kind(value) for value in found if value is not None)
    return _Habit(len(around), len(found), sum(value is None for value in found), len(uuids), kinds)


def _kind(value: Json) -> str:
    return "number" if (found := kind(value)) == "integer" else found


def _demands(contract: Contract, schema: Schema, habits: dict[Path, _Habit]) -> Schema:
    """What habits ask for beyond the contract."""
    out: Schema = {}
    declared = targets(contract, schema)
    for path, habit in habits.items():
        around = contract.solid(declared[path[:-1]] if len(path) > 1 else schema)
        mine: Schema = {"type": _SOLID} if habit.solid and _may_be_null(contract, declared[path]) else {}
        if habit.ids:
            mine["pattern"] = UUID
        if len(habit.kinds) == 1 and len(contract.solid(declared[path]).types - {"null"}) != 1:
            mine["type"] = [*sorted(habit.kinds), *([] if habit.solid else ["null"])]
        asked = habit.always and path[-1] not in around.required
        if not mine and not asked:
            continue
        here = out
        for name in path[:-1]:
            here = here.setdefault("properties", {}).setdefault(name, {})
        if asked:
            here.setdefault("required", []).append(path[-1])
        if mine:
            here.setdefault("properties", {}).setdefault(path[-1], {}).update(mine)
    return out


def _may_be_null(contract: Contract, schema: Schema) -> bool:
    return contract.fits(schema, None)


def _somewhere(habits: dict[Path, _Habit]) -> Schema:
    """What is in some entries only, and must not go from all of them unseen."""
    demands = []
    for path, habit in habits.items():
        if habit.there > habit.null and not (habit.always and habit.solid):
            some: Schema = {"type": _SOLID}
            for name in reversed(path):
                some = {"type": "object", "required": [name], "properties": {name: some}}
            demands.append({"anyOf": [{"maxItems": 0}, {"contains": some}]})
    return {"allOf": demands} if demands else {}


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


def doubts(
    contract: Contract, place: Place, bodies: Sequence[Json], pool: Pool, body: Json
) -> Iterator[Doubt]:
    """Yield what all rows of a body lack that healthy ones had, unless that may well be chance."""
    objects = [row for row in at(body, place.path) if isinstance(row, dict)]
    rows = [nodes(row) for row in objects]
    if not rows:
        return
    links = pool.links(objects)
    told: list[Path] = []
    for path, habit in _habits(contract, place, bodies).items():
        if any(path[: len(each)] == each for each in told):
            continue
        around = [row for row in rows if len(path) == 1 or isinstance(row.get(path[:-1]), dict)]
        drift = _difference(path, habit, around)
        had = any(link.old.get(path) is not None and link.new.get(path) is None for link in links)
        had = had and all(link.new.get(path) is None for link in links if link.old.get(path) is not None)
        drift = drift or ("field_removed" if had else "")
        if drift and (had or (1 / (habit.there + 2)) ** len(around) < _CHANCE[drift]):
            told.append(path)
            yield Doubt(drift, (*place.path, *path), _words(drift, (*place.path, *path), habit, len(around)))


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
