"""A repair as a change to the toolkit's file: the name at its place and nothing else, comments kept."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from definable.calls import Heal
from definable.spec.events import Spot
from definable.spec.source import Document

Path = tuple[str | int, ...]
_DEFS = "#/$defs/"


def amend(document: Document, heals: Iterable[Heal], texts: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return a unified diff that teaches the toolkit what was learned, and what a person has to do by hand.

    `texts` are the toolkit's files by the names that `document` has for them.
    """
    lines = {name: text.splitlines(keepends=True) for name, text in texts.items()}
    by_hand: list[str] = []
    for heal in heals:
        if not _renamed(document, heal, lines):
            where = f"tools.{heal.tool}.{'arguments' if heal.rewording else 'response'}"
            by_hand.append(f"{where}: {heal.drift.replace('_', ' ')}, {heal.detail} ({heal.evidence})")
        elif notes := _recipes(document, heal):
            by_hand += notes
    diff = "".join(
        line
        for name, text in texts.items()
        for line in difflib.unified_diff(
            text.splitlines(keepends=True), lines[name], f"a/{name}", f"b/{name}"
        )
    )
    return diff, by_hand


def _renamed(document: Document, heal: Heal, lines: dict[str, list[str]]) -> bool:
    """Rename a property where it is declared; False where it is more than another name."""
    change = heal.change
    if change is None or change.how != "same" or change.source[:-1] != change.target[:-1]:
        return False
    at = _declared(document.data, heal.tool, (*change.place, *change.target[:-1]))
    if at is None:
        return False
    old, new = change.target[-1], change.source[-1]
    schema = _at(document.data, at)
    if old not in schema.get("properties", {}) or new in schema["properties"]:
        return False
    done = _replace(lines, document, document.spot((*at, "properties", old), key=True), old, new)
    if done and old in schema.get("required", ()):
        spot = document.spot((*at, "required", schema["required"].index(old)))
        done = _replace(lines, document, spot, old, new)
    return done


def _declared(data: Any, tool: str, path: tuple[str, ...]) -> Path | None:
    """Return where the schema of the object at `path` of a tool's response stands, through references."""
    at: Path | None = _followed(data, ("tools", tool, "response"))
    for part in path:
        if at is None:
            return None
        step: Path = ("items",) if part == "*" else ("properties", part)
        if _at(data, (*at, *step)) is None:
            return None
        at = _followed(data, (*at, *step))
    return at


def _followed(data: Any, at: Path) -> Path | None:
    for _ in range(16):
        schema = _at(data, at)
        if not isinstance(schema, dict):
            return None
        ref = schema.get("$ref", "")
        if not ref:
            return at
        if not ref.startswith(_DEFS):
            return None
        at = ("shapes", ref.removeprefix(_DEFS))
    return None


def _at(data: Any, path: Path) -> Any:
    for part in path:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def _replace(lines: dict[str, list[str]], document: Document, spot: Spot, old: str, new: str) -> bool:
    file = lines.get(spot.file or document.file)
    if file is None or spot.line > len(file):
        return False
    line, start = file[spot.line - 1], spot.column - 1
    for quote in ("", '"', "'"):
        there = f"{quote}{old}{quote}"
        if line.startswith(there, start):
            file[spot.line - 1] = line[:start] + f"{quote}{new}{quote}" + line[start + len(there) :]
            return True
    return False


def _recipes(document: Document, heal: Heal) -> list[str]:
    """Say where else the old name is read: paths in recipes are changed by a person."""
    assert heal.change is not None  # noqa: S101 - asked for renamed properties only
    old = heal.change.target[-1]
    found = {
        f"tools.{slug}.{key} reads {old!r} as well: look whether it is this one"
        for slug, tool in document.data.get("tools", {}).items()
        for key in ("identity", "paging", "after", "expect", "lost", "poll", "link", "ensure")
        if key in tool and _mentions(tool[key], old) and (slug == heal.tool or heal.change.entity)
    }
    return sorted(found)


def _mentions(value: Any, name: str) -> bool:
    if isinstance(value, str):
        return name in value.replace("[*]", "").replace("}", " ").replace(".", " ").split()
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_mentions(each, name) for each in inner)
