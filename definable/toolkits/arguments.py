"""Arguments as a person or a model gave them, made exact: the product's names, ids for URLs, valid.

Runs before anything is hashed or stored, so that the same intent always has the same effect id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from definable.errors import UsageError
from definable.spec.aliases import options, renamed
from definable.spec.inputs import is_text
from definable.spec.lookup import Json, join
from definable.spec.toolkit import Format, Tool, Toolkit
from definable.toolkits.check import broken

Schema = Mapping[str, Any]
Place = tuple[str | int, ...]


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
    named, _ = renamed(arguments, whole, toolkit.shapes)
    problems: list[str] = []
    exact = _exact(named, list(options(whole, toolkit.shapes)), (), toolkit, problems)
    problems += broken(whole, exact)
    if not problems and not is_text(exact):
        problems = ["a text in it has half of a character (a lone surrogate), which cannot be sent"]
    if not problems:
        problems = [rule.says for rule in tool.rules if broken(rule.schema_, exact)]
    if problems:
        lines = problems[0] if len(problems) == 1 else "".join(f"\n  - {p}" for p in problems)
        hint = f"see what it takes with: definable tools {slug}"
        raise UsageError(f"{slug}: {lines}", hint=hint, tool=slug, problems=problems)
    return exact  # type: ignore[no-any-return]


def foreseen(toolkit: Toolkit, tool: Tool, arguments: Mapping[str, Json]) -> list[str]:
    """Return what is wrong with those arguments that are known before a run; others may be still to come."""
    whole = schema(toolkit, tool)
    named, _ = renamed(arguments, whole, toolkit.shapes)
    problems: list[str] = []
    exact = _exact(named, list(options(whole, toolkit.shapes)), (), toolkit, problems)
    return problems + broken({**whole, "required": []}, exact)


def _exact(value: Json, kinds: list[Schema], at: Place, toolkit: Toolkit, problems: list[str]) -> Json:
    """Return `value`, which is of one of `kinds`, with every text that has a format in its exact form."""
    if isinstance(value, dict):
        return {
            name: _exact(each, _inner(kinds, "properties", name, toolkit), (*at, name), toolkit, problems)
            for name, each in value.items()
        }
    if isinstance(value, list):
        items = _inner(kinds, "items", None, toolkit)
        return [_exact(each, items, (*at, i), toolkit, problems) for i, each in enumerate(value)]
    name = next((f for kind in kinds if (f := kind.get("format")) in toolkit.formats), None)
    if name is None or not isinstance(value, str):
        return value
    form = toolkit.formats[name]
    if (found := _in_form(value.strip(), form)) is None:
        shown = repr(value) if len(value) <= 120 else f"{value[:117]!r}…"
        problems.append(f"{join(at)}: {shown} is no {name}. {form.hint}".rstrip())
    return value if found is None else found


def _inner(kinds: list[Schema], word: str, name: str | None, toolkit: Toolkit) -> list[Schema]:
    inner = [kind.get(word, {}) if name is None else kind.get(word, {}).get(name, {}) for kind in kinds]
    return [found for each in inner for found in options(each, toolkit.shapes)]


def _in_form(text: str, form: Format) -> str | None:
    if re.search(form.pattern, text):
        return text.lower() if form.lower else text
    found = next((m[1] for pattern in form.extract if (m := re.search(pattern, text))), None)
    return found.lower() if found is not None and form.lower else found
