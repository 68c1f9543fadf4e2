"""Contracts: what a response, or arguments, must look like, compiled once and checked in microseconds.

A contract is strict about what we read and silent about what we do not: undeclared properties pass.
Validation is jsonschema-rs (JSON Schema 2020-12, formats included); a 10 KB list takes some 20 µs.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError

from definable.spec.paths import MISSING, follow, join, parse
from definable.spec.toolkit import Tool, Toolkit
from definable.verify.shape import Json, Schema, Shape, kind, read, watchful

_KEPT = 1024
_cache: OrderedDict[tuple[int, int, tuple[str, ...]], tuple[Any, Any, Contract]] = OrderedDict()


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where a body is not what the contract says. `path` leads to it, or to where it should be."""

    path: tuple[str | int, ...]
    rule: str
    """The JSON Schema keyword: type, required, enum, pattern, format, …"""
    message: str
    """For people: where, the value, and what was expected."""
    expected: Json
    found: Json


class Contract:
    """A compiled JSON Schema. `reads` are paths that the caller depends on although they may be left out."""

    def __init__(
        self,
        schema: Schema,
        defs: Mapping[str, Schema] | None = None,
        formats: Mapping[str, str] | None = None,
        reads: tuple[str, ...] = (),
    ) -> None:
        """Compile `schema`; `defs` is what `#/$defs/NAME` leads to, `formats` are regular expressions."""
        self.defs = {**(defs or {}), **schema.get("$defs", {})}
        self.schema: Schema = {**schema, "$defs": self.defs} if self.defs else schema
        self.watched = frozenset(_prefixes(reads))
        self._formats = {name: _matcher(pattern) for name, pattern in (formats or {}).items()}
        self._whole = self._compile(self.schema)
        self._watchful = self._compile(watchful(self.schema))
        self._one_pass = not _chooses(self.schema)
        self.reads = tuple(path for path in reads if "*" not in parse(path))
        self._reads = [parse(path) for path in self.reads]
        self._parts: dict[int, tuple[Any, Shape, Draft202012Validator]] = {}

    @staticmethod
    def of(toolkit: Toolkit, schema: Schema, reads: tuple[str, ...] = ()) -> Contract:
        """Return the contract of a schema in a toolkit; the same object gives the same contract.

        `reads` are paths such as `pagination.after` whose silent disappearance must not be taken for an end.
        """
        formats = {name: each.pattern for name, each in toolkit.formats.items()}
        return _cached(toolkit, schema, reads, lambda: Contract(schema, toolkit.shapes, formats, reads))

    @staticmethod
    def of_response(toolkit: Toolkit, tool: Tool) -> Contract | None:
        """Return the contract of a tool's response, watching what paging and identity read."""
        if tool.response is None:
            return None
        paging = (tool.paging.next, tool.paging.items) if tool.paging else ()
        return Contract.of(toolkit, tool.response, (*paging, *tool.identity))

    @staticmethod
    def of_arguments(toolkit: Toolkit, tool: Tool) -> Contract:
        """Return the contract of a tool's arguments; undeclared ones are refused."""
        schema = {
            "type": "object",
            "properties": tool.arguments,
            "required": list(tool.required),
            "additionalProperties": False,
        }
        formats = {name: each.pattern for name, each in toolkit.formats.items()}
        return _cached(toolkit, tool, (), lambda: Contract(schema, toolkit.shapes, formats))

    def valid(self, body: Json) -> bool:
        """Whether `body` is what the schema says."""
        return self._whole.is_valid(body)

    def settled(self, body: Json) -> bool:
        """Whether `body` is valid, holds what is read, and lacks nothing declared beside what is not.

        True for nearly every response, and then there is nothing to repair; when it is False, `repair` tells.
        """
        if not self._watchful.is_valid(body) or not (self._one_pass or self._whole.is_valid(body)):
            return False
        return all(follow(body, parts) is not MISSING for parts in self._reads)

    def stricter(self, overlay: Schema) -> Callable[[Json], bool]:
        """Return `settled`, made to hold a second schema as well, in one pass."""
        return self._held(watchful(self.schema), overlay)

    def apart(self, name: str, entries: Schema | bool, overlay: Schema) -> Callable[[Json], bool] | None:
        """Return the same for a body whose list `name` has entries that hold the contract; they are only held
        against `entries`. None where such a list is no part of the body that could be looked at apart.
        """
        base = watchful(self.schema)
        assert isinstance(base, dict)  # noqa: S101 - a schema that is an object stays one
        inner = base.get("properties", {}).get(name)
        if not self._one_pass or not isinstance(inner, dict) or "items" not in inner:
            return None
        properties = {**base["properties"], name: {**inner, "items": entries}}
        return self._held({**base, "properties": properties}, overlay)

    def entries(self, name: str) -> Callable[[Json], bool]:
        """Return `settled` for one entry of the list `name`, which `apart` has."""
        base = watchful(self.schema)
        assert isinstance(base, dict)  # noqa: S101 - a schema that is an object stays one
        entry = base["properties"][name]["items"]
        return self._compile({"$defs": base.get("$defs", {}), "allOf": [entry]}).is_valid

    def _held(self, base: Any, overlay: Schema) -> Callable[[Json], bool]:
        both = self._compile({**base, "allOf": [*base.get("allOf", ()), overlay]} if overlay else base)

        def check(body: Json) -> bool:
            if not both.is_valid(body) or not (self._one_pass or self._whole.is_valid(body)):
                return False
            return all(follow(body, parts) is not MISSING for parts in self._reads)

        return check

    def violations(self, body: Json) -> list[Violation]:
        """Return every violation, all of them at once; empty when the body is valid."""
        return [_violation(each) for error in self._whole.iter_errors(body) for each in _leaves(error)]

    def shape(self, schema: Schema) -> Shape:
        """Return what a place of this contract says; `schema` must be part of it."""
        return self._part(schema)[1]

    def solid(self, schema: Schema) -> Shape:
        """Return the shape of what `schema` is when it is not null: of its only other branch, if any."""
        shape = self.shape(schema)
        others = [each for each in shape.branches if self.shape(each).types != {"null"}]
        return self.solid(others[0]) if len(others) == 1 else shape

    def fits(self, schema: Schema, value: Json) -> bool:
        """Whether `value` is what one place of this contract says."""
        return self._part(schema)[2].is_valid(value)

    def _part(self, schema: Schema) -> tuple[Any, Shape, Draft202012Validator]:
        # The schema is kept beside what is known of it, so that its id stays its own.
        if (known := self._parts.get(id(schema))) is None:
            whole = {**schema, "$defs": self.defs} if self.defs and isinstance(schema, dict) else schema
            known = (schema, read(schema, self.defs), self._compile(whole))
            self._parts[id(schema)] = known
        return known

    def _compile(self, schema: Schema | bool) -> Draft202012Validator:
        return Draft202012Validator(schema, formats=self._formats, validate_formats=True)


def _cached(toolkit: Toolkit, source: Any, reads: tuple[str, ...], make: Callable[[], Contract]) -> Contract:
    key = (id(toolkit), id(source), reads)
    if key not in _cache:
        # Both objects are kept in the entry: an id is free for others only when its object is gone.
        _cache[key] = (toolkit, source, make())
        while len(_cache) > _KEPT:
            _cache.popitem(last=False)
    return _cache[key][2]


def _matcher(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.search(text) is not None


def _prefixes(reads: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for path in reads:
        parts = parse(path)
        yield from (parts[:end] for end in range(1, len(parts) + 1))


def _chooses(schema: Json) -> bool:
    """Whether making parts of the schema stricter could let something else through."""
    if isinstance(schema, dict):
        return any(key in ("oneOf", "not", "if") or _chooses(value) for key, value in schema.items())
    return isinstance(schema, list) and any(map(_chooses, schema))


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """Yield the errors a person can act on: those of the one branch of a union that was meant, if any."""
    branches: list[list[ValidationError]] = getattr(error.kind, "context", None) or []
    meant = [errors for errors in branches if not any(_wrong_kind(e, error) for e in errors)]
    if len(meant) != 1:
        yield error
        return
    for inner in meant[0]:
        yield from _leaves(inner)


def _wrong_kind(inner: ValidationError, outer: ValidationError) -> bool:
    return inner.kind.name in ("type", "const", "enum") and inner.instance_path == outer.instance_path


def _violation(error: ValidationError) -> Violation:
    rule = {"anyOf": "type", "oneOf": "type"}.get(error.kind.name, error.kind.name)
    path = tuple(error.instance_path)
    if rule == "required":
        missing = str(getattr(error.kind, "property", ""))
        return Violation((*path, missing), rule, f"{_at((*path, missing))} is missing", missing, None)
    if rule == "additionalProperties":
        names = list(getattr(error.kind, "unexpected", ()))
        where = ", ".join(_at((*path, name)) for name in names)
        return Violation(path, rule, f"{where}: not known here", [], names)
    expected = error.kind.value if rule != "type" else _expected_types(error)
    message = f"{_at(path)} is {shown(error.instance)}, expected {_wanted(rule, expected)}"
    return Violation(path, rule, message, expected, error.instance)


def _expected_types(error: ValidationError) -> Json:
    if branches := getattr(error.kind, "context", None):
        found = [_expected_types(e) for errors in branches for e in errors if e.kind.name == "type"]
        return sorted({name for each in found for name in ([each] if isinstance(each, str) else each)})
    return list(getattr(error.kind, "types", ())) or error.kind.value


def _wanted(rule: str, expected: Json) -> str:
    if rule == "type":
        names = [expected] if isinstance(expected, str) else list(expected)
        return " or ".join(names) or "one of the declared forms"
    if rule == "enum":
        return "one of " + ", ".join(map(shown, expected if isinstance(expected, list) else [expected]))
    return f"{rule} {shown(expected)}"


def _at(path: tuple[str | int, ...]) -> str:
    return join(path) or "the body"


def shown(value: Json, limit: int = 80) -> str:
    """Return a value as short JSON for messages; long texts are cut, long lists and objects counted."""
    if isinstance(value, dict | list) and len(json.dumps(value, default=str)) > limit:
        count = len(value)
        return f"an {kind(value)} with {count} {'entry' if count == 1 else 'entries'}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= limit else text[: limit - 1] + "…"
