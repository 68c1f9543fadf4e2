"""snake_case spellings of the names that a product uses, wherever its JSON Schema knows the name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from definable.spec.lookup import Json

Schema = Mapping[str, Any]
Place = tuple[str | int, ...]

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UNIONS: Final = ("anyOf", "oneOf", "allOf")


def snake(name: str) -> str:
    """Return a name in snake_case: `project_id` for `projectId`, `external_url_id` for `externalURLId`."""
    return _HUMP.sub("_", name).lower()


def proper(name: str, known: Iterable[str]) -> str:
    """Return the known name that `name` is, or is the snake_case spelling of; else `name` itself."""
    names = set(known)
    if name in names:
        return name
    meant = [each for each in names if snake(each) == name]
    return meant[0] if len(meant) == 1 else name


def options(
    schema: Json, shapes: Mapping[str, Schema], seen: frozenset[str] = frozenset()
) -> Iterator[Schema]:
    """Yield a schema's alternatives, references followed and unions opened; `{}` where it says nothing."""
    if not isinstance(schema, Mapping):
        if schema is not False:
            yield {}
        return
    if isinstance(ref := schema.get("$ref"), str):
        name = ref.removeprefix("#/$defs/")
        if name not in seen:
            yield from options(shapes.get(name, {}), shapes, seen | {name})
        return
    inner = [each for key in _UNIONS for each in schema.get(key, ())]
    own = "properties" in schema
    if own or not inner:
        yield schema
    for each in inner:
        yield from (found for found in options(each, shapes, seen) if "properties" in found or not own)


def renamed(value: Json, schema: Json, shapes: Mapping[str, Schema]) -> tuple[Json, dict[Place, Place]]:
    """Return `value` with aliases replaced by the product's names, and each new place with the old one.

    Only places that changed are in the second. A key given in both spellings stays in both, to be refused.
    """
    moved: dict[Place, Place] = {}
    return _rename(value, list(options(schema, shapes)), shapes, (), (), moved), moved


def _rename(
    value: Json,
    schemas: list[Schema],
    shapes: Mapping[str, Schema],
    new: Place,
    old: Place,
    moved: dict[Place, Place],
) -> Json:
    if new != old:
        moved[new] = old
    if isinstance(value, list):
        items = [each for schema in schemas for each in options(schema.get("items", {}), shapes)]
        return [_rename(each, items, shapes, (*new, i), (*old, i), moved) for i, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    properties = [schema["properties"] for schema in schemas if "properties" in schema]
    known = {name for each in properties for name in each}
    out = {}
    for key, each in value.items():
        name = proper(key, known)
        name = key if name in value else name
        inner = [found for p in properties for found in options(p.get(name, {}), shapes) if name in p]
        out[name] = _rename(each, inner, shapes, (*new, name), (*old, key), moved)
    return out
