"""Reads a document into a model, with every problem in it, each at its line and column."""

from __future__ import annotations

import copy
import json
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from definable.errors import DefinitionError, Problem
from definable.spec.explain import Place, explain
from definable.spec.lookup import Json
from definable.spec.source import Document

T = TypeVar("T")


def load(document: Document, kind: type[T]) -> T:
    """Return the document as a `kind` (a model, or a list of models). DefinitionError has every problem."""
    value, problems = read(document, kind)
    if problems or value is None:
        raise DefinitionError(problems)
    return value


def read(document: Document, kind: type[T]) -> tuple[T | None, list[Problem]]:
    """Return the document as a `kind`, and every problem found.

    Where only unknown keys or single values inside are wrong, the value comes without them, so that what
    refers to other files can be checked as well; otherwise it is None.
    """
    try:
        return _validate(document.data, kind), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    found = [each for detail in details if (each := explain(detail, kind)) is not None]
    problems = [document.problem(place, message, key) for place, message, key in found]
    problems.sort(key=lambda p: (p.line, p.column))
    return _without(document.data, [tuple(d["loc"]) for d in details], kind), problems


def _validate(data: Json, kind: type[T]) -> T:
    adapter: TypeAdapter[T] = _adapter(cast("Any", kind))
    return adapter.validate_json(json.dumps(data))


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _without(data: Json, places: list[Place], kind: type[T]) -> T | None:
    kept = copy.deepcopy(data)
    for place in places:
        holder = kept
        for part in place[:-1]:
            holder = holder.get(str(part)) if isinstance(holder, dict) else _entry(holder, part)
        if isinstance(holder, dict) and place:
            holder.pop(str(place[-1]), None)
    try:
        return _validate(kept, kind)
    except ValidationError:
        return None


def _entry(holder: Json, part: str | int) -> Json:
    if isinstance(holder, list) and isinstance(part, int) and part < len(holder):
        return holder[part]
    return None
