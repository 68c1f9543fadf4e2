"""Makes values up from the part of JSON Schema that toolkits use for arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Values = st.SearchStrategy[Any]


def values(schema: Mapping[str, Any], formats: Mapping[str, Values]) -> Values:
    """Return a strategy for values that the schema allows."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        rest = {name: part for name, part in schema.items() if name != "anyOf"}
        return st.one_of(*(values({**rest, **each}, formats) for each in schema["anyOf"]))
    kinds = schema.get("type", "string")
    if isinstance(kinds, list):
        return st.one_of(*(values({**schema, "type": kind}, formats) for kind in kinds))
    return {"object": _objects, "array": _lists}.get(kinds, _plain)(schema, formats)


def _plain(schema: Mapping[str, Any], formats: Mapping[str, Values]) -> Values:
    kind = schema.get("type", "string")
    if schema.get("format") in formats:
        return formats[schema["format"]]
    if kind == "string":
        return st.text(min_size=schema.get("minLength", 0), max_size=schema.get("minLength", 0) + 8)
    if kind == "integer":
        return st.integers(schema.get("minimum", -5), schema.get("maximum", 1000))
    return {"boolean": st.booleans(), "null": st.none(), "number": st.floats(0, 10)}[kind]


def _lists(schema: Mapping[str, Any], formats: Mapping[str, Values]) -> Values:
    low = schema.get("minItems", 0)
    return st.lists(values(schema.get("items", {}), formats), min_size=low, max_size=low + 2)


def _objects(schema: Mapping[str, Any], formats: Mapping[str, Values]) -> Values:
    inner = {name: values(each, formats) for name, each in schema.get("properties", {}).items()}
    needed = {name: each for name, each in inner.items() if name in schema.get("required", ())}
    free = {name: each for name, each in inner.items() if name not in needed}
    low, high = schema.get("minProperties", 0), schema.get("maxProperties", 99)
    return st.fixed_dictionaries(needed, optional=free).filter(lambda made: low <= len(made) <= high)
