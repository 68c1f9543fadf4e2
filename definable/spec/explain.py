"""Turns what Pydantic says about a file into sentences for the people who write files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from definable.spec.lookup import Json, join
from definable.spec.nearest import nearest, suggest
from definable.spec.workflow import NAME

Place = tuple[str | int, ...]

_TYPES: Final = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "an object (keys and values)",
    "model_type": "an object (keys and values)",
    "model_attributes_type": "an object (keys and values)",
}
_BOUNDS: Final = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
_PATTERNS: Final = {
    NAME: "small letters, digits and hyphens, starting with a letter",
    r"^(openai|anthropic|offline)/.+$": "openai/MODEL, anthropic/MODEL or offline/MODEL",
}
_YES_NO: Final = {"yes", "no", "on", "off", "y", "n"}


def explain(error: ErrorDetails, kind: Any) -> tuple[Place, str, bool] | None:
    """Return where and what is wrong, and whether the place is the key; None when another says it.

    `kind` is the type that the file was read into; it knows the names that a mistyped key may have meant.
    """
    place = tuple(error["loc"])
    what = error["type"]
    if what == "extra_forbidden":
        return place, _unknown(place, kind), True
    if what == "missing":
        return place[:-1], _missing(place, kind), True
    if place and place[-1] == "[key]":
        return place[:-1], f"the key {place[-2]!r}: {error['msg'].lower()}", True
    if what == "too_short" and len(error["input"]) >= error["ctx"]["min_length"]:
        return None
    if what == "value_error":
        value = error["input"]
        found = "" if isinstance(value, dict | list | tuple) else f", not {shown(value)}"
        return place, f"{_named(place)}{error['ctx']['error']}{found}", False
    wanted = _wanted(error)
    return place, f"{_named(place)}{wanted} is expected, not {shown(error['input'])}{_advice(error)}", False


def shown(value: Json) -> str:
    """Return a value as a message shows it: texts in quotes, lists and objects only by their kind."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else f"{value[:57]}…")
    if isinstance(value, dict):
        return "an object" if value else "an empty object"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    return json.dumps(value)


def _named(place: Place) -> str:
    return f"{join(place)}: " if place else ""


def _wanted(error: ErrorDetails) -> str:
    what, context = error["type"], error.get("ctx", {})
    if what in _TYPES:
        return _TYPES[what]
    if what in _BOUNDS:
        name, words = _BOUNDS[what]
        return f"{words} {context[name]:g}"
    if what in ("literal_error", "enum"):
        return f"one of {context['expected'].replace(chr(39), '').replace(' or ', ', ')}"
    if what == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], f"a text that matches {context['pattern']}")
    if what == "too_short":
        return f"at least {context['min_length']} {'entry' if context['min_length'] == 1 else 'entries'}"
    if what == "string_too_short":
        return "a text of at least {min_length} character{}".format(
            "" if context["min_length"] == 1 else "s", **context
        )
    return error["msg"][:1].lower() + error["msg"][1:]


def _advice(error: ErrorDetails) -> str:
    value, what = error["input"], error["type"]
    if what == "string_type" and isinstance(value, bool | int | float):
        return "; put it in quotes"
    if what == "bool_type" and isinstance(value, str) and value.casefold() in _YES_NO:
        return "; write true or false"
    if what in ("tuple_type", "list_type") and isinstance(value, str):
        return f"; write [{value}]" if len(value) <= 40 else ""
    if what in ("literal_error", "enum") and isinstance(value, str):
        found = nearest(value, error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", "))
        return f"; did you mean {found!r}?" if found else ""
    return ""


def _unknown(place: Place, kind: Any) -> str:
    key = str(place[-1])
    known = {name for model in models_at(kind, place[:-1]) for name in field_names(model)}
    return f"unknown key {key!r}{suggest(key, known)}"


def _missing(place: Place, kind: Any) -> str:
    where = f" in {join(place[:-1])}" if len(place) > 1 else ""
    text = f"missing key {place[-1]!r}{where}"
    for model in models_at(kind, place[:-1]):
        for name, info in field_names(model).items():
            if name == place[-1] and info.description:
                return f"{text}: {info.description[:1].lower()}{info.description[1:]}"
    return text


def field_names(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by the names that files use."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def models_at(kind: Any, place: Place) -> list[type[BaseModel]]:
    """Return the models that the object at these keys and indices may be read into."""
    if not place:
        return [each for each in _options(kind) if isinstance(each, type) and issubclass(each, BaseModel)]
    return [model for inner in _inside(kind, place[0]) for model in models_at(inner, place[1:])]


def _inside(kind: Any, part: str | int) -> Iterator[Any]:
    for option in _options(kind):
        arguments = get_args(option)
        if isinstance(option, type) and issubclass(option, BaseModel):
            if info := field_names(option).get(str(part)):
                yield info.annotation
        elif get_origin(option) is dict:
            yield arguments[1]
        elif get_origin(option) in (list, tuple) and arguments:
            yield arguments[0]


def _options(kind: Any) -> Iterator[Any]:
    if get_origin(kind) in (None, dict, list, tuple):
        yield kind
    elif hasattr(kind, "__metadata__"):
        yield from _options(get_args(kind)[0])
    else:
        for option in get_args(kind):
            yield from _options(option)
