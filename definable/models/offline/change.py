"""A change to a cell: a replacement that the request spells out, or a comment that holds the request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from definable.calls import Json
from definable.models.offline.names import words
from definable.models.offline.records import leaves
from definable.models.offline.seen import Seen

REPLACE = re.compile(
    r"replace\s+(?:\"([^\"]+)\"|'([^']+)'|`([^`]+)`|“([^”]+)”)\s+"
    r"(?:with|by)\s+(?:\"([^\"]*)\"|'([^']*)'|`([^`]*)`|“([^”]*)”)",
    re.IGNORECASE,
)
REQUESTS = ("request", "change", "instruction", "instructions", "task")
COMMENTS = {"sql": ("-- ", ""), "code": ("# ", ""), "markdown": ("<!-- ", " -->")}
"""What comes before and after each line of a comment, by the language of the source."""

SQL = re.compile(r"^\s*(--.*\n\s*)*(select|with|insert|update|delete|create)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """The contents of a cell, and its language: a key of COMMENTS."""

    text: str
    language: str


def change(seen: Seen) -> dict[str, Json]:
    """Return the new contents of the cell that was handed over, and what was done."""
    asked = _request(seen)
    found = next(_sources(_places(seen)), None)
    if found is None:
        return {
            "source": "",
            "explanation": "No cell was handed over or read, so there is nothing to change.",
        }
    wanted = list(dict.fromkeys((_one(m[:4]), _one(m[4:])) for m in REPLACE.findall(asked)))
    if wanted:
        return _replaced(found, wanted)
    comment = _comment(asked, found.language)
    source = found.text if found.text.startswith(comment) else f"{comment}\n{found.text}"
    explanation = (
        "The offline model cannot write code. It left the code as it is and put the request above it as a "
        'comment; it does follow requests of the form: replace "this" with "that".'
    )
    return {"source": source, "explanation": explanation}


def _replaced(found: Source, wanted: list[tuple[str, str]]) -> dict[str, Json]:
    source, said = found.text, []
    for old, new in wanted:
        if old in source:
            source = source.replace(old, new)
            said.append(f"Replaced `{old}` with `{new}`.")
        else:
            said.append(f"`{old}` does not stand in the cell, so nothing was replaced there.")
    return {"source": source, "explanation": " ".join([*said, "Done by the offline model, word for word."])}


def _request(seen: Seen) -> str:
    pools = [seen.context.get("with") or {}, seen.inputs]
    said = [p[k] for p in pools for k in REQUESTS if isinstance(p.get(k), str) and p[k].strip()]
    return " ".join(
        [*said[:1], seen.prompt] if REPLACE.search(seen.prompt) else said[:1] or [seen.prompt]
    ).strip()


def _places(seen: Seen) -> list[Json]:
    own = seen.context.get("with")
    return [own or seen.context.get("previous"), seen.inputs, *(r.body for r in seen.results)]


def _sources(values: list[Json]) -> Iterator[Source]:
    for value in values:
        if isinstance(value, str) and value:
            yield Source(value, _guess(value))
        for path, text in leaves(value):
            if path.rsplit(".", maxsplit=1)[-1] in ("source", "sql", "code") and isinstance(text, str):
                yield Source(text, next((w for w in reversed(words(path)) if w in COMMENTS), _guess(text)))


def _guess(text: str) -> str:
    return "sql" if SQL.match(text) else "code"


def _comment(asked: str, language: str) -> str:
    before, after = COMMENTS[language]
    return "\n".join(f"{before}{line}{after}" for line in asked.splitlines() if line.strip())


def _one(groups: tuple[str, ...]) -> str:
    return next(filter(None, groups), "")
