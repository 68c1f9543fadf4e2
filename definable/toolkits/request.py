"""One call of a tool as an HTTP request: pure, from data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from definable.errors import UsageError
from definable.spec.lookup import Json
from definable.spec.toolkit import Tool, Toolkit

PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Request:
    """What goes over the wire: `path` is quoted and follows the base URL; `json` None means no body."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    json: Json = None


def build(toolkit: Toolkit, tool: Tool, arguments: Mapping[str, Json]) -> Request:
    """Return the request for normalised arguments: those of the path, then the query or the body.

    GET and DELETE send the rest in the query; other methods in a JSON body, but for what `query` names.
    UsageError when a part of the path is missing or could lead to another place.
    """
    in_path = PLACE.findall(tool.path)
    path = PLACE.sub(lambda m: _segment(m[1], arguments.get(m[1])), tool.path)
    rest = {name: value for name, value in arguments.items() if name not in in_path}
    if tool.method in ("GET", "DELETE"):
        return Request(tool.method, path, tuple(_query(toolkit, rest)))
    body = {name: value for name, value in rest.items() if name not in tool.query}
    asked = {name: value for name, value in rest.items() if name in tool.query}
    empty = not body and tool.optional_body
    return Request(tool.method, path, tuple(_query(toolkit, asked)), None if empty else body)


def _segment(name: str, value: Json) -> str:
    text = "" if value is None or isinstance(value, dict | list | bool) else str(value)
    if text in ("", ".", ".."):
        raise UsageError(
            f"{name}: {value!r} cannot be part of a path", hint=f"give {name} as the product shows it"
        )
    return quote(text, safe="")


def _query(toolkit: Toolkit, arguments: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    for name, value in arguments.items():
        if isinstance(value, list | tuple):
            yield from _several(toolkit, name, [_text(each) for each in value])
        elif value is not None:
            yield name, _text(value)


def _several(toolkit: Toolkit, name: str, values: list[str]) -> Iterator[tuple[str, str]]:
    if toolkit.arrays == "comma":
        yield name, ",".join(values)
        return
    key = f"{name}[]" if toolkit.arrays == "brackets" else name
    yield from ((key, value) for value in values)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
