"""What one place of a JSON Schema says, with references followed: the view that healing works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from definable.verify.names import singular, words

Json = Any
Schema = dict[str, Any]

_DEFS = "#/$defs/"


@dataclass(frozen=True)
class Shape:
    """One place of a schema. `types` is empty when any will do; `entity` has the words of what it is."""

    schema: Schema
    entity: frozenset[str]
    types: frozenset[str]
    properties: Mapping[str, Schema]
    required: frozenset[str]
    branches: tuple[Schema, ...]
    items: Schema | None = None
    rest: Schema | None = None
    """Schema of the values of a map, whose keys are data and no names."""
    data_keys: bool = False
    enum: tuple[Json, ...] = field(default=())

    @property
    def fmt(self) -> str:
        """The JSON Schema `format`, or nothing."""
        return str(self.schema.get("format", ""))

    def unknown(self, value: Mapping[str, Json]) -> list[str]:
        """Return the keys of `value` that are not declared; none in a map."""
        return [] if self.data_keys else [key for key in value if key not in self.properties]


def read(schema: Schema | bool, defs: Mapping[str, Schema]) -> Shape:
    """Return the shape of `schema`; `defs` are the schemas that `$ref: '#/$defs/NAME'` leads to."""
    merged, entity = _merged(schema if isinstance(schema, dict) else {}, defs, frozenset())
    rest = merged.get("additionalProperties")
    enum = (merged["const"],) if "const" in merged else tuple(merged.get("enum", ()))
    items = merged.get("items")
    return Shape(
        schema=merged,
        entity=entity,
        types=_types(merged, enum),
        properties=merged.get("properties", {}),
        required=frozenset(merged.get("required", ())),
        branches=tuple(merged.get("anyOf", ())) + tuple(merged.get("oneOf", ())),
        items=items if isinstance(items, dict) else None,
        rest=rest if isinstance(rest, dict) else None,
        data_keys=isinstance(rest, dict) or "patternProperties" in merged or "properties" not in merged,
        enum=enum,
    )


def _merged(
    schema: Schema, defs: Mapping[str, Schema], seen: frozenset[str]
) -> tuple[Schema, frozenset[str]]:
    """Follow `$ref` and fold `allOf` in; a circle ends where it closes, which only makes less repairable."""
    out = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
    entity: frozenset[str] = frozenset()
    parts = list(schema.get("allOf", ()))
    ref = schema.get("$ref", "")
    if ref.startswith(_DEFS) and ref not in seen:
        name = ref.removeprefix(_DEFS)
        parts.insert(0, defs.get(name, {}))
        entity = frozenset(map(singular, words(name)))
        seen |= {ref}
    for part in parts:
        inner, its_entity = _merged(part, defs, seen) if isinstance(part, dict) else ({}, frozenset())
        out = _both(inner, out)
        entity |= its_entity
    return out, entity


def _both(one: Schema, other: Schema) -> Schema:
    out = {**one, **other}
    if "properties" in one or "properties" in other:
        out["properties"] = {**one.get("properties", {}), **other.get("properties", {})}
    if "required" in one or "required" in other:
        out["required"] = [*one.get("required", ()), *other.get("required", ())]
    return out


def _types(schema: Schema, enum: tuple[Json, ...]) -> frozenset[str]:
    given = schema.get("type", ())
    if given:
        return frozenset([given] if isinstance(given, str) else given)
    if "properties" in schema or "required" in schema:
        return frozenset({"object"})
    if "items" in schema:
        return frozenset({"array"})
    return frozenset(map(kind, enum))


def kind(value: Json) -> str:
    """Return the JSON type of a value; a float without a fraction is an integer, as JSON Schema has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    names = {float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), type(value).__name__)


def watchful(schema: Schema | bool) -> Schema | bool:
    """Return `schema` made stricter: no object lacks a declared property while it holds an undeclared one.

    What passes it needs no second look; what does not may be a field that was renamed, or an added field
    beside an optional one that is left out.
    """
    if not isinstance(schema, dict):
        return schema
    out = {key: _watchful_part(key, value) for key, value in schema.items()}
    declared = schema.get("properties", {})
    missable = set(declared) - set(schema.get("required", ()))
    if (
        missable
        and not isinstance(schema.get("additionalProperties"), dict)
        and "patternProperties" not in schema
    ):
        complete = {"required": list(declared)}
        nothing_new = {"properties": dict.fromkeys(declared, True), "additionalProperties": False}
        out["allOf"] = [
            *out.get("allOf", ()),
            {"if": {"type": "object"}, "then": {"anyOf": [complete, nothing_new]}},
        ]
    return out


def _watchful_part(key: str, value: Json) -> Json:
    if key in ("properties", "$defs", "patternProperties") and isinstance(value, dict):
        return {name: watchful(each) for name, each in value.items()}
    if key in ("items", "additionalProperties"):
        return watchful(value)
    if key in ("anyOf", "allOf", "prefixItems"):
        return [watchful(each) for each in value]
    return value
