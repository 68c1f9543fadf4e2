"""What is wrong with a value by its JSON Schema, in words that say what to give instead."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs

from definable.spec.aliases import proper
from definable.spec.lookup import Json, join
from definable.spec.nearest import suggest

MOST = 200
"""Characters of a message: it quotes the value, and values may be long."""

TYPES = {
    str: "a text",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "a list",
    dict: "an object",
}


def broken(schema: Mapping[str, Any], value: Json) -> list[str]:
    """Return what is wrong with `value`; empty when it fits the schema."""
    checker = _checker(json.dumps(schema, sort_keys=True))
    try:
        if checker.is_valid(value):
            return []
        return [line for error in checker.iter_errors(value) for line in _lines(error, schema)]
    except ValueError as error:
        return [f"this is not JSON: {error}"[:MOST]]


@lru_cache(maxsize=256)
def _checker(schema: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(schema))


def _lines(
    error: jsonschema_rs.ValidationError, schema: Mapping[str, Any], under: tuple[str | int, ...] = ()
) -> Iterator[str]:
    kind = error.kind
    at = join((*under, *error.instance_path))
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        yield f"{join((*under, *error.instance_path, str(kind.property)))} is missing"
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        known = _known(schema, list(error.schema_path))
        for name in kind.unexpected:
            yield f"{join((*under, *error.instance_path, name))} {_unexpected(name, known)}"
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.Enum):
        options = [str(o) for o in _followed(schema, list(error.schema_path)) or []]
        yield f"{at}: {_short(error.instance)} is none of {', '.join(options)}"
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.Type):
        wanted = _followed(schema, list(error.schema_path))
        names = " or ".join(wanted) if isinstance(wanted, list) else str(wanted)
        yield f"{at or 'this'}: {_short(error.instance)} is {_type(error.instance)}, where {names} is wanted"
    elif isinstance(
        kind, jsonschema_rs.ValidationErrorKind.AnyOf | jsonschema_rs.ValidationErrorKind.OneOfNotValid
    ):
        yield from _nearest_kind(error, schema, under)
    else:
        yield f"{at}: {error.message}"[:MOST] if at else error.message[:MOST]


def _unexpected(name: str, known: list[str]) -> str:
    if (meant := proper(name, known)) != name:
        return f"is given twice, also as {meant!r}"
    return f"is unknown{suggest(name, known)}"


def _nearest_kind(
    error: jsonschema_rs.ValidationError, schema: Mapping[str, Any], under: tuple[str | int, ...]
) -> Iterator[str]:
    """Of several kinds a value may be, explain only the one that it comes closest to."""
    assert isinstance(  # noqa: S101
        error.kind, jsonschema_rs.ValidationErrorKind.AnyOf | jsonschema_rs.ValidationErrorKind.OneOfNotValid
    )
    kinds = [list(errors) for errors in error.kind.context]
    best = max(kinds, key=lambda errors: (max(len(e.instance_path) for e in errors), -len(errors)))
    for each in best:
        yield from _lines(each, schema, under)


def _followed(schema: Mapping[str, Any], path: list[str | int]) -> Any:
    here: Any = schema
    for part in path:
        here = here[int(part)] if isinstance(here, list) else here.get(part, {})
        if isinstance(here, Mapping) and isinstance(here.get("$ref"), str):
            here = schema.get("$defs", {}).get(here["$ref"].removeprefix("#/$defs/"), {})
    return here


def _known(schema: Mapping[str, Any], path: list[str | int]) -> list[str]:
    holder = _followed(schema, path[:-1])
    return list(holder.get("properties", {})) if isinstance(holder, Mapping) else []


def _type(value: Json) -> str:
    return "null" if value is None else TYPES.get(type(value), type(value).__name__)


def _short(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
