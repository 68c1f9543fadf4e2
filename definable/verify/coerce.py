"""Values turned from one JSON type into another, only where nothing can be lost or made up on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from jiter import from_json

from definable.spec.paths import MISSING
from definable.verify.names import canonical, words
from definable.verify.shape import Json, Shape, kind

_INTEGER = re.compile(r"0|-?[1-9]\d*")
_EXACT = 2**53
"""Beyond this an integer that went through a JavaScript number may be another one."""


def coerced(shape: Shape, value: Json, name: str) -> Json:
    """Return `value` in the type that `shape` wants, or MISSING when that is not certain.

    Text that is exactly how JSON writes a number or a boolean becomes it ("12", not "012" or "1.50"), text
    that is the JSON of an object or a list becomes that; a
    positive integer becomes the text of an id; a word of an enum is recognised in another casing. Nothing
    else is certain: a number is no boolean, null is no value, and dates are left alone.
    """
    found = [each for each in _options(shape, value, name) if not shape.enum or each in shape.enum]
    distinct = {json.dumps(each): each for each in found}
    return next(iter(distinct.values())) if len(distinct) == 1 else MISSING


def _options(shape: Shape, value: Json, name: str) -> Iterator[Json]:
    types = shape.types
    if isinstance(value, str):
        if types & {"integer", "number"} and _INTEGER.fullmatch(value):
            yield int(value)
        elif "number" in types and _writes_itself(value):
            yield float(value)
        if types & {"object", "array"} and (found := _written(value)) is not MISSING and kind(found) in types:
            yield found
        if "boolean" in types and value in ("true", "false"):
            yield value == "true"
        for word in shape.enum:
            if isinstance(word, str) and canonical(word) and canonical(word) == canonical(value):
                yield word
    elif "string" in types and kind(value) == "integer" and isinstance(value, int):
        named = words(name)[-1:] == ("id",) or str(value) in shape.enum
        if named and 0 < value < _EXACT:
            yield str(value)


def _written(text: str) -> Json:
    """Return the object or the list whose JSON a text is; one in which nothing stands twice."""
    if text[:1] not in ("{", "["):
        return MISSING
    try:
        return from_json(text.encode(), allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError:
        return MISSING


def _writes_itself(text: str) -> bool:
    if not re.fullmatch(r"-?\d+\.\d+(e[+-]?\d+)?", text):
        return False
    return json.dumps(float(text)) == text
