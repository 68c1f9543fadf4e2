"""Whether a path leads somewhere in what a JSON Schema describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from definable.spec.aliases import Schema, options
from definable.spec.lookup import Json, Key, is_index, show
from definable.spec.nearest import suggest


def lost_in(schema: Json, shapes: Mapping[str, Schema], parts: Sequence[str]) -> str:
    """Return why a path leads nowhere in a schema, or an empty text when it may lead somewhere.

    `shapes` is what `#/$defs/NAME` refers to. An object without declared properties holds anything; one with
    properties holds only those, unless it says that it has others.
    """
    here = list(options(schema, shapes))
    for at, part in enumerate(parts):
        inner = [found for option in here for found in _inside(option, part, shapes)]
        if not inner:
            return _why(here, parts[:at], part)
        here = inner
    return ""


def _inside(schema: Schema, part: str, shapes: Mapping[str, Schema]) -> list[Schema]:
    kinds = kinds_of(schema)
    star = part == "*" and not isinstance(part, Key)
    found: list[Schema] = []
    if "array" in kinds and (star or is_index(part)):
        found += options(schema.get("items", {}), shapes)
    if "object" in kinds and not star:
        found += _property(schema, part, shapes)
    return found


def _property(schema: Schema, name: str, shapes: Mapping[str, Schema]) -> list[Schema]:
    declared = schema.get("properties")
    if declared and name in declared:
        return list(options(declared[name], shapes))
    others = schema.get("additionalProperties", not declared)
    if "patternProperties" in schema:
        return [{}]
    return list(options(others, shapes)) if others is not False else []


def kinds_of(schema: Schema) -> set[str]:
    """Return the JSON types that a schema allows, as far as its own keywords say."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return {kind}
    if isinstance(kind, list):
        return set(kind)
    if "properties" in schema:
        return {"object"}
    if "items" in schema:
        return {"array"}
    if "const" in schema or "enum" in schema:
        return {"string"}
    return {"object", "array", "string", "number", "boolean", "null"}


def _why(here: list[Schema], before: Sequence[str], part: str) -> str:
    where = f" in {show(before)}" if before else ""
    kinds = {kind for option in here for kind in kinds_of(option)} - {"null"}
    if kinds <= {"array"}:
        return f"{show(before) or 'it'} is a list; go on with [0] or [*], not {part!r}"
    if "object" not in kinds:
        return f"{show(before) or 'it'} is {' or '.join(sorted(kinds)) or 'nothing'} and has no {part!r}"
    if part == "*" and not isinstance(part, Key):
        return f"{show(before) or 'it'} is an object, not a list"
    known = {name for option in here for name in option.get("properties", {})}
    return f"there is no {part!r}{where}{suggest(part, known)}"
