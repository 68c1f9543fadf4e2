"""A run's inputs: whether a declaration makes sense, and whether values fit it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NoReturn

from definable.errors import UsageError
from definable.spec.events import DEEPEST
from definable.spec.explain import shown
from definable.spec.lookup import Json
from definable.spec.nearest import suggest
from definable.spec.paths import same
from definable.spec.workflow import Input, Workflow

_TYPES: Final = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}
_AS_JSON: Final = {
    "array": 'a list as JSON, such as ["a", "b"],',
    "object": 'an object as JSON, such as {"a": 1},',
}
MOST_DIGITS: Final = 300
_WHOLE: Final = re.compile(rf"[-+]?[0-9]{{1,{MOST_DIGITS}}}")
_BOOLEAN: Final = {"true": True, "false": False}


def read_inputs(workflow: Workflow, pairs: Iterable[str]) -> dict[str, Json]:
    """Return a run's inputs from texts `key=value`, read by the declared types, with defaults filled in.

    Objects and lists are JSON, booleans `true` or `false`. An input that need not be given is None.
    UsageError lists everything that is wrong: unknown and missing inputs, and values that do not fit.
    """
    given: dict[str, Json] = {}
    problems: list[str] = []
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            problems.append(f"{pair!r} is not key=value")
        elif key in given:
            problems.append(f"{key}: given twice")
        else:
            try:
                given[key] = read_text(workflow.inputs.get(key), text)
            except ValueError as error:
                problems.append(f"{key}: {error}")
                given[key] = None
    return _complete(workflow, given, problems)


def complete(workflow: Workflow, given: Mapping[str, Json]) -> dict[str, Json]:
    """Return a run's inputs from values that already have types, as `read_inputs` does from texts."""
    return _complete(workflow, given, [])


def fitted(
    workflow: Workflow, given: Mapping[str, Json], wrong: Iterable[str] = ()
) -> tuple[dict[str, Json], list[str]]:
    """Return a run's inputs from values that have types, with defaults filled in, and all that is wrong.

    `wrong` are problems known before (`name: what`): what they name is looked at no further.
    """
    problems = list(wrong)
    unreadable = {problem.partition(":")[0] for problem in problems}
    values: dict[str, Json] = {}
    for name, declared in workflow.inputs.items():
        if name in given:
            values[name] = given[name]
            if name not in unreadable and (misfits := misfit(declared, given[name])):
                problems.append(f"{name}: {misfits}")
        elif needed(declared):
            what = f" ({declared.description})" if declared.description else ""
            problems.append(f"{name}: missing; {_TYPES[declared.type]} is expected{what}")
        else:
            values[name] = declared.default
    problems += [
        f"{name}: unknown input{suggest(name, workflow.inputs) or '; the workflow declares none'}"
        for name in given
        if name not in workflow.inputs
    ]
    return values, problems


def _complete(workflow: Workflow, given: Mapping[str, Json], wrong: list[str]) -> dict[str, Json]:
    values, problems = fitted(workflow, given, wrong)
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise UsageError(f"the inputs of {workflow.name!r} are wrong:{listed}", hint=_usage(workflow))
    return values


def needed(declared: Input) -> bool:
    """Whether a run cannot start without this input."""
    return "default" not in declared.model_fields_set if declared.required is None else declared.required


def _usage(workflow: Workflow) -> str:
    words = [
        f"-i {name}={'…' if needed(each) else shown(each.default)}" for name, each in workflow.inputs.items()
    ]
    return f"It takes {' '.join(words)}" if words else ""


def read_text(declared: Input | None, text: str) -> Json:
    """Return the value that a text is, read by the declared type. ValueError, in words, when it is none."""
    kind = declared.type if declared else "string"
    if kind == "string":
        return text
    if kind == "integer" and _WHOLE.fullmatch(text):
        return int(text)
    if kind == "boolean" and text in _BOOLEAN:
        return _BOOLEAN[text]
    if kind in ("number", "array", "object"):
        try:
            return json.loads(text, parse_constant=no_constant)
        except (ValueError, RecursionError):
            pass
    raise ValueError(f"{_AS_JSON.get(kind, _TYPES[kind])} is expected, not {shown(text)}")


def no_constant(constant: str) -> NoReturn:
    """Refuse what Python's JSON has besides JSON: NaN and Infinity. ValueError."""
    raise ValueError(f"{constant} is not JSON")


def misfit(declared: Input, value: Json) -> str:
    """Return why `value` does not fit a declared input, or an empty text. Null fits what is not needed."""
    if value is None and not needed(declared):
        return ""
    if wrong := unwritable(value):
        return f"{wrong}: {shown(value)}"
    if not is_a(declared.type, value):
        return f"{_TYPES[declared.type]} is expected, not {shown(value)}"
    if declared.enum is not None and not any(same(value, each) for each in declared.enum):
        known = ", ".join(map(shown, declared.enum))
        return f"one of {known} is expected, not {shown(value)}"
    if declared.minimum is not None and is_a("number", value) and value < declared.minimum:
        return f"at least {declared.minimum:g} is expected, not {shown(value)}"
    if declared.maximum is not None and is_a("number", value) and value > declared.maximum:
        return f"at most {declared.maximum:g} is expected, not {shown(value)}"
    if declared.pattern is not None and isinstance(value, str) and not _matches(declared.pattern, value):
        return f"a text that matches {declared.pattern} is expected, not {shown(value)}"
    return ""


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return True


def is_a(kind: str, value: Json) -> bool:
    """Whether a JSON value has a JSON Schema type; 2.0 is an integer there, and true is no number."""
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("integer", "number"):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return (
            number
            and (isinstance(value, int) or math.isfinite(value))
            and (kind == "number" or value == int(value))
        )
    if kind == "null":
        return value is None
    return isinstance(value, {"string": str, "array": list, "object": dict}.get(kind, object))


def whole(digits: str) -> int:
    """Return the number that digits in JSON are. ValueError, in words, when there are too many of them."""
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a whole number has {len(digits):,} digits; at most {MOST_DIGITS} are read")
    return int(digits)


def unwritable(value: Json) -> str:
    """Return why a value cannot be written down as JSON, or an empty text.

    Half a character (a lone surrogate) cannot, nor a number that is infinite or none (`1e999`), nor what is
    nested so deeply that those who read it give up.
    """
    if _deeper(value, DEEPEST):
        return f"more than {DEEPEST} levels deep"
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return "a number is too large, or none"
    return "" if is_text(value) else "a text has half a character (a lone surrogate)"


def is_text(value: Json) -> bool:
    """Whether every text in a JSON value can be written down: half a character (a lone surrogate) cannot."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _deeper(value: Json, levels: int) -> bool:
    """Whether lists and objects stand in one another on more levels than so many."""
    level = [value]
    for _ in range(levels + 1):
        level = [part for whole in level for part in _parts(whole)]
    return bool(level)


def _parts(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def declaration_problems(declared: Input) -> Iterator[tuple[str, str]]:
    """Yield the key and what is wrong with it, for all that does not make sense in one declared input."""
    if declared.pattern is not None:
        try:
            re.compile(declared.pattern)
        except re.error as error:
            yield "pattern", f"this is not a regular expression: {error}"
    for key, kinds in (("minimum", "integer number"), ("maximum", "integer number"), ("pattern", "string")):
        if getattr(declared, key) is not None and declared.type not in kinds.split():
            yield key, f"{key} does not go with the type {declared.type!r}"
    if declared.minimum is not None and declared.maximum is not None and declared.minimum > declared.maximum:
        yield "maximum", f"the maximum {declared.maximum:g} is below the minimum {declared.minimum:g}"
    for value in declared.enum or ():
        if not is_a(declared.type, value):
            yield "enum", f"enum: {_TYPES[declared.type]} is expected, not {shown(value)}"
    if declared.default is not None and (wrong := misfit(declared, declared.default)):
        yield "default", f"default: {wrong}"
