"""Reads YAML as YAML 1.2's core schema, and Markdown with front matter; every value knows its place.

`no`, `on`, `12:30`, `2026-01-01` and `200_000` are text. Refused, with line and column: duplicate keys, tags,
merge keys, several documents, invalid UTF-8, control characters, and files that are too large, too deep, or
grow when aliases are followed. Source: https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import Final

import yaml

from definable.errors import DefinitionError, Problem
from definable.spec.events import Builder, Node, Spot, TooMuch
from definable.spec.lookup import Json

LARGEST: Final = 2_000_000
"""The largest file that is read, in bytes."""

_ODD: Final = re.compile("[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FENCE: Final = re.compile(r"---[ \t]*\r?\n")
_END: Final = re.compile(r"^---[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read: its data as JSON, and where each value of it stands."""

    file: str
    data: Json
    root: Node = field(repr=False)

    def spot(self, at: Iterable[str | int], key: bool = False) -> Spot:
        """Return where the value (or its key) at these keys and indices stands, or as far as they lead."""
        node, spot = self.root, self.root.spot
        for part in at:
            inner = node.inner.get(part) or node.inner.get(str(part))
            if inner is None:
                return spot
            spot = node.keys.get(str(part), inner.spot) if key else inner.spot
            node = inner
        return spot

    def problem(self, at: Iterable[str | int], message: str, key: bool = False) -> Problem:
        """Return the Problem that `message` is, at the value (or its key)."""
        spot = self.spot(at, key)
        return Problem(spot.file or self.file, spot.line, spot.column, message)


def read_file(path: Traversable, shown: str | None = None) -> Document:
    """Return the document in a YAML or `.md` file; `shown` is its name in messages. DefinitionError."""
    name = shown or str(path)
    text = decode(_bytes(path, name), name)
    return read_markdown(text, name) if path.name.endswith(".md") else read_yaml(text, name)


def _bytes(path: Traversable, name: str) -> bytes:
    try:
        if path.is_dir():
            raise _refusal(name, "this is a folder; a file is expected")
        if not path.is_file():
            raise _refusal(name, "there is no such file")
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise _refusal(
            name, f"the file cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error
    if len(data) > LARGEST:
        raise _refusal(name, f"the file is larger than {LARGEST:,} bytes")
    return bytes(data)


def decode(data: bytes, name: str) -> str:
    """Return bytes as text, without a byte order mark. DefinitionError says where it is not UTF-8."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _refusal(name, "the file is UTF-16; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        spot = _spot(before, len(before))
        raise _refusal(
            name, f"the byte {data[error.start]:#04x} is not UTF-8; save the file as UTF-8", spot
        ) from error


def read_yaml(text: str, file: str, first_line: int = 1) -> Document:
    """Return the one document of a YAML text. DefinitionError holds every duplicate key and tag found."""
    text = text.removeprefix("\ufeff")
    if odd := _ODD.search(text):
        spot = _spot(text, odd.start(), first_line)
        raise _refusal(file, f"the control character {odd[0]!r} is not allowed", spot)
    builder = Builder(file, first_line)
    try:
        root = builder.build(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        raise _refusal(file, *_explain(error, text, first_line)) from error
    except yaml.YAMLError as error:
        raise _refusal(file, f"this is not YAML: {error}") from error
    except TooMuch as error:
        raise _refusal(file, error.message, error.spot) from error
    if builder.found:
        raise DefinitionError([Problem(file, s.line, s.column, m) for s, m in builder.found])
    if root is None or root.value is None:
        raise _refusal(file, "the file is empty", Spot(first_line, 1))
    return Document(file, root.value, root)


def read_markdown(text: str, file: str) -> Document:
    """Return the front matter of a Markdown text as a document, with the text below it as `prompt`."""
    text = text.removeprefix("\ufeff")
    start = _FENCE.match(text)
    end = _END.search(text, start.end()) if start else None
    if start is None or end is None:
        raise _refusal(file, "the file must start with front matter: keys between two lines of ---")
    document = read_yaml(text[start.end() : end.start()], file, 2)
    if not isinstance(document.data, dict):
        raise DefinitionError(
            [document.problem((), "front matter is keys and values, such as `name: writer`")]
        )
    if "prompt" in document.data:
        raise DefinitionError(
            [document.problem(("prompt",), "the prompt is the text below the front matter", key=True)]
        )
    body = text[end.end() :]
    at = end.end() + len(body) - len(body.lstrip())
    prompt = Node(body.strip(), _spot(text, at))
    root = Node(document.data | {"prompt": prompt.value}, document.root.spot)
    root.inner, root.keys = document.root.inner | {"prompt": prompt}, document.root.keys
    return Document(file, root.value, root)


def _spot(text: str, at: int, first_line: int = 1) -> Spot:
    line = text.count("\n", 0, at)
    return Spot(line + first_line, at - (text.rfind("\n", 0, at) + 1) + 1)


def _refusal(file: str, message: str, spot: Spot | None = None) -> DefinitionError:
    spot = spot or Spot(1, 1)
    return DefinitionError([Problem(file, spot.line, spot.column, message)])


def _explain(error: yaml.MarkedYAMLError, text: str, first_line: int) -> tuple[str, Spot]:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return f"this is not YAML: {error.problem}", Spot(first_line, 1)
    lines = text.splitlines() or [""]
    line = lines[min(mark.line, len(lines) - 1)]
    return _plain(error.problem or "", line, mark.column), Spot(mark.line + first_line, mark.column + 1)


def _plain(problem: str, line: str, column: int) -> str:
    here = line[column : column + 1]
    if "cannot start any token" in problem and (here == "\t" or "\t" in line[: column + 1]):
        return "a tab cannot be used to indent; use spaces"
    if "cannot start any token" in problem:
        return f"text that starts with {here!r} must stand in quotes"
    if "mapping values are not allowed" in problem:
        return "a second ': ' on this line, or wrong indentation; put text that holds ': ' in quotes"
    if "expected ',' or" in problem and "${{" in line:
        return "inside { } and [ ], put ${{ … }} in quotes"
    if "undefined alias" in problem:
        return f"{problem}; an anchor (&name) must come before its alias (*name)"
    return f"this is not YAML: {problem}; look at the indentation, quotes and brackets here and just above"
