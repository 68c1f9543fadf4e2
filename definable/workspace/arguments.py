"""Whether a declared call's arguments fit the tool, as far as that can be known before a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import jsonschema_rs

from definable.errors import Problem, UsageError
from definable.spec.aliases import Place, options, proper, renamed, snake
from definable.spec.explain import shown
from definable.spec.lookup import Json, join
from definable.spec.nearest import nearest, suggest
from definable.spec.paths import references, templates, texts
from definable.spec.source import Document
from definable.spec.toolkit import Format, Tool, Toolkit
from definable.spec.workflow import Step, Workflow

_SAMPLES: Final[dict[str, Json]] = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}
_WORDS: Final = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_BY_KEYS: Final = {
    "required",
    "additionalProperties",
    "type",
    "minProperties",
    "maxProperties",
    "minItems",
    "maxItems",
}
"""Rules that hold or not whatever the values inside will be."""


def schema_of(tool: Tool, toolkit: Toolkit) -> dict[str, Json]:
    """Return the JSON Schema of all arguments of a tool as one object."""
    return {
        "type": "object",
        "properties": tool.arguments,
        "required": list(tool.required),
        "additionalProperties": False,
        "$defs": toolkit.shapes,
    }


def compiled(schema: Json, toolkit: Toolkit) -> jsonschema_rs.Validator | str:
    """Return a validator that knows the toolkit's formats, or why the schema is none."""
    formats = {name: _format(each) for name, each in toolkit.formats.items()}
    try:
        return jsonschema_rs.validator_for(schema, validate_formats=True, formats=formats)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        return str(error).splitlines()[0]


def _format(declared: Format) -> Callable[[str], bool]:
    patterns = (declared.pattern, *declared.extract)

    def fits(value: str) -> bool:
        try:
            return any(re.search(pattern, value) for pattern in patterns)
        except re.error:
            return True

    return fits


@dataclass(frozen=True)
class Fit:
    """One declared call beside its tool: what is filled in at a run is known only by type, or not at all."""

    document: Document
    workflow: Workflow
    index: int
    step: Step
    slug: str
    tool: Tool
    toolkit: Toolkit

    def problems(self) -> Iterator[Problem]:
        """Yield everything in the arguments that cannot be right."""
        schema = schema_of(self.tool, self.toolkit)
        value, moved = renamed(self.step.arguments, schema, self.toolkit.shapes)
        yield from self._twice(value)
        known = Known.of(value, self.workflow)
        validator = compiled(schema, self.toolkit)
        if isinstance(validator, str):
            return
        errors = known.real(validator.iter_errors(known.value))
        for error in errors:
            for place, message in _explain(error, known, schema, self.toolkit):
                key = error.kind.name in ("additionalProperties", "required")
                yield self._problem(moved.get(place, place), f"{self.slug}: {message}", key)
        for rule in self.tool.rules if not errors else ():
            checker = compiled(rule.schema_, self.toolkit)
            if not isinstance(checker, str) and any(known.real(checker.iter_errors(known.value))):
                yield self._problem((), f"{self.slug}: {rule.says}", True)
        yield from self._ensured(value)

    def _problem(self, place: Place, message: str, key: bool = False) -> Problem:
        return self.document.problem(("steps", self.index, "arguments", *place), message, key)

    def _twice(self, value: Json) -> Iterator[Problem]:
        for key in value:
            meant = proper(key, self.tool.arguments)
            if meant != key and meant in value:
                yield self._problem(
                    (key,), f"{self.slug}: {key!r} and {meant!r} are one argument; keep one", True
                )

    def _ensured(self, value: Json) -> Iterator[Problem]:
        match = self.tool.ensure.match if self.tool.ensure else {}
        for at, name in enumerate(self.step.ensure):
            meant, place = proper(name, self.tool.arguments), ("steps", self.index, "ensure", at)
            if not match:
                yield self.document.problem(
                    place, f"{self.slug} has no way to ensure that something exists once"
                )
                return
            if meant not in match:
                message = f"{self.slug} cannot be ensured by {name!r}{suggest(name, match)}"
                yield self.document.problem(place, message)
            elif meant not in value:
                yield self.document.problem(
                    place, f"{self.slug}: ensure names {name!r}, which has no value here"
                )


@dataclass(frozen=True)
class Known:
    """Arguments with samples in place of inputs, and what is known of each place that a run fills in."""

    value: Json
    filled: Mapping[Place, str]
    """Place → `typed` (only its type is known), `text` (a text of some kind), `open` (nothing is known)."""
    names: Mapping[Place, str]
    """Place of a `typed` value → the input that it comes from."""

    @classmethod
    def of(cls, value: Json, workflow: Workflow) -> Known:
        """Return what is known of arguments in a workflow."""
        filled: dict[Place, str] = {}
        names: dict[Place, str] = {}
        samples: dict[Place, Json] = {}
        for place, text in texts(value):
            if "${{" not in text:
                continue
            filled[place] = "open"
            if not _alone(text):
                filled[place] = "text"
            elif (
                (parts := _parts(text))[:1] == ("inputs",) and len(parts) == 2 and parts[1] in workflow.inputs
            ):
                kind = workflow.inputs[parts[1]].type
                filled[place], names[place] = "typed", f"the input {parts[1]!r} is of type {kind}"
                samples[place] = _SAMPLES.get(kind, text)
        return cls(_replaced(value, samples), filled, names)

    def real(self, errors: Iterator[jsonschema_rs.ValidationError]) -> list[jsonschema_rs.ValidationError]:
        """Return the errors that stand whatever a run fills in; of a union, those of the nearest branch."""
        return [found for error in errors for found in self._real(error)]

    def _real(self, error: jsonschema_rs.ValidationError) -> list[jsonschema_rs.ValidationError]:
        place, kind = tuple(error.instance_path), error.kind
        if isinstance(
            kind, jsonschema_rs.ValidationErrorKind.AnyOf | jsonschema_rs.ValidationErrorKind.OneOfNotValid
        ):
            branches = [self.real(iter(branch)) for branch in kind.context]
            if not all(branches):
                return []
            return [error] if _alike(branches) else min(branches, key=_distance)
        here = next((self.filled[place[:n]] for n in range(len(place) + 1) if place[:n] in self.filled), "")
        if here == "open" or (here and kind.name != "type"):
            return []
        if _forbids_keys(kind):
            return [error]
        inside = any(each[: len(place)] == place for each in self.filled)
        return [] if inside and not here and kind.name not in _BY_KEYS else [error]


def _forbids_keys(kind: jsonschema_rs.ValidationErrorKind) -> bool:
    schema = kind.schema if isinstance(kind, jsonschema_rs.ValidationErrorKind.Not) else None
    return isinstance(schema, dict) and set(schema) == {"required"}


def _alike(branches: list[list[jsonschema_rs.ValidationError]]) -> bool:
    return all(len(b) == 1 and b[0].kind.name == "type" for b in branches)


def _distance(errors: list[jsonschema_rs.ValidationError]) -> tuple[int, int]:
    return len(errors), -max(len(error.instance_path) for error in errors)


def _alone(text: str) -> bool:
    inner = text.strip()
    return inner.startswith("${{") and inner.endswith("}}") and inner.count("${{") == 1


def _parts(text: str) -> tuple[str, ...]:
    try:
        return references(text)[0] if templates(text) else ()
    except UsageError:
        return ()


def _replaced(value: Json, samples: Mapping[Place, Json], at: Place = ()) -> Json:
    if at in samples:
        return samples[at]
    if isinstance(value, dict):
        return {key: _replaced(each, samples, (*at, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, samples, (*at, index)) for index, each in enumerate(value)]
    return value


def _explain(
    error: jsonschema_rs.ValidationError, known: Known, schema: Json, toolkit: Toolkit
) -> Iterator[tuple[Place, str]]:
    place, kind = tuple(error.instance_path), error.kind
    named = f"{join(place)}: " if place else ""
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        names = {name for option in _at(schema, place, toolkit) for name in option.get("properties", {})}
        for key in kind.unexpected:
            what = f"unknown argument {key!r}" if not place else f"{named}unknown key {key!r}"
            if proper(key, names) == key:
                yield (*place, key), f"{what}{suggest(key, names | {snake(n) for n in names if '_' in key})}"
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        hint = schema["properties"].get(kind.property, {}).get("description", "") if not place else ""
        what = "missing argument" if not place else f"{named}missing key"
        yield place, f"{what} {kind.property!r}{': ' + hint if hint else ''}"
    elif place in known.names:
        yield place, f"{named}{_wanted(error)} is expected, but {known.names[place]}"
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.Format) and kind.format in toolkit.formats:
        hint = toolkit.formats[kind.format].hint
        yield place, f"{named}{shown(error.instance)} is no {kind.format}{'. ' + hint if hint else ''}"
    elif wanted := _wanted(error):
        yield place, f"{named}{wanted} is expected, not {shown(error.instance)}{_meant(error)}"
    else:
        yield place, f"{named}{error.message}"


def _wanted(error: jsonschema_rs.ValidationError) -> str:
    kind = error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Type):
        return " or ".join(_WORDS.get(each, each) for each in kind.types)
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Enum):
        return f"one of {', '.join(map(shown, kind.options))}"
    if isinstance(
        kind, jsonschema_rs.ValidationErrorKind.AnyOf | jsonschema_rs.ValidationErrorKind.OneOfNotValid
    ):
        return " or ".join(dict.fromkeys(_wanted(branch[0]) for branch in kind.context))
    return ""


def _meant(error: jsonschema_rs.ValidationError) -> str:
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Enum) and isinstance(error.instance, str):
        found = nearest(error.instance, [each for each in error.kind.options if isinstance(each, str)])
        return f"; did you mean {found!r}?" if found else ""
    return ""


def _at(schema: Json, place: Place, toolkit: Toolkit) -> list[Mapping[str, Json]]:
    here = list(options(schema, toolkit.shapes))
    for part in place:
        inner = [
            o.get("items", {}) if isinstance(part, int) else o.get("properties", {}).get(part) for o in here
        ]
        here = [found for each in inner if each is not None for found in options(each, toolkit.shapes)]
    return here
