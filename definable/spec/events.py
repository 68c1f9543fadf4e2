"""Makes JSON of YAML's events, with the place of each value, and bounds on what a file may blow up to."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from yaml import events

from definable.spec.lookup import Json

DEEPEST: Final = 64
"""How many levels of lists and objects a file may have."""
MOST: Final = 200_000
"""How many values a file may have once its aliases are followed."""

_NULL: Final = {"", "~", "null", "Null", "NULL"}
_BOOLEAN: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER: Final = re.compile(
    r"(?P<int>[-+]?[0-9]+)|0o(?P<oct>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<none>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_STARTS: Final = frozenset("-+.0123456789")


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file: line and column, both from 1."""

    line: int
    column: int
    file: str = ""


@dataclass(slots=True)
class Node:
    """A value and its place; `inner` has the nodes in it, `keys` where its keys are, `size` all values."""

    value: Json
    spot: Spot
    inner: dict[str | int, Node] = field(default_factory=dict)
    keys: dict[str, Spot] = field(default_factory=dict)
    size: int = 1


class TooMuch(Exception):
    """The file cannot be read any further; `spot` says where."""

    def __init__(self, message: str, spot: Spot) -> None:
        super().__init__(message)
        self.message = message
        self.spot = spot


class Builder:
    """Builds the node of the one document in a stream of events; `found` gathers what must not be there."""

    def __init__(self, file: str, first_line: int = 1) -> None:
        self.file = file
        self.first_line = first_line
        self.found: list[tuple[Spot, str]] = []
        self._anchors: dict[str, Node | None] = {}
        self._size = 0

    def build(self, stream: Iterable[events.Event]) -> Node | None:
        """Return the document's node, or None when there is none. TooMuch, or what the stream raises."""
        root: Node | None = None
        source = iter(stream)
        for event in source:
            if isinstance(event, events.DocumentStartEvent):
                if root is not None:
                    raise TooMuch("a second document starts here (---); a file holds one", self._spot(event))
                root = self._node(next(source), source, 0)
        return root

    def _spot(self, event: events.Event) -> Spot:
        mark = event.start_mark
        if mark is None:
            return Spot(self.first_line, 1, self.file)
        return Spot(mark.line + self.first_line, mark.column + 1, self.file)

    def _node(self, event: events.Event, source: Iterator[events.Event], depth: int) -> Node:
        spot = self._spot(event)
        if isinstance(event, events.AliasEvent):
            return self._alias(event, spot)
        if depth > DEEPEST:
            raise TooMuch(f"more than {DEEPEST} levels deep", spot)
        if tag := getattr(event, "tag", None):
            self.found.append((spot, f"the tag {tag!r} is not supported; write the value without it"))
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = None
        self._grow(1, spot)
        node = self._filled(event, spot, source, depth)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _filled(self, event: events.Event, spot: Spot, source: Iterator[events.Event], depth: int) -> Node:
        if isinstance(event, events.ScalarEvent):
            return Node(self._scalar(event, spot), spot)
        if isinstance(event, events.SequenceStartEvent):
            return self._list(spot, source, depth)
        flow = isinstance(event, events.MappingStartEvent) and bool(event.flow_style)
        return self._object(spot, source, depth, flow)

    def _alias(self, event: events.AliasEvent, spot: Spot) -> Node:
        if event.anchor not in self._anchors:
            raise TooMuch(f"there is no anchor &{event.anchor} before this alias", spot)
        target = self._anchors[event.anchor]
        if target is None:
            raise TooMuch(f"*{event.anchor} stands inside what it stands for", spot)
        self._grow(target.size, spot)
        return Node(target.value, spot, target.inner, target.keys, target.size)

    def _grow(self, by: int, spot: Spot) -> None:
        self._size += by
        if self._size > MOST:
            raise TooMuch(f"more than {MOST:,} values once aliases are followed", spot)

    def _list(self, spot: Spot, source: Iterator[events.Event], depth: int) -> Node:
        node = Node([], spot)
        for event in source:
            if isinstance(event, events.SequenceEndEvent):
                break
            entry = self._node(event, source, depth + 1)
            node.inner[len(node.value)] = entry
            node.value.append(entry.value)
            node.size += entry.size
        return node

    def _object(self, spot: Spot, source: Iterator[events.Event], depth: int, flow: bool) -> Node:
        node = Node({}, spot)
        for event in source:
            if isinstance(event, events.MappingEndEvent):
                break
            where = self._spot(event)
            key = self._key(event, where, source, depth)
            value = next(source)
            entry = self._node(value, source, depth + 1)
            if key is None:
                continue
            if flow and _cut_short(event, value):
                self.found.append((where, f"{key!r} has no value; text with a comma in it needs quotes here"))
            if key in node.keys:
                first = node.keys[key].line
                self.found.append((where, f"the key {key!r} stands here twice, first on line {first}"))
            node.keys[key] = where
            node.inner[key] = entry
            node.value[key] = entry.value
            node.size += entry.size
        return node

    def _key(self, event: events.Event, spot: Spot, source: Iterator[events.Event], depth: int) -> str | None:
        if not isinstance(event, events.ScalarEvent):
            self._node(event, source, depth + 1)
            self.found.append((spot, "a key is a text, not a list, an object or an alias"))
            return None
        if event.tag or event.anchor:
            self.found.append((spot, "a key takes no tag and no anchor"))
        if event.value == "<<" and event.implicit[0]:
            self.found.append((spot, "merge keys (<<) are not supported; write the keys out"))
            return None
        return str(event.value)

    def _scalar(self, event: events.ScalarEvent, spot: Spot) -> Json:
        if not event.implicit[0]:
            return event.value
        try:
            return plain(event.value)
        except ValueError as error:
            self.found.append((spot, str(error)))
            return None


def _cut_short(key: events.Event, value: events.Event) -> bool:
    """Whether a bare key with spaces has no value, as when a comma in `{ }` ended the text before it."""
    bare = isinstance(key, events.ScalarEvent) and key.implicit[0] and " " in key.value
    return bare and isinstance(value, events.ScalarEvent) and value.value == "" and value.implicit[0]


def plain(text: str) -> Json:
    """Return what an unquoted scalar means in the core schema. ValueError for what JSON cannot carry."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if text[0] not in _STARTS or not (found := _NUMBER.fullmatch(text)):
        return text
    kind = found.lastgroup or ""
    if kind == "none" or len(text) > 300:
        raise ValueError(
            f"{text[:20]} is not a number that JSON can carry; put it in quotes to mean the text"
        )
    if kind == "float":
        return _finite(text)
    return int(found[kind], {"int": 10, "oct": 8, "hex": 16}[kind])


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number; put it in quotes to mean the text")
    return number
