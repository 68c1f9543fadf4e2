"""One call of a tool as an HTTP request: pure, from data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from definable.calls import Rewording
from definable.errors import UsageError
from definable.spec.lookup import Json
from definable.spec.toolkit import Tool, Toolkit
from definable.verify.changes import placed

PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Request:
    """What goes over the wire: `path` is quoted and follows the base URL; `json` None means no body."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    json: Json = None


def build(
    toolkit: Toolkit, tool: Tool, arguments: Mapping[str, Json], changes: Iterable[Rewording] = ()
) -> Request:
    """Return the request for normalised arguments: those of the path, then the query or the body.

    GET and DELETE send the rest in the query; other methods in a JSON body, but for what `query` names.
    `changes` put both into the server's own words. UsageError when a part of the path is missing or could
    lead to another place.
    """
    path = PLACE.sub(lambda m: _segment(m[1], arguments.get(m[1])), tool.path)
    query, body = placed(tool, arguments, changes)
    bodiless = tool.method in ("GET", "DELETE") or (not body and tool.optional_body)
    return Request(tool.method, path, tuple(_query(toolkit, query)), None if bodiless else body)


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
