"""Whether a toolkit agrees with itself: its schemas, and the recipes that verify its tools."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from definable.errors import Problem, UsageError
from definable.spec.aliases import Place, Schema
from definable.spec.explain import shown
from definable.spec.lookup import Json, parse
from definable.spec.nearest import suggest
from definable.spec.paths import references, show, texts
from definable.spec.source import Document
from definable.spec.toolkit import Look, Poll, Tool, Toolkit, Undo
from definable.workspace.arguments import compiled, schema_of
from definable.workspace.shapes import lost_in

_REQUEST: Final = re.compile(r"(GET|POST|PUT|PATCH|DELETE|HEAD) /\S*")
_PLACE: Final = re.compile(r"\{(\w+)\}")
_ROOTS: Final = ("arguments", "result", "item", "web")
_RECIPES: Final = ("before", "rewrite", "poll", "after", "expect", "lost", "ensure", "undo", "link")


def toolkit_problems(document: Document, toolkit: Toolkit) -> Iterator[Problem]:
    """Yield everything in a toolkit that cannot work: names that lead nowhere, schemas that are none."""
    for name, each in toolkit.formats.items():
        for at, pattern in (("pattern", each.pattern), *(("extract", text) for text in each.extract)):
            try:
                re.compile(pattern)
            except re.error as error:
                message = f"{shown(pattern)} is not a regular expression: {error}"
                yield document.problem(("formats", name, at), message)
    if toolkit.who is not None and toolkit.who not in toolkit.tools:
        message = f"there is no tool {toolkit.who!r}{suggest(toolkit.who, toolkit.tools)}"
        yield document.problem(("who",), message)
    yield from _about_keys(document, toolkit)
    for slug, tool in toolkit.tools.items():
        for place, message in _tool(tool, toolkit):
            yield document.problem(("tools", slug, *place), f"{slug}: {message}")


def _about_keys(document: Document, toolkit: Toolkit) -> Iterator[Problem]:
    """Check that `expiry` and `whose` lead to something in the answer of `who`."""
    paths = [("expiry", toolkit.expiry)] if toolkit.expiry else []
    paths += [("whose", path) for path in toolkit.whose]
    tool = toolkit.tools.get(toolkit.who or "")
    for name, path in paths:
        if tool is None:
            yield document.problem((name,), f"{name}: a path in the answer of `who`, and there is no `who`")
        elif wrong := _leads(tool.response or {}, toolkit.shapes, path):
            yield document.problem((name,), f"{name}: {wrong}")


def _tool(tool: Tool, toolkit: Toolkit) -> Iterator[tuple[Place, str]]:
    yield from _request(tool)
    yield from _arguments(tool, toolkit)
    yield from _unknown(("quota",), "quota", tool.quota, toolkit.quotas)
    if tool.holds is not None and tool.holds not in toolkit.holds:
        yield ("holds",), f"there is no semaphore {tool.holds!r}{suggest(tool.holds, toolkit.holds)}"
    yield from _schemas(tool, toolkit)
    yield from _responses(tool, toolkit)
    for place, look in _looks(tool):
        yield from _look(place, look, toolkit)
    yield from _recipes(tool)


def _request(tool: Tool) -> Iterator[tuple[Place, str]]:
    if not _REQUEST.fullmatch(tool.request):
        yield (
            ("request",),
            f"a method and a path is expected, such as GET /v1/things/{{id}}, not {tool.request!r}",
        )
        return
    for name in _PLACE.findall(tool.path):
        if name not in tool.arguments:
            yield ("request",), f"{{{name}}} is not among the arguments{suggest(name, tool.arguments)}"
        elif name not in tool.required:
            yield ("request",), f"{{{name}}} is in the path, so it must be among the required arguments"


def _arguments(tool: Tool, toolkit: Toolkit) -> Iterator[tuple[Place, str]]:
    paging = (tool.paging.into,) if tool.paging else ()
    yield from _unknown(("required",), "argument", tool.required, tool.arguments)
    yield from _unknown(("query",), "argument", tool.query, tool.arguments)
    yield from _unknown(("paging", "into"), "argument", paging, tool.arguments)
    yield from _unknown(
        ("ensure", "match"), "argument", tool.ensure.match if tool.ensure else (), tool.arguments
    )
    if tool.lost is not None and tool.lost.look is not None:
        yield from _unknown(("lost", "look"), "look under before", (tool.lost.look,), tool.before)
    schema = {"type": "object", "properties": tool.arguments, "additionalProperties": False}
    for index, target in enumerate(tool.targets):
        if wrong := _leads(schema, toolkit.shapes, target):
            yield ("targets", index), f"targets: {wrong}"


def _unknown(
    place: Place, what: str, names: Iterable[str], known: Iterable[str]
) -> Iterator[tuple[Place, str]]:
    known = set(known)
    for index, name in enumerate(names):
        if name not in known:
            yield (*place, index), f"there is no {what} {name!r}{suggest(name, known)}"


def _schemas(tool: Tool, toolkit: Toolkit) -> Iterator[tuple[Place, str]]:
    parts: list[tuple[Place, Json]] = [(("arguments",), schema_of(tool, toolkit))]
    parts += [(("rules", at, "schema"), rule.schema_) for at, rule in enumerate(tool.rules)]
    if tool.response is not None:
        parts.append((("response",), {**tool.response, "$defs": toolkit.shapes}))
    for place, schema in parts:
        if isinstance(wrong := compiled(schema, toolkit), str):
            yield place, f"{place[0]}: this is not a JSON Schema: {wrong}"


def _responses(tool: Tool, toolkit: Toolkit) -> Iterator[tuple[Place, str]]:
    if tool.response is None:
        return
    for index, path in enumerate(tool.identity):
        if wrong := _leads(tool.response, toolkit.shapes, path):
            yield ("identity", index), f"identity: {wrong}"
    for key in ("items", "next"):
        if tool.paging and (wrong := _leads(tool.response, toolkit.shapes, getattr(tool.paging, key))):
            yield ("paging", key), f"paging.{key}: {wrong}"


def _leads(schema: Json, shapes: Mapping[str, Schema], path: str) -> str:
    try:
        return lost_in(schema, shapes, parse(path))
    except UsageError as error:
        return error.message


def _looks(tool: Tool) -> Iterator[tuple[Place, Look | Poll | Undo]]:
    for kind, looks in (("before", tool.before), ("after", tool.after)):
        for name, look in looks.items():
            yield (kind, name), look
    if tool.poll is not None:
        yield ("poll",), tool.poll
    if tool.ensure is not None:
        yield ("ensure", "look"), tool.ensure.look
        yield ("ensure", "update"), tool.ensure.update
    if tool.undo is not None:
        yield ("undo",), tool.undo


def _look(place: Place, look: Look | Poll | Undo, toolkit: Toolkit) -> Iterator[tuple[Place, str]]:
    if look.call is None:
        return
    if look.call not in toolkit.tools:
        yield (*place, "call"), f"there is no tool {look.call!r}{suggest(look.call, toolkit.tools)}"
        return
    target = toolkit.tools[look.call]
    for name in look.arguments:
        if name not in target.arguments:
            message = f"{look.call} has no argument {name!r}{suggest(name, target.arguments)}"
            yield (*place, "with", name), message
    for name in target.required:
        if name not in look.arguments:
            yield (*place, "call"), f"{look.call} needs the argument {name!r}"


def _recipes(tool: Tool) -> Iterator[tuple[Place, str]]:
    known = {*_ROOTS, *tool.before, *tool.after}
    recipes = tool.model_dump(by_alias=True, include=set(_RECIPES))
    for place, text in texts(recipes):
        try:
            if place[-1] == "when" or "${{" in text:
                found = references(text, expression=place[-1] == "when")
            elif place[0] == "expect" and place[-1] in ("at", "in", "entries", "shown"):
                found = [parse(text)]
            else:
                continue
        except UsageError as error:
            yield place, error.message
            continue
        for parts in found:
            if parts and parts[0] not in known:
                yield place, f"{show(parts)}: there is no {parts[0]!r} here{suggest(parts[0], known)}"
