"""Which tools a list of slugs and globs names: allowlists, approvals, answers given ahead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from definable.spec.toolkit import Tool


def matches(slug: str, globs: Iterable[str]) -> bool:
    """Return whether one of the globs names the tool."""
    return any(fnmatchcase(slug, glob) for glob in globs)


def offered(tools: Mapping[str, Tool], globs: Iterable[str]) -> list[str]:
    """Return the slugs that the globs name; internal tools are never among them."""
    named = tuple(globs)
    return [slug for slug, tool in tools.items() if not tool.internal and matches(slug, named)]
