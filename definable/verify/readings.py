"""Ways to read a value that a server now writes in another form; each is exact, and is proven on known rows.

`same`: as it is. `epoch_s:3Z`, `epoch_ms:3Z`: seconds or milliseconds, as a date-time with so many digits and
that zone. `pluck:name`: a list of objects, as the list of what each has there. `entries:name`: the other way
round. `values`, `values:id`: a map, as the list of its values, with its key put back as a property.
`query:after`: the parameter of that name in an address. `moment:3Z`: a moment, in UTC. `text:html`: a text
that went through an encoder (`forms.py`). `times:60`, `per:60`: a number in another unit. `instead`: as it
is, in the place of something else; `exchange`: both ways. `table`: names and rows, as a list of objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from definable.spec.paths import MISSING
from definable.verify.forms import DECODERS, decoded, in_old_unit, respelled
from definable.verify.shape import Json, Shape, kind

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,6}))?(Z|\+00:00)")


def read_as(how: str, value: Json) -> Json:
    """Return `value` read in one way, or MISSING when it cannot be."""
    name, _, detail = how.partition(":")
    if name in ("same", "instead", "exchange") or value is None:
        return value
    if name in ("epoch_s", "epoch_ms"):
        return _moment(value, 1 if name == "epoch_s" else 1000, detail)
    if name == "query":
        return _parameter(value, detail)
    if name == "values":
        return _listed(value, detail)
    if name == "table":
        return _of_table(value)
    if name in ("times", "per"):
        return in_old_unit(value, how)
    if name == "moment":
        return respelled(value, detail)
    if name == "text":
        return decoded(value, detail)
    if not isinstance(value, list):
        return MISSING
    if name == "entries":
        return [{detail: each} for each in value]
    if not all(isinstance(each, dict) and detail in each for each in value):
        return MISSING
    return [each[detail] for each in value]


def ways(shape: Shape, news: Sequence[Json], olds: Iterable[Json]) -> Iterator[str]:
    """Yield the ways in which values of the form of `news` may have become ones of the form of `olds`."""
    yield "same"
    kinds = {kind(value) for value in news if value is not None}
    if kinds and kinds <= {"integer", "number"} and "string" in shape.types:
        for form in sorted(_forms(olds)):
            yield from (f"epoch_s:{form}", f"epoch_ms:{form}")
    if kinds == {"array"} and shape.items is not None:
        entries = [entry for value in news if value for entry in value]
        if entries and all(isinstance(entry, dict) for entry in entries):
            shared = set.intersection(*(set(entry) for entry in entries))
            yield from (f"pluck:{key}" for key in sorted(shared))
        elif entries:
            yield from (f"entries:{key}" for key in sorted(shape.items.get("properties", {})))
    if kinds == {"object"} and shape.items is not None:
        yield "values"


def again(olds: Iterable[Json]) -> Iterator[str]:
    """Yield the ways in which a text may say what the texts of `olds` said, in another form."""
    moments = [old for old in olds if isinstance(old, str) and _MOMENT.fullmatch(old)]
    yield from (f"moment:{form}" for form in sorted(_forms(moments)))
    yield from (f"text:{name}" for name in DECODERS)


def _forms(olds: Iterable[Json]) -> set[str]:
    found = [_MOMENT.fullmatch(value) if isinstance(value, str) else None for value in olds if value]
    return {f"{len(m[1] or '')}{m[2]}" for m in found if m} if all(found) else set()


def _moment(value: Json, scale: int, form: str) -> Json:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return MISSING
    micros = round(value * 1_000_000 / scale)
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    except OverflowError:
        return MISSING
    return respelled(moment.isoformat(), form)


def _parameter(value: Json, name: str) -> Json:
    try:
        found = parse_qs(urlsplit(value).query).get(name, []) if isinstance(value, str) else []
    except ValueError:
        return MISSING
    return found[0] if len(found) == 1 else MISSING


def _listed(value: Json, key: str) -> Json:
    if not isinstance(value, dict) or not all(isinstance(each, dict) for each in value.values()):
        return MISSING
    if not key:
        return list(value.values())
    if any(key in each for each in value.values()):
        return MISSING
    return [{key: name, **each} for name, each in value.items()]


def _of_table(value: Json) -> Json:
    """Return a list of names beside a list of rows as objects; MISSING when it is anything else."""
    parts = list(value.values()) if isinstance(value, dict) else []
    heads = [part for part in parts if isinstance(part, list) and part and all(map(_is_text, part))]
    rows = [part for part in parts if isinstance(part, list) and part and all(map(_is_list, part))]
    if len(parts) != 2 or len(heads) != 1 or len(rows) != 1 or len(set(heads[0])) < len(heads[0]):
        return MISSING
    if any(len(row) != len(heads[0]) for row in rows[0]):
        return MISSING
    return [dict(zip(heads[0], row, strict=True)) for row in rows[0]]


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _is_list(value: Json) -> bool:
    return isinstance(value, list)
