"""A path over JSON: `a.b.c`, `a[0].b` or `a.0.b`, `a[-1]`, `values[*].id`, `a["any key"]`.

A path is read once (and kept) into its parts: names and indices as they are written, `*` as the text `*`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from definable.errors import UsageError

Json = Any
"""A JSON value."""

NAME: Final = r"[A-Za-z_$@][A-Za-z0-9_$@-]*"
QUOTED: Final = r'"(?:[^"\\]|\\.)*"' + r"|'[^']*'"
PATH: Final = rf"(?:{NAME}|\[(?:-?\d+|\*|{QUOTED})\])(?:\.(?:{NAME}|\d+|\*)|\[(?:-?\d+|\*|{QUOTED})\])*"
"""What a path looks like, as a regular expression without groups."""

_WHOLE: Final = re.compile(rf"(?:{PATH})?")
_PART: Final = re.compile(rf"\.?({NAME}|\d+|\*)|\[(-?\d+|\*)\]|\[({QUOTED})\]")


class _Missing(Enum):
    MISSING = "missing"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing.MISSING
"""What a path that leads nowhere gives; false, and equal to nothing else."""


class Key(str):
    """A part of a path that was written in quotes: a key, even when it looks like an index or `*`."""

    __slots__ = ()


@lru_cache(maxsize=4096)
def parse(path: str) -> tuple[str, ...]:
    """Return the parts of `path`; the empty path has none. UsageError when it is not a path."""
    path = path.strip()
    if not _WHOLE.fullmatch(path):
        raise UsageError(
            f"{path!r} is not a path",
            hint="A path is names joined by dots, with [0] or [*] for lists: steps.brief.output.markdown",
        )
    return tuple(_part(*m.groups()) for m in _PART.finditer(path))


def _part(name: str | None, index: str | None, quoted: str | None) -> str:
    if quoted is None:
        return name or index or ""
    return Key(unquote(quoted))


def unquote(quoted: str) -> str:
    """Return what stands in 'single' quotes as it is, in "double" quotes as JSON reads it. UsageError."""
    if quoted[0] == "'":
        return quoted[1:-1]
    try:
        return str(json.loads(quoted, strict=False))
    except ValueError as error:
        raise UsageError(
            f"{quoted} is not a JSON text", hint="Single quotes take everything as it is."
        ) from error


def join(parts: Iterable[str | int]) -> str:
    """Return the path that `parse` reads back into `parts`; a string is a key, an integer an index."""
    out = ""
    for part in parts:
        if isinstance(part, int):
            out += f"[{part}]"
        elif re.fullmatch(NAME, part):
            out += f".{part}" if out else part
        else:
            out += f"[{json.dumps(part)}]"
    return out


def show(parts: Sequence[str]) -> str:
    """Return parts as a person writes them: `steps.a.output.values[*].id`."""
    out = ""
    for part in parts:
        if isinstance(part, Key):
            out += f"[{json.dumps(part)}]"
        elif part == "*" or is_index(part):
            out += f"[{part}]"
        else:
            out += f".{part}" if out else part
    return out


def is_index(part: str) -> bool:
    """Whether a part can be the place of an entry in a list."""
    return not isinstance(part, Key) and re.fullmatch(r"-?[0-9]+", part) is not None


def lookup(scope: Json, path: str) -> Json:
    """Return what `path` leads to in `scope`, or MISSING.

    Going through null gives None. With `[*]` the result is a list, flattened by one level for each `[*]`, in
    which entries that lead nowhere are left out; `[*]` on null gives an empty list, on anything else that is
    not a list MISSING. The empty path gives `scope` itself. UsageError when `path` is not a path.
    """
    return follow(scope, parse(path))


def follow(value: Json, parts: tuple[str, ...]) -> Json:
    """Return what the parts of a path lead to; see `lookup`."""
    for at, part in enumerate(parts):
        if part == "*" and not isinstance(part, Key):
            return _each(value, parts[at + 1 :])
        if value is None:
            return [] if "*" in parts[at:] else None
        value = _step(value, part)
        if value is MISSING:
            return MISSING
    return value


def _each(value: Json, rest: tuple[str, ...]) -> Json:
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        return MISSING
    found = [each for entry in value if (each := follow(entry, rest)) is not MISSING]
    if any(p == "*" and not isinstance(p, Key) for p in rest):
        return [inner for each in found for inner in each]
    return found


def _step(value: Json, part: str) -> Json:
    if isinstance(value, Mapping):
        return value.get(part, MISSING)
    if isinstance(value, list | tuple) and is_index(part):
        index = int(part)
        return value[index] if -len(value) <= index < len(value) else MISSING
    return MISSING
