"""Breaking changes that `mutations.py` does not have: drawn in the same way, reported beside it.

They were written after the rules of `definable/verify/` and tried on them as they were; what was not
noticed then is in `benchmarks/README.md`. Half of them leave the form of an answer alone and change what
stands in it.
"""

from __future__ import annotations

import base64
import copy
import html
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

from benchmarks.mutations import Drawn, Objects, Source, objects, snake, word

Json = Any
Draw = Callable[[Random, Source], Drawn | None]
Fields = list[tuple[tuple[str, ...], str]]

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT")
FACTORS = (1000, 0.001, 60, 100)


def _of(source: Source, fits: Callable[[Json], bool], least: int = 1) -> Fields:
    """Return the properties of which at least so many values are of a kind."""
    return [
        (path, name)
        for path, name in source.fields
        if sum(name in each and fits(each[name]) for each in objects(source.body, path)) >= least
    ]


def _text(value: Json) -> bool:
    return isinstance(value, str) and len(value) > 5 and not _MOMENT.match(value)


def _number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value != 0


def _bool(value: Json) -> bool:
    return isinstance(value, bool)


def _each(
    fits: Callable[[Json], bool], change: Callable[[Random], Callable[[Json], Json]], carries: bool = False
) -> Draw:
    """Change every value of one property that is of a kind."""

    def draw(random: Random, source: Source) -> Drawn | None:
        fields = _of(source, fits)
        if not fields:
            return None
        body, (path, name), new = copy.deepcopy(source.body), random.choice(fields), change(random)
        for each in objects(body, path):
            if name in each and fits(each[name]):
                each[name] = new(each[name])
        return Drawn(body, carries) if body != source.body else None

    return draw


def swapped(random: Random, source: Source) -> Drawn | None:
    """Two properties of one kind whose values changed places, in every object."""
    fields = _of(source, lambda value: isinstance(value, str) or _number(value), 1)
    pairs = [(p, a, b) for p, a in fields for q, b in fields if p == q and a < b]
    pairs = [(p, a, b) for p, a, b in pairs if _differing(objects(source.body, p), a, b)]
    if not pairs:
        return None
    body = copy.deepcopy(source.body)
    path, one, other = random.choice(pairs)
    for each in objects(body, path):
        if one in each and other in each:
            each[one], each[other] = each[other], each[one]
    return Drawn(body, _differing(objects(source.body, path), one, other) > 3)


def _differing(group: Objects, one: str, other: str) -> int:
    """How many pairs of values of one kind differ between two properties, in a body's objects."""
    found = [(o[one], o[other]) for o in group if one in o and other in o and o[one] != o[other]]
    return len({json.dumps(pair) for pair in found if type(pair[0]) is type(pair[1])})


def scaled(random: Random, source: Source) -> Drawn | None:
    """A number in another unit."""
    fields = _of(source, _number)
    if not fields:
        return None
    body, (path, name), factor = copy.deepcopy(source.body), random.choice(fields), random.choice(FACTORS)
    values = {each[name] for each in objects(body, path) if _number(each.get(name))}
    for each in objects(body, path):
        if _number(each.get(name)):
            new = each[name] * factor
            each[name] = int(new) if float(new).is_integer() else new
    return Drawn(body, len(values) > 5)


def rotated(random: Random, source: Source) -> Drawn | None:
    """Each entry has its neighbour's value of one property."""
    fields = _of(source, _text, 3)
    if not fields:
        return None
    body, (path, name) = copy.deepcopy(source.body), random.choice(fields)
    group = [each for each in objects(body, path) if name in each]
    values = [each[name] for each in group]
    if len(set(map(str, values))) < len(values):
        return None
    for each, value in zip(group, [*values[1:], values[0]], strict=True):
        each[name] = value
    return Drawn(body, False)


def repeated(random: Random, source: Source) -> Drawn | None:
    """All entries have the first one's value of one property."""
    fields = _of(source, _text, 3)
    if not fields:
        return None
    body, (path, name) = copy.deepcopy(source.body), random.choice(fields)
    group = [each for each in objects(body, path) if isinstance(each.get(name), str)]
    if len({each[name] for each in group}) < 4:
        return None
    for each in group:
        each[name] = group[0][name]
    return Drawn(body, False)


def in_some(random: Random, source: Source) -> Drawn | None:
    """A property with another name, in every other entry."""
    fields = [(path, name) for path, name in source.fields if path and path[-1] == "*"]
    fields = [(p, n) for p, n in fields if sum(n in each for each in objects(source.body, p)) > 2]
    if not fields:
        return None
    body, (path, name), new = copy.deepcopy(source.body), random.choice(fields), word(random)
    for each in objects(body, path)[::2]:
        if name in each:
            each[new] = each.pop(name)
    return Drawn(body, False)


def _walk(value: Json, change: Callable[[str], str]) -> Json:
    if isinstance(value, dict):
        return {change(key): _walk(each, change) for key, each in value.items()}
    return [_walk(each, change) for each in value] if isinstance(value, list) else value


def snake_in_some(random: Random, source: Source) -> Drawn | None:
    """Names in snake_case, in every other entry."""
    body = copy.deepcopy(source.body)
    if not source.items or len(body[source.items]) < 3:
        return None
    entries = body[source.items]
    entries[::2] = [_walk(each, snake) for each in entries[::2]]
    return Drawn(body, False) if body != source.body else None


def empty_for_null(random: Random, source: Source) -> Drawn | None:
    """An empty text where null was."""
    fields = _of(source, lambda value: value is None)
    if not fields:
        return None
    body, (path, name) = copy.deepcopy(source.body), random.choice(fields)
    for each in objects(body, path):
        if name in each and each[name] is None:
            each[name] = ""
    return Drawn(body, False)


def as_json_text(random: Random, source: Source) -> Drawn | None:
    """An object inside of a text."""
    fields = _of(source, lambda value: isinstance(value, dict | list) and bool(value))
    if not fields:
        return None
    body, (path, name) = copy.deepcopy(source.body), random.choice(fields)
    for each in objects(body, path):
        if name in each and isinstance(each[name], dict | list):
            each[name] = json.dumps(each[name])
    return Drawn(body, True)


def all_as_json_text(random: Random, source: Source) -> Drawn | None:
    """The whole answer inside of a text."""
    return Drawn({"body": json.dumps(source.body)}, False)


def json_api(random: Random, source: Source) -> Drawn | None:
    """Each entry as JSON:API has it: its id and its kind, and the rest as attributes."""
    if not source.items or not all("id" in each for each in source.body[source.items]):
        return None
    body = copy.deepcopy(source.body)
    kind = word(random)
    entries = [
        {"type": kind, "id": each["id"], "attributes": {k: v for k, v in each.items() if k != "id"}}
        for each in body.pop(source.items)
    ]
    return Drawn({**body, "data": entries}, True)


def hal(random: Random, source: Source) -> Drawn | None:
    """The list under `_embedded`, as HAL has it."""
    if not source.items or not source.body[source.items]:
        return None
    body = copy.deepcopy(source.body)
    entries = body.pop(source.items)
    return Drawn({"_embedded": {word(random): entries}, **body}, True)


def graphql(random: Random, source: Source) -> Drawn | None:
    """The list as the edges of a connection, as GraphQL has it."""
    if not source.items or not source.body[source.items]:
        return None
    body = copy.deepcopy(source.body)
    body["edges"] = [{"node": each} for each in body.pop(source.items)]
    return Drawn({"data": {word(random): body}}, True)


def table(random: Random, source: Source) -> Drawn | None:
    """The list as columns and rows."""
    if not source.items or not source.body[source.items]:
        return None
    body = copy.deepcopy(source.body)
    entries = body[source.items]
    names = list(dict.fromkeys(key for each in entries for key in each))
    body[source.items] = {"columns": names, "rows": [[each.get(n) for n in names] for each in entries]}
    return Drawn(body, all(each.keys() == entries[0].keys() for each in entries))


def one_for_many(random: Random, source: Source) -> Drawn | None:
    """The first entry in the place of the list of all."""
    if not source.items or len(source.body[source.items]) < 2:
        return None
    body = copy.deepcopy(source.body)
    body[source.items] = body[source.items][0]
    return Drawn(body, False)


def doubled(random: Random, source: Source) -> Drawn | None:
    """An entry twice in one page, in two forms."""
    fields = [(p, n) for p, n in _of(source, _text, 2) if p == (source.items, "*") and n != "id"]
    if not fields or not all("id" in each for each in source.body[source.items]):
        return None
    body, (_, name) = copy.deepcopy(source.body), random.choice(fields)
    entries = body[source.items]
    entries.append({**entries[1], name: f"{word(random)} {word(random)}"})
    return Drawn(body, False)


def _before(mark: str) -> Callable[[Json], Json]:
    return lambda value: f"{mark}{value}"


def _zone(random: Random) -> Callable[[Json], Json]:
    zone = timezone(timedelta(hours=random.choice([-7, 2, 9])))
    return lambda value: datetime.fromisoformat(value).astimezone(zone).isoformat(timespec="milliseconds")


def _zone_lost(random: Random) -> Callable[[Json], Json]:
    return lambda value: re.sub(r"(Z|[+-]\d\d:\d\d)$", "", value)


def _shifted(random: Random) -> Callable[[Json], Json]:
    hours = random.choice([-7, 2, 9])

    def shift(value: Json) -> Json:
        moved = datetime.fromisoformat(value) + timedelta(hours=hours)
        return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    return shift


def _moment(value: Json) -> bool:
    return isinstance(value, str) and bool(_MOMENT.match(value))


def _local(random: Random) -> Callable[[Json], Json]:
    mark = random.choice([",", ".", " ", "'"])
    return lambda value: f"{value:,}".replace(",", mark) if abs(value) > 999 else f"{value}{mark}0"


HELD_OUT: dict[str, Draw] = {
    "values swapped": swapped,
    "another unit": scaled,
    "values rotated": rotated,
    "one value for all": repeated,
    "a prefix to values": _each(_text, lambda random: _before(f"{word(random)}_")),
    "HTML entities": _each(
        _text, lambda _: lambda v: html.escape(v).replace("e", "&#101;").replace("-", "&#45;")
    ),
    "base64": _each(_text, lambda _: lambda v: base64.b64encode(v.encode()).decode()),
    "texts cut": _each(_text, lambda _: lambda v: v[: len(v) // 2] + "…"),
    "texts in capitals": _each(_text, lambda _: lambda v: v.upper()),
    "moments in another zone": _each(_moment, _zone, carries=True),
    "moments without a zone": _each(_moment, _zone_lost),
    "moments shifted by a zone": _each(_moment, _shifted),
    "moments as HTTP dates": _each(
        _moment, lambda _: lambda v: datetime.fromisoformat(v).strftime("%a, %d %b %Y %H:%M:%S GMT")
    ),
    "yes and no": _each(_bool, lambda _: lambda v: "yes" if v else "no"),
    "0 and 1": _each(_bool, lambda _: lambda v: int(v)),
    "localised numbers": _each(_number, _local),
    "empty for null": empty_for_null,
    "renamed in some entries": in_some,
    "snake_case in some entries": snake_in_some,
    "an object as JSON text": as_json_text,
    "all as JSON text": all_as_json_text,
    "JSON:API": json_api,
    "HAL": hal,
    "GraphQL": graphql,
    "columns and rows": table,
    "one entry for the list": one_for_many,
    "an entry twice": doubled,
}
"""Class → how it is drawn."""
