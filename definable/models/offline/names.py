"""Words in the names of tools, parameters and fields: what a tool reads, what an id points to."""

from __future__ import annotations

import re

READ_VERBS = frozenset({"list", "get", "search", "find", "read", "fetch", "describe", "show", "query"})
"""A tool that has none of these in its name is never called by the offline model: it may change something."""

NUMBERS = {"seven": 7, "fourteen": 14, "thirty": 30, "sixty": 60, "ninety": 90}
"""Numbers as field names spell them."""

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words(name: str) -> list[str]:
    """Return the words of HEX_LIST_PROJECTS, projectId, project_id, in lower case."""
    return [w.lower() for w in WORD.findall(name)]


def singular(word: str) -> str:
    """Return the word for one of them: projects → project, queries → query, status → status."""
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def target(tool: str) -> list[str]:
    """Return the words after a reading verb: HEX_GET_PROJECT_RUNS → [project, runs]; empty for others."""
    split = words(tool)
    at = next((n for n, w in enumerate(split) if w in READ_VERBS), None)
    return [] if at is None else split[at + 1 :]


def lists(tool: str) -> str:
    """Return the kind of thing that a tool lists, in the singular; empty when it reads one thing."""
    last = (target(tool) or [""])[-1]
    return singular(last) if singular(last) != last else ""


def kind(tool: str) -> str:
    """Return the kind of thing that a tool reads, in the singular."""
    return singular((target(tool) or ["thing"])[-1])


def points_to(parameter: str) -> set[str]:
    """Return the words that say whose id a parameter is: projectId → {project}; empty when it is no id."""
    split = words(parameter)
    return set(split[:-1]) if len(split) > 1 and split[-1] == "id" else set()


def label(tool: str, parameters: tuple[str, ...]) -> str:
    """Return what people call the things that a tool reads: `runs`, `data connections`."""
    owners = {w for p in parameters for w in points_to(p)}
    said = [w for w in target(tool)[:-1] if w not in owners]
    return " ".join([*said, *target(tool)[-1:]]) or "things"
