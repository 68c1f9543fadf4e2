"""The shipped toolkit and a world to try it on, for tests of every ring."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from definable.spec.toolkit import Tool, Toolkit
from definable.workspace import find

ROOT = Path(__file__).resolve().parents[1]


@cache
def toolkit() -> Toolkit:
    """Return the toolkit as a user gets it: found, read and checked by the workspace."""
    return find(ROOT, {}).toolkits()["hex"]


def tool(slug: str) -> Tool:
    """Return one of its tools."""
    return toolkit().tools[slug]


def writes() -> list[str]:
    """Return the slugs of all tools that change something."""
    return [slug for slug, each in toolkit().tools.items() if each.effect.writes]
