"""Arguments as a person or a model gave them, made exact: the product's names, ids for URLs, valid.

Runs before anything is hashed or stored, so that the same intent always has the same effect id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from definable.errors import UsageError
from definable.spec.lookup import Json
from definable.spec.toolkit import Format, Tool, Toolkit
from definable.toolkits.check import broken

Schema = Mapping[str, Any]


def schema(toolkit: Toolkit, tool: Tool) -> dict[str, Json]:
    """Return the JSON Schema (2020-12) of all arguments as one closed object, complete in itself."""
    whole: dict[str, Json] = {
        "type": "object",
        "properties": tool.arguments,
        "required": list(tool.required),
        "additionalProperties": False,
    }
    if "#/$defs/" in str(tool.arguments):
        whole["$defs"] = toolkit.shapes
    return whole


def normalise(toolkit: Toolkit, tool: Tool, slug: str, arguments: Mapping[str, Json]) -> dict[str, Json]:
    """Return `arguments` in the product's names, with ids taken out of pasted URLs; nothing is added.

    snake_case names are accepted at every level. Normalising twice gives the same as once. UsageError names
    every problem found, so that all can be mended at once.
    """
    whole = schema(toolkit, tool)
    walk = _Walk(toolkit)
    exact = walk.value(arguments, whole, "")
    problems = [*walk.problems, *broken(whole, exact)]
    if not problems:
        problems = [rule.says for rule in tool.rules if broken(rule.schema_, exact)]
    if problems:
        lines = problems if len(problems) == 1 else ["".join(f"\n  - {p}" for p in problems)]
        hint = f"see what it takes with: definable tools {slug}"
        raise UsageError(f"{slug}: {lines[0]}", hint=hint, tool=slug, problems=problems)
    return exact  # type: ignore[no-any-return]


def snake(name: str) -> str:
    """Return a camelCase name in snake_case: `projectId` → `project_id`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class _Walk:
    """Goes through a value along its schema, renames, takes ids out of URLs, and collects problems."""

    def __init__(self, toolkit: Toolkit) -> None:
        self._toolkit = toolkit
        self.problems: list[str] = []

    def value(self, value: Json, of: Schema, at: str) -> Json:
        of = self._resolved(of)
        if isinstance(value, Mapping):
            return self._object(value, self._properties(of), at)
        if isinstance(value, list | tuple):
            return [self.value(each, of.get("items", {}), f"{at}[{i}]") for i, each in enumerate(value)]
        if isinstance(value, str) and (form := self._toolkit.formats.get(of.get("format", ""))):
            return self._formatted(value, form, at)
        return value

    def _object(self, value: Mapping[str, Json], known: Schema, at: str) -> dict[str, Json]:
        aliases = {snake(name): name for name in known}
        exact: dict[str, Json] = {}
        for given, each in value.items():
            name = given if given in known else aliases.get(given, given)
            if name in exact:
                self.problems.append(f"{_join(at, name)} is given twice, also as {given!r}")
            exact[name] = self.value(each, known.get(name, {}), _join(at, name))
        return exact

    def _formatted(self, value: str, form: Format, at: str) -> str:
        text = value.strip()
        if re.search(form.pattern, text):
            return text.lower() if form.lower else text
        for pattern in form.extract:
            if found := re.search(pattern, text):
                return found[1].lower() if form.lower else found[1]
        self.problems.append(f"{at}: {_short(value)} is not an id. {form.hint}".rstrip())
        return text

    def _resolved(self, of: Schema) -> Schema:
        name = str(of.get("$ref", "")).removeprefix("#/$defs/")
        return self._toolkit.shapes.get(name, of)

    def _properties(self, of: Schema) -> dict[str, Schema]:
        """Return the properties of an object; where it is one of several kinds, those of all kinds."""
        known: dict[str, Schema] = dict(of.get("properties", {}))
        for kind in (k for word in ("anyOf", "oneOf", "allOf") for k in of.get(word, ())):
            for name, each in self._properties(self._resolved(kind)).items():
                known[name] = {"anyOf": [known[name], each]} if name in known else each
        return known


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _short(value: str) -> str:
    return repr(value) if len(value) <= 120 else f"{value[:117]!r}…"
