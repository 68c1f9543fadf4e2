"""Drifts: ways in which a server's answer may change its form, applied to a body of the test's own making."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Json = Any
Draw = Callable[[st.SearchStrategy[Any]], Any]

SHARED = ["items", "data", "results", "state", "kind", "next", "label", "ownerId", "createdBy", "updatedAt"]
FOREIGN = [
    "region",
    "createdBy",
    "lastTitle",
    "previousStatus",
    "statusMessage",
    "ownerId",
    "total",
    "name",
    "extra",
]
"""Names of properties that have nothing to do with those that were removed."""


def objects(body: Json, at: str = "") -> dict[str, list[dict[str, Json]]]:
    """Return all objects of a body by their place, entries of one list together."""
    found: dict[str, list[dict[str, Json]]] = {}
    if isinstance(body, dict):
        found[at] = [body]
        for key, each in body.items():
            _merge(found, objects(each, f"{at}.{key}"))
    elif isinstance(body, list):
        for each in body:
            _merge(found, objects(each, f"{at}[]"))
    return found


def _merge(into: dict[str, list[dict[str, Json]]], more: dict[str, list[dict[str, Json]]]) -> None:
    for key, each in more.items():
        into.setdefault(key, []).extend(each)


def place(draw: Draw, body: Json) -> tuple[list[dict[str, Json]], str]:
    """Draw a place in the body and a property that every object there has; empty when there is none."""
    shared = {
        (at, key): group
        for at, group in objects(body).items()
        for key in sorted(set.intersection(*(set(each) for each in group)))
    }
    if not shared:
        return [], ""
    chosen = draw(st.sampled_from(sorted(shared)))
    return shared[chosen], chosen[1]


def snake(name: str) -> str:
    """Return a camelCase name in snake_case."""
    return re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), name)


def renamed(draw: Draw, body: Json) -> Json:
    """Give one property another name everywhere."""
    group, key = place(draw, body)
    new = draw(st.sampled_from([f"{key}V2", snake(key), key.upper(), f"x-{key}", f"new_{key}", *SHARED]))
    for each in group:
        if new not in each:
            each[new] = each.pop(key)
    return body


def cased(draw: Draw, body: Json) -> Json:
    """Write every name in another casing."""
    change = draw(
        st.sampled_from([snake, str.upper, str.capitalize, lambda name: snake(name).replace("_", "-")])
    )

    def walk(value: Json) -> Json:
        if isinstance(value, dict):
            return {change(key): walk(each) for key, each in value.items()}
        return [walk(each) for each in value] if isinstance(value, list) else value

    return walk(body)


def each_value(draw: Draw, body: Json, change: Callable[[Json], Json]) -> Json:
    """Change the value of one property everywhere."""
    group, key = place(draw, body)
    for each in group:
        each[key] = change(each[key])
    return body


def as_text(value: Json) -> Json:
    """Return a number or boolean as text, the way JSON writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def retyped(draw: Draw, body: Json) -> Json:
    """Turn numbers and booleans into text."""
    return each_value(draw, body, as_text)


def listed(draw: Draw, body: Json) -> Json:
    """Put a value into a list of one."""
    return each_value(draw, body, lambda value: [value])


def boxed(draw: Draw, body: Json) -> Json:
    """Wrap a value in an object."""
    key = draw(st.sampled_from(["value", "data", "error", "x"]))
    return each_value(draw, body, lambda value: {key: value})


def nulled(draw: Draw, body: Json) -> Json:
    """Replace a value by null."""
    return each_value(draw, body, lambda value: None)


def garbled(draw: Draw, body: Json) -> Json:
    """Replace values by what has lost them."""
    lossy = [
        lambda v: f"about {v}",
        lambda v: {},
        lambda v: [],
        lambda v: "***",
        lambda v: -1,
        lambda v: [v, 0],
    ]
    return each_value(draw, body, draw(st.sampled_from(lossy)))


def removed(draw: Draw, body: Json) -> Json:
    """Remove one property everywhere."""
    group, key = place(draw, body)
    for each in group:
        each.pop(key)
    return body


def removed_once(draw: Draw, body: Json) -> Json:
    """Remove one property in one entry, where its neighbours keep it, and add another one."""
    group, key = place(draw, body)
    if len(group) > 1:
        group[0].pop(key)
        group[0]["extra"] = draw(VALUES)
    return body


def replaced(draw: Draw, body: Json) -> Json:
    """Remove one property everywhere and add one that has nothing to do with it."""
    group, key = place(draw, body)
    name = draw(st.sampled_from([each for each in FOREIGN if each != key]))
    for each in group:
        each.pop(key)
        each.setdefault(name, draw(VALUES))
    return body


def swapped(draw: Draw, body: Json) -> Json:
    """Exchange the values of two properties."""
    group, key = place(draw, body)
    others = sorted(set.intersection(*(set(each) for each in group)) - {key}) if group else []
    if others:
        other = draw(st.sampled_from(others))
        for each in group:
            each[key], each[other] = each[other], each[key]
    return body


def cut(draw: Draw, body: Json) -> Json:
    """Replace lists by their first entry."""
    return each_value(draw, body, lambda value: value[0] if isinstance(value, list) and value else value)


def keyed(draw: Draw, body: Json) -> Json:
    """Turn lists into maps."""
    return each_value(
        draw, body, lambda v: {f"k{n}": each for n, each in enumerate(v)} if isinstance(v, list) else v
    )


def enveloped(draw: Draw, body: Json) -> Json:
    """Wrap the whole body."""
    key = draw(st.sampled_from(["data", "result", "response", "error", "previous", "x"]))
    return {key: body, **draw(st.sampled_from([{}, {"meta": {"version": 2}}, {"ok": True}]))}


def bared(draw: Draw, body: Json) -> Json:
    """Take the whole body out of one of its own properties."""
    return body[draw(st.sampled_from(sorted(body)))] if isinstance(body, dict) and body else body


def hoisted(draw: Draw, body: Json) -> Json:
    """Move the properties of an inner object one level up."""
    group, key = place(draw, body)
    prefix = draw(st.booleans())
    for each in group:
        if isinstance(each[key], dict):
            inner = each.pop(key)
            for name, value in inner.items():
                each.setdefault(f"{key}_{name}" if prefix else name, value)
    return body


def sunk(draw: Draw, body: Json) -> Json:
    """Move some properties into an inner object of their own."""
    carrier = draw(st.sampled_from(["attributes", "data", "owner2", "details"]))
    group, key = place(draw, body)
    for each in group:
        each.setdefault(carrier, {})
        if isinstance(each[carrier], dict) and key != carrier:
            each[carrier][key] = each.pop(key)
    return body


def grown(draw: Draw, body: Json) -> Json:
    """Replace texts by a word that nobody has seen."""
    return each_value(draw, body, lambda value: "SOMETHING_NEW" if isinstance(value, str) else value)


def added(draw: Draw, body: Json) -> Json:
    """Add properties that nobody declared."""
    group, _ = place(draw, body)
    for each in group:
        each[draw(st.sampled_from(["color2", "x", "zone9"]))] = draw(VALUES)
    return body


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 50),
    st.sampled_from(["a", "2026-02-02T00:00:00Z", "17", "p9", ""]),
    st.just([]),
    st.just(["a"]),
    st.just({}),
    st.just({"email": "z@z.z"}),
)
FORM = [renamed, cased, retyped, listed, boxed, enveloped, hoisted, sunk, added]
"""Drifts that change the form and keep every value, so that several may be combined."""
LOSS = [nulled, garbled, removed, removed_once, replaced, swapped, cut, keyed, bared, grown]
"""Drifts that lose or exchange something."""


@st.composite
def drifted(draw: Draw, originals: st.SearchStrategy[Json]) -> tuple[Json, Json, list[str]]:
    """Draw a valid body, the same after changes of form or after one loss, and the names of the drifts."""
    original = draw(originals)
    body = copy.deepcopy(original)
    drifts = draw(
        st.one_of(
            st.lists(st.sampled_from(FORM), min_size=1, max_size=2),
            st.sampled_from(LOSS).map(lambda one: [one]),
        )
    )
    for each in drifts:
        body = each(draw, body) if objects(body) else body
    return original, body, [each.__name__ for each in drifts]


def bodies(schema: Json, defs: dict[str, Json]) -> st.SearchStrategy[Json]:
    """Return a strategy for valid bodies of a schema, without undeclared properties.

    Covers what contracts here use; hypothesis-jsonschema 0.23 fails on objects with today's Hypothesis.
    """
    if "$ref" in schema:
        return bodies(defs[schema["$ref"].removeprefix("#/$defs/")], defs)
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        return st.one_of([bodies(each, defs) for each in branches])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type", "string")
    return st.one_of(
        [_of_type(each, schema, defs) for each in ([kinds] if isinstance(kinds, str) else kinds)]
    )


def _of_type(kind: str, schema: Json, defs: dict[str, Json]) -> st.SearchStrategy[Json]:
    if kind == "object":
        properties = schema.get("properties", {})
        needed = {
            key: bodies(each, defs) for key, each in properties.items() if key in schema.get("required", ())
        }
        free = {key: bodies(each, defs) for key, each in properties.items() if key not in needed}
        return st.fixed_dictionaries(needed, optional=free)
    if kind == "array":
        return st.lists(bodies(schema.get("items", {}), defs), max_size=3)
    if kind == "string":
        dates = schema.get("format") == "date-time"
        return st.sampled_from(["2026-01-01T00:00:00Z", "2025-03-01T10:00:00Z"] if dates else TEXTS)
    whole = st.integers(-3, 10**6)
    simple = {"integer": whole, "number": st.one_of(whole, st.floats(-9, 9)), "boolean": st.booleans()}
    return simple.get(kind, st.none())


TEXTS = ["a", "b c", "17", "true", "2026-01-01T00:00:00Z", "DRAFT", "p-1", "x@y.z", "0"]
